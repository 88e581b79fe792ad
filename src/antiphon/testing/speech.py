"""Sounds for tests, the same on every machine."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def tone(pitch_hz: float, ms: int, rate_hz: int, *, level: float = 0.3) -> Samples:
    """Return a sine tone."""
    time_s = np.arange(ms * rate_hz // 1000) / rate_hz
    return (level * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


def silence(ms: int, rate_hz: int) -> Samples:
    """Return nothing to hear."""
    return np.zeros(ms * rate_hz // 1000, np.float32)
