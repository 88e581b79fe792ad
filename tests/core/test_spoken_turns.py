"""Turns found by the VAD: from the first sample of speech to the answer, and interruptions."""

import pytest
from talk import Talk, offer, pairs, server_vad, session_update

from antiphon.core.commands import StartResponse


def test_a_session_opens_with_session_created_and_nothing_else(talk: Talk) -> None:
    assert talk.types == ["session.created"]


def test_a_spoken_turn_is_told_in_the_recorded_order(talk: Talk) -> None:
    talk.client(session_update(transcription={"model": "whisper-1"}))
    mark = len(talk.events)
    talk.pauses(500).says(1000).pauses(400)
    assert talk.since(mark)[:9] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
    ]
    talk.replies("Hello there.", audio_ms=700, finish=True)
    assert talk.since(mark)[8:] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.delta",
        "response.output_audio.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert not list(pairs(talk.events))


def test_one_item_id_runs_through_a_spoken_turn(talk: Talk) -> None:
    talk.client(session_update(transcription={"model": "whisper-1"})).says(600).pauses(400)
    item_id = talk.expect("input_audio_buffer.speech_started")["item_id"]
    assert talk.expect("input_audio_buffer.speech_stopped")["item_id"] == item_id
    assert talk.expect("input_audio_buffer.committed")["item_id"] == item_id
    assert talk.expect("conversation.item.added")["item"]["id"] == item_id
    talk.expect("conversation.item.input_audio_transcription.completed", item_id=item_id)


def test_positions_count_samples_and_include_padding_and_silence(talk: Talk) -> None:
    talk.pauses(960).says(960).pauses(600)
    started = talk.expect("input_audio_buffer.speech_started")
    stopped = talk.expect("input_audio_buffer.speech_stopped")
    assert started["audio_start_ms"] == pytest.approx(960 - 300, abs=32)
    assert stopped["audio_end_ms"] == pytest.approx(960 + 960 + 224, abs=32)


def test_speaking_over_a_reply_cancels_it(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad()))
    talk.says(600).pauses(500)
    reply = talk.expect("response.created")["response"]
    talk.replies(audio_ms=400)
    talk.says(200)
    talk.expect("input_audio_buffer.speech_started")
    done = talk.expect("response.done", id=reply["id"], status="cancelled")["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["output"][0]["status"] == "incomplete"
    assert not list(pairs(talk.events))


def test_the_answer_begins_while_the_turn_may_still_go_on(talk: Talk) -> None:
    talk.says(600).pauses(130)
    guesses = [c for c in talk.commands if isinstance(c, StartResponse)]
    assert len(guesses) == 1
    assert "response.created" not in talk.types
    talk.replies(audio_ms=300)
    talk.pauses(200)
    talk.expect("response.created")
    talk.expect("response.output_audio.delta")
    assert [c for c in talk.commands if isinstance(c, StartResponse)] == guesses


def test_speech_that_resumes_discards_the_answer_that_was_begun(talk: Talk) -> None:
    talk.says(600).pauses(130)
    guess = talk.ordered
    talk.says(300)
    assert guess.job in talk.cancelled()
    assert "input_audio_buffer.speech_stopped" not in talk.types
    talk.replies(audio_ms=300)
    talk.pauses(400)
    talk.expect("response.created")
    assert talk.ordered.job != guess.job


def test_a_responder_that_hears_for_itself_gets_the_sound() -> None:
    talk = Talk(offer(hears="audio"))
    talk.says(600).pauses(400)
    turn = talk.request.context[-1]
    assert len(turn.audio) > 600 * 48  # type: ignore[union-attr]
