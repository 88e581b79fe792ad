"""Sample rate conversion."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler, resample

PAIRS = [
    *permutations((8_000, 16_000, 24_000, 48_000), 2),
    (22_050, 24_000),
    (32_000, 24_000),
    (44_100, 24_000),
]
TELEPHONY_HZ = 8_000
FROM_TELEPHONY = [pair for pair in PAIRS if TELEPHONY_HZ in pair]
WIDEBAND = [pair for pair in PAIRS if TELEPHONY_HZ not in pair]


def tone(frequency_hz: float, rate_hz: int, count: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(count) / rate_hz)).astype(np.float32)


def noise(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).uniform(-1, 1, count).astype(np.float32)


def signal_to_noise_db(pair: tuple[int, int], frequency_hz: float) -> float:
    """Compare a converted tone with the same tone made at the new rate, sample by sample."""
    from_hz, to_hz = pair
    converted = resample(tone(frequency_hz, from_hz, from_hz // 2), from_hz, to_hz)
    ideal = tone(frequency_hz, to_hz, len(converted))
    inner = slice(to_hz // 50, -to_hz // 50)
    error = converted[inner].astype(np.float64) - ideal[inner]
    return 10 * float(np.log10(np.mean(ideal[inner] ** 2.0) / np.mean(error**2)))


def level_db(pair: tuple[int, int], frequency_hz: float) -> float:
    """Return what is left of a tone after conversion, relative to the tone."""
    from_hz, to_hz = pair
    converted = resample(tone(frequency_hz, from_hz, from_hz // 2), from_hz, to_hz)
    inner = converted[to_hz // 50 : -to_hz // 50].astype(np.float64)
    return 10 * float(np.log10(np.mean(inner**2) / 0.125))


@pytest.mark.parametrize("pair", WIDEBAND, ids=str)
@pytest.mark.parametrize("part_of_band", [0.01, 0.125, 0.5, 0.8])
def test_tones_in_band_keep_their_place_and_level(
    pair: tuple[int, int], part_of_band: float
) -> None:
    assert signal_to_noise_db(pair, part_of_band * min(pair) / 2) > 85


@pytest.mark.parametrize("pair", FROM_TELEPHONY, ids=str)
@pytest.mark.parametrize("frequency_hz", [50, 300, 1_000, 2_500])
def test_tones_in_the_telephone_band_keep_their_place_and_level(
    pair: tuple[int, int], frequency_hz: float
) -> None:
    assert signal_to_noise_db(pair, frequency_hz) > 60


@pytest.mark.parametrize("pair", FROM_TELEPHONY, ids=str)
def test_the_telephone_band_is_flat_to_its_end(pair: tuple[int, int]) -> None:
    assert abs(level_db(pair, 3_400)) < 0.2


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[0] > pair[1]], ids=str)
@pytest.mark.parametrize("times_nyquist", [1.08, 1.25, 1.45])
def test_tones_above_the_new_band_do_not_fold_into_it(
    pair: tuple[int, int], times_nyquist: float
) -> None:
    frequency_hz = times_nyquist * pair[1] / 2
    if frequency_hz > pair[0] / 2:
        frequency_hz = pair[0] / 2 - 100
    assert level_db(pair, frequency_hz) < (-65 if TELEPHONY_HZ in pair else -90)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[0] < pair[1]], ids=str)
def test_raising_the_rate_adds_no_mirror_images(pair: tuple[int, int]) -> None:
    from_hz, to_hz = pair
    frequency_hz = 0.4 * from_hz
    converted = resample(tone(frequency_hz, from_hz, from_hz), from_hz, to_hz)
    spectrum = np.abs(np.fft.rfft(converted * np.hanning(len(converted))))
    frequencies = np.fft.rfftfreq(len(converted), 1 / to_hz)
    images = spectrum[frequencies > from_hz / 2 + 50].max()
    assert 20 * np.log10(images / spectrum.max()) < (-65 if from_hz == TELEPHONY_HZ else -90)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_click_stays_where_it_was(pair: tuple[int, int]) -> None:
    from_hz, to_hz = pair
    click = np.zeros(from_hz, np.float32)
    click[from_hz // 2] = 1
    assert int(np.argmax(resample(click, from_hz, to_hz))) == to_hz // 2


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("count", [0, 1, 7, 95, 96, 97, 1_001, 4_410])
def test_output_is_as_long_as_the_input_plays(pair: tuple[int, int], count: int) -> None:
    from_hz, to_hz = pair
    assert len(resample(noise(count), from_hz, to_hz)) == round(count * to_hz / from_hz)


@pytest.mark.parametrize("pair", [(24_000, 16_000), (8_000, 24_000), (8_000, 16_000)], ids=str)
def test_a_stream_fed_every_20_ms_holds_back_a_constant_2_ms_at_most(pair: tuple[int, int]) -> None:
    from_hz, to_hz = pair
    stream = Resampler(from_hz, to_hz)
    lags: set[int] = set()
    given_samples = 0
    for count in range(1, 20):
        given_samples += len(stream.push(noise(from_hz // 50)))
        lags.add(count * to_hz // 50 - given_samples)
    assert len(lags) == 1
    assert lags.pop() / to_hz < 0.002


@given(st.sampled_from(PAIRS), st.lists(st.integers(0, 700), max_size=12))
def test_output_does_not_depend_on_the_chunks(pair: tuple[int, int], sizes: list[int]) -> None:
    samples = noise(sum(sizes) + 333)
    stream = Resampler(*pair)
    parts = [stream.push(part) for part in np.split(samples, np.cumsum(sizes))]
    streamed = np.concatenate([*parts, stream.flush()])
    whole = resample(samples, *pair)
    assert len(streamed) == len(whole)
    # BLAS may add in another order for another number of rows: the last bit, not the sound.
    assert np.allclose(streamed, whole, rtol=0, atol=2e-6)


def test_equal_rates_pass_samples_unchanged() -> None:
    samples = noise(1_000)
    assert np.array_equal(resample(samples, 24_000, 24_000), samples)


def test_integers_are_converted_with_the_gain_asked_for() -> None:
    integers = (noise(4_800) * 32_767).astype(np.int16)
    scaled = Resampler(24_000, 16_000, gain=1 / 32_768).push(integers)
    converted = Resampler(24_000, 16_000).push(integers.astype(np.float32) / np.float32(32_768))
    assert scaled.dtype == np.float32
    assert np.allclose(scaled, converted, rtol=0, atol=1e-6)


def test_a_flushed_or_reset_stream_starts_anew() -> None:
    samples = noise(1_234)
    stream = Resampler(24_000, 16_000)
    first = np.concatenate((stream.push(samples), stream.flush()))
    stream.push(noise(500))
    stream.reset()
    second = np.concatenate((stream.push(samples), stream.flush()))
    assert np.array_equal(first, second)


def test_input_is_neither_kept_nor_changed() -> None:
    samples = noise(50)
    before = samples.copy()
    stream = Resampler(24_000, 16_000)
    stream.push(samples)
    assert np.array_equal(samples, before)
    samples[:] = 9
    assert np.abs(stream.flush()).max() < 2


@pytest.mark.parametrize("pair", [(0, 16_000), (24_000, -1)])
def test_rates_that_are_not_positive_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Resampler(*pair)


def test_rates_without_a_small_ratio_are_refused_rather_than_filling_memory() -> None:
    with pytest.raises(ValueError, match="standard rate"):
        Resampler(24_000, 23_999)
