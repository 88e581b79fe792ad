"""Sessions with MCP servers, held through the official client library.

A session with a server is opened when it is first needed, used for everything that follows, and
closed with ours. The library wants it closed by the task that opened it, so each has a task.
"""

import asyncio
import importlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from antiphon.core.commands import CallTool, ListTools
from antiphon.core.inputs import ToolAnswered, ToolsListed
from antiphon.core.mcp_server import McpServer
from antiphon.core.reach import Reach
from antiphon.protocol.errors import EngineError
from antiphon.runtime.mcp_exchange import Exchange, McpFailed, exchange

if TYPE_CHECKING:
    from antiphon.runtime.mcp_client import McpClient

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")

_LIBRARY = "antiphon.runtime.mcp_client"
_CLOSING_S = 2.0
"""How long the farewell to a server may take."""

_NOT_FOUND = "404"


class McpSessions:
    """The sessions with MCP servers that one session of ours holds."""

    def __init__(self, reach: Reach, tasks: asyncio.TaskGroup) -> None:
        self._reach = reach
        self._tasks = tasks
        self._open: dict[McpServer, _Session] = {}

    async def ask(self, command: ListTools | CallTool) -> AsyncIterator[ToolsListed | ToolAnswered]:
        """List the tools of a server or call one, and yield the result.

        Raises `EngineError` in words for the client where a server does not tell its tools. What
        goes wrong with a call is the call's answer.
        """
        await _load_library()
        match command:
            case ListTools():
                yield await self._list_tools(command)
            case CallTool():
                yield await self._call_tool(command)

    def close(self) -> None:
        """Take leave of every server; the tasks end within a bounded time."""
        for session in self._open.values():
            session.close()

    async def _list_tools(self, command: ListTools) -> ToolsListed:
        from antiphon.runtime import mcp_client

        try:
            tools = await self._ask(command.server, mcp_client.list_tools)
        except McpFailed as failed:
            said = {"label": command.server.label, "what": failed.kind}
            _logger.warning("mcp_list_failed", extra=said)
            raise EngineError("mcp_list_failed", failed.message) from None
        return ToolsListed(command.job, tools)

    async def _call_tool(self, command: CallTool) -> ToolAnswered:
        from antiphon.runtime import mcp_client

        arguments = msgspec.json.decode(command.arguments, type=dict[str, object])

        async def call(client: "McpClient") -> str:
            return await mcp_client.call_tool(client, command.name, arguments)

        try:
            return ToolAnswered(command.job, await self._ask(command.server, call))
        except McpFailed as failed:
            said = {"label": command.server.label, "what": failed.kind}
            _logger.info("mcp_call_failed", extra=said)
            return ToolAnswered(command.job, error=failed.error)

    async def _ask(
        self, server: McpServer, question: Callable[["McpClient"], Awaitable[_Result]]
    ) -> _Result:
        is_kept = server in self._open
        try:
            return await self._ask_once(server, question)
        except McpFailed as failed:
            # Spec: a server that has forgotten a session answers 404, and has done nothing.
            if not (is_kept and failed.kind == _NOT_FOUND):
                raise
        return await self._ask_once(server, question)

    async def _ask_once(
        self, server: McpServer, question: Callable[["McpClient"], Awaitable[_Result]]
    ) -> _Result:
        from antiphon.runtime import mcp_client

        noted = Exchange()
        token = exchange.set(noted)
        session = self._open.get(server)
        if session is None:
            session = self._open[server] = _Session(server, self._reach, self._tasks)
        try:
            return await question(await session.client())
        except asyncio.CancelledError:
            if not session.is_ready:
                self._forget(server, session)
            raise
        except Exception as fault:  # noqa: BLE001 - the library raises whatever servers cause
            failed = mcp_client.failure(fault, noted if noted != Exchange() else session.noted)
            if failed.ends_session or not session.is_ready:
                self._forget(server, session)
            raise failed from None
        finally:
            exchange.reset(token)

    def _forget(self, server: McpServer, session: "_Session") -> None:
        if self._open.get(server) is session:
            del self._open[server]
        session.close()


class _Session:
    """One session with one server, and the task that holds it."""

    def __init__(self, server: McpServer, reach: Reach, tasks: asyncio.TaskGroup) -> None:
        self._server = server
        self._reach = reach
        self._client: asyncio.Future[McpClient] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self.noted = Exchange()
        """What happened while it was opened."""
        self._task = tasks.create_task(self._hold())

    @property
    def is_ready(self) -> bool:
        """Whether the server has greeted us."""
        is_over = self._client.done() and not self._client.cancelled()
        return is_over and self._client.exception() is None

    async def client(self) -> "McpClient":
        """Return the client when the server has greeted it; raise what went wrong."""
        return await asyncio.shield(self._client)

    def close(self) -> None:
        """Take leave, or stop where there was no greeting yet."""
        self._closing.set()
        if not self._client.done():
            self._task.cancel()

    async def _hold(self) -> None:
        from antiphon.runtime import mcp_client

        exchange.set(self.noted)
        loop = asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout(None) as limit,
                mcp_client.connected(self._server, self._reach) as client,
            ):
                self._client.set_result(client)
                await self._closing.wait()
                limit.reschedule(loop.time() + _CLOSING_S)
        except asyncio.CancelledError:
            self._client.cancel()
            raise
        except Exception as fault:  # noqa: BLE001 - the library raises groups of anything
            if not self._client.done():
                self._client.set_exception(fault)
                self._client.exception()  # whoever waited may have been cancelled meanwhile


async def _load_library() -> None:
    if _LIBRARY not in sys.modules:
        await asyncio.to_thread(importlib.import_module, _LIBRARY)
