"""Threads for local inference, so that the event loop never waits for a model.

A pool of few threads does all inference of the process. Whoever somebody waits for comes first:
final transcripts, then speech, then work ahead of need. Partial transcripts are a courtesy: they
never wait in the queue, never take the last free thread, and are refused while others wait.
"""

import asyncio
import heapq
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from itertools import count
from threading import Lock
from typing import TypeVar, TypeVarTuple

from antiphon.protocol.errors import EngineError

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")

DEFAULT_QUEUE_LIMIT = 64


class Priority(IntEnum):
    """Who comes first when threads are short; equals are served in the order of their arrival."""

    FINAL = 0
    """Somebody has stopped speaking and waits for an answer."""
    SYNTHESIS = 1
    """Speech that will soon be played."""
    AHEAD = 2
    """Work that makes a later job shorter."""
    PARTIAL = 3
    """Nice to have now and worthless later: refused instead of queued."""


@dataclass(order=True, slots=True)
class _Turn:
    """A place in the queue."""

    priority: Priority
    number: int
    loop: asyncio.AbstractEventLoop = field(compare=False)
    called: asyncio.Future[None] = field(compare=False)


class InferenceThreads:
    """Run blocking functions on a bounded number of threads, the most urgent first.

    Serves any number of event loops.
    """

    def __init__(self, size: int, *, queue_limit: int = DEFAULT_QUEUE_LIMIT) -> None:
        if size < 1:
            raise ValueError(f"A pool needs at least one thread, not {size}.")
        self._size = size
        self._queue_limit = queue_limit
        self._executor = ThreadPoolExecutor(size, "inference")
        self._numbers = count()
        # Jobs end on their own threads and may come from several loops, hence a lock; it is held
        # for a few instructions.
        self._lock = Lock()
        self._queue: list[_Turn] = []
        self._busy = 0
        self._partials = 0

    async def run(
        self,
        function: Callable[[*_Arguments], _Result],
        *arguments: *_Arguments,
        priority: Priority = Priority.SYNTHESIS,
    ) -> _Result:
        """Call a function on a thread and return its result.

        Raises `EngineError` "engine_overloaded" when the queue is full, or, for a partial
        transcript, when no thread is free for it. Cancelling a queued job takes it out of the
        queue; a running one goes on to its end and its result is dropped.
        """
        await self._take_turn(priority)
        try:
            job = self._executor.submit(function, *arguments)
        except RuntimeError as closed:
            self._release(priority)
            raise EngineError("engine_unavailable", "The server is shutting down.") from closed

        def release(_: Future[_Result]) -> None:
            self._release(priority)

        # The thread stays taken until the function returns, even when nobody waits any more.
        job.add_done_callback(release)
        return await asyncio.wrap_future(job)

    def close(self) -> None:
        """Start nothing more. Functions that run go on to their end; the call does not wait."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _take_turn(self, priority: Priority) -> None:
        with self._lock:
            if self._can_start(priority):
                self._occupy(priority)
                return
            if priority is Priority.PARTIAL or len(self._queue) >= self._queue_limit:
                raise _overloaded()
            loop = asyncio.get_running_loop()
            turn = _Turn(priority, next(self._numbers), loop, loop.create_future())
            heapq.heappush(self._queue, turn)
        try:
            await turn.called
        except asyncio.CancelledError:
            self._withdraw(turn)
            raise

    def _can_start(self, priority: Priority) -> bool:
        if self._queue or self._busy >= self._size:
            return False
        return priority is not Priority.PARTIAL or self._partials < max(1, self._size - 1)

    def _occupy(self, priority: Priority) -> None:
        self._busy += 1
        self._partials += priority is Priority.PARTIAL

    def _withdraw(self, turn: _Turn) -> None:
        with self._lock:
            queued = turn in self._queue
            if queued:
                self._queue.remove(turn)
                heapq.heapify(self._queue)
        if not queued:
            # It was called at the moment it was cancelled.
            self._release(turn.priority)

    def _release(self, priority: Priority) -> None:
        with self._lock:
            self._busy -= 1
            self._partials -= priority is Priority.PARTIAL
            while self._queue and self._busy < self._size:
                turn = heapq.heappop(self._queue)
                if _call(turn):
                    self._occupy(turn.priority)


def _call(turn: _Turn) -> bool:
    """Tell a waiting job to start; say whether its loop still runs."""
    try:
        turn.loop.call_soon_threadsafe(_wake, turn.called)
    except RuntimeError:
        return False
    return True


def _wake(called: asyncio.Future[None]) -> None:
    if not called.done():
        called.set_result(None)


def _overloaded() -> EngineError:
    return EngineError(
        "engine_overloaded",
        "The embedded engines have more work than this machine can do. Try again shortly, use a "
        "smaller profile, or lower `max_sessions`.",
    )


@lru_cache(maxsize=1)
def shared() -> InferenceThreads:
    """Return the pool that all embedded engines of this process share.

    It has a thread for each processor, and two at least: on a single one the system divides the
    time better than a queue would.
    """
    return InferenceThreads(max(2, _processors()))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
