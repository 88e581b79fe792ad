"""Our turns beside recorded ones: the same events in the same order, with the same keys.

The client of each recording is played again. Deltas are compared by their place alone: how a reply
is cut into words and chunks is the model's affair.

Shows Protocol: order, keys and nulls as in conversations recorded at OpenAI's server
"""

from typing import Any

import pytest
from conformance_server import Server
from recorded.comparison import SESSION, assert_formed, assert_recorded, in_place, recorded
from wire import Wire, connected, silent, spoken, types, update, user

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]

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


async def configure(wire: Wire, transcriber: str = "whisper-1", **session: Any) -> None:
    audio = {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {
                "type": "server_vad",
                "create_response": True,
                "interrupt_response": True,
            },
            "transcription": {"model": transcriber},
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
        assert_recorded(wire, "openai/text_in_audio_out_turn")


async def test_a_spoken_question_is_answered_as_recorded(server: Server) -> None:
    async with connected(server) as wire:
        await configure(wire, instructions="Reply in a few words.")
        await wire.append(silent(1500) + spoken(2500) + silent(1000))
        await wire.until("rate_limits.updated")
        assert_recorded(wire, "openai/audio_in_server_vad_turn")


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
        assert_recorded(wire, "openai/tool_call_round")


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
        assert_recorded(wire, "openai/message_history_seeding")


async def test_a_session_begins_as_recorded(server: Server) -> None:
    async with connected(server) as wire:
        session = wire.events[0]["session"]
        for own in ("id", "model", "instructions", "expires_at"):
            assert session.pop(own)
        assert session == SESSION


async def test_items_and_events_with_names_of_the_client_are_answered_as_recorded(
    server: Server,
) -> None:
    async with connected(server) as wire:
        await configure(wire, "gpt-realtime-whisper", instructions="Reply in a few words.")
        await wire.send(
            user("Say hello.", id="client_item_0") | {"event_id": "client.content.0"},
            {
                "type": "response.create",
                "event_id": "client.response.0",
                "response": {"metadata": {"inputs": "0"}},
            },
        )
        await wire.until("rate_limits.updated")
        assert_recorded(wire, "openai/named_items_and_metadata")
        told = [each["response"]["metadata"] for each in wire.events if "response" in each]
        assert told == [{"inputs": "0"}] * 2


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "gpt-realtime-whisper"])
async def test_transcripts_are_formed_as_recorded(server: Server, model: str) -> None:
    async with connected(server) as wire:
        await configure(wire, model, output_modalities=["text"])
        await wire.append(silent(300) + spoken(900) + silent(600))
        await wire.until("conversation.item.input_audio_transcription.completed")
        assert_formed(wire)


async def test_a_user_who_stays_silent_is_asked_again_as_recorded(server: Server) -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    async with connected(server) as wire:
        await configure(wire, instructions="Reply in a few words.")
        await wire.send(update(audio={"input": {"turn_detection": detection}}))
        await wire.send(user("Say hi."), {"type": "response.create"})
        await wire.until("rate_limits.updated")
        mark = len(wire.events)
        await wire.append(silent(9000))
        await wire.until("rate_limits.updated")
        expected = in_place(recorded("openai/idle_timeout_nudge"))
        assert in_place(types(wire.events[mark:])) == expected
        assert_formed(wire)
        system, heard = (
            each["item"]
            for each in wire.events[mark:]
            if each["type"] == "conversation.item.done" and each["item"]["role"] != "assistant"
        )
        assert (system["role"], heard["role"]) == ("system", "user")
        assert heard["content"] == [{"type": "input_audio", "transcript": None}]
