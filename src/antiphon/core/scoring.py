"""Frames whose speech probabilities were ordered and have not come yet."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from antiphon.core.commands import ScoreSpeech
from antiphon.core.echo import EchoGuard
from antiphon.engines.vad import FRAME_MS

Frames = NDArray[np.float32]


@dataclass(slots=True)
class Scored:
    """Frames and what the VAD says of them."""

    job: int
    start_ms: int
    frames: Frames
    scores: tuple[float, ...] | None = None
    """None: not known yet. Scores that are missing mean silence."""
    own: tuple[bool, ...] = ()
    """Which frames hold our own voice and nobody else's."""

    def is_own(self, end_ms: int) -> bool:
        """Tell whether the frame that ends there holds our own voice and nobody else's."""
        index = (end_ms - self.start_ms) // FRAME_MS - 1
        return index < len(self.own) and self.own[index]

    def __iter__(self) -> Iterator[tuple[Frames, float, int]]:
        """Yield each frame with its speech probability and its end."""
        known = self.scores or ()
        for index, frame in enumerate(self.frames):
            probability = known[index] if index < len(known) else 0.0
            yield frame, probability, self.start_ms + (index + 1) * FRAME_MS


class Scoring:
    """The orders of one session; they count in the order in which they were given."""

    __slots__ = ("_echo", "_orders")

    def __init__(self, echo: EchoGuard | None = None) -> None:
        self._echo = echo
        self._orders: deque[Scored] = deque()

    def __contains__(self, job: int) -> bool:
        return any(ordered.job == job for ordered in self._orders)

    def order(self, job: int, frames: Frames, end_ms: int, now: float | None = None) -> ScoreSpeech:
        """Have frames scored which end at ``end_ms`` and came at ``now``, if that is known."""
        own: tuple[bool, ...] = ()
        if self._echo is not None and now is not None:
            own = self._echo.explain(frames, end_ms, now)
        self._orders.append(Scored(job, end_ms - len(frames) * FRAME_MS, frames, own=own))
        return ScoreSpeech(job, frames)

    def take(self, job: int, probabilities: tuple[float, ...]) -> list[Scored]:
        """Take a result and return what is complete now; unknown jobs change nothing."""
        for ordered in self._orders:
            if ordered.job == job:
                ordered.scores = probabilities
        complete: list[Scored] = []
        while self._orders and self._orders[0].scores is not None:
            complete.append(self._orders.popleft())
        return complete

    def forget(self) -> None:
        """Forget all orders; their results will change nothing."""
        self._orders.clear()
