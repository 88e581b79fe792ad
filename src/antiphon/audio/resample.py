"""Streaming sample rate conversion: a Kaiser-windowed FIR filter written as two matrix products.

Input is cut into blocks of 2.5 to 4 ms. With the rates in the reduced ratio ``up / down``, a block
of ``n`` samples gives ``n * up / down`` of output, and each of those is a fixed weighting of that
block and of the one before it. The weights of all outputs of a block are two banded matrices, so a
chunk of any length costs two matrix products; strided windows would cost three times as much,
because they keep the products from BLAS.

Output sample ``k`` is the input at time ``k / to_hz``: the filter's delay is made up by
holding back what cannot be known yet (the filter's reach and an unfinished block), not by
shifting the audio.
"""

from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import Samples, empty

# Blocks divide 20 ms, so that such chunks are never left waiting for their last block to fill.
_BLOCKS_PER_SECOND = 250
# Where both rates are at least this, shorter blocks hold the filter and cost less.
_FAST_HZ = 24_000
_FAST_BLOCKS_PER_SECOND = 400
_CUTOFF = 0.95
_MAX_REACH = 31
# Two blocks of 8 kHz hold a filter of half the reach. It rejects 70 dB instead of 95, which is
# still 30 dB under the noise of G.711, and stays flat to 3.4 kHz, where telephony ends.
_SHORT_REACH = 20
_KAISER_BETA = 9.0
_SHORT_KAISER_BETA = 6.0
_MAX_WEIGHTS = 2**20


class Resampler:
    """Convert a stream of samples from one rate to another.

    ``gain`` multiplies the output at no cost. The output does not depend on how the input was
    divided into chunks.
    """

    def __init__(self, from_hz: int, to_hz: int, *, gain: float = 1.0) -> None:
        if from_hz < 1 or to_hz < 1:
            raise ValueError(f"Rates must be positive, not {from_hz} and {to_hz} Hz.")
        self._plan = _plan(from_hz, to_hz, gain)
        self._gain = np.float32(gain)
        self.reset()

    def reset(self) -> None:
        """Forget the stream so far."""
        self._kept: Samples = np.zeros(self._plan.block, np.float32)
        self._unborn = self._plan.lag
        self._taken = 0
        self._given = 0

    def push(self, samples: Samples | NDArray[np.int16]) -> Samples:
        """Take the next samples and return the output they settle."""
        if self._plan.up == self._plan.down:
            return samples * self._gain
        self._taken += len(samples)
        output = self._convert(samples)
        self._given += len(output)
        return output

    def flush(self) -> Samples:
        """End the stream: return its tail, so that the output is as long as the input."""
        plan = self._plan
        due = round(self._taken * plan.up / plan.down) - self._given
        # Two blocks of silence complete the last block of the stream and the filter's reach.
        tail = self._convert(np.zeros(2 * plan.block, np.float32))[:due]
        self.reset()
        return tail

    def _convert(self, samples: Samples | NDArray[np.int16]) -> Samples:
        block = self._plan.block
        kept = len(self._kept)
        joined: Samples = np.empty(kept + len(samples), np.float32)
        joined[:kept] = self._kept
        joined[kept:] = samples
        blocks = len(joined) // block
        if blocks < 2:
            self._kept = joined
            return empty()
        end = blocks * block
        # A copy: a view would keep the whole chunk alive until the next one.
        self._kept = joined[end - block :].copy()
        rows = joined[:end].reshape(blocks, block)
        output: Samples = rows[:-1] @ self._plan.before
        output += rows[1:] @ self._plan.current
        settled = output.reshape(-1)
        if self._unborn:
            unborn = min(self._unborn, len(settled))
            self._unborn -= unborn
            settled = settled[unborn:]
        return settled


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Convert a whole recording from one rate to another."""
    stream = Resampler(from_hz, to_hz)
    return np.concatenate((stream.push(samples), stream.flush()))


class _Plan(NamedTuple):
    """What all streams of a pair of rates share; the arrays are read-only."""

    up: int
    down: int
    block: int
    lag: int
    before: Samples
    current: Samples


@lru_cache(maxsize=64)
def _plan(from_hz: int, to_hz: int, gain: float) -> _Plan:
    divisor = gcd(from_hz, to_hz)
    up, down = to_hz // divisor, from_hz // divisor
    widest = max(up, down)
    fast = min(from_hz, to_hz) >= _FAST_HZ
    blocks_per_second = _FAST_BLOCKS_PER_SECOND if fast else _BLOCKS_PER_SECOND
    block = max(1, round(from_hz / blocks_per_second / down)) * down
    if 2 * block * (block * up // down) > _MAX_WEIGHTS:
        raise ValueError(f"{from_hz} Hz to {to_hz} Hz has no small ratio; use a standard rate.")
    # Reach in samples of the lower rate, to both sides; all of it must fall into two blocks.
    reach = min(_MAX_REACH, (block * up - down) // (2 * widest))
    centre = reach * widest
    beta = _KAISER_BETA if reach > _SHORT_REACH else _SHORT_KAISER_BETA
    taps = _lowpass(centre, _CUTOFF / widest, beta) * up * gain
    lag = -(-centre // down)
    sources = np.arange(2 * block)[:, None]
    outputs = np.arange(block * up // down)[None, :]
    index = (outputs - lag) * down + centre - (sources - block) * up
    inside = (index >= 0) & (index <= 2 * centre)
    weights = np.where(inside, taps[np.clip(index, 0, 2 * centre)], 0).astype(np.float32)
    weights.setflags(write=False)
    return _Plan(up, down, block, lag, weights[:block], weights[block:])


def _lowpass(reach: int, cutoff: float, beta: float) -> NDArray[np.float64]:
    """Design a Kaiser-windowed low-pass of ``2 * reach + 1`` taps and unit gain at 0 Hz.

    ``cutoff`` is relative to half the rate at which the taps run.
    """
    time = np.arange(-reach, reach + 1)
    taps: NDArray[np.float64] = np.sinc(cutoff * time) * np.kaiser(2 * reach + 1, beta)
    taps /= taps.sum()
    return taps
