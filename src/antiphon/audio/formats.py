"""The session's audio formats: bytes on the wire to and from the core's PCM16 at 24 kHz."""

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from antiphon.audio import g711
from antiphon.audio.pcm import (
    FULL_SCALE,
    INT16,
    SAMPLE_RATE_HZ,
    Samples,
    require_whole_samples,
    to_float32,
    to_pcm16,
)
from antiphon.audio.resample import Resampler

PCM = "audio/pcm"
ULAW = "audio/pcmu"
ALAW = "audio/pcma"

ENGINE_RATE_HZ = 16_000
"""The rate of the samples that VAD and transcribers take."""


class Format(NamedTuple):
    """What is fixed about an audio format."""

    name: str
    sample_rate_hz: int
    bytes_per_sample: int
    chunk_sizes_bytes: tuple[int, ...]
    """How a reply is cut: 100 ms, then 150 ms, then 250 ms at a time."""

    def duration_ms(self, size_bytes: int) -> int:
        """Return how long so many bytes play, in whole milliseconds, rounded down."""
        return size_bytes // self.bytes_per_sample * 1000 // self.sample_rate_hz


FORMATS = MappingProxyType(
    {
        PCM: Format(PCM, SAMPLE_RATE_HZ, 2, (4_800, 7_200, 12_000)),
        ULAW: Format(ULAW, g711.SAMPLE_RATE_HZ, 1, (800, 1_200, 2_000)),
        ALAW: Format(ALAW, g711.SAMPLE_RATE_HZ, 1, (800, 1_200, 2_000)),
    }
)


class Decoded(NamedTuple):
    """Input audio twice: to keep, and for engines."""

    pcm: bytes
    """PCM16 at 24 kHz."""

    samples: Samples
    """The same at 16 kHz."""


class InputDecoder:
    """Decode a stream of input audio in one of the session's formats.

    Both results may lag the input by a few milliseconds, until more input or ``flush``; PCM is
    kept as it came, without lag.
    """

    def __init__(self, format_name: str) -> None:
        self._decode = _G711_DECODERS.get(_format(format_name).name)
        if self._decode is None:
            self._for_engines = Resampler(SAMPLE_RATE_HZ, ENGINE_RATE_HZ, gain=1 / FULL_SCALE)
        else:
            self._for_engines = Resampler(g711.SAMPLE_RATE_HZ, ENGINE_RATE_HZ)
            self._to_keep = Resampler(g711.SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)

    def push(self, audio: bytes) -> Decoded:
        """Take the next bytes; raise ``ValueError`` on half a sample, leaving the stream as is."""
        if self._decode is None:
            require_whole_samples(audio)
            return Decoded(audio, self._for_engines.push(np.frombuffer(audio, INT16)))
        samples = self._decode(audio)
        return Decoded(to_pcm16(self._to_keep.push(samples)), self._for_engines.push(samples))

    def flush(self) -> Decoded:
        """End the stream: return what still lags, and start anew."""
        kept = b"" if self._decode is None else to_pcm16(self._to_keep.flush())
        return Decoded(kept, self._for_engines.flush())

    def reset(self) -> None:
        """Forget the stream so far."""
        self.flush()


class OutputEncoder:
    """Encode a stream of PCM16 or samples at 24 kHz in one of the session's formats."""

    def __init__(self, format_name: str) -> None:
        self._encode = _G711_ENCODERS.get(_format(format_name).name)
        self._resampler = Resampler(SAMPLE_RATE_HZ, g711.SAMPLE_RATE_HZ)

    def push(self, audio: bytes | Samples) -> bytes:
        """Take the next audio and return the bytes it settles."""
        if self._encode is None:
            return audio if isinstance(audio, bytes) else to_pcm16(audio)
        samples = to_float32(audio) if isinstance(audio, bytes) else audio
        return self._encode(self._resampler.push(samples))

    def flush(self) -> bytes:
        """End the stream: return its tail, and start anew."""
        return b"" if self._encode is None else self._encode(self._resampler.flush())


_G711_DECODERS: MappingProxyType[str, Callable[[bytes], Samples]] = MappingProxyType(
    {ULAW: g711.decode_ulaw, ALAW: g711.decode_alaw}
)
_G711_ENCODERS: MappingProxyType[str, Callable[[Samples], bytes]] = MappingProxyType(
    {ULAW: g711.encode_ulaw, ALAW: g711.encode_alaw}
)


def _format(name: str) -> Format:
    try:
        return FORMATS[name]
    except KeyError:
        raise ValueError(f"{name!r} is no audio format; use one of {', '.join(FORMATS)}.") from None
