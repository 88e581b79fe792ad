"""What holds for every request: one spelling of the path, and the headers of every response."""

import logging
import re
import secrets
import time
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from antiphon.web.refusals import family_of

REGION = "Local"
"""Where Azure's clients are told that they are."""

_logger = logging.getLogger(__name__)
_POLLED = frozenset({"/health", "/ready", "/metrics"})
_HAS_HEADERS = frozenset(
    {"http.response.start", "websocket.accept", "websocket.http.response.start"}
)


class Edge:
    """The outermost layer: normalizes paths, names requests, logs their outcome."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        path = normalize(cast("str", scope["path"]))
        scope["path"] = path
        scope["raw_path"] = path.encode(errors="surrogateescape")
        request_id = "req_" + secrets.token_hex(16)
        scope["antiphon.request_id"] = request_id
        extra = [(b"x-request-id", request_id.encode())]
        if family_of(path) == "azure":
            extra += [
                (b"apim-request-id", request_id.encode()),
                (b"x-ms-region", REGION.encode()),
            ]
        start = time.monotonic()

        async def send_with_headers(message: Message) -> None:
            if message["type"] in _HAS_HEADERS:
                headers = cast("list[tuple[bytes, bytes]]", message.get("headers", []))
                message["headers"] = [*headers, *extra]
                _log(scope, message, request_id, time.monotonic() - start)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def normalize(path: str) -> str:
    """Return a path without repeated slashes and without one at its end.

    Observed: some clients write `/v1//realtime`, and follow no redirect.
    """
    return re.sub("/{2,}", "/", path).rstrip("/") or "/"


def _log(scope: Scope, message: Message, request_id: str, seconds: float) -> None:
    path = cast("str", scope["path"])
    # The query is left out: it may hold a key.
    _logger.log(
        logging.DEBUG if path in _POLLED else logging.INFO,
        "request",
        extra={
            "request": request_id,
            "method": scope.get("method", "WEBSOCKET"),
            "path": path[:256],
            "status": message.get("status", 101),
            "ms": round(seconds * 1000, 1),
        },
    )
