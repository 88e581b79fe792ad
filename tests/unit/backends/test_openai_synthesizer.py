import asyncio
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.audio.pcm import to_pcm16
from antiphon.backends.openai_synthesizer import create
from antiphon.engines.tts import SynthesisRequest
from antiphon.protocol.errors import EngineError
from antiphon.testing import answers
from antiphon.testing.endpoints import SPEECH, Endpoints
from antiphon.testing.loopback import Answer, AnswerStep, Received
from antiphon.testing.speech import speech, wav

SOUND = speech(200)
PCM = to_pcm16(SOUND)


def speak(
    *lined_up: Answer, settings: Mapping[str, object] | None = None
) -> tuple[NDArray[np.float32], Received]:
    """Return the sound of a word, and the request that the endpoint received."""

    async def run() -> tuple[NDArray[np.float32], Received]:
        async with Endpoints() as endpoints:
            endpoints.answer_next(SPEECH, *lined_up)
            engine = create({"base_url": endpoints.base_url, "model": "m", **(settings or {})})
            try:
                request = SynthesisRequest("Hello.", "marin")
                pieces = [piece async for piece in engine.synthesize(request)]
                assert all(len(piece) for piece in pieces)
                return np.concatenate(pieces), endpoints.requests[0]
            finally:
                await engine.close()

    return asyncio.run(run())


def test_the_text_is_sent_with_the_voice() -> None:
    _, received = speak()
    assert received.fields == {
        "model": "m",
        "input": "Hello.",
        "voice": "marin",
        "response_format": "pcm",
    }


def test_settings_shape_the_request() -> None:
    settings = {
        "response_format": "wav",
        "voices": {"marin": "af_heart"},
        "extra_body": {"speed": 1.1},
    }
    _, received = speak(settings=settings)
    assert received.fields["voice"] == "af_heart"
    assert received.fields["response_format"] == "wav"
    assert received.fields["speed"] == 1.1


def test_its_voices_are_those_of_the_settings() -> None:
    settings = {"base_url": "http://127.0.0.1/v1", "model": "m"}
    assert create(settings).capabilities.voices is None
    named = create(settings | {"voices": {"marin": "a", "cedar": "b"}})
    assert named.capabilities.voices == {"marin", "cedar"}


def test_it_speaks_the_languages_that_it_is_told_to() -> None:
    settings = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    assert create(settings).capabilities.languages is None
    assert create(settings | {"languages": ["es", "en"]}).capabilities.languages == {"en", "es"}


@pytest.mark.parametrize("size", [1, 3, 1001])
@pytest.mark.parametrize(
    "content_type", ["audio/pcm", "audio/L16; rate=24000", "application/octet-stream", None]
)
def test_samples_are_played_wherever_they_are_cut(size: int, content_type: str | None) -> None:
    heard, _ = speak(Answer(answers.drip(PCM[:2000], size), content_type))
    assert to_pcm16(heard) == PCM[:2000]


def test_samples_of_another_rate_are_converted() -> None:
    there = to_pcm16(speech(200, 16_000))
    heard, _ = speak(Answer([there], "audio/pcm"), settings={"sample_rate_hz": 16_000})
    assert len(heard) == len(SOUND)


@pytest.mark.parametrize("asked", ["pcm", "wav"])
def test_a_wav_file_is_played_whatever_was_asked_for(asked: str) -> None:
    file = wav(speech(200, 48_000), 48_000)
    settings = {"response_format": asked}
    heard, _ = speak(Answer(answers.drip(file, 777), "audio/wav"), settings=settings)
    assert len(heard) == len(SOUND)


def test_sound_is_given_out_before_the_answer_is_complete() -> None:
    async def run() -> int:
        heard = asyncio.Event()

        def steps() -> Iterator[AnswerStep]:
            yield PCM
            yield heard
            yield PCM

        async with Endpoints() as endpoints:
            endpoints.answer_next(SPEECH, Answer(steps(), "audio/pcm"))
            engine = create({"base_url": endpoints.base_url, "model": "m"})
            samples = 0
            async for piece in engine.synthesize(SynthesisRequest("Hello.", "marin")):
                heard.set()
                samples += len(piece)
            await engine.close()
            return samples

    assert asyncio.run(run()) == 2 * len(SOUND)


@pytest.mark.parametrize(
    "answer",
    [
        Answer([b"ID3\4" + bytes(600)], "application/octet-stream"),
        Answer([PCM], "audio/mpeg"),
        Answer([b'{"detail": "no"}'], "application/json"),
        Answer([PCM + b"\0"], "audio/pcm"),
        Answer([wav(SOUND)[:40]], "audio/wav"),
    ],
)
def test_what_is_no_16_bit_sound_is_a_failure(answer: Answer) -> None:
    with pytest.raises(EngineError) as failure:
        speak(answer)
    assert failure.value.code == "engine_invalid_answer"
