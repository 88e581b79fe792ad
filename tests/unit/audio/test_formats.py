"""The session's audio formats."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.audio.formats import (
    ALAW,
    ENGINE_RATE_HZ,
    FORMATS,
    PCM,
    ULAW,
    Decoded,
    InputDecoder,
    OutputEncoder,
)
from antiphon.audio.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from antiphon.audio.pcm import to_float32, to_pcm16
from antiphon.audio.resample import resample


def voice(rate_hz: int, ms: int = 400) -> NDArray[np.float32]:
    """Return a few harmonics of a gliding pitch, below the telephone band's end."""
    time = np.arange(rate_hz * ms // 1000) / rate_hz
    phase = 2 * np.pi * (140 * time + 30 * time**2)
    harmonics = [np.sin(n * phase) / n for n in range(1, 12)]
    summed: NDArray[np.float32] = (0.3 * np.sum(harmonics, axis=0)).astype(np.float32)
    return summed


def decode(name: str, parts: list[bytes]) -> Decoded:
    decoder = InputDecoder(name)
    decoded = [*(decoder.push(part) for part in parts), decoder.flush()]
    return Decoded(
        b"".join(part.pcm for part in decoded), np.concatenate([part.samples for part in decoded])
    )


def deviation_db(actual: NDArray[np.float32], ideal: NDArray[np.float32]) -> float:
    inner = slice(300, -300)
    error = actual[inner] - ideal[inner]
    return 10 * float(np.log10(np.mean(error**2) / np.mean(ideal[inner] ** 2)))


def test_pcm_is_kept_as_sent_and_resampled_for_engines() -> None:
    pcm = to_pcm16(voice(24_000))
    decoded = decode(PCM, [pcm])
    assert decoded.pcm == pcm
    assert len(decoded.samples) == ENGINE_RATE_HZ * 400 // 1000
    assert deviation_db(decoded.samples, voice(ENGINE_RATE_HZ)) < -60


@pytest.mark.parametrize(("name", "encode"), [(ULAW, encode_ulaw), (ALAW, encode_alaw)])
def test_g711_input_is_kept_at_24_khz_and_resampled_for_engines(
    name: str, encode: Callable[[NDArray[np.float32]], bytes]
) -> None:
    decoded = decode(name, [encode(voice(8_000))])
    assert len(decoded.pcm) == 2 * 24_000 * 400 // 1000
    assert len(decoded.samples) == ENGINE_RATE_HZ * 400 // 1000
    # What is lost is the quantization of G.711 itself, about 38 dB down.
    assert deviation_db(to_float32(decoded.pcm), voice(24_000)) < -33
    assert deviation_db(decoded.samples, voice(ENGINE_RATE_HZ)) < -33


@pytest.mark.parametrize(("name", "law"), [(ULAW, decode_ulaw), (ALAW, decode_alaw)])
def test_g711_output_is_the_voice_at_8_khz(
    name: str, law: Callable[[bytes], NDArray[np.float32]]
) -> None:
    encoder = OutputEncoder(name)
    coded = encoder.push(to_pcm16(voice(24_000))) + encoder.flush()
    assert len(coded) == 8_000 * 400 // 1000
    assert deviation_db(law(coded), voice(8_000)) < -33


def test_pcm_output_passes_unchanged_and_without_lag() -> None:
    pcm = to_pcm16(voice(24_000))
    encoder = OutputEncoder(PCM)
    assert encoder.push(pcm) == pcm
    assert encoder.flush() == b""


@pytest.mark.parametrize("name", [PCM, ULAW, ALAW])
def test_output_may_be_given_as_samples(name: str) -> None:
    samples = voice(24_000)
    from_samples, from_pcm = OutputEncoder(name), OutputEncoder(name)
    one = from_samples.push(to_float32(to_pcm16(samples))) + from_samples.flush()
    assert one == from_pcm.push(to_pcm16(samples)) + from_pcm.flush()


@pytest.mark.parametrize("name", [PCM, ULAW, ALAW])
@given(sizes=st.lists(st.integers(0, 400), max_size=10))
def test_decoded_audio_does_not_depend_on_the_chunks(name: str, sizes: list[int]) -> None:
    width = FORMATS[name].bytes_per_sample
    audio = np.random.default_rng(5).bytes(width * (sum(sizes) + 100))
    ends = [0, *(width * end for end in np.cumsum(sizes, dtype=int)), len(audio)]
    parts = [audio[start:end] for start, end in pairwise(ends)]
    streamed, whole = decode(name, parts), decode(name, [audio])
    assert len(streamed.pcm) == len(whole.pcm)
    # A difference in the last bit of a float may round to the neighbouring 16-bit value.
    kept = np.abs(to_float32(streamed.pcm) - to_float32(whole.pcm))
    assert kept.max() <= 1 / 32_768
    assert np.allclose(streamed.samples, whole.samples, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", [ULAW, ALAW])
@given(sizes=st.lists(st.integers(0, 900), max_size=10))
def test_encoded_audio_has_the_same_length_in_any_chunks(name: str, sizes: list[int]) -> None:
    samples = voice(24_000)[: sum(sizes)]
    encoder = OutputEncoder(name)
    parts = [encoder.push(part) for part in np.split(samples, np.cumsum(sizes))]
    assert len(b"".join(parts) + encoder.flush()) == round(len(samples) / 3)


def test_half_a_sample_is_refused_and_changes_nothing() -> None:
    pcm = to_pcm16(voice(24_000))
    decoder = InputDecoder(PCM)
    before = decoder.push(pcm[:4_800])
    with pytest.raises(ValueError, match="even number of bytes"):
        decoder.push(pcm[4_800:4_803])
    after = decoder.push(pcm[4_800:])
    streamed = np.concatenate((before.samples, after.samples, decoder.flush().samples))
    assert np.allclose(streamed, resample(to_float32(pcm), 24_000, 16_000), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", [PCM, ULAW])
def test_a_reset_decoder_forgets_what_came_before(name: str) -> None:
    audio = np.random.default_rng(6).bytes(3_000)
    decoder = InputDecoder(name)
    decoder.push(audio)
    decoder.reset()
    again, fresh = decoder.push(audio), InputDecoder(name).push(audio)
    assert again.pcm == fresh.pcm
    assert np.array_equal(again.samples, fresh.samples)


@pytest.mark.parametrize("build", [InputDecoder, OutputEncoder])
def test_an_unknown_format_is_refused_naming_the_known_ones(
    build: Callable[[str], InputDecoder | OutputEncoder],
) -> None:
    with pytest.raises(ValueError, match="audio/pcm, audio/pcmu, audio/pcma"):
        build("audio/opus")


@pytest.mark.parametrize("name", [PCM, ULAW, ALAW])
def test_replies_are_cut_at_100_then_150_then_250_ms(name: str) -> None:
    form = FORMATS[name]
    assert [form.duration_ms(size) for size in form.chunk_sizes_bytes] == [100, 150, 250]
