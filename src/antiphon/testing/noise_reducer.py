"""A noise reducer for tests: what it does can be told from the samples."""

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.noise import LONGEST_LAG_MS, NOISE_SAMPLE_RATE_HZ, Field, NoiseStream


class ScriptedNoiseReducer:
    """Turn all sound down to a fixed gain, and hold back as much as is allowed."""

    def __init__(self, gain: float = 0.25) -> None:
        self.opened: list[tuple[Field, float]] = []
        self._gain = gain

    def open(self, field: Field, strength: float) -> NoiseStream:
        """Begin a stream."""
        self.opened.append((field, strength))
        return _QuietStream(1 - strength * (1 - self._gain))


class _QuietStream:
    def __init__(self, gain: float) -> None:
        self._gain = np.float32(gain)
        self._held = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        lag = LONGEST_LAG_MS * NOISE_SAMPLE_RATE_HZ // 1000
        joined = np.concatenate((self._held, samples * self._gain))
        end = max(0, len(joined) - lag)
        self._held = joined[end:].copy()
        return joined[:end]

    def flush(self) -> NDArray[np.float32]:
        held, self._held = self._held, np.zeros(0, np.float32)
        return held
