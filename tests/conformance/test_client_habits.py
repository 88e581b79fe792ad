"""What real clients do that no document tells: see the compatibility page of the documentation.

Shows Protocol: habits of real clients
"""

from typing import Any

import pytest
from conformance_server import Server
from wire import connected, respond, silent, spoken, types, update, user

pytestmark = pytest.mark.anyio


async def test_a_reply_may_be_truncated_before_it_is_cancelled(server: Server) -> None:
    async with connected(server, "/v1/realtime?model=slow") as wire:
        await wire.say("Speak for a long time.")
        await wire.send(respond())
        item_id = (await wire.until("response.output_item.added"))["item"]["id"]
        await wire.until("response.output_audio.delta")
        truncate = {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": 50,
        }
        await wire.send(truncate, {"type": "response.cancel"})
        truncated = await wire.until("conversation.item.truncated")
        assert truncated["audio_end_ms"] == 50
        assert (await wire.until("response.done"))["response"]["status"] == "cancelled"


async def test_an_update_without_its_type_costs_its_settings_alone(server: Server) -> None:
    # An early print of the public quickstart sends this, and reads on.
    async with connected(server) as wire:
        await wire.send({"type": "session.update", "session": {"instructions": "Be brief."}})
        await wire.send(user("How are you?"), {"type": "response.create"})
        assert (await wire.error())["param"] == "session.type"
        assert (await wire.turn())[-2]["response"]["status"] == "completed"


async def test_instructions_that_are_null_are_the_session_s(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("Hello.")
        await wire.send(respond(instructions=None, output_modalities=["text"]))
        assert (await wire.turn())[-2]["response"]["status"] == "completed"


@pytest.mark.parametrize(
    "metadata", [{"client_event_id": "evt_1"}, {"pydantic_ai_inputs": "0"}, {"n": "1", "": ""}]
)
async def test_metadata_is_echoed_from_beginning_to_end(
    server: Server, metadata: dict[str, str]
) -> None:
    async with connected(server) as wire:
        await wire.say("Hello.")
        await wire.send(respond(metadata=metadata, output_modalities=["text"]))
        turn = await wire.turn()
        assert turn[0]["response"]["metadata"] == metadata
        assert turn[-2]["response"]["metadata"] == metadata


async def test_a_system_message_may_be_the_last_word(server: Server) -> None:
    content = [{"type": "input_text", "text": "Greet the caller."}]
    item = {"type": "message", "role": "system", "content": content}
    async with connected(server) as wire:
        await wire.send({"type": "conversation.item.create", "item": item})
        await wire.until("conversation.item.done")
        await wire.send(respond(output_modalities=["text"]))
        assert (await wire.turn())[-2]["response"]["status"] == "completed"


async def test_history_is_replaced_item_by_item(server: Server) -> None:
    async with connected(server) as wire:
        ids = [f"pydantic_ai_item_{number}" for number in range(20)]
        await wire.send(*(user("Old.", id=item_id) for item_id in ids))
        for item_id in ids:
            assert (await wire.until("conversation.item.done"))["item"]["id"] == item_id
        await wire.send(
            *({"type": "conversation.item.delete", "item_id": item_id} for item_id in ids),
            user("New.", id="new"),
        )
        for item_id in ids:
            assert (await wire.until("conversation.item.deleted"))["item_id"] == item_id
        assert (await wire.until("conversation.item.added"))["previous_item_id"] is None


UPDATES: list[dict[str, Any]] = [
    {"tracing": "auto"},
    {"tracing": None},
    {"model": "gpt-realtime-2.1", "output_modalities": ["audio"]},
    {"audio": {"input": {"noise_reduction": None}}},
    {"include": None, "prompt": None, "truncation": "auto"},
]


@pytest.mark.parametrize("session", UPDATES, ids=str)
async def test_updates_that_ask_for_nothing_new_are_confirmed(
    server: Server, session: dict[str, Any]
) -> None:
    async with connected(server) as wire:
        await wire.send(update(**session) | {"event_id": "agents_py.update.1"})
        await wire.until("session.updated")
        assert types(wire.events) == ["session.created", "session.updated"]


async def test_a_failed_create_names_the_event_that_asked(server: Server) -> None:
    event_id = "agents_py_response_create_1"
    async with connected(server) as wire:
        await wire.say("Hello.")
        await wire.send(respond(), respond() | {"event_id": event_id})
        assert (await wire.error())["event_id"] == event_id


async def test_an_unknown_transcription_deployment_costs_the_transcript_alone(
    server: Server,
) -> None:
    audio = {"input": {"transcription": {"model": "nobody-deployed-this"}}}
    async with connected(server) as wire:
        await wire.send(update(audio=audio))
        await wire.append(spoken(1000) + silent(500))
        turn = await wire.turn()
        assert turn[-2]["response"]["status"] == "completed"
        failed = [e for e in wire.events if e["type"].endswith("input_audio_transcription.failed")]
        assert failed[0]["error"]["code"] == "DeploymentNotFound"
