"""Speak faster or slower at the same pitch, by overlapping similar stretches of the waveform.

The method is WSOLA (waveform similarity overlap-add): output advances in hops of 15 ms; for each,
the input is read near the place where ``speed`` says it should be read, at the offset where it
best continues what was just put out. Because the offset follows the waveform, periods of a voice
join in phase, so pitch and timbre stay.
"""

import numpy as np

from antiphon.audio.pcm import SAMPLE_RATE_HZ, Samples, empty

MIN_SPEED = 0.25
MAX_SPEED = 1.5

_HOP_MS = 15
# Two periods of the lowest voice fit into the range of offsets, so that a match always exists.
_SEEK_MS = 10
_SILENCE = np.float32(1e-9)


class Stretcher:
    """Change the speed of a stream of speech; the output is ``1 / speed`` times as long."""

    def __init__(self, speed: float, hz: int = SAMPLE_RATE_HZ) -> None:
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise ValueError(f"Speed must lie from {MIN_SPEED} to {MAX_SPEED}, not {speed}.")
        self._speed = speed
        self._hop = hz * _HOP_MS // 1000
        self._seek = hz * _SEEK_MS // 1000
        phase = np.linspace(0, np.pi, self._hop, endpoint=False, dtype=np.float32)
        self._rise = np.float32(0.5) * (1 - np.cos(phase))
        self._restart()

    def push(self, samples: Samples) -> Samples:
        """Take the next samples and return the output they settle."""
        if self._speed == 1:
            return samples
        self._taken += len(samples)
        return self._advance(samples)

    def flush(self) -> Samples:
        """End the stream: return its tail, and start anew."""
        if self._speed == 1:
            return empty()
        due = round(self._taken / self._speed) - self._hops * self._hop
        tail = self._advance(np.zeros(4 * self._hop + 2 * self._seek, np.float32))[: max(0, due)]
        self._restart()
        return tail

    def _restart(self) -> None:
        self._taken = 0
        self._hops = 0
        # Before the stream lies silence, which the first hop fades out of.
        self._start = -self._seek - self._hop
        self._kept: Samples = np.zeros(self._seek + self._hop, np.float32)
        self._continuation = -self._hop

    def _advance(self, samples: Samples) -> Samples:
        joined = np.concatenate((self._kept, samples))
        return joined
