"""The sessions that run: how many there may be, and how they end when the server does."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from antiphon.runtime.connection import Connection
from antiphon.runtime.metrics import LoopLag
from antiphon.web import refusals
from antiphon.web.refusals import Refusal

_OVERLOADED_LAG_S = 0.5
_FAREWELL = (1001, "The server is shutting down. Connect again to go on.")


class OpenSessions:
    """All sessions of this server."""

    def __init__(self, limit: int, lag: LoopLag) -> None:
        self.stopping = asyncio.Event()
        """Set when the server drains: sessions finish what runs, then close."""
        self._limit = limit
        self._lag = lag
        self._connections: set[Connection] = set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._connections)

    def find_room(self) -> Refusal | None:
        """Return why no further session can begin, if so."""
        if self.stopping.is_set():
            return refusals.shutting_down()
        if len(self._connections) >= self._limit:
            return refusals.too_many_sessions(self._limit)
        if self._lag.seconds >= _OVERLOADED_LAG_S:
            return refusals.overloaded()
        return None

    @contextmanager
    def hold(self, connection: Connection) -> Generator[None, None, None]:
        """Count a session while it runs."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)
            self._changed.set()

    async def drain(self, seconds: float) -> None:
        """Let no session begin, let running responses finish, then close what is left."""
        self.stopping.set()
        try:
            async with asyncio.timeout(seconds):
                await self._wait_until_empty()
        except TimeoutError:
            async with asyncio.TaskGroup() as farewells:
                for connection in self._connections:
                    farewells.create_task(connection.close(*_FAREWELL))
            await self._wait_until_empty()

    async def _wait_until_empty(self) -> None:
        while self._connections:
            self._changed.clear()
            await self._changed.wait()
