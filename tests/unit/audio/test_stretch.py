"""Time stretching.

Shows Sound: speed 0.25 to 1.5
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.audio.pcm import SAMPLE_RATE_HZ
from antiphon.audio.stretch import MAX_SPEED, MIN_SPEED, Stretcher, stretch

SPEEDS = [0.25, 0.5, 0.8, 0.9, 1.1, 1.25, 1.5]


def vowel(pitch_hz: float, ms: int = 1_000) -> NDArray[np.float32]:
    """Return harmonics of a steady pitch, weighted by two formants."""
    time = np.arange(SAMPLE_RATE_HZ * ms // 1000) / SAMPLE_RATE_HZ
    total = np.zeros(len(time))
    for number in range(1, int(4_000 / pitch_hz)):
        frequency = number * pitch_hz
        weight = np.exp(-(((frequency - 700) / 300) ** 2)) + 0.5 * np.exp(
            -(((frequency - 1_800) / 400) ** 2)
        )
        total += weight * np.sin(2 * np.pi * frequency * time)
    scaled: NDArray[np.float32] = (0.5 * total / np.abs(total).max()).astype(np.float32)
    return scaled


def noise(count: int) -> NDArray[np.float32]:
    return (0.2 * np.random.default_rng(4).standard_normal(count)).astype(np.float32)


def pitch_hz(samples: NDArray[np.float32], near_hz: float) -> float:
    """Measure the pitch by the autocorrelation's highest peak within an octave.

    Multiples of the period are as like as the period itself, so a wider search would be ambiguous.
    """
    spectrum = np.fft.rfft(samples, 4 * len(samples))
    likeness = np.fft.irfft(np.abs(spectrum) ** 2)
    shortest, longest = (round(SAMPLE_RATE_HZ / near_hz * part) for part in (0.6, 1.7))
    return SAMPLE_RATE_HZ / (shortest + int(np.argmax(likeness[shortest:longest])))


def levels(samples: NDArray[np.float32], width: int = 480) -> NDArray[np.float64]:
    whole = len(samples) // width * width
    squares = np.square(samples[:whole].reshape(-1, width), dtype=np.float64)
    level: NDArray[np.float64] = np.sqrt(np.mean(squares, axis=1))
    return level


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("count", [1, 100, 5_000, 24_001])
def test_duration_is_divided_by_the_speed(speed: float, count: int) -> None:
    assert len(stretch(noise(count), speed)) == round(count / speed)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("pitch", [85, 120, 210, 310])
def test_pitch_stays(speed: float, pitch: float) -> None:
    stretched = stretch(vowel(pitch), speed)[2_400:-2_400]
    assert pitch_hz(stretched, pitch) == pytest.approx(pitch, rel=0.02)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("pitch", [85, 210])
def test_a_steady_voice_stays_steady_without_clicks(speed: float, pitch: float) -> None:
    voice = vowel(pitch)
    stretched = stretch(voice, speed)[2_400:-2_400]
    assert np.abs(np.diff(stretched)).max() < 1.1 * np.abs(np.diff(voice)).max()
    level = levels(stretched, width=round(4 * SAMPLE_RATE_HZ / pitch))
    assert level.min() > 0.9 * level.max()


@pytest.mark.parametrize("speed", SPEEDS)
def test_noise_keeps_its_level(speed: float) -> None:
    level = float(np.mean(levels(stretch(noise(48_000), speed))))
    assert 20 * abs(np.log10(level / 0.2)) < 2.5


@pytest.mark.parametrize("speed", SPEEDS)
def test_events_move_to_where_the_speed_puts_them(speed: float) -> None:
    samples = np.concatenate((vowel(120, 500), np.zeros(12_000, np.float32), vowel(120, 500)))
    stretched = levels(stretch(samples, speed), width=240)
    # The search may read 10 ms of input earlier or later, and a hop is 20 ms of it.
    tolerance = 30 / speed + 10
    silent = np.flatnonzero(stretched[: round(120 / speed)] < 0.01) * 10
    assert silent.min() == pytest.approx(500 / speed, abs=tolerance)
    assert silent.max() == pytest.approx(1_000 / speed, abs=tolerance)


def test_silence_stays_silence() -> None:
    assert not stretch(np.zeros(10_000, np.float32), 0.7).any()


def test_at_speed_one_samples_pass_unchanged_and_without_lag() -> None:
    samples = noise(1_001)
    stream = Stretcher(1.0)
    assert np.array_equal(stream.push(samples), samples)
    assert len(stream.flush()) == 0


@settings(deadline=None, max_examples=40)
@given(
    st.floats(MIN_SPEED, MAX_SPEED).filter(lambda speed: speed != 1),
    st.lists(st.integers(0, 2_500), max_size=8),
)
def test_output_does_not_depend_on_the_chunks(speed: float, sizes: list[int]) -> None:
    samples = noise(sum(sizes) + 500) + vowel(150, 2_000)[: sum(sizes) + 500]
    stream = Stretcher(speed)
    parts = [stream.push(part) for part in np.split(samples, np.cumsum(sizes))]
    assert np.array_equal(np.concatenate([*parts, stream.flush()]), stretch(samples, speed))


def test_a_stream_gives_audio_long_before_it_ends() -> None:
    stream = Stretcher(1.25)
    assert len(stream.push(noise(2_400))) >= 1_080


def test_a_flushed_or_reset_stream_starts_anew() -> None:
    samples = noise(5_000)
    stream = Stretcher(0.8)
    first = np.concatenate((stream.push(samples), stream.flush()))
    stream.push(noise(700))
    stream.reset()
    second = np.concatenate((stream.push(samples), stream.flush()))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("speed", [0.2, 1.6, float("nan")])
def test_a_speed_out_of_range_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match=r"from 0\.25 to 1\.5"):
        Stretcher(speed)
