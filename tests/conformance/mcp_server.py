"""A real MCP server from the official package, over HTTP on a port of this machine."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class Tools:
    """A server with tools that answer, fail, dawdle and exaggerate."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    """The headers of every request."""
    called: list[str] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    """Set when the tool that never answers was called."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    status: int | None = None
    """What every request is refused with, if so."""
    answer_bytes: int = 0
    """The size of what every request is answered with instead, if so."""


def make(tools: Tools) -> MCPServer:
    server = MCPServer("test")

    @server.tool(name="get-weather", annotations=ToolAnnotations(read_only_hint=True))
    def weather(city: str) -> str:
        """Tell the weather of a city."""
        tools.called.append(f"get-weather {city}")
        return f"sunny in {city}"

    @server.tool()
    def fail() -> str:
        """Fail whatever happens."""
        raise ToolError("No such page")

    @server.tool()
    async def hang() -> str:
        """Never answer."""
        tools.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            tools.cancelled.set()
            raise
        return ""

    @server.tool()
    def much(characters: int) -> str:
        """Answer with a long text."""
        return "x" * characters

    @server.tool()
    def table() -> dict[str, int]:
        """Answer with data."""
        return {"a": 1}

    @server.tool()
    def whoami(context: Context) -> str:
        """Tell who is asking."""
        return (context.headers or {}).get("authorization", "nobody")

    return server


class _Watching:
    """Notes what was asked, and stands in for a server that misbehaves."""

    def __init__(self, app: Starlette, tools: Tools) -> None:
        self._app = app
        self._tools = tools

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = {name.decode(): value.decode() for name, value in scope["headers"]}
        self._tools.headers.append(given)
        size = self._tools.answer_bytes
        if self._tools.status is None and not size:
            await self._app(scope, receive, send)
            return
        kind = [(b"content-type", b"application/json")]
        status = self._tools.status or 200
        await send({"type": "http.response.start", "status": status, "headers": kind})
        await send({"type": "http.response.body", "body": b'"' + b"x" * size + b'"'})


@contextmanager
def serving(tools: Tools | None = None, *, events: bool = False) -> Iterator[Tools]:
    """Serve in a thread until the block ends, over streamable HTTP or over events (SSE)."""
    tools = tools or Tools()
    server = make(tools)
    app = server.sse_app() if events else server.streamable_http_app()
    with running(_Watching(app, tools)) as origin:
        tools.url = origin + ("/sse" if events else "/mcp")
        yield tools


class _Announced(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Serve an application in a thread and yield its origin."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    server = _Announced(config)
    thread = threading.Thread(target=lambda: server.run([listener]), daemon=True)
    thread.start()
    assert server.is_up.wait(10)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
