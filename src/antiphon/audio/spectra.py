"""Sound as a row of short spectra, and back: streams cut into windows that overlap by half."""

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import Samples, empty

Spectra = NDArray[np.complex64]
"""One spectrum a row."""


class Analysis:
    """Cut a stream into spectra, one for each half window.

    The first window begins half a window before the stream, so that windows that are put together
    again by `Synthesis` give the whole stream.
    """

    def __init__(self, window_samples: int) -> None:
        self._hop = window_samples // 2
        self._window = hann_root(window_samples)
        self._rest: Samples = np.zeros(self._hop, np.float32)

    def push(self, samples: Samples) -> Spectra:
        """Take the next samples and return the spectra of the windows they complete."""
        joined = np.concatenate((self._rest, samples))
        count = max(0, len(joined) // self._hop - 1)
        self._rest = joined[count * self._hop :].copy()
        halves = joined[: (count + 1) * self._hop].reshape(-1, self._hop)
        windows = np.concatenate((halves[:-1], halves[1:]), axis=1)
        return np.fft.rfft(windows * self._window, axis=1).astype(np.complex64)


class Synthesis:
    """Put spectra together to a stream: what `Analysis` took, half a window later."""

    def __init__(self, window_samples: int) -> None:
        self._size = window_samples
        self._hop = window_samples // 2
        self._window = hann_root(window_samples)
        self._tail: Samples | None = None

    def push(self, spectra: Spectra) -> Samples:
        """Take the next spectra and return the samples they complete."""
        if not len(spectra):
            return empty()
        windows = np.fft.irfft(spectra, self._size, axis=1).astype(np.float32) * self._window
        halves = windows[:, self._hop :]
        before = windows[:1, self._hop :] * 0 if self._tail is None else self._tail[None]
        sound: Samples = windows[:, : self._hop] + np.concatenate((before, halves[:-1]))
        is_first, self._tail = self._tail is None, halves[-1].copy()
        # What the first window holds from before the stream is nobody's.
        return (sound[1:] if is_first else sound).reshape(-1)


def hann_root(samples: int) -> Samples:
    """Return the window whose square, overlapped by half, adds up to 1."""
    phase = np.pi * np.arange(samples) / samples
    window: Samples = np.sin(phase).astype(np.float32)
    window.setflags(write=False)
    return window
