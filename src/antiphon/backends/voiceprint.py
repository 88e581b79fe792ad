"""Where a voice is among voices: its pitch, and the shape of its spectrum.

No trained network knows the speaker here: pitch and the mean cepstrum of what is loud enough tell
voices of different height or colour apart, and cannot tell apart those that are alike in both. The
scale is such that one voice, in one room, stays within a distance of 1.
"""

import math

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.stt import STT_SAMPLE_RATE_HZ

_Array = NDArray[np.float64]

_HOP = STT_SAMPLE_RATE_HZ // 100
_WINDOW = STT_SAMPLE_RATE_HZ // 40
_TRANSFORM = 512
_BANDS, _CEPSTRA = 32, 19
_LOWEST_HZ, _HIGHEST_HZ = 100, 7_000
_PITCH_WINDOW = STT_SAMPLE_RATE_HZ // 25
_PITCH_TRANSFORM = 2_048
_SHORTEST_PERIOD, _LONGEST_PERIOD = STT_SAMPLE_RATE_HZ // 400, STT_SAMPLE_RATE_HZ // 65
_VOICED = 0.6
_NEARLY = 0.85
_UNKNOWN_OCTAVE = 7.2
_LEAST_VOICED_FRAMES = 6

_SCALE = 4.6 * np.sqrt(1 + _CEPSTRA)
"""What is farther apart than this, in the spread of one voice, is taken for two voices."""
_SPREAD = np.array(
    """
    0.05 0.72 0.24 0.46 0.20 0.17 0.15 0.16 0.18 0.17
    0.12 0.10 0.09 0.11 0.11 0.09 0.10 0.10 0.10 0.09
    """.split(),  # noqa: SIM905 - a table
    np.float64,
)
"""How much octaves of pitch and each coefficient differ between sentences of one voice."""


def voiceprint(samples: NDArray[np.float32]) -> tuple[float, ...]:
    """Return where the voice in some speech is; a second and a half of it is needed to tell."""
    sound = samples.astype(np.float64)
    place = np.concatenate(([_octave(sound)], _colour(sound))) / _SPREAD / _SCALE
    return tuple(round(float(value), 4) for value in place)


def _colour(sound: _Array) -> _Array:
    """Return the mean cepstrum of what is loud."""
    spectrum = np.abs(np.fft.rfft(_windows(sound, _WINDOW, _HOP), _TRANSFORM)) ** 2
    power = spectrum.sum(axis=1)
    loud = spectrum[power > 0.01 * np.percentile(power, 95)]
    bands = np.log((loud if len(loud) else spectrum) @ _BANK.T + 1e-10)
    mean: _Array = (bands @ _COSINES.T).mean(axis=0)
    return mean


def _octave(sound: _Array) -> float:
    """Return the median pitch, in octaves above 1 Hz, by autocorrelation."""
    windows = _windows(sound, _PITCH_WINDOW, 2 * _HOP)
    windows = windows - windows.mean(axis=1, keepdims=True)
    alike = _autocorrelation(windows) / np.maximum(_autocorrelation(_HANN[np.newaxis]), 1e-9)
    alike /= np.maximum(alike[:, :1], 1e-12)
    likely = alike[:, _SHORTEST_PERIOD:_LONGEST_PERIOD]
    # Twice the period is as good as the period: the shortest one that is nearly the best counts.
    middle = likely[:, 1:-1]
    is_peak = (middle >= likely[:, :-2]) & (middle > likely[:, 2:])
    is_peak &= middle >= _NEARLY * likely.max(axis=1, keepdims=True)
    periods = is_peak.argmax(axis=1) + 1
    loudness = np.sqrt(np.mean(windows**2, axis=1))
    is_loud = loudness > 0.15 * np.percentile(loudness, 90)
    voiced = periods[(likely.max(axis=1) > _VOICED) & is_loud] + _SHORTEST_PERIOD
    if len(voiced) < _LEAST_VOICED_FRAMES:
        return _UNKNOWN_OCTAVE
    return float(np.median(np.log2(STT_SAMPLE_RATE_HZ / voiced)))


def _windows(sound: _Array, size: int, hop: int) -> _Array:
    padded = np.pad(sound, (0, max(0, size - len(sound))))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * np.hanning(size)


def _autocorrelation(windows: _Array) -> _Array:
    power = np.abs(np.fft.rfft(windows, _PITCH_TRANSFORM)) ** 2
    return np.fft.irfft(power)[:, :_LONGEST_PERIOD]


def _mel_bank() -> _Array:
    """Return overlapping triangles, evenly spaced as the ear hears pitch."""
    lowest, highest = (2595 * math.log10(1 + hz / 700) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    mels = np.linspace(lowest, highest, _BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hz = np.fft.rfftfreq(_TRANSFORM, 1 / STT_SAMPLE_RATE_HZ)
    low, middle, high = (edges[n : n + _BANDS, np.newaxis] for n in range(3))
    bank: _Array = np.maximum(
        0, np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle))
    )
    return bank


_HANN = np.hanning(_PITCH_WINDOW)
_BANK = _mel_bank()
_COSINES = np.cos(
    np.pi / _BANDS * (np.arange(_BANDS) + 0.5) * np.arange(1, _CEPSTRA + 1)[:, np.newaxis]
) * np.sqrt(2 / _BANDS)
