"""Cut streams: equal frames for the VAD, growing chunks for the client."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import Samples, empty

FRAME_SAMPLES = 512
"""What the VAD scores at once: 32 ms at 16 kHz."""


class FrameCutter:
    """Cut a stream of samples into frames of equal size."""

    def __init__(self, size: int = FRAME_SAMPLES) -> None:
        self._size = size
        self._rest: Samples = empty()

    @property
    def pending_samples(self) -> int:
        """How many samples wait for their frame to fill."""
        return len(self._rest)

    def push(self, samples: Samples) -> NDArray[np.float32]:
        """Take the next samples and return the frames now complete, one a row."""
        joined = np.concatenate((self._rest, samples))
        complete = len(joined) // self._size * self._size
        # A copy: a view would keep the whole chunk alive until the next one.
        self._rest = joined[complete:].copy()
        return joined[:complete].reshape(-1, self._size)

    def reset(self) -> None:
        """Forget the samples that do not fill a frame."""
        self._rest = empty()


class ChunkCutter:
    """Cut a stream of bytes into chunks of scheduled sizes; the last size repeats.

    A reply starts with short chunks, which are heard sooner, and goes on with long ones, which
    cost less.
    """

    def __init__(self, sizes_bytes: Sequence[int]) -> None:
        if not sizes_bytes or min(sizes_bytes) < 1:
            raise ValueError("A schedule needs at least one size, and each size at least one byte.")
        self._sizes_bytes = tuple(sizes_bytes)
        self._cut = 0
        self._rest = bytearray()

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait for their chunk to fill."""
        return len(self._rest)

    def push(self, audio: bytes) -> list[bytes]:
        """Take the next bytes and return the chunks now complete."""
        self._rest += audio
        chunks: list[bytes] = []
        start = 0
        while len(self._rest) - start >= self._next_bytes():
            end = start + self._next_bytes()
            chunks.append(bytes(self._rest[start:end]))
            start = end
            self._cut += 1
        del self._rest[:start]
        return chunks

    def flush(self) -> bytes:
        """End the stream: return what is left and start the schedule again."""
        rest = bytes(self._rest)
        self._rest.clear()
        self._cut = 0
        return rest

    def _next_bytes(self) -> int:
        return self._sizes_bytes[min(self._cut, len(self._sizes_bytes) - 1)]
