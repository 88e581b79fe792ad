"""MCP servers as they are met: good ones, and those that lie, hang, boast or vanish."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp_server import Tools, running, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from antiphon.core.commands import CallTool, ListTools
from antiphon.core.inputs import ToolAnswered, ToolsListed
from antiphon.core.mcp_server import McpServer, Secret
from antiphon.core.reach import Reach
from antiphon.protocol.errors import EngineError
from antiphon.protocol.items import McpHttpError, McpProtocolError, McpToolExecutionError
from antiphon.runtime.mcp_sessions import McpSessions

pytestmark = pytest.mark.anyio

LOCAL = Reach(loopback=True)


@pytest.fixture
def tools() -> Iterator[Tools]:
    with serving() as served:
        yield served


@asynccontextmanager
async def sessions(reach: Reach = LOCAL) -> AsyncIterator[McpSessions]:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        held = McpSessions(reach, tasks)
        yield held
        held.close()


def server(url: str, **headers: str) -> McpServer:
    return McpServer("test", url, tuple((name, Secret(each)) for name, each in headers.items()))


async def listed(held: McpSessions, url: str) -> ToolsListed:
    (result,) = [each async for each in held.ask(ListTools(1, server(url)))]
    assert isinstance(result, ToolsListed)
    return result


async def called(held: McpSessions, url: str, name: str, **arguments: Any) -> ToolAnswered:
    command = CallTool(2, server(url), name, json.dumps(arguments))
    (result,) = [each async for each in held.ask(command)]
    assert isinstance(result, ToolAnswered)
    return result


async def failing(held: McpSessions, url: str) -> str:
    with pytest.raises(EngineError) as failed:
        await listed(held, url)
    return failed.value.message


async def test_tools_are_listed_and_called_in_one_session(tools: Tools) -> None:
    async with sessions() as held:
        found = (await listed(held, tools.url)).tools
        weather = next(each for each in found if each.name == "get-weather")
        assert weather.description == "Tell the weather of a city."
        assert weather.input_schema["properties"]["city"]["type"] == "string"
        assert weather.annotations["readOnlyHint"] is True
        answer = await called(held, tools.url, "get-weather", city="Paris")
        assert (answer.output, answer.error) == ("sunny in Paris", None)
        assert (await called(held, tools.url, "table")).output.split() == ["{", '"a":', "1", "}"]
    assert tools.called == ["get-weather Paris"]


async def test_a_server_on_localhost_is_found_at_either_of_its_addresses(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lookup(_: object, port: int, **__: object) -> list[Any]:
        found = [(socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
        return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    async with sessions() as held:
        url = tools.url.replace("127.0.0.1", "localhost")
        assert (await called(held, url, "get-weather", city="Kiel")).output == "sunny in Kiel"


async def test_an_older_server_is_spoken_to_in_events() -> None:
    with serving(events=True) as tools:
        async with sessions() as held:
            assert (await listed(held, tools.url)).tools
            answer = await called(held, tools.url, "get-weather", city="Rome")
            assert answer.output == "sunny in Rome"


async def test_secrets_come_with_every_request(tools: Tools) -> None:
    async with sessions() as held:
        asked = server(tools.url, Authorization="Bearer s3cret")
        command = CallTool(2, asked, "whoami", "{}")
        (answer,) = [each async for each in held.ask(command)]
        assert isinstance(answer, ToolAnswered)
        assert answer.output == "Bearer s3cret"
    assert all(each["authorization"] == "Bearer s3cret" for each in tools.headers)


async def test_calls_run_beside_each_other_and_stop_when_nobody_waits(tools: Tools) -> None:
    async with sessions() as held:
        hanging = asyncio.create_task(called(held, tools.url, "hang"))
        await asyncio.to_thread(tools.started.wait, 10)
        answer = await called(held, tools.url, "get-weather", city="Oslo")
        assert answer.output == "sunny in Oslo"
        hanging.cancel()
        assert await asyncio.to_thread(tools.cancelled.wait, 10)


async def test_a_tool_that_fails_says_why(tools: Tools) -> None:
    async with sessions() as held:
        error = (await called(held, tools.url, "fail")).error
        assert isinstance(error, McpToolExecutionError)
        assert "No such page" in error.message


async def test_a_tool_that_does_not_exist_is_a_failure_of_its_own(tools: Tools) -> None:
    async with sessions() as held:
        error = (await called(held, tools.url, "nothing")).error
        assert isinstance(error, McpProtocolError | McpToolExecutionError)


async def test_a_long_result_is_refused_in_words(tools: Tools) -> None:
    async with sessions() as held:
        error = (await called(held, tools.url, "much", characters=300_000)).error
        assert isinstance(error, McpToolExecutionError)
        assert "300000 characters" in error.message


async def test_ten_megabytes_are_not_read(tools: Tools) -> None:
    async with sessions() as held:
        error = (await called(held, tools.url, "much", characters=10_000_000)).error
        assert isinstance(error, McpProtocolError)
        assert "larger than 2 MiB" in error.message
        again = await called(held, tools.url, "get-weather", city="Bonn")
        assert again.output == "sunny in Bonn"


async def test_a_list_of_ten_megabytes_is_not_read(tools: Tools) -> None:
    tools.answer_bytes = 10_000_000
    async with sessions() as held:
        assert "larger than 2 MiB" in await failing(held, tools.url)


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
async def test_a_refusal_is_told_with_its_status(tools: Tools, status: int) -> None:
    async with sessions() as held:
        await listed(held, tools.url)
        tools.status = status
        error = (await called(held, tools.url, "fail")).error
        assert isinstance(error, McpHttpError)
        assert error.code == status
        assert str(status) in await failing(held, tools.url)


async def test_a_server_that_was_restarted_is_greeted_again() -> None:
    with serving() as tools:
        async with sessions() as held:
            await listed(held, tools.url)
            tools.status = 404
            assert (await called(held, tools.url, "fail")).error is not None
            tools.status = None
            answer = await called(held, tools.url, "get-weather", city="Bern")
            assert answer.output == "sunny in Bern"


async def test_a_server_that_vanishes_fails_its_calls() -> None:
    async with sessions() as held:
        with serving() as tools:
            await listed(held, tools.url)
        error = (await called(held, tools.url, "get-weather", city="Ulm")).error
        assert isinstance(error, McpProtocolError)
        assert "cannot be reached" in error.message


async def test_nobody_there_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with sessions() as held:
        assert "cannot be reached" in await failing(held, f"http://127.0.0.1:{port}/mcp")


async def test_a_server_that_never_greets_is_left_when_nobody_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        async with sessions() as held:
            waiting = asyncio.create_task(listed(held, url))
            connection, _address = await asyncio.to_thread(silent.accept)
            with connection:
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting


Answer = Callable[[dict[str, Any]], Response]


def pretending(answer: Answer) -> Starlette:
    """A server that greets as it should, and tells its tools as it likes."""

    async def post(request: Request) -> Response:
        asked = await request.json()
        match asked.get("method"):
            case "initialize":
                result: dict[str, Any] = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "x", "version": "1"},
                }
                return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": result})
            case "tools/list" | "tools/call":
                return answer(asked)
            case "server/discover":
                error = {"code": -32601, "message": "no"}
                return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "error": error})
            case _:
                return Response(status_code=202)

    return Starlette(routes=[Route("/mcp", post, methods=["POST"])])


def with_result(result: Any) -> Answer:
    return lambda asked: JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": result})


def tool(name: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": schema}


async def test_tools_that_no_model_could_call_are_left_out() -> None:
    offered = [
        tool("", {"type": "object"}),
        tool("n" * 200, {"type": "object"}),
        tool("large", {"type": "object", "description": "x" * 40_000}),
        tool("good", {"type": "object", "properties": {"a": {"type": "string"}}}),
    ]
    with running(pretending(with_result({"tools": offered}))) as origin:
        async with sessions() as held:
            found = (await listed(held, origin + "/mcp")).tools
            assert [each.name for each in found] == ["good"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (with_result({"tools": [tool("x", "text")]}), "does not follow the protocol"),
        (with_result({"tools": [tool("x", {"type": "array"})]}), "tools.0.inputSchema"),
        (with_result({"tools": "none"}), "does not follow the protocol"),
        (lambda _: Response("{broken", media_type="application/json"), "JSON"),
        (lambda _: Response("hello", media_type="text/plain"), "content type"),
        (
            with_result({"tools": [tool(f"t{n}", {"type": "object"}) for n in range(1001)]}),
            "more than 1000 tools",
        ),
        (with_result({"tools": [], "nextCursor": "again"}), "more than 1000 tools"),
        (lambda _: RedirectResponse("http://127.0.0.1:9/mcp", 307), "not followed"),
        (lambda _: Response("", headers={"content-encoding": "gzip"}), "packed"),
    ],
)
async def test_a_list_that_is_none_is_refused_in_words(answer: Answer, words: str) -> None:
    with running(pretending(answer)) as origin:
        async with sessions() as held:
            assert words in await failing(held, origin + "/mcp")


async def test_what_is_no_text_is_named_in_its_place() -> None:
    content = [
        {"type": "text", "text": "Look:"},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
        {"type": "resource_link", "uri": "https://a.example/", "name": "a"},
    ]
    # The library asks for the tools of a server before it reads a result.
    with running(pretending(with_result({"content": content, "tools": []}))) as origin:
        async with sessions() as held:
            answer = await called(held, origin + "/mcp", "any")
            assert answer.error is None
            assert answer.output == (
                "Look:\n(image content, which cannot be read here)\ninside\nhttps://a.example/"
            )


async def test_a_name_that_nobody_knows_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    async with sessions(Reach()) as held:
        assert "not known" in await failing(held, "https://nowhere.example.com/mcp")


async def test_a_server_may_not_lead_elsewhere(tools: Tools) -> None:
    async with sessions(Reach()) as held:
        assert "may not call it" in await failing(held, tools.url)
    assert tools.headers == []


async def test_a_name_that_leads_to_a_private_address_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lookup(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    async with sessions(Reach()) as held:
        assert "not public" in await failing(held, "https://inside.example.com/mcp")
