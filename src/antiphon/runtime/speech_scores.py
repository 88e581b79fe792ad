"""Score the speech of all sessions together.

The network costs five times less a frame when many sessions share a batch. While few sessions talk,
nothing waits: whatever has arrived in one turn of the event loop is scored at its end. When many
do, the first frame waits up to 3 ms for others. A batch never holds the loop for long: what exceeds
it is scored in the next turn, and who sends much at once does not keep others waiting.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.vad import PendingFrames, Vad, VadState

MAX_BATCH_FRAMES = 96
"""About a millisecond of work."""

BUSY_STREAMS = 24
"""So many streams with frames in one turn of the loop are worth waiting for more."""

MAX_WAIT_S = 0.003

_logger = logging.getLogger(__name__)

Deliver = Callable[[tuple[float, ...] | None], None]
"""Takes the probabilities of what was ordered, in order; None: the VAD failed."""


@dataclass(slots=True)
class _Order:
    state: VadState
    frames: NDArray[np.float32]
    deliver: Deliver
    scores: list[float] = field(default_factory=list[float])

    @property
    def unscored(self) -> NDArray[np.float32]:
        return self.frames[len(self.scores) :]


class SpeechScores:
    """A VAD shared by sessions. Must be used from one event loop."""

    def __init__(self, vad: Vad) -> None:
        self._vad = vad
        self._orders: deque[_Order] = deque()
        self._timer: asyncio.Handle | None = None
        self._last_streams = 0

    def open(self) -> VadState:
        """Return the state of a new stream."""
        return self._vad.open()

    def order(self, state: VadState, frames: NDArray[np.float32], deliver: Deliver) -> None:
        """Have frames of a stream scored; `deliver` is called with their probabilities."""
        self._orders.append(_Order(state, frames, deliver))
        if self._timer is None:
            loop = asyncio.get_running_loop()
            is_busy = self._last_streams >= BUSY_STREAMS
            self._timer = (
                loop.call_later(MAX_WAIT_S, self._score) if is_busy else loop.call_soon(self._score)
            )

    def _score(self) -> None:
        self._timer = None
        batch = self._take_batch()
        self._last_streams = len(batch)
        done, failed = self._score_batch(batch)
        ended = {id(order) for order in (*done, *failed)}
        self._orders = deque(order for order in self._orders if id(order) not in ended)
        if self._orders:
            self._timer = asyncio.get_running_loop().call_soon(self._score)
        for order in failed:
            order.deliver(None)
        for order in done:
            order.deliver(tuple(order.scores))

    def _score_batch(self, batch: list[tuple[_Order, int]]) -> tuple[list[_Order], list[_Order]]:
        """Score a batch; return the orders that it completed, and those that failed with it."""
        pending = [PendingFrames(order.state, order.unscored[:count]) for order, count in batch]
        try:
            scores = [each.tolist() for each in self._vad.score(pending)]
            if [len(each) for each in scores] != [count for _, count in batch]:
                raise ValueError("The VAD did not return one probability for each frame.")
            if not all(isfinite(sum(each)) for each in scores):
                raise ValueError("The VAD returned something that is no number.")
        except Exception as fault:  # noqa: BLE001 - an engine may raise anything
            _logger.error("scoring_failed", extra={"fault": type(fault).__name__})
            return [], [order for order, _ in batch]
        for (order, _), probabilities in zip(batch, scores, strict=True):
            order.scores += probabilities
        return [order for order, _ in batch if not len(order.unscored)], []

    def _take_batch(self) -> list[tuple[_Order, int]]:
        """Choose frames: the oldest order of each stream, an equal share each, then what fits."""
        oldest: dict[int, _Order] = {}
        for order in self._orders:
            oldest.setdefault(id(order.state), order)
        orders = list(islice(oldest.values(), MAX_BATCH_FRAMES))
        share = MAX_BATCH_FRAMES // len(orders)
        counts = [min(share, len(order.unscored)) for order in orders]
        room = MAX_BATCH_FRAMES - sum(counts)
        for index, order in enumerate(orders):
            more = min(room, len(order.unscored) - counts[index])
            counts[index] += more
            room -= more
        return list(zip(orders, counts, strict=True))
