"""Conversation items: adding, inserting, reading back, deleting.

Shows Conversation: create, insert, retrieve with audio, delete
"""

import json

import pytest
from talk import (
    COMMIT,
    MANUAL,
    PIXEL,
    RESPOND,
    TEXT,
    Talk,
    assistant_text,
    call_output,
    delete,
    offer,
    pcm,
    response_create,
    retrieve,
    sound_of,
    truncate,
    user_audio,
    user_image,
    user_text,
)

from antiphon.core.commands import CancelJob, EndTranscription, OpenTranscription
from antiphon.engines.llm import Picture, TokenUsage
from antiphon.engines.responder import AssistantTurn, ResponseFinished, UserTurn, WrittenText


def order(talk: Talk) -> list[str]:
    """The texts in the order in which the model reads them."""
    talk.client(TEXT)
    memory = talk.memory
    talk.writes("ok")
    return memory


def test_an_item_is_added_and_done_completed(talk: Talk) -> None:
    talk.client(user_text("Hi"))
    added = talk.expect("conversation.item.added")
    done = talk.expect("conversation.item.done")
    assert added["previous_item_id"] is None
    assert done["item"] == added["item"]
    item = dict(added["item"])
    assert item.pop("id").startswith("item_")
    assert item == {
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }
    talk.expect_nothing()


def test_each_item_names_the_one_before(talk: Talk) -> None:
    talk.client(user_text("one")).client(user_text("two"))
    first, second = talk.all("conversation.item.added")
    assert second["previous_item_id"] == first["item"]["id"]


def test_root_inserts_first_and_an_id_inserts_after_it(talk: Talk) -> None:
    talk.client(user_text("one", id="a")).client(user_text("two", id="b"))
    talk.client(user_text("zero", id="z") | {"previous_item_id": "root"})
    assert talk.last("conversation.item.added")["previous_item_id"] is None
    talk.client(user_text("between", id="m") | {"previous_item_id": "a"})
    assert talk.last("conversation.item.added")["previous_item_id"] == "a"
    assert order(talk) == ["zero", "one", "between", "two"]


def test_an_unknown_previous_item_refuses_the_item(talk: Talk) -> None:
    talk.client(user_text("Hi", id="mine") | {"previous_item_id": "nowhere", "event_id": "e"})
    assert talk.expect_error("item_create_invalid_previous_item_id", "previous_item_id")[
        "event_id"
    ] == ("e")
    talk.client(retrieve("mine"))
    talk.expect_error("item_retrieve_invalid_item_id", "item_id")


def test_a_chosen_id_is_kept_unless_it_is_too_long_or_taken(talk: Talk) -> None:
    talk.client(user_text("Hi", id="pydantic_ai_item_0"))
    talk.expect("conversation.item.done", id="pydantic_ai_item_0")
    talk.client(user_text("Hi", id="x" * 33))
    talk.expect_error("string_above_max_length", "item.id")
    talk.client(user_text("Hi again", id="pydantic_ai_item_0"))
    talk.expect_error("item_already_exists", "item.id")
    assert order(talk) == ["Hi"]


def test_the_id_of_a_turn_in_progress_is_taken(talk: Talk) -> None:
    talk.says(300)
    item_id = talk.expect("input_audio_buffer.speech_started")["item_id"]
    talk.client(user_text("Me first", id=item_id))
    talk.expect_error("item_already_exists", "item.id")
    talk.pauses(300)
    talk.expect("conversation.item.done", id=item_id)


def test_an_item_is_read_back(talk: Talk) -> None:
    talk.client(user_text("Hi", id="mine")).client(retrieve("mine"))
    assert talk.expect("conversation.item.retrieved")["item"]["content"][0]["text"] == "Hi"
    talk.client(retrieve("other"))
    talk.expect_error("item_retrieve_invalid_item_id", "item_id")


def test_an_item_is_deleted_once(talk: Talk) -> None:
    talk.client(user_text("Hi", id="a")).client(user_text("Ho", id="b")).client(delete("a"))
    assert talk.expect("conversation.item.deleted")["item_id"] == "a"
    talk.client(delete("a"))
    talk.expect_error("item_delete_invalid_item_id", "item_id")
    assert order(talk) == ["Ho"]
    talk.client(user_text("first?", id="c") | {"previous_item_id": "a"})
    talk.expect_error("item_create_invalid_previous_item_id", "previous_item_id")


def test_the_assistant_may_be_seeded_with_text(talk: Talk) -> None:
    talk.client(assistant_text("I said so."))
    item = talk.expect("conversation.item.done")["item"]
    assert item["content"] == [{"type": "output_text", "text": "I said so."}]
    preview = assistant_text("x")
    preview["item"]["content"][0]["type"] = "text"
    talk.client(preview)
    talk.expect_error("invalid_value", "item.content[0].type")


def test_a_whole_history_may_be_seeded(talk: Talk) -> None:
    system = user_text("Be kind.", role="system")
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
    talk.client(system).client(user_text("Hi")).client(assistant_text("Hello."))
    talk.client({"type": "conversation.item.create", "item": call})
    talk.client(call_output("c1", "sunny"))
    assert not talk.all("error")
    assert order(talk) == ["Be kind.", "Hi", "Hello.", "weather({})", "sunny"]


def test_an_output_for_an_unknown_call_is_refused(talk: Talk) -> None:
    talk.client(call_output("call_X", "42"))
    error = talk.expect_error("invalid_tool_call_id", None)
    assert error["message"].startswith("Tool call ID 'call_X' not found in conversation.")


def test_an_output_item_carries_no_status(talk: Talk) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
    talk.client({"type": "conversation.item.create", "item": call})
    talk.client(call_output("c1", "sunny", status="completed"))
    item = talk.last("conversation.item.done")["item"]
    assert "status" not in item
    assert item["output"] == "sunny"


def test_a_call_without_an_id_gets_one(talk: Talk) -> None:
    call = {"type": "function_call", "name": "weather", "arguments": "{}"}
    talk.client({"type": "conversation.item.create", "item": call})
    assert talk.expect("conversation.item.done")["item"]["call_id"].startswith("call_")


def test_a_model_that_does_not_see_is_shown_nothing(talk: Talk) -> None:
    talk.client(user_image(PIXEL, "What is this?"))
    error = talk.expect_error("invalid_parameter", "item.content[1].type")
    assert "connect to a deployment whose model sees" in error["message"]
    talk.client(response_create(input=[user_image(PIXEL)["item"]]))
    talk.expect_error("invalid_parameter", "response.input[0].content[0].type")
    talk.expect_nothing()


def test_a_picture_is_kept_and_shown_to_a_model_that_sees() -> None:
    talk = Talk(offer(sees=True))
    talk.client(user_image(PIXEL, "What is this?", id="shown"))
    shown = talk.expect("conversation.item.added")["item"]
    assert talk.expect("conversation.item.done")["item"] == shown == talk.item("shown")
    assert shown["content"][1] == {"type": "input_image", "image_url": PIXEL, "detail": "low"}
    talk.client(TEXT)
    assert talk.request.context == (
        UserTurn("What is this?", pictures=(Picture(PIXEL, "low", 13),)),
    )
    talk.produces(WrittenText("A dot."), ResponseFinished("stop", TokenUsage(120, 0, 3)))
    details = talk.expect("response.done")["response"]["usage"]["input_token_details"]
    assert (details["image_tokens"], details["text_tokens"]) == (85, 35)


def test_a_picture_may_be_the_input_of_one_response() -> None:
    talk = Talk(offer(sees=True))
    talk.client(response_create(conversation="none", input=[user_image(PIXEL)["item"]]))
    assert talk.request.context == (UserTurn("", pictures=(Picture(PIXEL, "low", 0),)),)


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "data:image/gif;base64,R0lG", "data:image/png;base64,AAAA"]
)
def test_only_whole_pictures_in_the_message_are_taken(url: str) -> None:
    talk = Talk(offer(sees=True))
    talk.client(user_image(url))
    talk.expect_error("invalid_value", "item.content[0].image_url")
    talk.client(TEXT)
    assert talk.request.context == ()


def test_a_conversation_holds_only_so_many_pictures() -> None:
    talk = Talk(offer(sees=True))
    large = PIXEL.rstrip("=") + "A" * (5 * 1024 * 1024)
    large = large[: len(large) - (len(large) - PIXEL.index(",") - 1) % 4]
    for index in range(6):
        talk.client(user_image(large, id=f"i{index}"))
        talk.expect("conversation.item.done")
    talk.client(user_image(large))
    talk.expect_error("conversation_full")
    talk.client(delete("i0")).client(user_image(large))
    talk.expect("conversation.item.done")


def test_the_phase_of_an_answer_is_told_and_remembered(talk: Talk) -> None:
    talk.client(assistant_text("Let me think.", phase="commentary", id="thought"))
    assert talk.expect("conversation.item.done")["item"]["phase"] == "commentary"
    assert talk.item("thought")["phase"] == "commentary"
    talk.client(TEXT)
    assert talk.request.context == (AssistantTurn("Let me think.", "commentary"),)
    talk.client(user_text("Hm.", phase="commentary"))
    talk.expect_error("invalid_value", "item.phase")


def test_a_spoken_item_is_heard_before_it_is_answered(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(user_audio(pcm(500), id="spoken"))
    assert "audio" not in talk.expect("conversation.item.done")["item"]["content"][0]
    talk.client(RESPOND)
    talk.expect("response.created")
    assert not talk.started
    talk.hears("What I sent.")
    assert talk.memory == ["What I sent."]
    assert sound_of(talk.item("spoken")["content"][0]) == pcm(500)


def test_a_transcript_without_sound_is_taken_at_its_word(talk: Talk) -> None:
    part = {"type": "input_audio", "transcript": "From yesterday."}
    message = {"type": "message", "role": "user", "content": [part]}
    talk.client({"type": "conversation.item.create", "item": message})
    assert order(talk) == ["From yesterday."]


def test_a_responder_that_hears_reads_a_transcript_that_has_no_sound() -> None:
    talk = Talk(offer(hears="audio"))
    part = {"type": "input_audio", "transcript": "From yesterday."}
    message = {"type": "message", "role": "user", "content": [part]}
    talk.client({"type": "conversation.item.create", "item": message})
    assert order(talk) == ["From yesterday."]


@pytest.mark.parametrize(
    ("audio", "param"),
    [("!!!", "item.content[0].audio"), ("AAA=", None), ("AA==", "item.content[0].audio")],
)
def test_sound_in_an_item_must_be_whole_samples_in_base64(
    talk: Talk, audio: str, param: str | None
) -> None:
    part = {"type": "input_audio", "audio": audio}
    message = {"type": "message", "role": "user", "content": [part]}
    talk.client({"type": "conversation.item.create", "item": message})
    if param is None:
        talk.expect("conversation.item.done")
    else:
        talk.expect_error("invalid_value", param)


def test_deleting_a_spoken_item_stops_its_transcription_and_frees_the_answer(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(user_text("Hi")).client(user_audio(pcm(500), id="spoken")).client(RESPOND)
    assert not talk.started
    talk.client(delete("spoken"))
    opened = next(c for c in talk.commands if isinstance(c, OpenTranscription))
    assert CancelJob(opened.job) in talk.commands
    assert talk.memory == ["Hi"]
    talk.hears("Too late.", job=opened.job)
    assert len(talk.started) == 1


def test_deleting_a_turn_that_is_being_transcribed_silences_its_transcript(talk: Talk) -> None:
    talk.hears_at_once = False
    update = json.loads(json.dumps(MANUAL))
    update["session"]["audio"]["input"]["transcription"] = {"model": "whisper-1"}
    talk.client(update).append(pcm(300)).client(COMMIT)
    item_id = talk.expect("conversation.item.done")["item"]["id"]
    job = next(c for c in talk.commands if isinstance(c, EndTranscription)).job
    talk.client(delete(item_id)).hears("Nobody asked.", job=job)
    assert talk.types[-1] == "conversation.item.deleted"


def test_an_item_may_be_deleted_while_it_is_generated(talk: Talk) -> None:
    talk.client(user_text("Hi")).client(RESPOND).replies()
    item_id = talk.last("conversation.item.added")["item"]["id"]
    talk.client(delete(item_id)).finishes()
    talk.expect("conversation.item.deleted")
    talk.expect("response.done", status="completed")
    assert order(talk) == ["Hi"]


def test_the_answer_follows_a_system_message(talk: Talk) -> None:
    talk.client(user_text("The user opened the door.", role="system")).client(RESPOND)
    assert talk.memory == ["The user opened the door."]


def test_history_may_be_replaced_item_by_item(talk: Talk) -> None:
    for name in ("a", "b", "c"):
        talk.client(user_text(name, id=name))
    for name in ("a", "b", "c"):
        talk.client(delete(name)).client(user_text(f"new {name}", id=name))
    assert len(talk.all("conversation.item.deleted")) == 3
    assert order(talk) == ["new a", "new b", "new c"]


def test_only_what_the_assistant_spoke_can_be_truncated(talk: Talk) -> None:
    talk.client(user_text("Hi", id="u")).client(assistant_text("Ho", id="w"))
    for item_id in ("u", "w"):
        talk.client(truncate(item_id, 0))
        error = talk.expect_error(None, "item_id")
        assert error["message"].startswith("Only model output audio messages can be truncated")
    talk.client(truncate("nobody", 0))
    talk.expect_error("item_truncate_invalid_item_id", "item_id")


def test_a_seeded_spoken_message_can_be_truncated_at_its_audio_part(talk: Talk) -> None:
    parts = [
        {"type": "output_text", "text": "Written."},
        user_audio(pcm(1000))["item"]["content"][0]
        | {"type": "output_audio", "transcript": "One two three four."},
    ]
    message = {"id": "s", "type": "message", "role": "assistant", "content": parts}
    talk.client({"type": "conversation.item.create", "item": message})
    talk.client(truncate("s", 500))
    talk.expect_error("invalid_value", "content_index")
    talk.client(truncate("s", 500, content_index=1))
    talk.expect("conversation.item.truncated", content_index=1)
    assert order(talk) == ["Written.\nOne two"]
    assert sound_of(talk.item("s")["content"][1]) == pcm(500)


def test_a_full_conversation_refuses_more_and_takes_more_once_some_is_deleted(talk: Talk) -> None:
    for index in range(10_000):
        talk.client(user_text("x", id=f"i{index}"))
    talk.client(user_text("one too many"))
    talk.expect_error("conversation_full", None)
    talk.client(MANUAL).append(pcm(100))
    talk.expect_error("conversation_full", None)
    talk.client(delete("i0")).client(user_text("now it fits", id="last"))
    talk.expect("conversation.item.done", id="last")
    talk.client(response_create(input=[]))
    talk.expect("response.created")
