"""Our turns beside recorded ones: the same events in the same order, with the same keys.

The client of each recording is played again. Deltas are compared by their place alone: how a reply
is cut into words and chunks is the model's affair.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance_server import Server
from wire import Event, Wire, connected, silent, spoken, types, update, user

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]

RECORDED = json.loads(Path(__file__).with_name("recordings.json").read_text())
KEYS: dict[str, list[str]] = RECORDED["keys"]
ASYNCHRONOUS = "conversation.item.input_audio_transcription."
"""Transcripts come when they come, between whatever else happens."""
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Look up the weather for a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def recorded(name: str) -> list[str]:
    return [kind for kind, _ in RECORDED["turns"][f"test_openai_ws/{name}"]]


def in_place(names: list[str]) -> list[str]:
    """Reduce each kind of delta to its first, and leave the transcripts of input out."""
    kept: list[str] = []
    for name in names:
        is_again = name.endswith(".delta") and name in kept[_last_created(kept) :]
        if not is_again and not name.startswith(ASYNCHRONOUS):
            kept.append(name)
    return kept


def _last_created(names: list[str]) -> int:
    return max((at for at, name in enumerate(names) if name == "response.created"), default=0)


def parts(event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object in an event whose keys were recorded, with its name there."""
    yield event["type"], {key: event[key] for key in event if key not in {"type", "event_id"}}
    items = [event["item"]] if "item" in event else []
    if "response" in event:
        yield "response", event["response"]
        items += event["response"]["output"]
        if usage := event["response"]["usage"]:
            yield "usage", usage
            for name in ("input_token_details", "output_token_details"):
                yield name, usage[name]
    # OpenAI's recordings leave `object` out of items; its documentation demands it.
    for item in items:
        yield f"item {item['type']}", {key: item[key] for key in item if key != "object"}
    if "session" in event:
        yield "session", event["session"]
        audio = event["session"]["audio"]
        yield "session.audio.input", audio["input"]
        yield "session.audio.output", audio["output"]
        for name in ("transcription", "turn_detection"):
            if audio["input"][name] is not None:
                yield f"session.audio.input.{name}", audio["input"][name]


def assert_recorded(wire: Wire, name: str) -> None:
    expected = recorded(name)
    # Some recordings end with the client's leaving, before the last event.
    assert in_place(types(wire.events))[: len(in_place(expected))] == in_place(expected)
    for event in wire.events:
        for part, value in parts(event):
            assert set(value) == set(KEYS[part]), (part, value)


async def configure(wire: Wire, **session: Any) -> None:
    audio = {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {
                "type": "server_vad",
                "create_response": True,
                "interrupt_response": True,
            },
            "transcription": {"model": "whisper-1"},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}},
    }
    await wire.send(update(audio=audio, **session))
    await wire.until("session.updated")


async def test_a_written_question_is_answered_aloud_as_recorded(server: Server) -> None:
    async with connected(server) as wire:
        await configure(wire, instructions="Answer in two or three words.")
        await wire.send(user("Say a short greeting."), {"type": "response.create"})
        await wire.until("rate_limits.updated")
        assert_recorded(wire, "test_text_in_audio_out_turn")


async def test_a_spoken_question_is_answered_as_recorded(server: Server) -> None:
    async with connected(server) as wire:
        await configure(wire, instructions="Reply in a few words.")
        await wire.append(silent(1500) + spoken(2500) + silent(1000))
        await wire.until("rate_limits.updated")
        assert_recorded(wire, "test_audio_in_server_vad_turn")


async def test_a_round_of_a_tool_is_made_as_recorded(server: Server) -> None:
    async with connected(server) as wire:
        await configure(wire, instructions="Use it.", output_modalities=["text"], tools=[TOOL])
        await wire.send(user("What is the weather in London?"), {"type": "response.create"})
        call_id = (await wire.until("response.function_call_arguments.done"))["call_id"]
        item = {"type": "function_call_output", "call_id": call_id, "output": "Foggy, 12 degrees."}
        await wire.until("rate_limits.updated")
        await wire.send(
            {"type": "conversation.item.create", "item": item}, {"type": "response.create"}
        )
        await wire.until("rate_limits.updated")
        assert_recorded(wire, "test_tool_call_round")


async def test_a_seeded_history_is_confirmed_and_answered_as_recorded(server: Server) -> None:
    content = [{"type": "output_text", "text": "Nice to meet you!"}]
    greeting = {"type": "message", "role": "assistant", "content": content}
    async with connected(server) as wire:
        await configure(wire, instructions="", output_modalities=["text"])
        await wire.send(
            user("My favorite color is teal."),
            {"type": "conversation.item.create", "item": greeting},
            user("What is my favorite color?"),
            {"type": "response.create"},
        )
        await wire.until("rate_limits.updated")
        assert_recorded(wire, "test_message_history_seeding")
