"""How many sessions there may be, and how they end when the server does."""

import asyncio
from typing import cast

import pytest

from antiphon.core.inputs import ClientMistake
from antiphon.runtime.metrics import LoopLag, Metrics
from antiphon.web.sessions import OpenSessions

pytestmark = pytest.mark.anyio


class Connection:
    """A connection that ends when it is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.code = 0
        self.reason = ""

    async def receive(self) -> ClientMistake | None:
        return None

    def send(self, events: object) -> None:
        pass

    async def close(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        self.closed.set()


async def held(sessions: OpenSessions, connection: Connection) -> None:
    with sessions.hold(connection):
        await connection.closed.wait()


async def test_there_is_room_up_to_the_limit() -> None:
    sessions = OpenSessions(2, LoopLag())
    with sessions.hold(Connection()):
        assert sessions.find_room() is None
        with sessions.hold(Connection()):
            refusal = sessions.find_room()
            assert refusal is not None
            assert (refusal.status, refusal.headers["retry-after"]) == (429, "5")
        assert sessions.find_room() is None


async def test_a_server_that_lags_takes_no_more_sessions() -> None:
    lag = LoopLag()
    sessions = OpenSessions(2, lag)
    lag.seconds = 2.0
    refusal = sessions.find_room()
    assert refusal is not None
    assert (refusal.status, refusal.code) == (503, "server_overloaded")
    assert b"antiphon_loop_lag_seconds 2.0" in Metrics(lag).render()


async def test_draining_without_sessions_is_done_at_once() -> None:
    sessions = OpenSessions(2, LoopLag())
    await sessions.drain(3600)
    refusal = sessions.find_room()
    assert refusal is not None
    assert refusal.code == "server_shutting_down"


async def test_draining_waits_for_sessions_that_end_by_themselves() -> None:
    sessions, connection = OpenSessions(2, LoopLag()), Connection()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(held(sessions, connection))
        draining = tasks.create_task(sessions.drain(3600))
        await sessions.stopping.wait()
        assert not draining.done()
        connection.closed.set()
    assert connection.code == 0


async def test_sessions_that_outlast_the_drain_are_closed_with_1001() -> None:
    sessions, connections = OpenSessions(5, LoopLag()), [Connection() for _ in range(3)]
    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(held(sessions, connection))
        tasks.create_task(sessions.drain(0.01))
    assert [each.code for each in connections] == [1001] * 3
    assert all("shutting down" in each.reason for each in connections)


class HeldUpLoop(asyncio.SelectorEventLoop):
    """An event loop that can lose time."""

    lost_s = 0.0

    def time(self) -> float:
        return super().time() + self.lost_s


def test_a_loop_that_is_held_up_is_noticed() -> None:
    async def lose_time() -> float:
        lag = LoopLag()
        lag.start()
        loop.lost_s += 10
        # The timer that is due by now runs in the next turn of the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        lag.stop()
        return lag.seconds

    with asyncio.Runner(loop_factory=HeldUpLoop) as runner:
        loop = cast("HeldUpLoop", runner.get_loop())
        assert runner.run(lose_time()) > 1
