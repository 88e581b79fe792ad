"""Cases 39 to 58, 79, 102: items, text turns and responses out of band.

Shows Responses: text or speech, in the conversation or out of band; own input, instructions and
metadata
"""

import base64
from typing import Any

import pytest
from conformance_server import Server
from wire import Event, connected, respond, types, update, user

from antiphon.testing import answers
from antiphon.testing.endpoints import CHAT, Endpoints
from antiphon.testing.loopback import Answer

pytestmark = pytest.mark.anyio

TEXT_TURN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
AUDIO_ENDS = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def without_repeats(names: list[str]) -> list[str]:
    return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]


async def test_items_form_a_chain(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(user("One."))
        added = await wire.until("conversation.item.added")
        done = await wire.until("conversation.item.done")
        assert added["item"] == done["item"]
        assert added["previous_item_id"] is None
        assert added["item"]["object"] == "realtime.item"
        assert added["item"]["status"] == "completed"
        await wire.send(user("Two.", id="item_two"))
        second = await wire.until("conversation.item.added")
        assert second["previous_item_id"] == added["item"]["id"]
        assert second["item"]["id"] == "item_two"
        await wire.send(user("Zero.") | {"previous_item_id": "root"})
        assert (await wire.until("conversation.item.added"))["previous_item_id"] is None
        await wire.send(user("Lost.", id="item_lost") | {"previous_item_id": "nowhere"})
        assert (await wire.error())["code"] == "item_create_invalid_previous_item_id"
        await wire.send({"type": "conversation.item.retrieve", "item_id": "item_lost"})
        assert (await wire.error())["code"] == "item_retrieve_invalid_item_id"


async def test_items_are_retrieved_and_deleted_once(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(user("One.", id="item_one"))
        await wire.send({"type": "conversation.item.retrieve", "item_id": "item_one"})
        item = (await wire.until("conversation.item.retrieved"))["item"]
        assert item["content"] == [{"type": "input_text", "text": "One."}]
        delete = {"type": "conversation.item.delete", "item_id": "item_one"}
        await wire.send(delete, delete)
        assert (await wire.until("conversation.item.deleted"))["item_id"] == "item_one"
        assert (await wire.error())["code"] == "item_delete_invalid_item_id"


async def test_a_long_id_and_a_preview_content_type_are_refused(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(user("x", id="i" * 33))
        assert (await wire.error())["code"] == "string_above_max_length"
        preview = {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "x"}],
        }
        await wire.send({"type": "conversation.item.create", "item": preview})
        error = await wire.error()
        assert error["code"] == "invalid_value"
        assert "output_text" in error["message"]


async def test_history_can_be_seeded_and_answered(server: Server) -> None:
    def message(role: str, kind: str, text: str) -> dict[str, Any]:
        content = [{"type": kind, "text": text}]
        return {"type": "message", "role": role, "content": content}

    items = [
        message("system", "input_text", "Be kind."),
        message("user", "input_text", "Weather?"),
        {"type": "function_call", "name": "weather", "call_id": "call_1", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        message("assistant", "output_text", "Sunny."),
        message("user", "input_text", "Thanks."),
    ]
    async with connected(server) as wire:
        for item in items:
            await wire.send({"type": "conversation.item.create", "item": item})
            await wire.until("conversation.item.done")
        await wire.send(respond(output_modalities=["text"]))
        turn = await wire.turn()
        assert turn[-2]["response"]["status"] == "completed"


async def test_a_text_turn_has_the_recorded_order(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("How are you?")
        await wire.send(respond(output_modalities=["text"]))
        turn = await wire.turn()
        assert without_repeats(types(turn)) == TEXT_TURN
        part = next(e for e in turn if e["type"] == "response.content_part.added")["part"]
        assert part == {"type": "text", "text": ""}
        written = "".join(e["delta"] for e in turn if e["type"] == "response.output_text.delta")
        done = next(e for e in turn if e["type"] == "response.output_text.done")
        output = turn[-2]["response"]["output"]
        assert written == done["text"] == output[0]["content"][0]["text"]
        assert output[0]["content"][0]["type"] == "output_text"


async def test_a_spoken_turn_has_the_recorded_order_and_chunks(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("Tell me something long enough to take more than a second, please.")
        await wire.send(respond())
        turn = await wire.turn()
        assert types(turn)[-7:] == AUDIO_ENDS
        chunks = [
            base64.b64decode(e["delta"]) for e in turn if e["type"] == "response.output_audio.delta"
        ]
        sizes = [len(chunk) for chunk in chunks]
        assert sizes[:3] == [4800, 7200, 12000]
        assert set(sizes[3:-1]) <= {12000}
        assert all(size % 2 == 0 and size <= 28_800 for size in sizes)
        sound_ms = sum(sizes) // 48
        transcript = turn[-2]["response"]["output"][0]["content"][0]["transcript"]
        assert transcript == "".join(
            e["delta"] for e in turn if e["type"] == "response.output_audio_transcript.delta"
        )
        assert sound_ms >= 20 * len(transcript)
        usage = turn[-2]["response"]["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["output_tokens"] == sum(usage["output_token_details"].values())


async def test_a_response_out_of_band_leaves_the_conversation_alone(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("Remember me.")
        await wire.send(
            respond(
                conversation="none",
                metadata={"topic": "classification"},
                output_modalities=["text"],
                input=[],
            )
        )
        turn = await wire.turn()
        assert "conversation.item.added" not in types(turn)
        response = turn[-2]["response"]
        assert response["conversation_id"] is None
        assert response["metadata"] == {"topic": "classification"}


async def test_an_own_input_may_refer_to_items(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(user("Repeat this.", id="item_a"))
        await wire.until("conversation.item.done")
        reference = {"type": "item_reference", "id": "item_a"}
        own = respond(conversation="none", output_modalities=["text"], input=[reference])
        await wire.send(own)
        assert (await wire.turn())[-2]["response"]["status"] == "completed"
        own["response"]["input"] = [{"type": "item_reference", "id": "item_nowhere"}]
        await wire.send(own)
        assert (await wire.error())["param"] == "response.input[0].id"


async def test_a_second_response_is_refused_and_the_first_completes(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("A long answer, please.")
        aside = respond(conversation="none", output_modalities=["text"])
        await wire.send(respond(), respond() | {"event_id": "second"}, aside)
        seen: list[Event] = []
        while len([e for e in seen if e["type"] == "response.done"]) < 2:
            seen.append(await wire.receive())
        error = next(e for e in seen if e["type"] == "error")["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] == "second"
        done = [e["response"]["status"] for e in seen if e["type"] == "response.done"]
        assert done == ["completed", "completed"]


async def test_an_engine_that_cannot_be_reached_fails_the_response_only(server: Server) -> None:
    async with connected(server, "/v1/realtime?model=broken") as wire:
        await wire.say("Hello?")
        await wire.send(respond())
        response = (await wire.until("response.done"))["response"]
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["code"]
        assert response["status_details"]["error"]["message"]
        assert response["usage"]["total_tokens"] == 0
        await wire.send(update(instructions="Still alive."))
        await wire.until("session.updated")


async def test_an_answer_stops_at_its_token_limit(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("A long answer, please.")
        await wire.send(respond(output_modalities=["text"], max_output_tokens=1))
        response = (await wire.until("response.done"))["response"]
        details = {"type": "incomplete", "reason": "max_output_tokens"}
        assert (response["status"], response["status_details"]) == ("incomplete", details)


async def test_an_answer_stopped_by_a_content_filter_says_so(
    server: Server, scripted: Endpoints
) -> None:
    filtered = [answers.chunk({"content": "I would "}), answers.chunk({}, "content_filter")]
    async with connected(server) as wire:
        await wire.say("Say something that nobody should.")
        scripted.answer_next(CHAT, Answer([*filtered, answers.DONE], answers.EVENT_STREAM))
        await wire.send(respond(output_modalities=["text"]))
        response = (await wire.turn())[-2]["response"]
        details = {"type": "incomplete", "reason": "content_filter"}
        assert (response["status"], response["status_details"]) == ("incomplete", details)
        assert response["output"][0]["status"] == "incomplete"


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)


def picture(url: str) -> Event:
    """Case 102."""
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": url, "detail": "low"},
    ]
    item = {"type": "message", "role": "user", "content": content}
    return {"type": "conversation.item.create", "item": item}


async def test_a_picture_is_shown_to_a_model_that_sees(server: Server, scripted: Endpoints) -> None:
    async with connected(server, "/v1/realtime?model=able") as wire:
        await wire.send(picture(PIXEL))
        item = (await wire.until("conversation.item.done"))["item"]
        assert item["content"][1]["image_url"] == PIXEL
        await wire.send({"type": "conversation.item.retrieve", "item_id": item["id"]})
        assert (await wire.until("conversation.item.retrieved"))["item"] == item
        await wire.send(respond(output_modalities=["text"]))
        usage = (await wire.turn())[-2]["response"]["usage"]
        assert usage["input_token_details"]["image_tokens"] == 85
        shown = scripted.requests_to(CHAT)[-1].fields["messages"][-1]["content"]
        assert shown == [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        ]


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:image/png;base64,AAAA"])
async def test_a_picture_by_address_or_of_nothing_is_refused(server: Server, url: str) -> None:
    async with connected(server, "/v1/realtime?model=able") as wire:
        await wire.send(picture(url))
        error = await wire.error()
        assert (error["code"], error["param"]) == ("invalid_value", "item.content[1].image_url")


async def test_a_model_that_does_not_see_says_so_at_once(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(picture(PIXEL))
        error = await wire.error()
        assert error["param"] == "item.content[1].type"
        assert "whose model sees" in error["message"]


async def test_cached_tokens_are_told_by_modality(server: Server, scripted: Endpoints) -> None:
    counted = [
        answers.chunk({"content": "Hello."}),
        answers.chunk({}, "stop"),
        answers.usage(1000, 900, 5),
        answers.DONE,
    ]
    async with connected(server) as wire:
        await wire.say("Hello.")
        scripted.answer_next(CHAT, Answer(counted, answers.EVENT_STREAM))
        await wire.send(respond(output_modalities=["text"]))
        details = (await wire.turn())[-2]["response"]["usage"]["input_token_details"]
        assert (details["text_tokens"], details["cached_tokens"]) == (1000, 900)
        assert details["cached_tokens_details"] == {
            "text_tokens": 900,
            "audio_tokens": 0,
            "image_tokens": 0,
        }
