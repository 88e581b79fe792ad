"""The engines behind endpoints keep to the same contracts as all others.

Shows Engines: OpenAI-compatible endpoints for each stage
"""

from collections.abc import Iterator

import pytest

from antiphon.backends import openai_language_model, openai_synthesizer, openai_transcriber
from antiphon.engines.llm import LanguageModel
from antiphon.engines.stt import Transcriber
from antiphon.engines.tts import Synthesizer
from antiphon.testing.contracts import (
    LanguageModelContract,
    SynthesizerContract,
    TranscriberContract,
)
from antiphon.testing.endpoints import Endpoints

NOWHERE = {"base_url": "http://127.0.0.1:9/v1", "model": "test-model"}
"""Port 9 is the discard service, which nobody runs."""


@pytest.fixture
def settings() -> Iterator[dict[str, object]]:
    with Endpoints().in_thread() as endpoints:
        yield {"base_url": endpoints.base_url, "model": "test-model"}


class TestTranscriber(TranscriberContract):
    @pytest.fixture
    def engine(self, settings: dict[str, object]) -> Transcriber:
        return openai_transcriber.create(settings)

    @pytest.fixture
    def failing_engine(self) -> Transcriber:
        return openai_transcriber.create(NOWHERE)


class TestTranscriberWithPartialTexts(TranscriberContract):
    @pytest.fixture
    def engine(self, settings: dict[str, object]) -> Transcriber:
        return openai_transcriber.create(settings | {"partials_every_ms": 200, "stream": True})

    @pytest.fixture
    def failing_engine(self) -> Transcriber:
        return openai_transcriber.create(NOWHERE | {"partials_every_ms": 200})


class TestLanguageModel(LanguageModelContract):
    @pytest.fixture
    def engine(self, settings: dict[str, object]) -> LanguageModel:
        return openai_language_model.create(settings | {"prefill": True})

    @pytest.fixture
    def failing_engine(self) -> LanguageModel:
        return openai_language_model.create(NOWHERE)


class TestSynthesizer(SynthesizerContract):
    @pytest.fixture
    def engine(self, settings: dict[str, object]) -> Synthesizer:
        return openai_synthesizer.create(settings)

    @pytest.fixture
    def failing_engine(self) -> Synthesizer:
        return openai_synthesizer.create(NOWHERE)


class TestSynthesizerOfWavFiles(SynthesizerContract):
    @pytest.fixture
    def engine(self, settings: dict[str, object]) -> Synthesizer:
        voices = {"marin": "af_heart", "cedar": "bm_george"}
        return openai_synthesizer.create(settings | {"response_format": "wav", "voices": voices})

    @pytest.fixture
    def failing_engine(self) -> Synthesizer:
        return openai_synthesizer.create(NOWHERE | {"response_format": "wav"})
