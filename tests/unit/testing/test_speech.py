import base64

import numpy as np
import pytest

from antiphon.audio.pcm import to_pcm16
from antiphon.backends.silero import create as create_vad
from antiphon.core.turns import SpeechStarted, TurnDetector
from antiphon.engines.vad import FRAME_SAMPLES, PendingFrames, Vad
from antiphon.protocol.session import ServerVad
from antiphon.testing.speech import (
    Samples,
    appends,
    clicks,
    cough,
    noise,
    read_wav,
    silence,
    speech,
    tone,
    typing,
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


@pytest.mark.parametrize(
    "sound", [silence, noise, clicks, typing, lambda ms, hz: tone(440, ms, hz)]
)
def test_the_real_vad_takes_nothing_else_for_speech(vad: Vad, sound: object) -> None:
    assert callable(sound)
    assert score(vad, sound(2000, RATE_HZ)).max() < 0.5


def begins_a_turn(vad: Vad, samples: Samples, *, over_a_reply: bool) -> bool:
    detector = TurnDetector(ServerVad())
    detector.is_spoken_over = over_a_reply
    room = noise(1_200, RATE_HZ, level=0.0005)
    heard = room.copy()
    heard[8_000 : 8_000 + len(samples)] += samples
    scores = score(vad, heard)
    changes = [detector.observe(each, 32 * index) for index, each in enumerate(scores.tolist(), 1)]
    return any(isinstance(change, SpeechStarted) for change in changes)


def test_coughs_do_not_speak_over_a_reply(vad: Vad) -> None:
    coughs = [cough(RATE_HZ, seed=seed, level=0.3 + 0.1 * (seed % 6)) for seed in range(100)]
    taken_for_speech = [begins_a_turn(vad, each, over_a_reply=False) for each in coughs]
    # The VAD is not sure of them, which is why speech over a reply has to last.
    assert sum(taken_for_speech) > 30
    assert sum(begins_a_turn(vad, each, over_a_reply=True) for each in coughs) <= 2


def test_a_word_does(vad: Vad) -> None:
    words = [speech(300, RATE_HZ, seed=seed) for seed in range(20)]
    assert all(begins_a_turn(vad, each, over_a_reply=True) for each in words)


def test_coughs_are_short_and_differ() -> None:
    assert np.array_equal(cough(seed=3), cough(seed=3))
    for seed in range(20):
        assert 0.2 <= len(cough(RATE_HZ, seed=seed)) / RATE_HZ <= 0.45
        assert np.abs(cough(seed=seed, level=0.7)).max() == pytest.approx(0.7)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("ms", [0, 1, 100, 1234])
def test_sounds_are_as_long_as_was_asked_for(rate_hz: int, ms: int) -> None:
    for sound in (speech, silence, noise, clicks, typing):
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
