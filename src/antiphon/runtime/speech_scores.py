"""Score the speech of all sessions together.

The network costs five times less a frame when many sessions share a batch. While few sessions talk,
nothing waits: whatever has arrived in one turn of the event loop is scored at its end. When many
do, the first frame waits up to 3 ms for others. A batch never holds the loop for long: what exceeds
it is scored in the next turn.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.vad import PendingFrames, Vad, VadState

MAX_BATCH_FRAMES = 96
"""About a millisecond of work."""

BUSY_STREAMS = 24
"""So many streams with frames in one turn of the loop are worth waiting for more."""

MAX_WAIT_S = 0.003

Deliver = Callable[[tuple[float, ...]], None]


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
        slices = [order.unscored[:count] for order, count in batch]
        scores = self._vad.score(
            [
                PendingFrames(order.state, frames)
                for (order, _), frames in zip(batch, slices, strict=True)
            ]
        )
        self._last_streams = len(batch)
        for (order, _), probabilities in zip(batch, scores, strict=True):
            order.scores += probabilities.tolist()
        done = [order for order, _ in batch if not len(order.unscored)]
        self._orders = deque(order for order in self._orders if len(order.unscored))
        if self._orders:
            self._timer = asyncio.get_running_loop().call_soon(self._score)
        for order in done:
            order.deliver(tuple(order.scores))

    def _take_batch(self) -> list[tuple[_Order, int]]:
        """Choose frames: the oldest order of each stream, until the batch is full."""
        batch: list[tuple[_Order, int]] = []
        streams: set[int] = set()
        room = MAX_BATCH_FRAMES
        for order in self._orders:
            if id(order.state) in streams:
                continue
            streams.add(id(order.state))
            count = min(room, len(order.unscored))
            batch.append((order, count))
            room -= count
            if not room:
                break
        return batch
