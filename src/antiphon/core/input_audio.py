"""The input buffer: audio that the client has appended and nobody has committed yet.

Audio is kept once, as PCM16 at 24 kHz, and handed on once, as 16 kHz frames for engines. Positions
count the samples appended since the session began; clearing or committing does not reset them.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.formats import FORMATS, InputDecoder
from antiphon.audio.framing import FrameCutter
from antiphon.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from antiphon.engines.vad import FRAME_MS, FRAME_SAMPLES

BYTES_PER_MS = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE // 1000

KEPT_MS = 30_000
"""How much audio without speech a session with turn detection keeps for a forced commit."""

Frames = NDArray[np.float32]


class InputAudio:
    """The audio between the last commit and now."""

    __slots__ = ("_buffer", "_cutter", "_decoder", "_end_bytes", "_frames", "_frames_end_ms")

    def __init__(self, format_name: str) -> None:
        self._decoder = InputDecoder(format_name)
        self._cutter = FrameCutter(FRAME_SAMPLES)
        self._buffer = bytearray()
        self._end_bytes = 0
        self._frames: deque[Frames] = deque()
        self._frames_end_ms = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is buffered."""
        return not self._buffer

    @property
    def buffered_ms(self) -> float:
        """How much audio is buffered."""
        return len(self._buffer) / BYTES_PER_MS

    @property
    def end_ms(self) -> int:
        """The position after the last sample appended."""
        return self._end_bytes // BYTES_PER_MS

    @property
    def start_ms(self) -> int:
        """The position of the first sample buffered."""
        return (self._end_bytes - len(self._buffer)) // BYTES_PER_MS

    @property
    def frames_end_ms(self) -> int:
        """The position after the last whole frame."""
        return self._frames_end_ms

    def configure(self, format_name: str) -> None:
        """Take audio in another format from now on."""
        if format_name not in FORMATS:
            raise AssertionError(format_name)
        self._decoder = InputDecoder(format_name)

    def append(self, audio: bytes) -> Frames:
        """Buffer audio in the session's format; return the frames it completes, one a row.

        Raises `ValueError`, and changes nothing, when the bytes are no whole number of samples.
        """
        decoded = self._decoder.push(audio)
        self._buffer += decoded.pcm
        self._end_bytes += len(decoded.pcm)
        frames = self._cutter.push(decoded.samples)
        self._frames.extend(frames)
        self._frames_end_ms += len(frames) * FRAME_MS
        return frames

    def samples_since(self, start_ms: int) -> Frames:
        """Return the 16 kHz samples of the frames kept from ``start_ms`` on."""
        wanted = (self._frames_end_ms - start_ms + FRAME_MS - 1) // FRAME_MS
        first = max(0, len(self._frames) - max(0, wanted))
        recent = [self._frames[index] for index in range(first, len(self._frames))]
        return np.concatenate(recent) if recent else np.zeros(0, np.float32)

    def keep_frames(self, kept_ms: int) -> None:
        """Forget frames older than ``kept_ms``."""
        most = kept_ms // FRAME_MS + 1
        while len(self._frames) > most:
            self._frames.popleft()

    def forget_before(self, start_ms: int) -> None:
        """Drop buffered audio that ends before ``start_ms``; it belongs to no turn."""
        drop = start_ms * BYTES_PER_MS - (self._end_bytes - len(self._buffer))
        if drop > 0:
            del self._buffer[:drop]

    def take(self, end_ms: int | None = None) -> bytes:
        """Remove and return the buffered audio, up to ``end_ms`` if given."""
        start_bytes = self._end_bytes - len(self._buffer)
        size = len(self._buffer)
        if end_ms is not None:
            size = max(0, min(size, end_ms * BYTES_PER_MS - start_bytes))
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def clear(self) -> None:
        """Drop everything buffered."""
        self._buffer.clear()
        self._frames.clear()
