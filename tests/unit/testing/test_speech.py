import base64

import numpy as np
import pytest

from antiphon.audio.pcm import to_pcm16
from antiphon.backends.silero import create as create_vad
from antiphon.engines.vad import FRAME_SAMPLES, PendingFrames, Vad
from antiphon.testing.speech import (
    Samples,
    appends,
    clicks,
    noise,
    read_wav,
    silence,
    speech,
    tone,
    wav,
)

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def vad() -> Vad:
    return create_vad({})


def score(vad: Vad, samples: Samples) -> Samples:
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    (scores,) = vad.score([PendingFrames(vad.open(), frames)])
    return scores


@pytest.mark.parametrize("seed", range(6))
def test_the_real_vad_takes_speech_for_speech(vad: Vad, seed: int) -> None:
    quiet = silence(480, RATE_HZ)
    scores = score(vad, np.concatenate((quiet, speech(1920, RATE_HZ, seed=seed), quiet)))
    assert scores[:15].max() < 0.3
    assert scores[18:75].min() > 0.5
    assert scores[-8:].max() < 0.3


@pytest.mark.parametrize("sound", [silence, noise, clicks, lambda ms, hz: tone(440, ms, hz)])
def test_the_real_vad_takes_nothing_else_for_speech(vad: Vad, sound: object) -> None:
    assert callable(sound)
    assert score(vad, sound(2000, RATE_HZ)).max() < 0.5


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("ms", [0, 1, 100, 1234])
def test_sounds_are_as_long_as_was_asked_for(rate_hz: int, ms: int) -> None:
    for sound in (speech, silence, noise, clicks):
        assert len(sound(ms, rate_hz)) == ms * rate_hz // 1000


def test_speech_is_the_same_every_time_and_another_with_another_seed() -> None:
    assert np.array_equal(speech(300), speech(300))
    assert not np.array_equal(speech(300), speech(300, seed=1))


def test_speech_has_the_level_that_was_asked_for() -> None:
    assert np.abs(speech(500, level=0.5)).max() == pytest.approx(0.5)


def test_appends_are_a_tenth_of_a_second_each() -> None:
    sound = speech(250)
    audio = [base64.b64decode(each) for each in appends(sound)]
    assert [len(each) for each in audio] == [4800, 4800, 2400]
    assert b"".join(audio) == to_pcm16(sound)


def test_a_wav_file_is_read_back() -> None:
    samples, rate_hz = read_wav(wav(speech(100, 8000), 8000))
    assert rate_hz == 8000
    assert to_pcm16(samples) == to_pcm16(speech(100, 8000))
