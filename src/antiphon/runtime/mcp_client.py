"""The official client library of MCP, as far as we need it: connect, list tools, call one.

Imported on first use and in a thread, because the library takes most of a second.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeAlias

import mcp_types
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from antiphon.core.mcp_server import McpServer
from antiphon.core.reach import Reach
from antiphon.protocol.items import (
    McpHttpError,
    McpProtocolError,
    McpToolExecutionError,
    McpToolListing,
)
from antiphon.runtime.mcp_exchange import Exchange, McpFailed
from antiphon.runtime.mcp_transport import MAX_ANSWER_BYTES, http_client

McpClient: TypeAlias = Client

MAX_TOOLS = 1_000
"""The most tools of one server that are looked at."""

MAX_TEXT = 256 * 1024
"""The longest result of a tool that a conversation keeps, in characters."""

_MAX_SCHEMA = 32 * 1024
_MAX_NAME = 128
_MAX_DESCRIPTION = 8 * 1024
_MAX_PAGES = 20
_MAX_MESSAGE = 2_000
_INVALID_ANSWER = -32700
_NO_CONNECTION = -32000
_US = mcp_types.Implementation(name="antiphon", version="1")


@asynccontextmanager
async def connected(server: McpServer, reach: Reach) -> AsyncGenerator[McpClient]:
    """Open a session with a server: streamable HTTP, or events where the address ends in `/sse`."""
    if server.url.partition("?")[0].rstrip("/").endswith("/sse"):

        def factory(*_: Any, **__: Any) -> Any:
            return http_client(server, reach)

        transport = sse_client(server.url, httpx_client_factory=factory)
        async with Client(transport, cache=None, client_info=_US, mode="legacy") as client:
            yield client
        return
    async with http_client(server, reach) as http:
        streams = streamable_http_client(
            server.url, http_client=http, max_sse_event_size=MAX_ANSWER_BYTES
        )
        async with Client(streams, cache=None, client_info=_US) as client:
            yield client


async def list_tools(client: McpClient) -> tuple[McpToolListing, ...]:
    """Return a server's tools; what no model could call is left out."""
    found: list[McpToolListing] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += [listing for listing in map(_listing, page.tools) if listing is not None]
        cursor = page.next_cursor
        if not cursor or len(found) > MAX_TOOLS:
            break
    if len(found) > MAX_TOOLS or cursor:
        message = f"It has more than {MAX_TOOLS} tools. Split it into several servers."
        raise McpFailed("too_many_tools", McpToolExecutionError(message=message))
    return tuple(found)


async def call_tool(client: McpClient, name: str, arguments: dict[str, Any]) -> str:
    """Return what a tool answers; raise `McpFailed` where it says that it failed."""
    result = await client.call_tool(name, arguments)
    text = _text(result)
    if result.is_error:
        message = text[:_MAX_MESSAGE] or "The tool failed and does not say why."
        raise McpFailed("tool", McpToolExecutionError(message=message))
    if len(text) > MAX_TEXT:
        message = f"The result has {len(text)} characters; at most {MAX_TEXT} can be read."
        raise McpFailed("too_long", McpToolExecutionError(message=message))
    return text


def failure(fault: Exception, noted: Exchange) -> McpFailed:
    """Say in the API's words why a question came to nothing."""
    if isinstance(fault, McpFailed):
        return fault
    if noted.trouble is not None:
        error = McpProtocolError(code=_NO_CONNECTION, message=noted.trouble.message)
        return McpFailed(noted.trouble.code, error, ends_session=True)
    if noted.status is not None and noted.status >= HTTPStatus.BAD_REQUEST:
        message = _phrase(noted.status)
        refused = McpHttpError(code=noted.status, message=message)
        is_lost = noted.status == HTTPStatus.NOT_FOUND
        return McpFailed(str(noted.status), refused, ends_session=is_lost)
    if isinstance(fault, MCPError):
        message = fault.message[:_MAX_MESSAGE]
        error = McpProtocolError(code=fault.code, message=message)
        return McpFailed(f"rpc {fault.code}", error, ends_session=fault.code == _NO_CONNECTION)
    place = _place(fault)
    message = f"The MCP server's answer does not follow the protocol{place}."
    error = McpProtocolError(code=_INVALID_ANSWER, message=message)
    return McpFailed(type(fault).__name__, error, ends_session=True)


def _place(fault: Exception) -> str:
    """Say which field is wrong; its value is not ours to repeat."""
    if not isinstance(fault, ValidationError):
        return ""
    path = ".".join(str(each) for each in fault.errors(include_input=False)[0]["loc"])
    return f" (at {path[:_MAX_NAME]})" if path else ""


def _listing(tool: mcp_types.Tool) -> McpToolListing | None:
    schema = {"type": "object", **tool.input_schema}
    is_usable = (
        0 < len(tool.name) <= _MAX_NAME
        and tool.name.isprintable()
        and schema["type"] == "object"
        and isinstance(schema.get("properties", {}), dict)
        and len(json.dumps(schema)) <= _MAX_SCHEMA
    )
    if not is_usable:
        return None
    listing = McpToolListing(
        name=tool.name,
        description=(tool.description or "")[:_MAX_DESCRIPTION],
        input_schema=schema,
    )
    if tool.annotations is None:
        return listing
    hints = tool.annotations.model_dump(by_alias=True, exclude_none=True, mode="json")
    return McpToolListing(
        name=listing.name,
        description=listing.description,
        input_schema=schema,
        annotations=hints,
    )


def _text(result: mcp_types.CallToolResult) -> str:
    """Return a result as text: what is no text is named in its place."""
    parts: list[str] = []
    for block in result.content:
        match block:
            case mcp_types.TextContent(text=text):
                parts.append(text)
            case mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents(text=text)):
                parts.append(text)
            case mcp_types.ResourceLink(uri=uri):
                parts.append(str(uri))
            case _:
                parts.append(f"({block.type} content, which cannot be read here)")
    if not parts and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(parts)


def _phrase(status: int) -> str:
    try:
        said = HTTPStatus(status).phrase
    except ValueError:
        said = "an error"
    cures = {401: " Check `authorization`.", 403: " Check `authorization`.", 404: " Check the URL."}
    return f"The MCP server answered {status} ({said}).{cures.get(status, '')}"
