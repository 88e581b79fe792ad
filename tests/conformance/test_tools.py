"""Cases 59 to 63: function calls.

Shows Tools: function calls: automatic, parallel, forced, named
"""

import json

import pytest
from conformance_server import Server
from wire import connected, respond, types, update

pytestmark = pytest.mark.anyio

WEATHER = {
    "type": "function",
    "name": "get-weather",
    "description": "Weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


async def test_a_function_call_is_made_answered_and_spoken_about(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(tools=[WEATHER]))
        await wire.say("Weather in Paris?")
        await wire.send(respond(tool_choice={"type": "function", "name": "get-weather"}))
        turn = await wire.turn()
        added = next(e for e in turn if e["type"] == "response.output_item.added")["item"]
        assert (added["type"], added["name"]) == ("function_call", "get-weather")
        assert added["status"] == "in_progress"
        assert added["arguments"] == ""
        done = next(e for e in turn if e["type"] == "response.function_call_arguments.done")
        assert done["call_id"] == added["call_id"]
        assert done["name"] == "get-weather"
        assert isinstance(json.loads(done["arguments"])["city"], str)
        assert types(turn)[-5:] == [
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        result = {
            "type": "function_call_output",
            "call_id": added["call_id"],
            "output": '{"t":20}',
            "status": "completed",
        }
        await wire.send({"type": "conversation.item.create", "item": result})
        echoed = (await wire.until("conversation.item.done"))["item"]
        assert "status" not in echoed
        await wire.send(respond(tool_choice="none"))
        assert (await wire.turn())[-2]["response"]["status"] == "completed"


@pytest.mark.usefixtures("scripted")
async def test_a_call_may_be_answered_before_its_response_is_done(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(tools=[WEATHER]))
        await wire.say("What is the weather?")
        await wire.send(respond())
        call_id = (await wire.until("response.output_item.added"))["item"]["call_id"]
        item = {"type": "function_call_output", "call_id": call_id, "output": "sunny"}
        await wire.send({"type": "conversation.item.create", "item": item})
        await wire.until("response.done")
        await wire.send(respond(output_modalities=["text"]))
        output = (await wire.turn())[-2]["response"]["output"]
        assert output[0]["content"][0]["text"] == "The tool says: sunny"


@pytest.mark.usefixtures("scripted")
async def test_parallel_calls_have_a_place_each_in_one_response(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(tools=[WEATHER, WEATHER | {"name": "get-time"}]))
        await wire.say("What is the weather, and what time is it?")
        await wire.send(respond())
        turn = await wire.turn()
        added = [e for e in turn if e["type"] == "response.output_item.added"]
        assert [e["output_index"] for e in added] == [0, 1]
        assert [e["item"]["name"] for e in added] == ["get-weather", "get-time"]
        done = [e for e in turn if e["type"] == "response.function_call_arguments.done"]
        assert [e["output_index"] for e in done] == [0, 1]
        calls = [e["item"]["call_id"] for e in added]
        assert len(set(calls)) == 2
        assert [item["call_id"] for item in turn[-2]["response"]["output"]] == calls
        for call_id in calls:
            item = {"type": "function_call_output", "call_id": call_id, "output": "fine"}
            await wire.send({"type": "conversation.item.create", "item": item})
        await wire.send(respond(output_modalities=["text"]))
        output = (await wire.turn())[-2]["response"]["output"]
        assert output[0]["content"][0]["text"] == "The tool says: fine"


async def test_an_output_for_an_unknown_call_is_refused(server: Server) -> None:
    item = {"type": "function_call_output", "call_id": "call_X", "output": "1"}
    async with connected(server) as wire:
        await wire.send({"type": "conversation.item.create", "item": item})
        error = await wire.error()
        assert error["code"] == "invalid_tool_call_id"
        assert error["message"].startswith("Tool call ID 'call_X' not found in conversation.")


async def test_tool_choice_none_never_calls(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(tools=[WEATHER], tool_choice="none"))
        await wire.say("Weather in Paris?")
        await wire.send(respond())
        output = (await wire.turn())[-2]["response"]["output"]
        assert [item["type"] for item in output] == ["message"]


async def test_a_required_call_without_tools_fails(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("Weather?")
        await wire.send(respond(tool_choice="required"))
        assert (await wire.until("response.done"))["response"]["status"] == "failed"
