"""PCM conversion and the limiter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.audio.pcm import (
    CEILING,
    SAMPLE_RATE_HZ,
    Limiter,
    duration_ms,
    empty,
    fade_out,
    limit_peaks,
    to_float32,
    to_pcm16,
)


def noise(count: int, peak: float, seed: int = 1) -> NDArray[np.float32]:
    samples = np.random.default_rng(seed).standard_normal(count).astype(np.float32)
    return samples * np.float32(peak / np.abs(samples).max())


def test_every_16_bit_value_survives_the_way_there_and_back() -> None:
    pcm = np.arange(-32768, 32768).astype("<i2").tobytes()
    assert to_pcm16(to_float32(pcm)) == pcm


def test_pcm_is_little_endian_and_full_scale_is_one() -> None:
    assert to_float32(b"\x00\x80\x00\x40\x01\x00").tolist() == [-1.0, 0.5, 1 / 32768]
    assert to_float32(b"\x00\x80").dtype == np.float32


def test_samples_are_rounded_to_the_nearest_value_and_clipped_at_both_ends() -> None:
    samples = np.array([0.6 / 32768, -0.6 / 32768, 0.4 / 32768, 1.0, 7.0, -1.0, -7.0], np.float32)
    values = np.frombuffer(to_pcm16(samples), "<i2")
    assert values.tolist() == [1, -1, 0, 32767, 32767, -32768, -32768]


def test_half_a_sample_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="even number of bytes"):
        to_float32(b"\x00\x00\x00")


def test_no_audio_converts_to_no_audio() -> None:
    assert len(to_float32(b"")) == 0
    assert to_pcm16(empty()) == b""


@pytest.mark.parametrize(
    ("size_bytes", "hz", "expected_ms"),
    [(4800, 24_000, 100), (4798, 24_000, 99), (0, 24_000, 0), (320, 16_000, 10), (3, 24_000, 0)],
)
def test_duration_counts_whole_milliseconds(size_bytes: int, hz: int, expected_ms: int) -> None:
    assert duration_ms(bytes(size_bytes), hz) == expected_ms


def test_fading_out_starts_at_full_level_and_ends_in_silence_without_steps() -> None:
    faded = fade_out(np.ones(240, np.float32))
    assert faded[0] == 1
    assert abs(faded[-1]) < 1e-6
    assert np.abs(np.diff(faded)).max() < 0.01
    assert np.all(np.diff(faded) <= 0)


def test_the_limiter_leaves_a_signal_below_the_ceiling_bit_for_bit() -> None:
    samples = noise(24_000, CEILING - 0.001)
    assert np.array_equal(limit_peaks(samples), samples)


def test_the_limiter_keeps_every_peak_at_or_below_the_ceiling() -> None:
    limited = limit_peaks(noise(48_000, 3.0))
    assert np.abs(limited).max() <= CEILING + 1e-6


def test_limiting_turns_the_gain_and_does_not_flatten_peaks() -> None:
    time = np.arange(24_000) / SAMPLE_RATE_HZ
    tone = (1.6 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    limited = limit_peaks(tone)[4_800:-4_800].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(limited * np.hanning(len(limited))))
    frequencies = np.fft.rfftfreq(len(limited), 1 / SAMPLE_RATE_HZ)
    harmonics = spectrum[frequencies > 390].max() / spectrum.max()
    # Clipping this tone would leave the third harmonic at about -15 dB.
    assert 20 * np.log10(harmonics) < -60
    assert limited.max() == pytest.approx(CEILING, abs=0.01)


def test_the_limiter_leaves_samples_far_from_a_peak_untouched() -> None:
    samples = noise(24_000, 0.5)
    samples[12_000] = 1.9
    limited = limit_peaks(samples)
    changed = np.flatnonzero(limited != samples)
    assert changed.min() >= 12_000 - 240
    assert changed.max() <= 12_000 + 720
    assert limited[12_000] == pytest.approx(CEILING, abs=1e-6)


def test_the_limiter_gain_moves_without_jumps() -> None:
    samples = np.full(24_000, 0.4, np.float32)
    samples[9_000:9_010] = 2.0
    limited = limit_peaks(samples)
    steps = np.abs(np.diff(np.delete(limited / samples, slice(9_000, 9_010))))
    assert steps.max() < 0.02


def test_the_limiter_starts_anew_after_the_end_of_a_stream() -> None:
    limiter = Limiter()
    loud = noise(3_000, 2.0)
    first = np.concatenate((limiter.push(loud), limiter.flush()))
    second = np.concatenate((limiter.push(loud), limiter.flush()))
    assert np.array_equal(first, second)
    assert len(first) == len(loud)


@given(st.lists(st.integers(0, 900), max_size=12), st.sampled_from([0.5, 1.0, 2.5]))
def test_limited_samples_do_not_depend_on_the_chunks(sizes: list[int], peak: float) -> None:
    samples = noise(sum(sizes) + 100, peak)
    limiter = Limiter()
    parts = [limiter.push(part) for part in np.split(samples, np.cumsum(sizes))]
    assert np.allclose(
        np.concatenate([*parts, limiter.flush()]), limit_peaks(samples), rtol=0, atol=1e-6
    )
