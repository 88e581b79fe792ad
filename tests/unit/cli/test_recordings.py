import struct
from pathlib import Path

import numpy as np
import pytest

from antiphon.audio.pcm import to_float32, to_pcm16
from antiphon.cli.recordings import UnusableRecording, read_wav, speech_end_bytes, write_wav
from antiphon.testing.speech import speech, tone

RATE_HZ = 24_000


def wav(
    sound: bytes, kind: int = 1, channels: int = 1, rate_hz: int = RATE_HZ, bits: int = 16
) -> bytes:
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", kind, channels, rate_hz, rate_hz * block, block, bits)
    if kind == 0xFFFE:
        head += struct.pack("<HHIH", 22, bits, 0, 1) + bytes(14)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(head)) + head
    body += b"LIST" + struct.pack("<I", 3) + b"abc\0"
    body += b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


SAMPLES = tone(440, 500, RATE_HZ)


@pytest.mark.parametrize(
    ("content", "tolerance"),
    [
        (wav((SAMPLES * 32767).astype("<i2").tobytes()), 1e-3),
        (wav((SAMPLES * 32767).astype("<i2").tobytes(), kind=0xFFFE), 1e-3),
        (wav((SAMPLES * 127 + 128).astype(np.uint8).tobytes(), bits=8), 2e-2),
        (wav((SAMPLES * 2147483000).astype("<i4").tobytes(), bits=32), 1e-3),
        (
            wav(
                (SAMPLES * 8388607).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes(),
                bits=24,
            ),
            1e-3,
        ),
        (wav(SAMPLES.astype("<f4").tobytes(), kind=3, bits=32), 1e-3),
        (
            wav(np.repeat((SAMPLES * 32767).astype("<i2"), 2).tobytes(), channels=2),
            1e-3,
        ),
    ],
)
def test_every_usual_kind_of_wav_is_the_same_sound(tmp_path: Path, content, tolerance) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    read = to_float32(read_wav(path))
    assert len(read) == len(SAMPLES)
    assert np.abs(read - SAMPLES).max() < tolerance


def test_another_rate_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(to_pcm16(tone(440, 1000, 16_000)), rate_hz=16_000))
    assert len(read_wav(path)) == pytest.approx(48_000, abs=100)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    sound = to_pcm16(SAMPLES)
    write_wav(tmp_path / "a.wav", sound)
    assert read_wav(tmp_path / "a.wav") == sound


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"ID3 some other file",
        b"RIFF\0\0\0\0WAVE",
        wav(b""),
        wav(b"\0" * 100, bits=12),
        wav(b"\0" * 100, kind=85),
        wav(b"\0" * 100, channels=0),
        wav(b"\0" * 100, rate_hz=1),
        wav(b"\0" * 100)[:30],
    ],
)
def test_what_is_no_recording_says_so_by_name(tmp_path: Path, content) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UnusableRecording, match=r"a\.wav"):
        read_wav(path)


def test_an_absent_file_says_so_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnusableRecording, match=r"a\.wav: no such file"):
        read_wav(tmp_path / "a.wav")


@pytest.mark.parametrize("silence_ms", [0, 500, 2000])
def test_the_end_of_speech_is_found_before_the_silence(silence_ms) -> None:
    spoken = to_pcm16(speech(1000))
    end = speech_end_bytes(spoken + bytes(48 * silence_ms))
    assert end == pytest.approx(len(spoken), abs=48 * 60)


@pytest.mark.parametrize("sound", [b"", bytes(10), bytes(48_000)])
def test_silence_ends_with_the_recording(sound) -> None:
    assert speech_end_bytes(sound) == len(sound)
