"""PCM16 and float samples, and the limiter that keeps a synthesizer below full scale."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]
"""Mono audio, nominally in [-1, 1)."""

SAMPLE_RATE_HZ = 24_000
"""The rate of all audio inside the core."""

BYTES_PER_SAMPLE = 2

INT16 = np.dtype("<i2")
FULL_SCALE = 32_768

CEILING = 0.97
"""What the limiter leaves untouched; peaks above it are brought down to it."""


_CEILING = np.float32(CEILING)
_NO_SAMPLES: Samples = np.zeros(0, np.float32)
_NO_SAMPLES.setflags(write=False)


def empty() -> Samples:
    """Return no samples."""
    return _NO_SAMPLES


def to_float32(pcm: bytes | bytearray | memoryview) -> Samples:
    """Convert PCM16 to samples in [-1, 1); raise ``ValueError`` on half a sample."""
    require_whole_samples(pcm)
    return np.frombuffer(pcm, INT16) * np.float32(1 / FULL_SCALE)


def to_pcm16(samples: Samples) -> bytes:
    """Convert samples to PCM16, rounded to nearest and clipped to what 16 bits hold."""
    return to_int16(samples).tobytes()


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """Round samples to 16-bit integers, clipped to their range."""
    scaled = samples * np.float32(FULL_SCALE)
    np.rint(scaled, out=scaled)
    # Twice as fast as `np.clip` on the few samples of a chunk.
    np.minimum(scaled, FULL_SCALE - 1, out=scaled)
    np.maximum(scaled, -FULL_SCALE, out=scaled)
    return scaled.astype(INT16)


def require_whole_samples(pcm: bytes | bytearray | memoryview) -> None:
    """Raise ``ValueError`` unless ``pcm`` holds whole 16-bit samples."""
    if len(pcm) % BYTES_PER_SAMPLE:
        raise ValueError(
            f"PCM16 audio must be a whole number of 2-byte samples, but {len(pcm)} bytes came; "
            "send an even number of bytes."
        )


def duration_ms(pcm: bytes | bytearray | memoryview, hz: int = SAMPLE_RATE_HZ) -> int:
    """Return how long ``pcm`` plays, in whole milliseconds, rounded down."""
    return len(pcm) // BYTES_PER_SAMPLE * 1000 // hz


def fade_out(samples: Samples) -> Samples:
    """Bring ``samples`` smoothly to silence over their whole length."""
    phase: Samples = np.linspace(0, np.pi, len(samples), dtype=np.float32)
    gain: Samples = np.square(np.cos(phase / 2))
    return samples * gain


def limit_peaks(samples: Samples, hz: int = SAMPLE_RATE_HZ) -> Samples:
    """Bring peaks down to the ceiling, leaving quieter passages untouched."""
    limiter = Limiter(hz)
    return np.concatenate((limiter.push(samples), limiter.flush()))


class Limiter:
    """Keep a stream's peaks at or below the ceiling by turning the gain, never by clipping.

    The gain looks 5 ms ahead, so it is already down when a peak arrives, and stays down for 20 ms
    after it, so it does not follow single periods of a voice. Between peaks it is exactly 1.
    Output lags input by the look-ahead; the total length is kept.
    """

    def __init__(self, hz: int = SAMPLE_RATE_HZ) -> None:
        self._ahead = hz * 5 // 1000
        self._hold = hz * 20 // 1000
        self._smoothing = np.full(self._ahead + 1, 1 / (self._ahead + 1), np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        # A settled sample's gain depends on the hold and the smoothing before it and on the
        # look-ahead after it; before the stream there was silence.
        self._kept: Samples = np.zeros(self._hold + 2 * self._ahead, np.float32)
        self._lag = self._ahead

    def push(self, samples: Samples) -> Samples:
        """Take the next samples and return those whose gain is settled."""
        limited = self._limit(samples)
        unborn = min(self._lag, len(limited))
        self._lag -= unborn
        return limited[unborn:]

    def flush(self) -> Samples:
        """End the stream: return the samples still held back."""
        tail = self.push(np.zeros(self._ahead, np.float32))
        self.reset()
        return tail

    def _limit(self, samples: Samples) -> Samples:
        if not len(samples):
            return empty()
        joined = np.concatenate((self._kept, samples))
        self._kept = joined[len(samples) :].copy()
        settled = joined[self._hold + self._ahead :][: len(samples)]
        magnitude = np.abs(joined)
        if magnitude.max() <= _CEILING:
            return settled
        # Reductions instead of gains: where there is nothing to reduce the mean is exactly zero.
        reduction: Samples = np.subtract(1, _CEILING / np.maximum(magnitude, _CEILING))
        widest = _running_maximum(reduction, self._hold + self._ahead + 1)
        gain: Samples = np.subtract(1, np.convolve(widest, self._smoothing, "valid"))
        return settled * gain


def _running_maximum(values: Samples, width: int) -> Samples:
    """Return the maximum of each ``width`` neighbours, by doubling the width already covered."""
    covered = 1
    while covered * 2 <= width:
        values = np.maximum(values[:-covered], values[covered:])
        covered *= 2
    rest = width - covered
    return np.maximum(values[:-rest], values[rest:]) if rest else values
