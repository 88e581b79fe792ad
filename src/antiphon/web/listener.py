"""Sockets that listen: uvicorn, with the bounds that it leaves to others.

uvicorn answers requests and speaks WebSocket. Added here: a client must finish its request in time,
a socket can be dropped although its client does not read, and a client that sends pings without
reading the answers is dropped.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from antiphon.transports.websocket import ABORT_EXTENSION

MAX_FRAME_BYTES = 24 * 1024 * 1024
"""Larger than an append of 16 MiB in base64, so that the session can refuse it in words."""

_REQUEST_HEAD_S = 10.0
_LINGER_S = 15.0
_MAX_HEAD_BYTES = 32 * 1024
_UNREADABLE_HEAD = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)
_PING_INTERVAL_S = 20.0
_PING_PATIENCE_S = 60.0
"""Some clients read nothing while they play a reply; they still live."""


class BoundedHttp(H11Protocol):
    """HTTP connections that must bring a complete request in time."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Read, and stop waiting once a request is complete."""
        super().data_received(data)
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._wait_for_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._head_timer = self.loop.call_later(_REQUEST_HEAD_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """WebSockets that can be dropped although the client does not read."""

    def data_received(self, data: bytes) -> None:
        """Read, and refuse a handshake that cannot be read."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(_UNREADABLE_HEAD)
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Offer the application a way to drop the socket."""
        super().handle_connect(event)
        scope = cast("dict[str, Any] | None", getattr(self, "scope", None))
        if scope is not None:
            scope["extensions"][ABORT_EXTENSION] = self.transport.abort

    def handle_ping(self) -> None:
        """Answer, unless the answers are not read."""
        if not self.writable.is_set():
            self.transport.abort()
            return
        super().handle_ping()

    def keepalive_timeout(self) -> None:
        """Drop a client that no longer answers."""
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    async def run_asgi(self) -> None:
        """Serve the connection, and let nothing linger after it."""
        await super().run_asgi()
        self.loop.call_later(_LINGER_S, self._drop)

    def _drop(self) -> None:
        if not self.disconnected:
            self.transport.abort()


class Listener(uvicorn.Server):
    """Serves one application on one listening socket."""

    def __init__(
        self, app: ASGIApp, listening: socket.socket, context: ssl.SSLContext | None = None
    ) -> None:
        factory = None if context is None else _Given(context)
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedHttp,
                ws=BoundedWebSocket,
                ws_max_size=MAX_FRAME_BYTES,
                ws_ping_interval=_PING_INTERVAL_S,
                ws_ping_timeout=_PING_PATIENCE_S,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=2,
                h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
                ssl_context_factory=factory,
            )
        )
        self._listening = listening

    async def open(self) -> None:
        """Begin to listen."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup([self._listening])

    async def close(self) -> None:
        """Stop listening and end what is still connected."""
        await self.shutdown([self._listening])


class _Given:
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def __call__(
        self, _config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]
    ) -> ssl.SSLContext:
        return self._context


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0 takes a free one. Raises `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would share the port instead of reusing it
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Listening now, not later, makes a second server on this port fail at once.
        bound.listen(2048)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound
