"""A session's connection over a WebSocket.

The session's task receives, sends and closes; one other task, `write`, carries the frames to the
socket, because only writing may have to wait for the client. A client that does not read fills the
outbox; then it is cut off.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, cast

from starlette.websockets import WebSocket, WebSocketDisconnect

from antiphon.core.inputs import ClientMistake
from antiphon.protocol.dialects import Dialect
from antiphon.protocol.families import AnyClientEvent, AnyServerEvent
from antiphon.runtime.connection import ConnectionLost
from antiphon.transports.base import DEFAULT_LIMITS, Outbox, OutboxLimits, understand

ABORT_EXTENSION = "antiphon.abort"
"""ASGI extension: a function that drops the socket at once, with whatever it still holds."""

Ending = Literal["client", "server", "too slow"]

_TOO_SLOW = (1008, "The client reads too slowly: more events wait than the server keeps.")
_GOODBYES = frozenset({1000, 1005})
"""Codes with which a client ends its session: a normal end, or a close frame without a code."""
_LONGEST_REASON_BYTES = 123  # Spec: RFC 6455, 5.5: a control frame holds 125 bytes, 2 are the code


class WebSocketConnection:
    """A client on an accepted WebSocket. Satisfies `runtime.connection.Connection`."""

    def __init__(
        self, socket: WebSocket, dialect: Dialect, limits: OutboxLimits = DEFAULT_LIMITS
    ) -> None:
        self._socket = socket
        self._dialect = dialect
        self._outbox = Outbox(limits)
        self._farewell_s = limits.farewell_s
        self._closing: tuple[int, str] | None = None
        self._written = asyncio.Event()
        self._has_left = False
        self.ending: Ending = "client"
        """Who ends the connection; final once it has ended."""
        self.has_said_goodbye = False
        """Whether the client has closed the connection on purpose."""

    async def receive(self) -> AnyClientEvent | ClientMistake | None:
        """Wait for the next client event; None: the client has left."""
        if self._has_left or self._closing:
            return None
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            # Only a close frame brings a reason, be it an empty one; a lost connection has none.
            self.has_said_goodbye = "reason" in message and message["code"] in _GOODBYES
            self._leave()
            return None
        frame = cast("str | None", message.get("text"))
        return understand(
            cast("bytes", message["bytes"]) if frame is None else frame, self._dialect
        )

    def send(self, events: Sequence[AnyServerEvent]) -> None:
        """Queue events in order. Raises `ConnectionLost` for a client that has left or is stuck."""
        for event in events:
            for frame in self._dialect.encode(event):
                if not self._outbox.put(frame):
                    self._cut()
                    raise ConnectionLost

    async def close(self, code: int, reason: str) -> None:
        """Send what is queued, within a bounded time, then hang up. The first close counts."""
        if self._closing is None and not self._has_left:
            self._closing = (code, _shorten(reason))
            self.ending = "server"
        self._outbox.close()
        await self._written_or_aborted()

    async def write(self) -> None:
        """Carry frames to the socket until the connection is closed or the client has left."""
        try:
            while (frame := await self._outbox.take()) is not None:
                await self._socket.send_text(frame)
            if self._closing and not self._has_left:
                await self._socket.close(*self._closing)
        except (WebSocketDisconnect, OSError):
            self._leave()  # the client went first
        finally:
            self._written.set()

    def _leave(self) -> None:
        self._has_left = True
        self._outbox.clear()

    def _cut(self) -> None:
        if self._closing is None and not self._has_left:
            self._closing = _TOO_SLOW
            self.ending = "too slow"
        self._outbox.clear()

    async def _written_or_aborted(self) -> None:
        try:
            async with asyncio.timeout(self._farewell_s):
                await self._written.wait()
        except TimeoutError:
            self._abort()

    def _abort(self) -> None:
        self._leave()
        extensions = cast("dict[str, object]", self._socket.scope.get("extensions") or {})
        abort = cast("Callable[[], None] | None", extensions.get(ABORT_EXTENSION))
        if abort is not None:
            abort()


def _shorten(reason: str) -> str:
    return reason.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore")
