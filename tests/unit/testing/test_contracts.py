"""The scripted engines keep to the contracts, so the contracts can be kept.

Shows Engines: plug-ins, with contract tests
"""

import asyncio

import pytest

from antiphon.engines.llm import LanguageModel
from antiphon.engines.noise import NoiseReducer
from antiphon.engines.responder import Responder
from antiphon.engines.stt import Transcriber
from antiphon.engines.tts import Synthesizer
from antiphon.engines.turn import TurnPredictor
from antiphon.engines.vad import Vad
from antiphon.protocol.errors import EngineError
from antiphon.testing.contracts import (
    LanguageModelContract,
    NoiseReducerContract,
    ResponderContract,
    SynthesizerContract,
    TranscriberContract,
    TurnPredictorContract,
    VadContract,
)
from antiphon.testing.engines import (
    ScriptedLanguageModel,
    ScriptedResponder,
    ScriptedTranscriber,
    ScriptedTurnPredictor,
    ScriptedVad,
    ToneSynthesizer,
)
from antiphon.testing.noise_reducer import ScriptedNoiseReducer

FAILURE = EngineError("engine_broken", "The engine is broken. Mend it.")


class TestScriptedTranscriber(TranscriberContract):
    @pytest.fixture
    def engine(self) -> Transcriber:
        return ScriptedTranscriber(word_ms=300)

    @pytest.fixture
    def failing_engine(self) -> Transcriber:
        return ScriptedTranscriber(before_final=[FAILURE])


class TestScriptedNoiseReducer(NoiseReducerContract):
    @pytest.fixture
    def engine(self) -> NoiseReducer:
        return ScriptedNoiseReducer()


class TestScriptedTurnPredictor(TurnPredictorContract):
    @pytest.fixture
    def engine(self) -> TurnPredictor:
        return ScriptedTurnPredictor([0.3])

    @pytest.fixture
    def failing_engine(self) -> TurnPredictor:
        return ScriptedTurnPredictor(before=[FAILURE])


class TestScriptedLanguageModel(LanguageModelContract):
    @pytest.fixture
    def engine(self) -> LanguageModel:
        return ScriptedLanguageModel()

    @pytest.fixture
    def failing_engine(self) -> LanguageModel:
        return ScriptedLanguageModel(answers=[["One word.", FAILURE]])


class TestToneSynthesizer(SynthesizerContract):
    @pytest.fixture
    def engine(self) -> Synthesizer:
        return ToneSynthesizer(voices=frozenset({"marin", "cedar"}))

    @pytest.fixture
    def failing_engine(self) -> Synthesizer:
        return ToneSynthesizer(lambda _: [FAILURE])


class TestScriptedVad(VadContract):
    @pytest.fixture
    def engine(self) -> Vad:
        return ScriptedVad()


class TestScriptedResponder(ResponderContract):
    @pytest.fixture
    def engine(self) -> Responder:
        return ScriptedResponder()

    @pytest.fixture
    def failing_engine(self) -> Responder:
        return ScriptedResponder(lambda _: [FAILURE])


class ImpatientContract(TranscriberContract):
    limit_s = 0.01


def test_an_engine_that_never_ends_breaks_the_contract() -> None:
    with pytest.raises(TimeoutError):
        ImpatientContract().run(ScriptedTranscriber(), asyncio.Event().wait())
