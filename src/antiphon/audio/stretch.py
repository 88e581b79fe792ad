"""Speak faster or slower at the same pitch, by overlapping similar stretches of the waveform.

The method is WSOLA (waveform similarity overlap-add). Output advances in hops of 20 ms. For each,
the input is read near the place where the speed says it should be read, at the offset where it is
most like the natural continuation of what was just put out, and the two are cross-faded. Because
the offset follows the waveform, periods of a voice join in phase, so pitch and timbre stay.
"""

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import SAMPLE_RATE_HZ, Samples, empty

MIN_SPEED = 0.25
MAX_SPEED = 1.5

_HOP_MS = 20
# To both sides: together a period of the lowest voice, so that a match in phase always exists.
_SEEK_MS = 10
# How much likeness is worth the farthest offset; settles ties in favour of even reading.
_OFFSET_COST = 0.05
_SILENCE = 1e-12


class Stretcher:
    """Change the speed of a stream of speech; the output is ``1 / speed`` times as long.

    At speed 1 the samples pass unchanged and without lag.
    """

    def __init__(self, speed: float, hz: int = SAMPLE_RATE_HZ) -> None:
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise ValueError(f"Speed must be from {MIN_SPEED} to {MAX_SPEED}, not {speed}.")
        self._speed = speed
        self._hop = hz * _HOP_MS // 1000
        self._seek = hz * _SEEK_MS // 1000
        phase: Samples = np.linspace(0, np.pi, self._hop, endpoint=False, dtype=np.float32)
        self._rise: Samples = np.square(np.sin(phase / 2))
        self._fall: Samples = np.square(np.cos(phase / 2))
        self._cost = _OFFSET_COST * np.abs(np.linspace(-1, 1, 2 * self._seek + 1))
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        self._taken = 0
        self._hops = 0
        # Positions count samples of the stream; before it lies silence, for the first search.
        self._kept: Samples = np.zeros(self._seek, np.float32)
        self._kept_from = -self._seek
        self._continuation = 0

    def push(self, samples: Samples) -> Samples:
        """Take the next samples and return the output they settle."""
        if self._speed == 1:
            return samples
        self._taken += len(samples)
        return self._stretch(samples)

    def flush(self) -> Samples:
        """End the stream: return its tail, so that the output has its due length."""
        if self._speed == 1:
            return empty()
        due = round(self._taken / self._speed) - self._hops * self._hop
        tail = self._stretch(np.zeros(self._seek + 2 * self._hop, np.float32))[: max(0, due)]
        self.reset()
        return tail

    def _stretch(self, samples: Samples) -> Samples:
        joined = np.concatenate((self._kept, samples))
        end = self._kept_from + len(joined)
        hops: list[Samples] = []
        target = self._target()
        while max(self._continuation, target + self._seek) + self._hop <= end:
            hops.append(self._next_hop(joined, target - self._kept_from))
            target = self._target()
        drop = min(self._continuation, target - self._seek) - self._kept_from
        self._kept = joined[drop:].copy()
        self._kept_from += drop
        return np.concatenate(hops) if hops else empty()

    def _target(self) -> int:
        """Return where the next hop should be read from, by the speed alone."""
        return round(self._hops * self._hop * self._speed)

    def _next_hop(self, joined: Samples, target: int) -> Samples:
        """Cross-fade from the natural continuation to the stretch most like it near ``target``."""
        start = self._continuation - self._kept_from
        natural = joined[start : start + self._hop]
        near = joined[target - self._seek : target + self._seek + self._hop]
        chosen = int(np.argmax(_likeness(near, natural) - self._cost))
        self._continuation = self._kept_from + target - self._seek + chosen + self._hop
        self._hops += 1
        other = near[chosen : chosen + self._hop]
        faded = natural * self._fall
        faded += other * self._rise
        return faded


def stretch(samples: Samples, speed: float, hz: int = SAMPLE_RATE_HZ) -> Samples:
    """Change the speed of a whole recording of speech."""
    stream = Stretcher(speed, hz)
    return np.concatenate((stream.push(samples), stream.flush()))


def _likeness(near: Samples, natural: Samples) -> NDArray[np.float64]:
    """Return the normalized correlation of ``natural`` with ``near`` at each offset."""
    hop = len(natural)
    sums = np.concatenate(([0.0], np.cumsum(np.square(near, dtype=np.float64))))
    energies = (sums[hop:] - sums[:-hop]) * np.sum(np.square(natural, dtype=np.float64))
    products: Samples = np.correlate(near, natural, "valid")
    likeness: NDArray[np.float64] = products / np.sqrt(energies + _SILENCE)
    return likeness
