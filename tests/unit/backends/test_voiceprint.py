"""Voices as places."""

from math import dist

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.backends.voiceprint import voiceprint
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ

Samples = NDArray[np.float32]


def voice(pitch_hz: float, colour: float, ms: int = 1500, seed: int = 0) -> Samples:
    """Return a buzz through a resonance, with a little of everything else."""
    time_s = np.arange(ms * STT_SAMPLE_RATE_HZ // 1000) / STT_SAMPLE_RATE_HZ
    wobble = 1 + 0.01 * np.sin(2 * np.pi * 3 * time_s + seed)
    phase = 2 * np.pi * np.cumsum(pitch_hz * wobble) / STT_SAMPLE_RATE_HZ
    partials = [
        np.exp(-(((n * pitch_hz - colour) / 600) ** 2)) * np.sin(n * phase) for n in range(1, 30)
    ]
    noise = np.random.default_rng(seed).standard_normal(len(time_s))
    return (0.05 * np.sum(partials, axis=0) + 0.001 * noise).astype(np.float32)


def test_the_same_voice_is_near_itself() -> None:
    assert dist(voiceprint(voice(120, 700)), voiceprint(voice(120, 700, seed=3))) < 0.5


@pytest.mark.parametrize("other", [voice(280, 700), voice(120, 2400)])
def test_a_voice_of_other_height_or_colour_is_far_away(other: Samples) -> None:
    assert dist(voiceprint(voice(120, 700)), voiceprint(other)) > 1


def test_loudness_is_no_voice() -> None:
    quiet = (0.2 * voice(120, 700)).astype(np.float32)
    assert dist(voiceprint(voice(120, 700)), voiceprint(quiet)) < 0.2


@pytest.mark.parametrize("sound", [np.zeros(16_000, np.float32), np.zeros(10, np.float32)])
def test_what_is_no_voice_has_a_place_all_the_same(sound: Samples) -> None:
    place = voiceprint(sound)
    assert len(place) == len(voiceprint(voice(120, 700)))
    assert np.isfinite(place).all()
