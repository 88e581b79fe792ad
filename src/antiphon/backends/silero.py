"""Silero VAD v6 in numpy, for many streams at once.

The network is small: magnitudes of four short spectra, four convolutions, an LSTM of 128 units and
one output. A general runtime spends most of its time between the operations. Here each operation
runs once over the pending frames of all streams, and the convolutions are matrix products over
their windows, without the positions that would see only padding. The weights are those of the
publisher's 16 kHz model (`silero_vad_16k.npz`), and so are the probabilities, to rounding.

Products this small lose to the start of threads: run with `OPENBLAS_NUM_THREADS=1`.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from operator import neg
from threading import Lock
from typing import NamedTuple, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from antiphon.engines.vad import FRAME_SAMPLES, PendingFrames, VadState
from antiphon.protocol.errors import EngineError

_Floats = NDArray[np.float32]

# Each frame is scored with the end of the frame before it.
_CONTEXT = 64
_UNITS = 128
_MEMORY = _CONTEXT + 2 * _UNITS

_INPUT = _CONTEXT + FRAME_SAMPLES
_PADDED = _INPUT + 64
_WINDOW = 256
_HOP = 128
_SPECTRA = 4
_BINS = _WINDOW // 2 + 1
_CHANNELS = 128

# More rows at once would no longer fit the second-level cache.
_MAX_ROWS = 64

_NO_SCORES: _Floats = np.zeros(0, np.float32)


def create(settings: Mapping[str, object]) -> "Silero":
    """Create the VAD; it has no settings."""
    for name in settings:
        raise EngineError(
            "engine_unavailable", f"The VAD 'silero' has no settings; remove '{name}'."
        )
    return Silero(_network())


class _Stream(VadState):
    """The end of the last frame, then the hidden and the cell state of the LSTM."""

    __slots__ = ("memory",)

    def __init__(self) -> None:
        self.memory: _Floats = np.zeros(_MEMORY, np.float32)


class Silero:
    """Score the frames of many streams with one pass of the network."""

    def __init__(self, network: "_Network") -> None:
        self._network = network
        self._buffers = _buffers()
        self._lock = Lock()

    def open(self) -> VadState:
        """Return the state of a new stream."""
        return _Stream()

    def score(self, batch: Sequence[PendingFrames]) -> list[_Floats]:
        """Return, for each entry, the speech probability of each of its frames."""
        scores: list[_Floats] = [_NO_SCORES] * len(batch)
        # Longest first: at each step in time, the streams that still have a frame come first.
        ranking = sorted(range(len(batch)), key=lambda index: -len(batch[index].frames))
        for first in range(0, len(ranking), _MAX_ROWS):
            chosen = ranking[first : first + _MAX_ROWS]
            with self._lock:
                block = self._score([batch[index] for index in chosen])
            for index, row in zip(chosen, block, strict=True):
                scores[index] = row[: len(batch[index].frames)]
        return scores

    def _score(self, group: list[PendingFrames]) -> _Floats:
        """Return the scores of streams sorted by length, one row for each."""
        lengths = [len(entry.frames) for entry in group]
        scores: _Floats = np.empty((len(group), lengths[0]), np.float32)
        start = 0
        while start < lengths[0]:
            active = bisect_left(lengths, -start, key=neg)
            steps = min(_MAX_ROWS // active, lengths[0] - start)
            self._advance(group[:active], start, scores[:active, start : start + steps])
            start += steps
        return scores

    def _advance(self, group: list[PendingFrames], start: int, scores: _Floats) -> None:
        """Fill ``scores``, a column for each step in time, from the frames at ``start`` on."""
        steps = [
            [entry.frames[time : time + 1] for entry in group if len(entry.frames) > time]
            for time in range(start, start + scores.shape[1])
        ]
        streams = [_stream(entry.state) for entry in group]
        memory = np.concatenate([stream.memory for stream in streams]).reshape(-1, _MEMORY)
        rows = _join(steps, memory, self._buffers)
        gates = _encode(rows, self._network, self._buffers)
        end = 0
        for time, frames in enumerate(steps):
            active = len(frames)
            step = slice(end, end := end + active)
            scores[:active, time] = _remember(
                gates[step], memory[:active, _CONTEXT:], self._network
            )
            memory[:active, :_CONTEXT] = rows[step, FRAME_SAMPLES:_INPUT]
        for stream, row in zip(streams, memory, strict=True):
            stream.memory[:] = row


def _stream(state: VadState) -> _Stream:
    if not isinstance(state, _Stream):
        raise TypeError("Silero scores only streams that it opened.")
    return state


def _join(steps: list[list[_Floats]], memory: _Floats, buffers: "_Buffers") -> _Floats:
    """Lay out all frames, step after step, each with its context before it and padding behind."""
    rows = buffers.rows[: sum(map(len, steps))]
    context = memory[:, :_CONTEXT]
    first = 0
    for frames in steps:
        step = rows[first : first + len(frames)]
        np.concatenate(frames, out=step[:, _CONTEXT:_INPUT])
        step[:, :_CONTEXT] = context[: len(frames)]
        context = step[:, FRAME_SAMPLES:_INPUT]
        first += len(frames)
    # The last samples mirrored, the very last one not repeated.
    rows[:, _INPUT:] = rows[:, _INPUT - 2 : FRAME_SAMPLES - 2 : -1]
    return rows


def _encode(rows: _Floats, network: "_Network", buffers: "_Buffers") -> _Floats:
    """Return what the frames contribute to the gates of the LSTM, one row for each frame."""
    count = len(rows)
    spectra = _magnitudes(rows, network.window, buffers)
    wide = buffers.wide[:count]
    # Three neighbouring spectra at a time; the first and the last have one neighbour.
    np.matmul(spectra[:, : 2 * _BINS], network.first[_BINS:], out=wide[:, 0])
    np.matmul(spectra[:, : 3 * _BINS], network.first, out=wide[:, 1])
    np.matmul(spectra[:, _BINS:], network.first, out=wide[:, 2])
    np.matmul(spectra[:, 2 * _BINS :], network.first[: 2 * _BINS], out=wide[:, 3])
    flat = _activate(wide, network.first_bias).reshape(count, _SPECTRA * _CHANNELS)
    # Three at a time again, but only around every other one: around the first and the third.
    narrow = buffers.narrow[:count]
    np.matmul(flat[:, : 2 * _CHANNELS], network.second[_CHANNELS:], out=narrow[:, 0])
    np.matmul(flat[:, _CHANNELS:], network.second, out=narrow[:, 1])
    flat = _activate(narrow, network.second_bias).reshape(count, -1)
    flat = _activate(flat @ network.third, network.third_bias)
    flat = _activate(flat @ network.fourth, network.fourth_bias)
    gates: _Floats = np.matmul(flat, network.input_gates, out=buffers.gates[:count])
    gates += network.gate_bias
    return gates


def _magnitudes(rows: _Floats, window: _Floats, buffers: "_Buffers") -> _Floats:
    """Return the magnitude spectra of each row's four overlapping windows, side by side."""
    count = len(rows)
    strides = (rows.strides[0], _HOP * rows.itemsize, rows.itemsize)
    windows = as_strided(rows, (count, _SPECTRA, _WINDOW), strides)
    windowed = np.multiply(windows, window, out=buffers.windowed[:count])
    spectra = buffers.spectra[:count]
    # numpy's annotations know no transform in single precision.
    np.fft.rfft(windowed, axis=2, out=cast("NDArray[np.complex128]", spectra))
    magnitudes = np.abs(spectra, out=buffers.magnitudes[:count])
    return magnitudes.reshape(count, _SPECTRA * _BINS)


def _activate(values: _Floats, bias: _Floats) -> _Floats:
    values += bias
    np.maximum(values, 0, out=values)
    return values


def _remember(gates: _Floats, state: _Floats, network: "_Network") -> _Floats:
    """Advance the LSTM of each row by one step in place and return the speech probabilities."""
    hidden, cell = state[:, :_UNITS], state[:, _UNITS:]
    values: _Floats = hidden @ network.hidden_gates
    values += gates
    np.tanh(values, out=values)
    # The sigmoid of x is half of 1 + tanh(x / 2); the weights already hold the inner half.
    sigmoids = values[:, : 3 * _UNITS]
    sigmoids *= 0.5
    sigmoids += 0.5
    cell *= values[:, _UNITS : 2 * _UNITS]
    cell += values[:, :_UNITS] * values[:, 3 * _UNITS :]
    np.multiply(values[:, 2 * _UNITS : 3 * _UNITS], np.tanh(cell), out=hidden)
    logits = np.maximum(hidden, 0) @ network.output + network.output_bias
    scores: _Floats = np.reciprocal(1 + np.exp(-logits))
    return scores


class _Buffers(NamedTuple):
    """Room for what a pass computes on the way.

    Arrays of this size come fresh from the system when allocated for each pass, and touching them
    for the first time would cost as much as computing them.
    """

    rows: _Floats
    windowed: _Floats
    spectra: NDArray[np.complex64]
    magnitudes: _Floats
    wide: _Floats
    narrow: _Floats
    gates: _Floats


def _buffers() -> _Buffers:
    return _Buffers(
        rows=np.empty((_MAX_ROWS, _PADDED), np.float32),
        windowed=np.empty((_MAX_ROWS, _SPECTRA, _WINDOW), np.float32),
        spectra=np.empty((_MAX_ROWS, _SPECTRA, _BINS), np.complex64),
        magnitudes=np.empty((_MAX_ROWS, _SPECTRA, _BINS), np.float32),
        wide=np.empty((_MAX_ROWS, _SPECTRA, _CHANNELS), np.float32),
        narrow=np.empty((_MAX_ROWS, 2, _CHANNELS // 2), np.float32),
        gates=np.empty((_MAX_ROWS, 4 * _UNITS), np.float32),
    )


class _Network(NamedTuple):
    """The weights, laid out to be multiplied from the left."""

    window: _Floats
    first: _Floats
    first_bias: _Floats
    second: _Floats
    second_bias: _Floats
    third: _Floats
    third_bias: _Floats
    fourth: _Floats
    fourth_bias: _Floats
    input_gates: _Floats
    hidden_gates: _Floats
    gate_bias: _Floats
    output: _Floats
    output_bias: _Floats


@lru_cache(maxsize=1)
def _network() -> _Network:
    weights = _weights()
    # The file orders gates as input, forget, cell, output; the three sigmoids belong together.
    order = np.r_[0 : 2 * _UNITS, 3 * _UNITS : 4 * _UNITS, 2 * _UNITS : 3 * _UNITS]
    halved: _Floats = np.repeat(np.array([0.5, 1], np.float32), [3 * _UNITS, _UNITS])
    gate_bias = weights["lstm.input.bias"] + weights["lstm.hidden.bias"]
    third, fourth = weights["convolution.2.weight"], weights["convolution.3.weight"]
    arrays = _Network(
        window=weights["window"],
        first=_taps(weights["convolution.0.weight"]),
        first_bias=weights["convolution.0.bias"],
        second=_taps(weights["convolution.1.weight"]),
        second_bias=weights["convolution.1.bias"],
        # What is left in time is shorter than the kernels: they see padding but for these taps.
        third=_taps(third[:, :, 1:]),
        third_bias=weights["convolution.2.bias"],
        fourth=_taps(fourth[:, :, 1:2]),
        fourth_bias=weights["convolution.3.bias"],
        input_gates=np.ascontiguousarray(weights["lstm.input.weight"][order].T * halved),
        hidden_gates=np.ascontiguousarray(weights["lstm.hidden.weight"][order].T * halved),
        gate_bias=gate_bias[order] * halved,
        output=weights["output.weight"],
        output_bias=weights["output.bias"],
    )
    for array in arrays:
        array.setflags(write=False)
    return arrays


def _taps(kernel: _Floats) -> _Floats:
    """Turn a kernel (out, in, time) into a matrix (time and in, out)."""
    out, into, time = kernel.shape
    return np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(time * into, out))


def _weights() -> dict[str, _Floats]:
    path = files("antiphon.backends") / "silero_vad_16k.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
