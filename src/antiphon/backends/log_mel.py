"""The picture of sound that Whisper-style models read: 80 mel bands over time, as logarithms.

A window of 25 ms is taken every 10 ms. The bands are Slaney's: even steps up to 1 kHz, even ratios
above, each triangle of equal area. Windows that hold nothing but the silence put before a short
sound are all alike and computed once.
"""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAMPLE_RATE_HZ = 16_000
BANDS = 80
_WINDOW = 400
_HOP = 160
_REACH = _WINDOW // 2
_QUIET = 1e-7
_LEAST_POWER = 1e-10
_RANGE = 8.0
"""Powers of ten below the loudest that are told apart."""

_LINEAR_TO_HZ = 1000.0
_BANDS_PER_HZ = 3 / 200
_LINEAR_BANDS = _LINEAR_TO_HZ * _BANDS_PER_HZ
_RATIO = np.log(6.4) / 27


def log_mel(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return the picture, shape (80, length / 160), of the last ``length`` samples.

    What is shorter is taken to begin with silence; loudness is evened out.
    """
    held = samples[-length:]
    sound = np.zeros(length, np.float32)
    sound[length - len(held) :] = held
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + np.float32(_QUIET))
    # Windows are centred, so both ends are mirrored.
    padded = np.pad(sound.astype(np.float64), _REACH, mode="reflect")
    windows = sliding_window_view(padded, _WINDOW)[: length + 1 : _HOP][: length // _HOP]
    # The first window mirrors the beginning; all that end before the sound are like it.
    alike = max(0, (length - len(held) - _REACH) // _HOP)
    power = np.empty((len(windows), _WINDOW // 2 + 1))
    power[alike:] = _power(windows[alike:])
    if alike:
        power[:alike] = _power(windows[:1])
    logs = np.log10(np.maximum(_LEAST_POWER, power @ _bands()))
    logs = np.maximum(logs, logs.max() - _RANGE)
    return np.ascontiguousarray(((logs + 4) / 4).T, np.float32)


def _power(windows: Floats) -> Floats:
    spectra = np.fft.rfft(windows * _hann(), axis=1)
    power: Floats = spectra.real**2 + spectra.imag**2
    return power


@lru_cache(maxsize=1)
def _hann() -> Floats:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)


@lru_cache(maxsize=1)
def _bands() -> Floats:
    """Return what each frequency gives to each band: shape (201, 80)."""
    highest = _LINEAR_BANDS + np.log(SAMPLE_RATE_HZ / 2 / _LINEAR_TO_HZ) / _RATIO
    bands: Floats = np.linspace(0, highest, BANDS + 2, dtype=np.float64)
    edges = _hertz(bands)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    frequency: Floats = np.linspace(0, SAMPLE_RATE_HZ / 2, _WINDOW // 2 + 1)[:, None]
    rising = (frequency - lower) / (centre - lower)
    falling = (upper - frequency) / (upper - centre)
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (upper - lower))


def _hertz(bands: Floats) -> Floats:
    above = _LINEAR_TO_HZ * np.exp(_RATIO * (bands - _LINEAR_BANDS))
    return np.where(bands < _LINEAR_BANDS, bands / _BANDS_PER_HZ, above)
