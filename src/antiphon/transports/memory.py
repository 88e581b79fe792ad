"""A client in the same process: events without a socket, under the same rules as over one."""

import asyncio
from collections.abc import Sequence

from antiphon.core.inputs import ClientMistake
from antiphon.protocol.dialects import Dialect
from antiphon.protocol.families import AnyClientEvent, AnyServerEvent
from antiphon.runtime.connection import ConnectionLost
from antiphon.transports.base import DEFAULT_LIMITS, Outbox, OutboxLimits, understand

_WAITING_FRAMES = 64
"""Frames that may wait for the session; the client waits with the next one."""


class MemoryConnection:
    """Both ends of a connection. Satisfies `runtime.connection.Connection`."""

    def __init__(self, dialect: Dialect, limits: OutboxLimits = DEFAULT_LIMITS) -> None:
        self._dialect = dialect
        self._frames: asyncio.Queue[str | bytes | None] = asyncio.Queue(_WAITING_FRAMES)
        self._outbox = Outbox(limits)
        self._has_left = False
        self.closed: tuple[int, str] | None = None
        """Code and reason with which the session hung up."""
        self.has_said_goodbye = False
        """Whether the client has left on purpose."""

    # The client's end

    async def say(self, frame: str | bytes) -> None:
        """Send a frame to the session, waiting for room."""
        await self._frames.put(frame)

    async def hear(self) -> str | None:
        """Wait for the next frame of the session; None: it has hung up."""
        return await self._outbox.take()

    async def leave(self, *, says_goodbye: bool = True) -> None:
        """End the connection; what the session has sent can still be read."""
        self.has_said_goodbye = says_goodbye
        self._has_left = True
        self._outbox.close()
        if self.closed is None:
            await self._frames.put(None)

    # The session's end

    async def receive(self) -> AnyClientEvent | ClientMistake | None:
        """Wait for the next client event; None: the client has left."""
        frame = await self._frames.get()
        return None if frame is None else understand(frame, self._dialect)

    def send(self, events: Sequence[AnyServerEvent]) -> None:
        """Queue events in order. Raises `ConnectionLost` for a client that has left or is stuck."""
        for event in events:
            for frame in self._dialect.encode(event):
                if not self._outbox.put(frame):
                    self._outbox.clear()
                    raise ConnectionLost

    async def close(self, code: int, reason: str) -> None:
        """Hang up; what was sent before can still be read."""
        if not self._has_left:
            self.closed = self.closed or (code, reason)
        self._outbox.close()
