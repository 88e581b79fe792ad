"""Case 120: what strict clients make of every frame that the other cases have collected.

Runs after the other modules. By itself it holds a conversation that shows every kind of event.

Shows Protocol: every frame accepted by three strict parsers
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_programs import CLIENTS, json_lines, run
from conformance_server import Server
from mcp_server import serving
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter
from wire import Event, connected, respond, silent, spoken, update, user

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]

KINDS = {
    "conversation.item.added",
    "conversation.item.deleted",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.failed",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "error",
    "input_audio_buffer.cleared",
    "input_audio_buffer.committed",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "rate_limits.updated",
    "response.content_part.added",
    "response.content_part.done",
    "response.created",
    "response.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "session.created",
    "session.updated",
}
"""Every event of a plain session; others need a feature to be asked for."""
ASKED_FOR = {
    "conversation.item.input_audio_transcription.segment",
    "input_audio_buffer.timeout_triggered",
}
"""Events of features that the other cases asked for. Some clients pass those on as unknown."""
MCP_KINDS = {
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "mcp_list_tools.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
}
"""Every event that a session has besides when it names MCP servers."""
TOOL = {
    "type": "function",
    "name": "get-weather",
    "description": "Weather of a city.",
    "parameters": {"type": "object", "properties": {}},
}


def transcribed_by(model: str) -> Event:
    return update(audio={"input": {"transcription": {"model": model}}})


async def speak_of_everything(server: Server) -> None:
    """Hold a conversation in which every kind of event occurs."""
    async with connected(server) as wire:
        await wire.send(transcribed_by("whisper-1"))
        await wire.append(spoken(1000) + silent(500))
        spoken_turn = await wire.turn()
        item_id = spoken_turn[-2]["response"]["output"][0]["id"]
        truncate = {"type": "conversation.item.truncate", "content_index": 0, "audio_end_ms": 500}
        await wire.send(
            {"type": "conversation.item.retrieve", "item_id": item_id},
            truncate | {"item_id": item_id},
            {"type": "conversation.item.delete", "item_id": item_id},
        )
        await wire.until("conversation.item.deleted")
        await wire.send(transcribed_by("nobody-deployed-this"))
        await wire.append(spoken(1000) + silent(500))
        await wire.turn()
        await wire.send(update(tools=[TOOL], tracing="auto"), user("What is the weather?"))
        await wire.send(respond())
        await wire.turn()
        await wire.send(respond(tool_choice="none", output_modalities=["text"], metadata={"a": ""}))
        await wire.turn()
        await wire.send({"type": "input_audio_buffer.clear"}, {"type": "nonsense"})
        await wire.error()


async def use_mcp(server: Server) -> None:
    """Import, call, fail, ask and answer, and name a server that is not there."""
    with serving() as tools:
        mcp = {"type": "mcp", "server_url": tools.url, "require_approval": "never"}
        named = [
            mcp | {"server_label": "good", "allowed_tools": ["get-weather"]},
            mcp | {"server_label": "bad", "allowed_tools": ["fail"]},
            mcp | {"server_label": "none", "server_url": "http://127.0.0.1:9/mcp"},
            mcp | {"server_label": "asks", "require_approval": "always"},
        ]
        async with connected(server) as wire:
            for tool in named:
                await wire.send(update(tools=[tool]))
                await wire.until("conversation.item.done")
            for tool in (named[0], named[1]):
                choice = {"type": "mcp", "server_label": tool["server_label"]}
                await wire.send(respond(tools=[tool], tool_choice=choice))
                await wire.turn()
                await wire.send(respond(tools=[], tool_choice="none"))
                await wire.turn()
            choice = {"type": "mcp", "server_label": "asks", "name": "get-weather"}
            await wire.send(respond(tool_choice=choice))
            (asked,) = (await wire.turn())[-2]["response"]["output"]
            yes = {"type": "mcp_approval_response", "approval_request_id": asked["id"]}
            item = yes | {"approve": True, "reason": "Why not."}
            await wire.send({"type": "conversation.item.create", "item": item})
            await wire.until("response.mcp_call.completed")
            await wire.turn()


@pytest.fixture
async def frames(server: Server) -> list[str]:
    await speak_of_everything(server)
    await use_mcp(server)
    return server.frames


async def test_every_kind_of_event_is_among_the_frames(frames: list[str]) -> None:
    adapter = TypeAdapter[Any](RealtimeServerEvent)
    told = {adapter.validate_json(frame).type for frame in frames}
    assert told - ASKED_FOR == KINDS | MCP_KINDS


def unknown_keys(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every key that the types do not name."""
    if isinstance(value, list):
        for each in value:
            yield from unknown_keys(each, f"{path}[]")
    elif isinstance(value, BaseModel):
        for name in value.model_extra or ():
            yield f"{path}.{name}"
        for name in type(value).model_fields:
            yield from unknown_keys(getattr(value, name), f"{path}.{name}")


# Recorded in `session.created` and `session.updated` of OpenAI's own server.
UNTYPED = {
    f"session.{moment}.session.{key}"
    for moment in ("created", "updated")
    for key in ("id", "object", "expires_at")
}


# Every item is of this kind; the types of MCP items forget to say so. Why a list of tools is empty
# is told where the Responses API tells it.
UNTYPED |= {
    "conversation.item.added.item.object",
    "conversation.item.done.item.error",
    "conversation.item.done.item.object",
    "response.done.response.output[].object",
    "response.output_item.added.item.object",
    "response.output_item.done.item.object",
}


async def test_the_openai_types_name_every_key_of_every_frame(frames: list[str]) -> None:
    adapter = TypeAdapter[Any](RealtimeServerEvent)
    surprises = set()
    for frame in frames:
        event = adapter.validate_json(frame, strict=True)
        surprises |= set(unknown_keys(event, event.type))
    assert surprises == UNTYPED


async def test_agents_js_knows_every_frame(frames: list[str], node_packages: Path) -> None:
    # The API has the one for calls that failed; agents-js passes it on as one it does not know.
    strange = ASKED_FOR | {"response.mcp_call.failed"}
    # It passes an item with a picture on in the same way.
    known = "\n".join(
        each
        for each in frames
        if json.loads(each)["type"] not in strange and '"input_image"' not in each
    )
    printed = run(["node", "parse.mjs"], {}, cwd=node_packages, stdin=known)
    assert not json_lines(printed)


async def test_pipecat_knows_every_frame(frames: list[str], pipecat_python: Path) -> None:
    # It has no MCP tools, asks for no voice by an id and opens no session that only transcribes: it
    # never sees what comes of them.
    plain = "\n".join(
        each
        for each in frames
        if json.loads(each)["type"] not in ASKED_FOR
        and '"mcp' not in each
        and "response.mcp_" not in each
        and '"voice":{' not in each
        and '"type":"transcription"' not in each
    )
    printed = run([pipecat_python, CLIENTS / "pipecat_parse.py"], {}, stdin=plain)
    assert not json_lines(printed)


async def test_every_response_is_begun_once_and_ended_once(frames: list[str]) -> None:
    adapter = TypeAdapter[Any](RealtimeServerEvent)
    events = [adapter.validate_json(frame) for frame in frames]
    begun = [event.response.id for event in events if event.type == "response.created"]
    ended = [event.response.id for event in events if event.type == "response.done"]
    assert len(begun) == len(set(begun))
    assert len(ended) == len(set(ended))
    assert set(ended) <= set(begun)
    over: set[str] = set()
    for event in events:
        if event.type == "response.done":
            over.add(event.response.id)
        assert getattr(event, "response_id", None) not in over
