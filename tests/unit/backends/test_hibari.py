"""The voice that comes with the package."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.backends import hibari
from antiphon.backends.hibari import ALL_VOICES, Hibari
from antiphon.backends.threads import InferenceThreads
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ, SynthesisRequest, Synthesizer
from antiphon.protocol.errors import EngineError
from antiphon.testing.contracts.synthesizer import SynthesizerContract


def speak(engine: Synthesizer, text: str, voice: str = "marin") -> list[NDArray[np.float32]]:
    async def gather() -> list[NDArray[np.float32]]:
        return [piece async for piece in engine.synthesize(SynthesisRequest(text, voice))]

    return asyncio.run(gather())


class TestContract(SynthesizerContract):
    @pytest.fixture
    def engine(self) -> Synthesizer:
        return hibari.create({"all_voices": True})

    @pytest.fixture
    def failing_engine(self) -> Synthesizer:
        closed = InferenceThreads(1)
        closed.close()
        return Hibari(hibari.load(), closed, ALL_VOICES)


def test_it_speaks_as_marin_and_refuses_other_names() -> None:
    engine = hibari.create({})
    assert engine.capabilities.voices == frozenset({"marin"})
    assert engine.capabilities.languages == frozenset({"en"})
    with pytest.raises(EngineError, match=r"no voice 'cedar'.*marin"):
        speak(engine, "Hello.", "cedar")


def test_one_voice_can_speak_under_all_names() -> None:
    engine = hibari.create({"all_voices": True})
    assert engine.capabilities.voices == ALL_VOICES
    cedar, marin = speak(engine, "Hello.", "cedar"), speak(engine, "Hello.", "marin")
    assert np.array_equal(np.concatenate(cedar), np.concatenate(marin))


def test_each_sentence_comes_as_soon_as_it_is_made() -> None:
    assert len(speak(hibari.create({}), "Hello. How are you? Fine.")) == 3


def test_speech_begins_at_once() -> None:
    sound = np.concatenate(speak(hibari.create({}), "Good morning."))
    assert np.abs(sound[: TTS_SAMPLE_RATE_HZ // 20]).max() > 0.005


@pytest.mark.parametrize("text", ["", "...", "你好"])
def test_what_cannot_be_said_is_silent(text: str) -> None:
    assert speak(hibari.create({}), text) == []


def test_unknown_settings_are_refused_by_name() -> None:
    with pytest.raises(EngineError, match=r"unknown field `voice`.*'all_voices'"):
        hibari.create({"voice": "emma"})


def test_settings_of_the_wrong_type_are_refused_by_name() -> None:
    with pytest.raises(EngineError, match=r"`bool`, got `str`.*\$\.all_voices"):
        hibari.create({"all_voices": "yes"})
