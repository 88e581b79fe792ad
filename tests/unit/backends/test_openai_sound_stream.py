import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.audio.pcm import to_pcm16
from antiphon.audio.resample import resample
from antiphon.backends.sound_stream import SoundStream, UnusableSound
from antiphon.backends.wav import wav_file
from antiphon.testing.speech import read_wav, speech, wav

RATE_HZ = 24_000
SOUND = speech(300, RATE_HZ)
PCM = to_pcm16(SOUND)


def play(stream: SoundStream, *pieces: bytes) -> NDArray[np.float32]:
    return np.concatenate([*(stream.take(piece) for piece in pieces), stream.finish()])


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[begin:end] for begin, end in itertools.pairwise(bounds)]


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content


def wav_of(*chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


def sound_format(kind: int, channels: int, bits: int, rate_hz: int = RATE_HZ) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", kind, channels, rate_hz, rate_hz * frame, frame, bits)


@given(st.lists(st.integers(0, 20_000), max_size=8))
def test_samples_do_not_depend_on_where_the_bytes_are_cut(places: list[int]) -> None:
    heard = play(SoundStream(RATE_HZ), *cut(PCM, places))
    assert to_pcm16(heard) == PCM


@given(st.lists(st.integers(0, 20_000), max_size=8))
def test_a_wav_file_is_read_wherever_it_is_cut(places: list[int]) -> None:
    heard = play(SoundStream(RATE_HZ), *cut(wav(SOUND, RATE_HZ), places))
    assert to_pcm16(heard) == PCM


def test_a_byte_at_a_time_is_enough() -> None:
    heard = play(SoundStream(RATE_HZ), *(bytes([byte]) for byte in wav(SOUND, RATE_HZ)))
    assert to_pcm16(heard) == PCM


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 44_100, 48_000])
def test_another_rate_is_converted(rate_hz: int) -> None:
    there = speech(300, rate_hz)
    expected = resample(there, rate_hz, RATE_HZ)
    for stream, file in (
        (SoundStream(rate_hz), to_pcm16(there)),
        (SoundStream(RATE_HZ, is_wav=True), wav(there, rate_hz)),
    ):
        heard = play(stream, file)
        assert len(heard) == len(expected)
        assert heard == pytest.approx(expected, abs=1e-3)


def test_stereo_is_mixed() -> None:
    left, right = SOUND, SOUND * np.float32(0.5)
    both = to_pcm16(np.column_stack((left, right)).reshape(-1))
    file = wav_of(chunk(b"fmt ", sound_format(1, 2, 16)), chunk(b"data", both))
    heard = play(SoundStream(RATE_HZ), *cut(file, [45, 50, 51, 1001]))
    assert heard == pytest.approx(SOUND * np.float32(0.75), abs=1e-3)


@pytest.mark.parametrize("size", [0, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_size_that_says_nothing_is_not_believed(size: int) -> None:
    file = wav_of(chunk(b"fmt ", sound_format(1, 1, 16)), struct.pack("<4sI", b"data", size), PCM)
    assert to_pcm16(play(SoundStream(RATE_HZ), file)) == PCM


def test_what_follows_the_samples_is_not_played() -> None:
    chunks = (
        chunk(b"JUNK", b"odd"),
        b"\0",
        chunk(b"fmt ", sound_format(1, 1, 16)),
        chunk(b"data", PCM),
        chunk(b"LIST", b"made by nobody"),
    )
    heard = play(SoundStream(RATE_HZ), *cut(wav_of(*chunks), [7, 13, 30, 60]))
    assert to_pcm16(heard) == PCM


def test_the_extensible_format_is_read() -> None:
    extension = struct.pack("<HHIH14s", 22, 16, 4, 1, bytes(14))
    extensible = sound_format(0xFFFE, 1, 16) + extension
    file = wav_of(chunk(b"fmt ", extensible), chunk(b"data", PCM))
    assert to_pcm16(play(SoundStream(RATE_HZ), file)) == PCM


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (b"ID3\x04" + bytes(64), "compressed"),
        (b"OggS" + bytes(64), "compressed"),
        (b"fLaC" + bytes(64), "compressed"),
        (b"\x1aE\xdf\xa3" + bytes(64), "compressed"),
        (b"RIFF\0\0\0\0AVI " + bytes(64), "does not begin like a WAV file"),
        (wav_of(chunk(b"data", PCM)), "before their format"),
        (wav_of(chunk(b"fmt ", b"\1\0")), "incomplete"),
        (wav_of(chunk(b"fmt ", sound_format(3, 1, 32)), chunk(b"data", PCM)), "32 bits"),
        (wav_of(chunk(b"fmt ", sound_format(1, 1, 8)), chunk(b"data", PCM)), "8 bits"),
        (wav_of(chunk(b"fmt ", sound_format(1, 0, 16)), chunk(b"data", PCM)), "PCM"),
        (wav_of(chunk(b"fmt ", sound_format(1, 1, 16, 0)), chunk(b"data", PCM)), "0 Hz"),
        (wav_of(chunk(b"fmt ", sound_format(1, 1, 16, 24_001)), chunk(b"data", PCM)), "24001 Hz"),
        (wav_of(chunk(b"JUNK", bytes(70_000))), "header does not end"),
        (wav_of(struct.pack("<4sI", b"JUNK", 0xFFFF_FFFF)), "header does not end"),
    ],
)
def test_what_is_no_16_bit_sound_is_refused(file: bytes, problem: str) -> None:
    with pytest.raises(UnusableSound, match=problem):
        play(SoundStream(RATE_HZ), file)


def test_bare_samples_are_refused_where_a_wav_file_was_asked_for() -> None:
    with pytest.raises(UnusableSound, match="no WAV file"):
        SoundStream(RATE_HZ, is_wav=True).take(PCM)


@pytest.mark.parametrize("file", [b"", b"\1", wav_of(chunk(b"fmt ", sound_format(1, 1, 16)))])
def test_a_sound_without_samples_is_refused(file: bytes) -> None:
    with pytest.raises(UnusableSound, match="no sound"):
        play(SoundStream(RATE_HZ), file)


def test_a_sound_that_ends_inside_a_sample_is_refused() -> None:
    with pytest.raises(UnusableSound, match="inside a sample"):
        play(SoundStream(RATE_HZ), PCM + b"\1")


def test_a_wav_file_that_is_written_can_be_read_by_others() -> None:
    samples, rate_hz = read_wav(wav_file(PCM, 16_000))
    assert rate_hz == 16_000
    assert to_pcm16(samples) == PCM
