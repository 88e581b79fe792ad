"""WAV files in and out, as 24 kHz mono PCM16."""

import struct
import wave
from pathlib import Path

import numpy as np

from antiphon.audio.pcm import SAMPLE_RATE_HZ, Samples, to_float32, to_pcm16
from antiphon.audio.resample import resample

LARGEST_FILE_BYTES = 256 * 1024 * 1024

_EXTENSIBLE = 0xFFFE
_FRAME_MS = 20
_QUIET_SHARE = 0.03
"""A frame below this share of the loudest one is no speech."""
_SILENCE_RMS = 0.001


class UnusableRecording(ValueError):  # noqa: N818 - says what it is
    """A file is no WAV file that can be spoken; the message tells why."""


def read_wav(path: Path) -> bytes:
    """Return a WAV file's sound as 24 kHz mono PCM16. Raises `UnusableRecording`."""
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST_FILE_BYTES else None
    except OSError as error:
        raise UnusableRecording(f"{path}: {(error.strerror or 'unreadable').lower()}.") from error
    if content is None:
        raise UnusableRecording(f"{path} is larger than 256 MiB. Cut it into turns.")
    try:
        samples, rate_hz = _samples(content)
    except (struct.error, ValueError) as error:
        raise UnusableRecording(f"{path} cannot be used: {error}") from error
    if not len(samples):
        raise UnusableRecording(f"{path} holds no sound.")
    return to_pcm16(resample(samples, rate_hz, SAMPLE_RATE_HZ))


def write_wav(path: Path, pcm: bytes) -> None:
    """Write 24 kHz mono PCM16 as a WAV file. Raises `OSError`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm)


def speech_end_bytes(pcm: bytes) -> int:
    """Return where the last speech in a recording ends; its length, when it is all silence."""
    samples = to_float32(pcm)
    frame = SAMPLE_RATE_HZ * _FRAME_MS // 1000
    count = len(samples) // frame
    if not count:
        return len(pcm)
    loudness = np.sqrt(np.mean(samples[: count * frame].reshape(count, frame) ** 2, axis=1))
    threshold = max(_SILENCE_RMS, _QUIET_SHARE * float(loudness.max()))
    loud = np.flatnonzero(loudness >= threshold)
    return (int(loud[-1]) + 1) * frame * 2 if len(loud) else len(pcm)


def _samples(content: bytes) -> tuple[Samples, int]:
    chunks = _chunks(content)
    if b"fmt " not in chunks or b"data" not in chunks:
        raise ValueError("it has no sound in it.")
    head = chunks[b"fmt "]
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", head)
    if kind == _EXTENSIBLE:
        (kind,) = struct.unpack_from("<H", head, 24)
    if not 1 <= channels <= 16 or not 4_000 <= rate_hz <= 384_000:
        raise ValueError(f"{channels} channels at {rate_hz} Hz are not supported.")
    samples = _decode(chunks[b"data"], kind, bits)
    whole = len(samples) // channels * channels
    mono: Samples = samples[:whole].reshape(-1, channels).mean(axis=1, dtype=np.float32)
    return mono, rate_hz


def _chunks(content: bytes) -> dict[bytes, bytes]:
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError("it is no WAV file.")
    chunks: dict[bytes, bytes] = {}
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        chunks.setdefault(name, content[position + 8 : position + 8 + size])
        position += 8 + size + size % 2
    return chunks


def _decode(sound: bytes, kind: int, bits: int) -> Samples:
    size = bits // 8
    sound = sound[: len(sound) // size * size] if size else b""
    match kind, bits:
        case (1, 8):
            scaled = np.frombuffer(sound, np.uint8).astype(np.float32) / np.float32(128) - 1
        case (1, 16):
            scaled = np.frombuffer(sound, "<i2").astype(np.float32) / np.float32(2**15)
        case (1, 24):
            # Put each sample's three bytes at the top of four.
            padded = np.zeros((len(sound) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(sound, np.uint8).reshape(-1, 3)
            scaled = padded.view("<i4").reshape(-1).astype(np.float32) / np.float32(2**31)
        case (1, 32):
            scaled = np.frombuffer(sound, "<i4").astype(np.float32) / np.float32(2**31)
        case (3, 32):
            scaled = np.nan_to_num(np.frombuffer(sound, "<f4").astype(np.float32))
        case _:
            raise ValueError("only PCM of 8 to 32 bits and 32-bit float are supported.")
    return scaled.astype(np.float32)
