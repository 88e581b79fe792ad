"""Who gets a thread, in which order, and who is sent away."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from antiphon.backends.threads import InferenceThreads, Priority, shared
from antiphon.protocol.errors import EngineError

PATIENCE_S = 10


class Gate:
    """Work that starts, says so, and ends when told."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._opened = threading.Event()
        self.left = threading.Event()

    def work(self) -> str:
        self._entered.set()
        assert self._opened.wait(PATIENCE_S)
        self.left.set()
        return "done"

    def open(self) -> None:
        self._opened.set()

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, PATIENCE_S)


def with_pool(
    size: int, script: Callable[[InferenceThreads], Coroutine[Any, Any, None]], **limits: int
) -> None:
    pool = InferenceThreads(size, **limits)
    try:
        asyncio.run(script(pool))
    finally:
        pool.close()


async def start(work: Awaitable[object]) -> "asyncio.Future[object]":
    """Let a job run as far as it can without waiting."""
    task = asyncio.ensure_future(work)
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def occupy(pool: InferenceThreads, priority: Priority = Priority.SYNTHESIS) -> Gate:
    gate = Gate()
    await start(pool.run(gate.work, priority=priority))
    await gate.entered()
    return gate


def test_a_function_runs_off_the_loop_and_its_result_comes_back() -> None:
    async def script(pool: InferenceThreads) -> None:
        here = threading.get_ident()
        there, doubled = await pool.run(lambda n: (threading.get_ident(), 2 * n), 21)
        assert there != here
        assert doubled == 42

    with_pool(1, script)


def test_an_exception_comes_back_and_the_thread_serves_the_next() -> None:
    async def script(pool: InferenceThreads) -> None:
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 1, 0)
        assert await pool.run(divmod, 7, 2) == (3, 1)

    with_pool(1, script)


def test_the_most_urgent_runs_first_and_equals_in_the_order_of_their_arrival() -> None:
    async def script(pool: InferenceThreads) -> None:
        gate = await occupy(pool)
        served: list[str] = []
        arrivals = [
            ("ahead", Priority.AHEAD),
            ("first clause", Priority.SYNTHESIS),
            ("second clause", Priority.SYNTHESIS),
            ("transcript", Priority.FINAL),
        ]
        jobs = [await start(pool.run(served.append, name, priority=p)) for name, p in arrivals]
        gate.open()
        await asyncio.gather(*jobs)
        assert served == ["transcript", "first clause", "second clause", "ahead"]

    with_pool(1, script)


@pytest.mark.parametrize("size", [1, 2])
def test_a_partial_transcript_is_refused_when_every_thread_is_busy(size: int) -> None:
    async def script(pool: InferenceThreads) -> None:
        gates = [await occupy(pool) for _ in range(size)]
        with pytest.raises(EngineError, match="max_sessions") as refused:
            await pool.run(int, priority=Priority.PARTIAL)
        assert refused.value.code == "engine_overloaded"
        for gate in gates:
            gate.open()

    with_pool(size, script)


def test_partial_transcripts_leave_the_last_thread_free() -> None:
    async def script(pool: InferenceThreads) -> None:
        gate = await occupy(pool, Priority.PARTIAL)
        with pytest.raises(EngineError):
            await pool.run(int, priority=Priority.PARTIAL)
        assert await pool.run(int, "7", priority=Priority.FINAL) == 7
        gate.open()

    with_pool(2, script)


def test_the_only_thread_takes_a_partial_transcript_when_it_is_free() -> None:
    async def script(pool: InferenceThreads) -> None:
        assert await pool.run(int, "7", priority=Priority.PARTIAL) == 7
        assert await pool.run(int, "8", priority=Priority.PARTIAL) == 8

    with_pool(1, script)


def test_a_full_queue_refuses_more() -> None:
    async def script(pool: InferenceThreads) -> None:
        gate = await occupy(pool)
        queued = await start(pool.run(int, "7"))
        with pytest.raises(EngineError) as refused:
            await pool.run(int, "8", priority=Priority.FINAL)
        assert refused.value.code == "engine_overloaded"
        gate.open()
        assert await queued == 7

    with_pool(1, script, queue_limit=1)


def test_a_queued_job_that_is_cancelled_never_runs_and_frees_its_place() -> None:
    async def script(pool: InferenceThreads) -> None:
        gate = await occupy(pool)
        served: list[str] = []
        cancelled = await start(pool.run(served.append, "cancelled"))
        cancelled.cancel()
        await asyncio.wait([cancelled])
        kept = await start(pool.run(served.append, "kept"))
        gate.open()
        await kept
        assert served == ["kept"]

    with_pool(1, script, queue_limit=1)


def test_a_running_job_that_is_cancelled_keeps_its_thread_to_its_end() -> None:
    async def script(pool: InferenceThreads) -> None:
        gate = Gate()
        abandoned = await start(pool.run(gate.work))
        await gate.entered()
        abandoned.cancel()
        await asyncio.wait([abandoned])
        waiting = await start(pool.run(gate.left.is_set))
        assert not waiting.done()
        gate.open()
        assert await waiting is True

    with_pool(1, script)


def test_a_job_cancelled_in_the_moment_of_its_turn_passes_the_turn_on() -> None:
    async def script(pool: InferenceThreads) -> None:
        gate = await occupy(pool)
        unlucky = await start(pool.run(int, "7"))
        last = await start(pool.run(int, "8"))
        gate.open()
        # The loop is held until the turn has been given, and learns of it after the cancellation.
        assert gate.left.wait(PATIENCE_S)
        unlucky.cancel()
        assert await asyncio.wait_for(last, PATIENCE_S) == 8
        assert await pool.run(int, "9") == 9

    with_pool(1, script)


def test_a_loop_that_ended_leaves_no_turn_taken() -> None:
    pool = InferenceThreads(1)
    gate = Gate()

    async def leave() -> None:
        await start(pool.run(gate.work))
        await gate.entered()
        await start(pool.run(int, "7"))

    asyncio.run(leave())
    gate.open()
    assert asyncio.run(pool.run(int, "8")) == 8
    pool.close()


def test_a_closed_pool_says_so() -> None:
    pool = InferenceThreads(1)
    pool.close()
    with pytest.raises(EngineError, match="shutting down"):
        asyncio.run(pool.run(int))


def test_a_pool_without_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one thread"):
        InferenceThreads(0)


def test_all_engines_of_a_process_share_one_pool() -> None:
    assert shared() is shared()
