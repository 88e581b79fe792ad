"""The input buffer: audio that the client has appended and nobody has committed yet.

Audio is kept once, as PCM16 at 24 kHz, and handed on once, as 16 kHz frames for engines. Positions
count the samples appended since the session began; clearing or committing does not reset them.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.formats import FORMATS, Decoded, InputDecoder
from antiphon.audio.framing import FrameCutter
from antiphon.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, to_float32
from antiphon.audio.resample import resample
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ
from antiphon.engines.vad import FRAME_MS, FRAME_SAMPLES
from antiphon.protocol.errors import ClientError

BYTES_PER_MS = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE // 1000

MAX_BUFFERED_MS = 30 * 60_000
"""The most audio that may wait for its commit."""

KEPT_MS = 30_000
"""How much audio without speech a session with turn detection keeps for a forced commit."""

Frames = NDArray[np.float32]


class InputAudio:
    """The audio between the last commit and now."""

    __slots__ = (
        "_buffer",
        "_cutter",
        "_decoder",
        "_due_bytes",
        "_end_bytes",
        "_format",
        "_frames",
        "_frames_end_ms",
        "_session_format",
        "taken_until_ms",
    )

    def __init__(self, format_name: str) -> None:
        self._session_format = format_name
        self._format = FORMATS[format_name]
        self._decoder = InputDecoder(format_name)
        self._cutter = FrameCutter(FRAME_SAMPLES)
        self._buffer = bytearray()
        self._end_bytes = 0
        self._due_bytes = 0
        self._frames: deque[Frames] = deque()
        self._frames_end_ms = 0
        self.taken_until_ms = 0
        """Up to where the client has committed or cleared; no turn begins before that."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is buffered."""
        return self._due_bytes == self._start_bytes

    @property
    def buffered_ms(self) -> float:
        """How much audio is buffered, with what decoding still holds back."""
        return (self._due_bytes - self._start_bytes) / BYTES_PER_MS

    @property
    def start_ms(self) -> int:
        """The position of the first sample buffered."""
        return self._start_bytes // BYTES_PER_MS

    @property
    def frames_end_ms(self) -> int:
        """The position after the last whole frame."""
        return self._frames_end_ms

    @property
    def _start_bytes(self) -> int:
        return self._end_bytes - len(self._buffer)

    def require_room(self) -> None:
        """Raise `ClientError` when no more audio may wait for its commit."""
        if self.buffered_ms > MAX_BUFFERED_MS:
            raise ClientError(
                "input_audio_buffer_full",
                f"The input buffer holds {MAX_BUFFERED_MS // 60_000} minutes of audio that nobody "
                "has committed. Commit it, or clear it.",
                "audio",
            )

    def configure(self, format_name: str) -> None:
        """Take audio in another format from now on."""
        self._session_format = format_name

    def append(self, audio: bytes, format_name: str | None = None) -> Frames:
        """Buffer audio in a format, None: the session's; return the frames it completes.

        Raises `ValueError`, and changes nothing, when the bytes are no whole number of samples.
        """
        ended = self._use(format_name or self._session_format)
        if len(ended):
            return np.concatenate((ended, self.append(audio, format_name)))
        frames = self._keep(self._decoder.push(audio))
        samples = len(audio) // self._format.bytes_per_sample
        self._due_bytes += (
            samples * SAMPLE_RATE_HZ // self._format.sample_rate_hz * BYTES_PER_SAMPLE
        )
        return frames

    def samples_since(self, start_ms: int) -> Frames:
        """Return 16 kHz samples from ``start_ms``, or up to a frame earlier, to the last frame."""
        wanted = max(0, self._frames_end_ms - start_ms + FRAME_MS - 1) // FRAME_MS
        if wanted > len(self._frames):
            start = max(0, start_ms * BYTES_PER_MS - self._start_bytes)
            end = self._frames_end_ms * BYTES_PER_MS - self._start_bytes
            return for_engines(bytes(self._buffer[start : max(start, end)]))
        recent = [self._frames[index - wanted] for index in range(wanted)]
        return np.concatenate(recent) if recent else np.zeros(0, np.float32)

    def keep_frames(self, kept_ms: int) -> None:
        """Forget frames older than ``kept_ms``."""
        most = kept_ms // FRAME_MS + 1
        while len(self._frames) > most:
            self._frames.popleft()

    def forget_before(self, start_ms: int) -> None:
        """Drop buffered audio that ends before ``start_ms``; it belongs to no turn."""
        drop = start_ms * BYTES_PER_MS - self._start_bytes
        if drop > 0:
            del self._buffer[:drop]

    def take(self, end_ms: int) -> bytes:
        """Remove and return the buffered audio up to ``end_ms``."""
        size = max(0, min(len(self._buffer), end_ms * BYTES_PER_MS - self._start_bytes))
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def take_all(self) -> bytes:
        """Remove and return everything buffered; what is appended next begins anew."""
        self._settle()
        taken = bytes(self._buffer)
        self._buffer.clear()
        self.taken_until_ms = self.start_ms
        return taken

    def clear(self) -> None:
        """Drop everything buffered."""
        self.take_all()
        self._frames.clear()

    def _use(self, format_name: str) -> Frames:
        """Take audio in this format from now on; return the frames that end in another."""
        if format_name == self._format.name:
            return np.zeros((0, FRAME_SAMPLES), np.float32)
        ended = self._settle()
        self._format = FORMATS[format_name]
        self._decoder = InputDecoder(format_name)
        return ended

    def _settle(self) -> Frames:
        """Bring in what decoding still holds back: the audio ends here."""
        return self._keep(self._decoder.flush())

    def _keep(self, decoded: Decoded) -> Frames:
        self._buffer += decoded.pcm
        self._end_bytes += len(decoded.pcm)
        frames = self._cutter.push(decoded.samples)
        self._frames.extend(frames)
        self._frames_end_ms += len(frames) * FRAME_MS
        return frames


def for_engines(pcm: bytes) -> Frames:
    """Convert a whole stretch of audio to what transcribers take."""
    return resample(to_float32(pcm), SAMPLE_RATE_HZ, STT_SAMPLE_RATE_HZ)
