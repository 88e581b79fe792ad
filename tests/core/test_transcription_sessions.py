"""Sessions that only transcribe: their own defaults, their own updates, and never a response."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as untimed
from hypothesis import strategies as st
from talk import (
    CANCEL,
    CLEAR,
    COMMIT,
    RESPOND,
    Event,
    Talk,
    delete,
    offer,
    pairs,
    pcm,
    retrieve,
    sound_of,
    truncate,
    user_text,
)

from antiphon.core.commands import CancelJob, OpenTranscription, StartResponse
from antiphon.core.inputs import Draining
from antiphon.core.transcription_offer import TranscriptionOffer, TranscriptionSessionOffer

PREFIX = "conversation.item.input_audio_transcription."
MODELS = {
    "whisper-1": TranscriptionOffer(bills="duration"),
    "gpt-4o-transcribe": TranscriptionOffer(frozenset({"en"})),
    "gpt-realtime-whisper": TranscriptionOffer(streams=True),
}


def transcribing(**changes: Any) -> Talk:
    return Talk(TranscriptionSessionOffer(MappingProxyType(MODELS), **changes))


def settings(**listening: Any) -> Event:
    session = {"type": "transcription", "audio": {"input": listening}}
    return {"type": "session.update", "session": session}


def transcription(model: str | None, **fields: Any) -> Event:
    return settings(transcription=model and {"model": model, **fields})


WHISPER = transcription("whisper-1")
STREAMING = settings(transcription={"model": "gpt-realtime-whisper"}, turn_detection=None)


def test_it_opens_with_its_own_defaults() -> None:
    talk = transcribing()
    session = talk.expect("session.created")["session"]
    assert session.pop("id").startswith("sess_")
    assert session.pop("expires_at") == talk.now + 3600
    assert session == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                    "idle_timeout_ms": None,
                },
            }
        },
        "include": None,
    }
    assert talk.types == ["session.created"]


def test_a_turn_found_by_the_vad_is_transcribed_and_not_answered() -> None:
    talk = transcribing().client(WHISPER)
    talk.expect("session.updated")
    talk.says(600).pauses(400)
    item_id = talk.expect("input_audio_buffer.speech_started")["item_id"]
    talk.expect("input_audio_buffer.speech_stopped", item_id=item_id)
    talk.expect("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
    talk.expect("conversation.item.added")
    talk.expect("conversation.item.done")
    assert talk.expect(PREFIX + "delta")["delta"] == "What the user said."
    talk.expect(PREFIX + "completed", transcript="What the user said.", item_id=item_id)
    assert not [kind for kind in talk.types if kind.startswith("response.")]
    assert not [command for command in talk.commands if isinstance(command, StartResponse)]


def test_turns_committed_by_hand_follow_each_other() -> None:
    talk = transcribing().client(settings(transcription={"model": "whisper-1"}))
    talk.client(settings(turn_detection=None))
    talk.says(300).client(COMMIT).says(500).client(COMMIT)
    first, second = talk.all("input_audio_buffer.committed")
    assert second["previous_item_id"] == first["item_id"]
    assert [event["usage"]["seconds"] for event in talk.all(PREFIX + "completed")] == [1, 1]
    assert not list(pairs(talk.events))


def test_a_streaming_model_tells_words_while_one_speaks() -> None:
    talk = transcribing().client(STREAMING).says(500)
    talk.understands("What").understands("What the user")
    deltas = [event["delta"] for event in talk.all(PREFIX + "delta")]
    assert deltas == ["What", " the user"]
    assert "input_audio_buffer.committed" not in talk.types
    talk.client(COMMIT)
    item_id = talk.expect("input_audio_buffer.committed")["item_id"]
    assert {event["item_id"] for event in talk.all(PREFIX + "delta")} == {item_id}
    talk.expect(PREFIX + "completed", transcript="What the user said.")


@pytest.mark.parametrize(
    "event",
    [transcription("gpt-realtime-whisper"), transcription("gpt-realtime-whisper", language="en")],
)
def test_a_streaming_model_leaves_turns_to_the_client(event: Event) -> None:
    talk = transcribing().client(event)
    error = talk.expect_error("invalid_parameter", "session.audio.input.turn_detection")
    assert error["message"].startswith(
        "Turn detection is not supported for this transcription model."
    )
    talk.client(STREAMING)
    talk.expect("session.updated")
    talk.client(settings(turn_detection={"type": "server_vad"}))
    talk.expect_error("invalid_parameter", "session.audio.input.turn_detection")


def test_meaning_decides_where_turns_end() -> None:
    talk = transcribing().client(
        settings(transcription={"model": "whisper-1"}, turn_detection={"type": "semantic_vad"})
    )
    detection = talk.expect("session.updated")["session"]["audio"]["input"]["turn_detection"]
    assert detection == {"type": "semantic_vad", "eagerness": "auto"}
    talk.transcript = "And then I said to him,"
    talk.says(600).pauses(1000)
    assert "input_audio_buffer.committed" not in talk.types
    talk.transcript = "And then I said to him that I would come."
    talk.says(600).pauses(1500)
    talk.expect(PREFIX + "completed", transcript="And then I said to him that I would come.")


def test_the_stored_item_holds_sound_and_transcript() -> None:
    talk = transcribing().client(WHISPER).says(600).pauses(400)
    item = talk.item(talk.expect("input_audio_buffer.committed")["item_id"])
    assert item["content"][0]["transcript"] == "What the user said."
    assert len(sound_of(item["content"][0])) > len(pcm(600))


def test_a_deleted_item_needs_no_transcript() -> None:
    talk = transcribing()
    talk.hears_at_once = False
    talk.client(WHISPER).says(600).pauses(400)
    item_id = talk.expect("input_audio_buffer.committed")["item_id"]
    talk.client(delete(item_id))
    talk.expect("conversation.item.deleted", item_id=item_id)
    assert [c for c in talk.commands if isinstance(c, CancelJob)]
    talk.hears("Too late.")
    assert not talk.all(PREFIX + "completed")


def test_without_a_model_turns_become_items_and_nothing_is_told() -> None:
    talk = transcribing().says(600).pauses(400)
    talk.expect("conversation.item.done")
    assert not [command for command in talk.commands if isinstance(command, OpenTranscription)]


def test_a_failure_fails_one_transcript() -> None:
    talk = transcribing()
    talk.hears_at_once = False
    talk.client(transcription("gpt-4o-transcribe")).says(600).pauses(400)
    opened = [c for c in talk.commands if isinstance(c, OpenTranscription)]
    talk.fails(opened[-1].job)
    talk.expect(PREFIX + "failed")
    talk.hears_at_once = True
    talk.says(600).pauses(400)
    talk.expect(PREFIX + "completed")


def test_an_unknown_deployment_fails_each_transcript() -> None:
    talk = transcribing().client(transcription("nobody")).says(600).pauses(400)
    assert talk.expect(PREFIX + "failed")["error"]["code"] == "DeploymentNotFound"
    assert not talk.all("error")


REFUSED_EVENTS: list[Event] = [
    RESPOND,
    CANCEL,
    user_text("Hello"),
    truncate("item_1", 100),
    {"type": "output_audio_buffer.clear"},
]


@pytest.mark.parametrize("event", REFUSED_EVENTS, ids=lambda event: event["type"])
def test_events_of_conversations_are_refused_in_words(event: Event) -> None:
    talk = transcribing().client({**event, "event_id": "mine"})
    error = talk.expect_error("invalid_value", "type")
    assert error["type"] == "invalid_request_error"
    assert error["event_id"] == "mine"
    assert event["type"] in error["message"]
    assert "makes no responses" in error["message"]
    assert "'input_audio_buffer.append'" in error["message"]
    assert "'response.create', " not in error["message"]
    talk.client(WHISPER).says(600).pauses(400).expect(PREFIX + "completed")


FOREIGN: list[tuple[Event, str, str]] = [
    ({"type": "realtime"}, "invalid_parameter", "session.type"),
    ({"type": "transcription", "model": "whisper-1"}, "invalid_parameter", "session.model"),
    (
        {"type": "transcription", "instructions": "Hi."},
        "unknown_parameter",
        "session.instructions",
    ),
    ({"type": "transcription", "tools": []}, "unknown_parameter", "session.tools"),
    (
        {"type": "transcription", "audio": {"output": {"voice": "alloy"}}},
        "unknown_parameter",
        "session.audio.output",
    ),
    (
        {
            "type": "transcription",
            "audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}},
        },
        "invalid_parameter",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
]


@pytest.mark.parametrize(("session", "code", "param"), FOREIGN)
def test_settings_of_conversations_are_refused_whole(session: Event, code: str, param: str) -> None:
    talk = transcribing()
    session = session | {"include": None}
    talk.client({"type": "session.update", "session": session})
    talk.expect_error(code, param)
    talk.client(settings())
    before, after = talk.events[0]["session"], talk.expect("session.updated")["session"]
    assert before == after


def test_each_type_of_session_names_the_other_in_its_refusal() -> None:
    talk = transcribing().client({"type": "session.update", "session": {"type": "realtime"}})
    assert talk.expect("error")["error"]["message"].startswith(
        "Passing a realtime session update event to a transcription session is not allowed."
    )
    talk = Talk(offer()).client(settings())
    assert talk.expect("error")["error"]["message"].startswith(
        "Passing a transcription session update event to a realtime session is not allowed."
    )


def test_the_input_format_counts_for_what_is_retrieved() -> None:
    talk = transcribing().client(settings(format={"type": "audio/pcmu"}, turn_detection=None))
    talk.append(b"\xff" * 8 * 200).client(COMMIT)
    item = talk.item(talk.expect("input_audio_buffer.committed")["item_id"])
    assert len(sound_of(item["content"][0])) == 8 * 200


def test_clearing_drops_what_was_said() -> None:
    talk = transcribing().client(STREAMING).says(500).client(CLEAR)
    talk.expect("input_audio_buffer.cleared")
    talk.client(COMMIT)
    talk.expect_error("input_audio_buffer_commit_empty")


def test_it_ends_at_its_longest() -> None:
    talk = transcribing(max_session_s=60).client(WHISPER)
    talk.waits(61)
    talk.expect_error("session_expired")
    closed = talk.closed()
    assert closed is not None
    assert closed.code == 1001


def test_a_transcriber_that_takes_too_long_fails_its_turn() -> None:
    talk = transcribing(transcription_patience_s=5)
    talk.hears_at_once = False
    talk.client(WHISPER).says(600).pauses(400).waits(6)
    assert talk.expect(PREFIX + "failed")["error"]["code"] == "engine_timeout"


def test_a_server_that_shuts_down_waits_for_the_transcript() -> None:
    talk = transcribing()
    talk.hears_at_once = False
    talk.client(WHISPER).says(600).pauses(400)
    talk.give(Draining())
    assert talk.closed() is None
    talk.hears("All of it.")
    talk.expect(PREFIX + "completed", transcript="All of it.")
    closed = talk.closed()
    assert closed is not None
    assert closed.code == 1001


def test_a_client_may_close_it() -> None:
    talk = transcribing().client({"type": "session.close"})
    closed = talk.closed()
    assert closed is not None
    assert closed.code == 1000
    assert talk.session.deadline() is None


def test_without_transcripts_the_voice_decides_where_turns_end() -> None:
    talk = Talk(TranscriptionSessionOffer(predicts_turns=True), probability=0.1)
    talk.client(settings(turn_detection={"type": "semantic_vad"}))
    talk.says(600).pauses(2_000)
    assert "input_audio_buffer.committed" not in talk.types
    talk.probability = 0.9
    talk.says(600).pauses(1_500)
    talk.expect("input_audio_buffer.committed")


def test_a_prediction_that_fails_disturbs_nobody() -> None:
    talk = Talk(TranscriptionSessionOffer(predicts_turns=True), probability=None)
    talk.client(settings(turn_detection={"type": "semantic_vad"}))
    talk.says(600).pauses(200).fails(talk.listened[-1].job)
    talk.pauses(4_200)
    talk.expect("input_audio_buffer.committed")
    assert talk.all("error") == []


def steps() -> st.SearchStrategy[Callable[[Talk], object]]:
    """Anything that a client, its voice or time may do."""
    events = [
        WHISPER,
        STREAMING,
        transcription("nobody"),
        transcription(None),
        settings(turn_detection=None),
        settings(turn_detection={"type": "semantic_vad"}),
        settings(format={"type": "audio/pcma"}),
        COMMIT,
        CLEAR,
        *REFUSED_EVENTS,
    ]
    return st.one_of(
        st.sampled_from(events).map(lambda event: lambda talk: talk.client(event)),
        st.integers(0, 900).map(lambda ms: lambda talk: talk.says(ms)),
        st.integers(0, 900).map(lambda ms: lambda talk: talk.pauses(ms)),
        st.integers(0, 40).map(lambda seconds: lambda talk: talk.waits(seconds)),
        st.just(_retrieve_last),
    )


def _retrieve_last(talk: Talk) -> None:
    for committed in talk.all("input_audio_buffer.committed")[-1:]:
        talk.client(retrieve(committed["item_id"]))


@untimed(deadline=None)
@given(st.lists(steps(), max_size=12))
def test_whatever_happens_each_turn_has_one_end_and_nobody_answers(
    done: list[Callable[[Talk], object]],
) -> None:
    talk = transcribing()
    for step in done:
        step(talk)
    talk.waits(60)
    assert not list(pairs(talk.events))
    assert not [kind for kind in talk.types if kind.startswith("response.")]
    assert not [command for command in talk.commands if isinstance(command, StartResponse)]
    ended = [
        event["item_id"]
        for event in talk.events
        if event["type"] in (PREFIX + "completed", PREFIX + "failed")
    ]
    assert len(ended) == len(set(ended))
    chain = [event["previous_item_id"] for event in talk.all("input_audio_buffer.committed")]
    items = [event["item_id"] for event in talk.all("input_audio_buffer.committed")]
    assert chain == [None, *items][: len(items)]
