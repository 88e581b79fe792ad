"""Cases 64 to 71: MCP tools, from a real server of the official package.

Shows Tools: MCP servers: import, approval, calls, and the response that tells the result
"""

from collections.abc import Iterator
from typing import Any

import pytest
from conformance_server import Server
from mcp_server import Tools, serving
from wire import Event, Wire, connected, respond, types, update

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]


@pytest.fixture(scope="module")
def tools() -> Iterator[Tools]:
    with serving() as served:
        yield served


def docs(tools: Tools, *allowed: str, **fields: Any) -> Event:
    return {
        "type": "mcp",
        "server_label": "docs",
        "server_url": tools.url,
        "allowed_tools": list(allowed or ("get-weather",)),
        "require_approval": "never",
    } | fields


async def imported(wire: Wire, *tools: Event) -> Event:
    """Define servers, wait for their tools and return the last list."""
    await wire.send(update(tools=list(tools)))
    item: Event = {}
    for _ in tools:
        await wire.until("mcp_list_tools.completed")
        item = (await wire.until("conversation.item.done"))["item"]
    return item


def forced(name: str, label: str = "docs") -> Event:
    return {"type": "mcp", "server_label": label, "name": name}


async def test_tools_are_imported_in_order(server: Server, tools: Tools) -> None:
    """Case 64."""
    async with connected(server) as wire:
        item = await imported(wire, docs(tools, "get-weather", "fail"))
        assert types(wire.events)[1:] == [
            "session.updated",
            "conversation.item.added",
            "mcp_list_tools.in_progress",
            "mcp_list_tools.completed",
            "conversation.item.done",
        ]
        assert wire.events[2]["item"]["tools"] == []
        assert [each["name"] for each in item["tools"]] == ["get-weather", "fail"]
        assert all(isinstance(each["description"], str) for each in item["tools"])
        assert item["tools"][0]["input_schema"]["required"] == ["city"]


async def test_a_server_that_cannot_be_reached_costs_its_tools_alone(server: Server) -> None:
    """Case 65."""
    nobody = {"type": "mcp", "server_label": "x", "server_url": "http://127.0.0.1:9/mcp"}
    async with connected(server) as wire:
        await wire.send(update(tools=[nobody]))
        await wire.until("mcp_list_tools.failed")
        item = (await wire.until("conversation.item.done"))["item"]
        assert item["tools"] == []
        assert "cannot be reached" in item["error"]
        await wire.say("How are you?")
        await wire.send(respond())
        assert (await wire.turn())[-2]["response"]["status"] == "completed"


async def test_a_call_is_made_and_its_result_told(server: Server, tools: Tools) -> None:
    """Case 66."""
    async with connected(server) as wire:
        await imported(wire, docs(tools))
        await wire.say("What is the weather?")
        await wire.send(respond(output_modalities=["text"]))
        turn = await wire.turn()
        kinds = [each for each in types(turn) if not each.endswith(".delta")]
        assert kinds == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.mcp_call_arguments.done",
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        item = next(e for e in turn if e["type"] == "response.output_item.done")["item"]
        assert (item["type"], item["output"], item["error"]) == (
            "mcp_call",
            "sunny in example",
            None,
        )
        told = (await wire.turn())[-2]["response"]["output"][0]
        assert told["content"][0]["text"] == "The tool says: sunny in example"


async def test_a_client_that_asks_for_the_result_hears_it_once(
    server: Server, tools: Tools
) -> None:
    async with connected(server) as wire:
        await imported(wire, docs(tools))
        await wire.say("What is the weather?")
        await wire.send(respond(output_modalities=["text"]))
        await wire.turn()
        await wire.send(respond(output_modalities=["text"], metadata={"asked": "yes"}))
        told = (await wire.turn())[-2]["response"]
        assert told["metadata"] == {"asked": "yes"}
        assert told["output"][0]["content"][0]["text"] == "The tool says: sunny in example"
        await wire.say("How are you?")
        await wire.send(respond(output_modalities=["text"]))
        said = (await wire.turn())[-2]["response"]["output"][0]["content"][0]["text"]
        assert said == "You said: How are you?"


async def test_a_tool_that_fails_is_told_by_type(server: Server, tools: Tools) -> None:
    """Case 67."""
    async with connected(server) as wire:
        await imported(wire, docs(tools, "fail"))
        await wire.say("Try.")
        await wire.send(respond(tool_choice=forced("fail"), output_modalities=["text"]))
        await wire.until("response.mcp_call.failed")
        item = (await wire.until("response.output_item.done"))["item"]
        assert item["error"]["type"] == "tool_execution_error"
        assert "No such page" in item["error"]["message"]
        assert (await wire.until("response.done"))["response"]["status"] == "completed"


async def test_a_server_that_refuses_is_told_by_its_status(server: Server) -> None:
    with serving() as tools:
        async with connected(server) as wire:
            await imported(wire, docs(tools))
            tools.status = 503
            await wire.say("What is the weather?")
            await wire.send(respond(output_modalities=["text"]))
            item = (await wire.until("response.output_item.done"))["item"]
            assert (item["error"]["type"], item["error"]["code"]) == ("http_error", 503)


async def test_a_server_that_vanishes_is_told(server: Server) -> None:
    async with connected(server) as wire:
        with serving() as tools:
            await imported(wire, docs(tools))
        await wire.say("What is the weather?")
        await wire.send(respond(output_modalities=["text"]))
        item = (await wire.until("response.output_item.done"))["item"]
        assert item["error"]["type"] == "protocol_error"


async def asked(wire: Wire, tools: Tools) -> Event:
    await imported(wire, docs(tools, require_approval="always"))
    await wire.say("What is the weather?")
    await wire.send(respond(output_modalities=["text"]))
    turn = await wire.turn()
    (request,) = turn[-2]["response"]["output"]
    assert (request["type"], request["name"]) == ("mcp_approval_request", "get-weather")
    assert [e["type"] for e in turn if e.get("item", {}).get("id") == request["id"]] == [
        "response.output_item.added",
        "conversation.item.added",
        "conversation.item.done",
        "response.output_item.done",
    ]
    return dict(request)


def answer(request: Event, **fields: Any) -> Event:
    item = {"type": "mcp_approval_response", "approval_request_id": request["id"]}
    return {"type": "conversation.item.create", "item": item | fields}


async def test_an_approved_call_runs(server: Server, tools: Tools) -> None:
    """Case 68, approved."""
    async with connected(server) as wire:
        request = await asked(wire, tools)
        await wire.send(answer(request, approve=True, id="mcp_approval_" + request["id"]))
        assert (await wire.until("conversation.item.done"))["item"]["approve"] is True
        await wire.until("response.mcp_call.in_progress")
        await wire.until("response.mcp_call.completed")
        item = (await wire.until("conversation.item.done"))["item"]
        assert (item["type"], item["output"]) == ("mcp_call", "sunny in example")
        assert item["approval_request_id"] == request["id"]
        told = (await wire.turn())[-2]["response"]["output"][0]
        assert told["content"][0]["text"] == "The tool says: sunny in example"


async def test_a_rejected_call_does_not_run(server: Server, tools: Tools) -> None:
    """Case 68, rejected."""
    async with connected(server) as wire:
        before = len(tools.called)
        request = await asked(wire, tools)
        await wire.send(answer(request, approve=False, reason="Not now."))
        told = (await wire.turn())[-2]["response"]["output"][0]
        assert "did not allow" in told["content"][0]["text"]
        assert "Not now." in told["content"][0]["text"]
        assert len(tools.called) == before
        assert not any(each.startswith("response.mcp_call.") for each in types(wire.events))


async def test_a_server_is_used_again_by_its_label(server: Server, tools: Tools) -> None:
    """Case 69."""
    async with connected(server) as wire:
        await imported(wire, docs(tools))
        await wire.send(update(tools=[]))
        await wire.until("session.updated")
        await wire.say("What is the weather?")
        again = {"type": "mcp", "server_label": "docs"}
        await wire.send(respond(tools=[again], output_modalities=["text"]))
        await wire.until("response.mcp_call.completed")
        await wire.until("response.done")
        await wire.send(respond(tools=[{"type": "mcp", "server_label": "other"}]))
        assert (await wire.error())["param"] == "response.tools[0].server_url"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"connector_id": "connector_gmail"}, "session.tools[0].connector_id"),
        ({"server_url": None}, "session.tools[0].server_url"),
        (
            {"authorization": "a", "headers": {"Authorization": "b"}},
            "session.tools[0].authorization",
        ),
        ({"server_url": "http://10.0.0.1/mcp"}, "session.tools[0].server_url"),
        ({"server_url": "https://169.254.169.254/mcp"}, "session.tools[0].server_url"),
    ],
)
async def test_impossible_definitions_are_refused(
    server: Server, tools: Tools, changes: dict[str, Any], param: str
) -> None:
    """Case 70."""
    tool = {key: value for key, value in (docs(tools) | changes).items() if value is not None}
    async with connected(server) as wire:
        await wire.send(update(tools=[tool]))
        assert (await wire.error())["param"] == param


async def test_labels_are_unique(server: Server, tools: Tools) -> None:
    """Case 70, duplicate."""
    async with connected(server) as wire:
        await wire.send(update(tools=[docs(tools), docs(tools)]))
        assert (await wire.error())["param"] == "session.tools[1].server_label"


async def test_a_forced_call_without_tools_fails(server: Server, tools: Tools) -> None:
    """Case 71."""
    async with connected(server) as wire:
        await imported(wire, docs(tools))
        await wire.send(respond(tool_choice=forced("unheard-of")))
        response = (await wire.until("response.done"))["response"]
        assert response["status"] == "failed"
        assert "unheard-of" in response["status_details"]["error"]["message"]


async def test_credentials_reach_the_server_and_nobody_else(server: Server, tools: Tools) -> None:
    async with connected(server) as wire:
        secret = docs(tools, "whoami", authorization="s3cret-token", headers={"X-Key": "s3cret"})
        await imported(wire, secret)
        await wire.say("Who am I?")
        await wire.send(respond(tool_choice=forced("whoami"), output_modalities=["text"]))
        item = (await wire.until("response.output_item.done"))["item"]
        assert item["output"] == "Bearer s3cret-token"
        updated = next(each for each in wire.events if each["type"] == "session.updated")
        assert "s3cret" not in str(updated)


async def test_functions_and_tools_work_beside_each_other(server: Server, tools: Tools) -> None:
    local = {"type": "function", "name": "local", "parameters": {"type": "object"}}
    async with connected(server) as wire:
        await wire.send(update(tools=[docs(tools), local]))
        await wire.until("mcp_list_tools.completed")
        await wire.until("conversation.item.done")
        await wire.say("What is the weather?")
        await wire.send(respond(output_modalities=["text"]))
        output = (await wire.turn())[-2]["response"]["output"]
        by_type = {each["type"]: each for each in output}
        assert by_type["mcp_call"]["output"] == "sunny in example"
        result = {
            "type": "function_call_output",
            "call_id": by_type["function_call"]["call_id"],
            "output": "done here",
        }
        await wire.send({"type": "conversation.item.create", "item": result})
        await wire.send(respond(output_modalities=["text"]))
        told = (await wire.turn())[-2]["response"]["output"][0]["content"][0]["text"]
        assert told.startswith("The tool says:")
