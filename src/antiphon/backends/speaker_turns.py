"""Speech cut where another speaker may begin: at pauses.

Loudness decides, as in `speech_window`. Pieces that are too short to know a voice by belong to the
neighbour that is nearer in time, so an interjection without a pause before it is not told apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.stt import STT_SAMPLE_RATE_HZ

LEAST_MS = 700
"""Shorter speech does not tell whose it is."""
MOST_MS = 12_000
"""Longer speech is cut, whoever speaks."""

_FRAME = STT_SAMPLE_RATE_HZ // 100
_FRAME_MS = 10
_PAUSE_MS = 130
_SILENCE_RMS = 0.0005
_PAUSE_LEVEL = 0.1
"""Part of the usual level of speech below which a frame may belong to a pause: -20 dB."""
_EDGE_MS = 60
"""Faint sounds around speech that belong to it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of audio in which somebody speaks."""

    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        """How long it is."""
        return self.end_ms - self.start_ms

    def cut(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return its samples, with the faint sounds around it."""
        begin = max(0, self.start_ms - _EDGE_MS) * STT_SAMPLE_RATE_HZ // 1000
        return samples[begin : (self.end_ms + _EDGE_MS) * STT_SAMPLE_RATE_HZ // 1000]


def spans(samples: NDArray[np.float32]) -> list[Span]:
    """Return the stretches of speech between pauses, none too short and none too long."""
    frames = len(samples) // _FRAME
    if not frames:
        return []
    blocks = samples[: frames * _FRAME].reshape(frames, _FRAME)
    levels = np.sqrt(np.mean(np.square(blocks), axis=1))
    threshold = max(_SILENCE_RMS, _PAUSE_LEVEL * float(np.percentile(levels, 90)))
    heard = np.concatenate(([False], levels >= threshold, [False]))
    borders = (np.flatnonzero(heard[1:] != heard[:-1]) * _FRAME_MS).reshape(-1, 2).tolist()
    joined = _join([Span(*border) for border in borders], _PAUSE_MS)
    return [part for span in _attach(joined) for part in _split(span, levels)]


def _join(found: list[Span], pause_ms: int) -> list[Span]:
    """Join what no pause separates."""
    joined: list[Span] = []
    for span in found:
        if joined and span.start_ms - joined[-1].end_ms < pause_ms:
            joined[-1] = Span(joined[-1].start_ms, span.end_ms)
        else:
            joined.append(span)
    return joined


def _attach(found: list[Span]) -> list[Span]:
    """Give what is too short to the neighbour that is nearer."""
    left = list(found)
    while len(left) > 1 and (short := min(left, key=lambda span: span.length_ms)):
        if short.length_ms >= LEAST_MS:
            break
        at = left.index(short)
        before = short.start_ms - left[at - 1].end_ms if at else None
        after = left[at + 1].start_ms - short.end_ms if at + 1 < len(left) else None
        first = at - 1 if after is None or (before is not None and before <= after) else at
        left[first : first + 2] = [Span(left[first].start_ms, left[first + 1].end_ms)]
    return left


def _split(span: Span, levels: NDArray[np.float32]) -> list[Span]:
    """Cut what is too long at its quietest place, away from both ends."""
    if span.length_ms <= MOST_MS:
        return [span]
    first, last = (span.start_ms + span.length_ms * n // 4 for n in (1, 3))
    inner = levels[first // _FRAME_MS : last // _FRAME_MS]
    place = first + int(np.convolve(inner, np.ones(5), "same").argmin()) * _FRAME_MS
    halves = Span(span.start_ms, place), Span(place, span.end_ms)
    return [part for half in halves for part in _split(half, levels)]
