"""Answers in text and in speech: their order, their pieces and what they cost."""

import base64

import numpy as np
import pytest
from talk import (
    LOUD,
    RESPOND,
    TEXT,
    Talk,
    offer,
    pairs,
    pcm,
    response_create,
    session_update,
    user_audio,
    user_text,
)

from antiphon.audio.formats import InputDecoder
from antiphon.core.commands import PrepareResponse
from antiphon.engines.llm import TokenUsage
from antiphon.engines.responder import (
    FunctionCallArguments,
    ResponseFinished,
    SpokenAudio,
    SpokenText,
    WrittenText,
)


def test_a_written_answer_comes_in_the_recorded_order(talk: Talk) -> None:
    talk.client(user_text("Hi"))
    mark = len(talk.events)
    talk.client(TEXT).writes("Hello there.")
    assert talk.since(mark) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert not list(pairs(talk.events))


def test_response_created_is_in_progress_and_empty(talk: Talk) -> None:
    talk.client(RESPOND)
    response = talk.expect("response.created")["response"]
    assert response.pop("id").startswith("resp_")
    assert response.pop("conversation_id").startswith("conv_")
    assert response == {
        "object": "realtime.response",
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
        },
        "usage": None,
        "metadata": None,
    }


def test_the_deltas_of_a_text_are_the_text_everywhere(talk: Talk) -> None:
    talk.client(TEXT).produces(WrittenText("Hel"), WrittenText("lo "), WrittenText("you"))
    talk.finishes()
    text = "".join(event["delta"] for event in talk.all("response.output_text.delta"))
    assert text == talk.expect("response.output_text.done")["text"] == "Hello you"
    assert talk.expect("response.content_part.done")["part"] == {"type": "text", "text": text}
    item = talk.expect("conversation.item.done")["item"]
    assert item["content"] == [{"type": "output_text", "text": text}]
    assert talk.expect("response.output_item.done")["item"] == item
    response = talk.expect("response.done")["response"]
    assert response["output"] == [item]
    assert (response["status"], response["status_details"]) == ("completed", None)


def test_an_item_begins_empty_and_its_part_says_its_kind(talk: Talk) -> None:
    talk.client(TEXT).writes("Hello")
    assert talk.expect("response.output_item.added")["item"]["content"] == []
    added = talk.expect("conversation.item.added")["item"]
    assert (added["status"], added["content"]) == ("in_progress", [])
    assert talk.expect("response.content_part.added")["part"] == {"type": "text", "text": ""}


def test_speech_comes_in_chunks_that_grow(talk: Talk) -> None:
    talk.client(RESPOND).replies(audio_ms=1000, finish=True)
    assert talk.expect("response.content_part.added")["part"] == {
        "type": "audio",
        "transcript": "",
    }
    sizes = [
        len(base64.b64decode(event["delta"])) for event in talk.all("response.output_audio.delta")
    ]
    assert sizes == [4800, 7200, 12000, 12000, 12000]
    assert talk.sound() == pcm(1000)
    talk.expect("response.output_audio.done")
    assert talk.expect("response.output_audio_transcript.done")["transcript"] == "Hello there."
    assert talk.expect("response.content_part.done")["part"]["transcript"] == "Hello there."
    item = talk.expect("conversation.item.done")["item"]
    assert item["content"] == [{"type": "output_audio", "transcript": "Hello there."}]


def test_the_last_chunk_is_whatever_is_left(talk: Talk) -> None:
    talk.client(RESPOND).replies(audio_ms=130, finish=True)
    sizes = [
        len(base64.b64decode(event["delta"])) for event in talk.all("response.output_audio.delta")
    ]
    assert sizes == [4800, 30 * 48]


def test_the_session_may_ask_for_text(talk: Talk) -> None:
    talk.client(session_update(output_modalities=["text"])).client(RESPOND)
    assert talk.request.modality == "text"


def test_a_second_response_is_refused_and_the_first_goes_on(talk: Talk) -> None:
    talk.client(RESPOND)
    first = talk.expect("response.created")["response"]["id"]
    talk.client(RESPOND | {"event_id": "second"})
    error = talk.expect_error("conversation_already_has_active_response", None)
    assert error["event_id"] == "second"
    assert first in error["message"]
    talk.replies(finish=True)
    talk.expect("response.done", id=first, status="completed")
    talk.client(RESPOND)
    talk.expect("response.created")


def test_what_was_said_is_remembered(talk: Talk) -> None:
    talk.client(user_text("Hi")).client(RESPOND).replies("Hello there.", finish=True)
    talk.client(user_text("And now?")).client(RESPOND)
    assert talk.memory == ["Hi", "Hello there.", "And now?"]


def test_the_next_prompt_is_prepared_after_an_answer(talk: Talk) -> None:
    talk.client(user_text("Hi")).client(RESPOND).replies("Hello there.", finish=True)
    prepared = next(c for c in reversed(talk.commands) if isinstance(c, PrepareResponse))
    assert [turn.text for turn in prepared.request.context] == [  # type: ignore[union-attr]
        "Hi",
        "Hello there.",
    ]


def test_a_response_asks_for_what_it_says(talk: Talk) -> None:
    talk.client(
        response_create(
            instructions="Only this once.",
            max_output_tokens=50,
            parallel_tool_calls=False,
            audio={"output": {"voice": "cedar", "format": {"type": "audio/pcmu"}}},
            metadata={"client_event_id": "e7"},
        )
    )
    response = talk.expect("response.created")["response"]
    assert response["metadata"] == {"client_event_id": "e7"}
    assert response["max_output_tokens"] == 50
    assert response["audio"]["output"] == {"format": {"type": "audio/pcmu"}, "voice": "cedar"}
    asked = talk.request
    assert (asked.instructions, asked.voice, asked.max_output_tokens) == (
        "Only this once.",
        "cedar",
        50,
    )
    assert asked.parallel_tool_calls is False
    talk.finishes()
    assert talk.session.configuration.instructions == talk.offer.instructions


def test_null_instructions_are_no_instructions(talk: Talk) -> None:
    talk.client(response_create(instructions=None))
    assert talk.request.instructions == talk.offer.instructions


@pytest.mark.parametrize(
    ("field", "value", "code", "param"),
    [
        ("prompt", {"id": "p"}, "invalid_parameter", "response.prompt"),
        ("reasoning", {"effort": "low"}, "invalid_parameter", "response.reasoning"),
        (
            "audio",
            {"output": {"voice": "nobody"}},
            "invalid_value",
            "response.audio.output.voice",
        ),
        (
            "tool_choice",
            {"type": "function", "name": "nothing"},
            "invalid_value",
            "response.tool_choice.name",
        ),
        ("output_modalities", ["text", "audio"], "invalid_value", "response.output_modalities"),
        ("temperature", 0.8, "unknown_parameter", "response.temperature"),
    ],
)
def test_a_refused_response_is_never_created(
    talk: Talk, field: str, value: object, code: str, param: str
) -> None:
    talk.client(response_create(**{field: value}) | {"event_id": "e"})
    assert talk.expect_error(code, param)["event_id"] == "e"
    assert "response.created" not in talk.types


# Usage


def test_usage_adds_up_by_modality(talk: Talk) -> None:
    talk.transcript = "twelve chars"
    talk.client(user_audio(pcm(1000))).client(RESPOND).replies(audio_ms=500)
    talk.finishes(usage=TokenUsage(prompt=103, cached=20, completion=9))
    usage = talk.expect("response.done")["response"]["usage"]
    # Speech counts as sound, one token for 100 ms in and 50 ms out; its transcript does not.
    assert usage == {
        "total_tokens": 100 + 10 + 9 + 10,
        "input_tokens": 110,
        "output_tokens": 19,
        "input_token_details": {
            "text_tokens": 100,
            "audio_tokens": 10,
            "image_tokens": 0,
            "cached_tokens": 20,
            "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 9, "audio_tokens": 10},
    }


def test_usage_is_estimated_when_the_model_does_not_count(talk: Talk) -> None:
    talk.client(session_update(instructions="x" * 40)).client(user_text("y" * 80)).client(TEXT)
    talk.produces(WrittenText("a", tokens=2), WrittenText("b", tokens=3))
    talk.finishes(usage=TokenUsage())
    usage = talk.expect("response.done")["response"]["usage"]
    assert usage["input_token_details"]["text_tokens"] == 10 + 20 + 4
    assert usage["output_token_details"]["text_tokens"] == 5


def test_a_failed_response_costs_nothing(talk: Talk) -> None:
    talk.client(RESPOND).replies().fails(talk.ordered.job)
    usage = talk.expect("response.done", status="failed")["response"]["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] == usage["output_tokens"] == 0


def test_rate_limits_follow_and_count_what_was_used() -> None:
    talk = Talk(offer(tokens_per_minute=1000))
    for _ in range(2):
        talk.client(TEXT).produces(WrittenText("a"))
        talk.finishes(usage=TokenUsage(90, 0, 10))
    first, second = talk.all("rate_limits.updated")
    assert first["rate_limits"][0]["remaining"] == 900
    assert second["rate_limits"][0] == {
        "name": "tokens",
        "limit": 1000,
        "remaining": 800,
        "reset_seconds": 12.0,
    }
    talk.waits(6)
    talk.client(TEXT).produces(WrittenText("a")).finishes(usage=TokenUsage(90, 0, 10))
    assert talk.last("rate_limits.updated")["rate_limits"][0]["remaining"] == 800


# Speed and formats


@pytest.mark.parametrize(("speed", "ms"), [(0.5, 2000), (1.5, 667)])
def test_speed_changes_how_long_the_speech_is(talk: Talk, speed: float, ms: int) -> None:
    talk.client(session_update(speed=speed)).client(RESPOND).replies(audio_ms=1000, finish=True)
    assert len(talk.sound()) / 48 == pytest.approx(ms, abs=1)
    (ledger,) = talk.ledgers()
    assert ledger.made_samples == ledger.sent_samples == len(talk.sound()) // 2


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_speech_goes_out_as_g711(talk: Talk, name: str) -> None:
    talk.client(session_update(output_format={"type": name})).client(RESPOND)
    wave = (LOUD * np.sin(np.arange(24_000) / 24_000 * 2 * np.pi * 400)).astype("<i2").tobytes()
    talk.produces(SpokenText("Hum."), SpokenAudio(wave, "Hum.")).finishes()
    assert len(talk.sound()) == 8000
    assert len(base64.b64decode(talk.all("response.output_audio.delta")[0]["delta"])) == 800
    decoder = InputDecoder(name)
    decoded = np.frombuffer(decoder.push(talk.sound()).pcm + decoder.flush().pcm, "<i2")
    sent = np.frombuffer(wave, "<i2")
    error = np.sqrt(np.mean((decoded[480:-480].astype(float) - sent[480:-480]) ** 2))
    assert error < LOUD * 0.05


# What a model may get wrong


def test_an_empty_answer_fails_in_words(talk: Talk) -> None:
    talk.client(RESPOND).finishes()
    response = talk.expect("response.done", status="failed")["response"]
    assert response["status_details"]["error"]["code"] == "empty_response"
    assert response["output"] == []


def test_half_a_sample_fails_the_response_and_stops_the_model(talk: Talk) -> None:
    talk.client(RESPOND).produces(SpokenText("Hi"), SpokenAudio(b"\0" * 4801, "Hi"))
    response = talk.expect("response.done", status="failed")["response"]
    assert response["status_details"]["error"]["code"] == "engine_invalid_answer"
    assert talk.ordered.job in talk.cancelled()
    assert not list(pairs(talk.events))


def test_what_comes_after_the_end_changes_nothing(talk: Talk) -> None:
    talk.client(RESPOND).replies(finish=True)
    mark = len(talk.events)
    talk.produces(SpokenText("more"), ResponseFinished("stop"))
    talk.fails(talk.ordered.job)
    assert talk.since(mark) == []


def test_arguments_without_a_call_are_ignored(talk: Talk) -> None:
    talk.client(TEXT).produces(WrittenText("Hi"), FunctionCallArguments("{}")).finishes()
    assert [item["type"] for item in talk.last("response.done")["response"]["output"]] == [
        "message"
    ]


def test_a_message_keeps_to_its_kind(talk: Talk) -> None:
    talk.client(TEXT).produces(WrittenText("Hi"), SpokenText("Ho"), SpokenAudio(pcm(100), "Ho"))
    talk.finishes()
    assert "response.output_audio.delta" not in talk.types
    assert talk.last("response.output_text.done")["text"] == "Hi"
    talk.client(RESPOND).produces(SpokenText("Ho"), WrittenText("Hi")).finishes()
    assert talk.last("response.output_audio_transcript.done")["transcript"] == "Ho"


def test_a_model_that_fails_ends_its_response_and_nothing_else(talk: Talk) -> None:
    talk.client(RESPOND).replies(audio_ms=130).fails(talk.ordered.job, "engine_unreachable")
    response = talk.expect("response.done", status="failed")["response"]
    assert response["status_details"] == {
        "type": "failed",
        "error": {
            "type": "server_error",
            "code": "engine_unreachable",
            "message": "The engine cannot be reached. Start it.",
        },
    }
    assert response["output"][0]["status"] == "incomplete"
    # What was made is sent: words are not cut by the failure of later ones.
    assert talk.sound() == pcm(130)
    assert not talk.all("error")
    assert not list(pairs(talk.events))
    talk.client(RESPOND).replies(finish=True)
    talk.expect("response.done", status="completed")


def test_after_a_failure_only_what_was_spoken_is_remembered(talk: Talk) -> None:
    talk.client(RESPOND)
    talk.produces(SpokenText("One. "), SpokenText("Two. "), SpokenAudio(pcm(300), "One. "))
    talk.fails(talk.ordered.job)
    talk.client(user_text("Go on.")).client(RESPOND)
    assert talk.memory == ["One.", "Go on."]


def test_a_model_that_falls_silent_is_given_up(talk: Talk) -> None:
    talk.client(RESPOND).replies()
    talk.waits(59)
    assert "response.done" not in talk.types
    talk.waits(2)
    response = talk.expect("response.done", status="failed")["response"]
    assert response["status_details"]["error"]["code"] == "engine_timeout"
    assert talk.ordered.job in talk.cancelled()
    assert not list(pairs(talk.events))


def test_each_piece_renews_the_patience(talk: Talk) -> None:
    talk.client(RESPOND)
    for _ in range(5):
        talk.waits(50).replies()
    talk.finishes()
    talk.expect("response.done", status="completed")
