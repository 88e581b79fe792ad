"""Where things end by themselves: tokens, filters, patience, the session's age (case 81).

Shows Session length: 60 minutes, or what the deployment sets
"""

import pytest
from talk import (
    COMMIT,
    MANUAL,
    RESPOND,
    Talk,
    offer,
    pairs,
    pcm,
    response_create,
    server_vad,
    session_update,
    user_audio,
    user_text,
)

from antiphon.core.commands import CancelJob, OpenTranscription
from antiphon.core.inputs import DeadlineReached, Disconnected, Draining
from antiphon.engines.responder import ResponseFinished, SpokenAudio, SpokenText, WrittenText

# Tokens


def test_text_stops_at_the_maximum(talk: Talk) -> None:
    talk.client(response_create(output_modalities=["text"], max_output_tokens=2))
    assert talk.request.max_output_tokens == 2
    talk.writes("one two three four", finish=False)
    response = talk.expect("response.done")["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"
    assert len(talk.all("response.output_text.delta")) == 3
    assert talk.ordered.job in talk.cancelled()
    assert not list(pairs(talk.events))


def test_sound_counts_against_the_maximum(talk: Talk) -> None:
    talk.client(response_create(max_output_tokens=10))
    talk.produces(SpokenText("Hm."), SpokenAudio(pcm(450), "Hm."))
    assert "response.done" not in talk.types
    talk.produces(SpokenAudio(pcm(60)))
    talk.expect("response.done", reason="max_output_tokens")
    (ledger,) = talk.ledgers()
    assert ledger.made_samples == ledger.sent_samples == 510 * 24


@pytest.mark.parametrize(
    ("reason", "told"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_a_model_that_stops_short_leaves_the_response_incomplete(
    talk: Talk, reason: str, told: str
) -> None:
    talk.client(RESPOND).replies(audio_ms=130).finishes(reason)
    response = talk.expect("response.done")["response"]
    assert response["status_details"] == {"type": "incomplete", "reason": told}
    assert talk.sound() == pcm(130)
    assert response["usage"]["total_tokens"] > 0
    assert not list(pairs(talk.events))


def test_the_maximum_leaves_a_finished_response_alone(talk: Talk) -> None:
    talk.client(response_create(output_modalities=["text"], max_output_tokens=2))
    talk.writes("one two")
    talk.expect("response.done", status="completed")


# Patience


def test_a_transcriber_that_does_not_answer_fails_the_response(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(session_update(transcription={"model": "whisper-1"}))
    talk.says(600).pauses(400)
    talk.expect("response.created")
    talk.waits(31)
    failed = talk.expect("conversation.item.input_audio_transcription.failed")
    assert failed["error"]["code"] == "engine_timeout"
    response = talk.expect("response.done", status="failed")["response"]
    assert response["status_details"]["error"]["code"] == "engine_timeout"
    opened = next(c for c in talk.commands if isinstance(c, OpenTranscription))
    assert CancelJob(opened.job) in talk.commands
    talk.client(RESPOND)
    assert talk.memory == ["(The user said something that could not be made out.)"]


def test_a_transcriber_that_fails_while_one_speaks_fails_the_response(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(session_update(transcription={"model": "whisper-1"})).says(600)
    opened = next(c for c in talk.commands if isinstance(c, OpenTranscription))
    mark = len(talk.events)
    talk.fails(opened.job)
    assert talk.since(mark) == []
    talk.pauses(400)
    assert talk.since(mark)[:6] == [
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "conversation.item.input_audio_transcription.failed",
    ]
    talk.expect("response.done", status="failed")
    assert not list(pairs(talk.events))


def test_a_guess_that_hangs_is_given_up_from_the_moment_it_counts(talk: Talk) -> None:
    talk.says(600).pauses(130)
    guess = talk.ordered.job
    talk.waits(59).pauses(200)
    talk.expect("response.created")
    talk.waits(59)
    assert "response.done" not in talk.types
    talk.waits(2)
    talk.expect("response.done", status="failed")
    assert guess in talk.cancelled()


def test_a_deadline_that_comes_early_does_nothing(talk: Talk) -> None:
    talk.client(RESPOND)
    mark = len(talk.events)
    talk.give(DeadlineReached())
    assert talk.since(mark) == []


# The end of a session


def test_a_session_ends_at_its_age_limit() -> None:
    talk = Talk(offer(max_session_s=1800))
    deadline = talk.session.deadline()
    assert deadline == talk.now + 1800
    talk.waits(1790).client(RESPOND)
    talk.waits(11)
    error = talk.expect_error("session_expired", None)
    assert "30 minutes" in error["message"]
    talk.expect("response.done", status="cancelled")
    closed = talk.closed()
    assert closed is not None
    assert (closed.code, closed.reason) == (1001, error["message"])
    assert talk.session.deadline() is None
    assert talk.client(user_text("Hello?")).types[-1] == "rate_limits.updated"


def test_a_client_may_close_its_session(talk: Talk) -> None:
    talk.client(RESPOND).client({"type": "session.close"})
    talk.expect("response.done", status="cancelled")
    closed = talk.closed()
    assert closed is not None
    assert closed.code == 1000
    assert talk.session.deadline() is None


def test_a_client_that_vanishes_leaves_nothing_running(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(response_create(conversation="none", output_modalities=["text"], input=[]))
    talk.client(RESPOND).says(500)
    orders = [c.job for c in talk.commands if isinstance(c, OpenTranscription)]
    orders += [order.job for order in talk.started]
    talk.give(Disconnected())
    assert not list(pairs(talk.events))
    assert sorted(talk.cancelled()) == sorted(orders)
    assert talk.closed() is None
    assert talk.give(Disconnected()) == []


def test_a_turn_that_waits_begins_nothing_while_the_session_closes(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600).pauses(400).give(Disconnected())
    assert len(talk.all("response.created")) == len(talk.all("response.done")) == 1


def test_an_idle_session_drains_at_once(talk: Talk) -> None:
    talk.give(Draining())
    closed = talk.closed()
    assert closed is not None
    assert closed.code == 1001


def test_draining_lets_every_response_finish(talk: Talk) -> None:
    talk.client(RESPOND)
    answer = talk.ordered.job
    talk.client(response_create(conversation="none", output_modalities=["text"], input=[]))
    talk.give(Draining())
    assert talk.closed() is None
    talk.writes("aside")
    assert talk.closed() is None
    talk.produces(SpokenText("Bye."), SpokenAudio(pcm(100), "Bye."), job=answer)
    talk.produces(ResponseFinished("stop"), job=answer)
    assert [e["response"]["status"] for e in talk.all("response.done")] == ["completed"] * 2
    assert talk.closed() is not None
    assert not list(pairs(talk.events))


def test_draining_lets_a_turn_that_waits_be_answered(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600).pauses(400).give(Draining())
    talk.replies(finish=True)
    assert talk.closed() is None
    talk.replies(finish=True)
    assert talk.closed() is not None
    assert len(talk.all("response.done")) == 2


# Mistakes


def test_a_frame_that_is_no_event_is_answered_once_and_changes_nothing(talk: Talk) -> None:
    for frame in ("{", "[]", "{}", '{"type":"foo"}', '{"type":"response.create","event_id":5}'):
        mark = len(talk.events)
        talk.client(frame)
        assert talk.since(mark) == ["error"]
    talk.client(RESPOND).replies(finish=True)
    talk.expect("response.done", status="completed")


def test_a_call_event_is_accepted_and_has_nothing_to_clear(talk: Talk) -> None:
    mark = len(talk.events)
    talk.client({"type": "output_audio_buffer.clear"})
    assert talk.since(mark) == []


def test_audio_that_nobody_commits_is_limited(talk: Talk) -> None:
    talk.client(MANUAL)
    for _ in range(6):
        talk.append(pcm(300_001))
    mark = len(talk.events)
    talk.append(pcm(100))
    talk.expect_error("input_audio_buffer_full", "audio")
    talk.client(COMMIT).append(pcm(100))
    assert talk.since(mark)[1:] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]


def test_written_tokens_count_for_a_guess_too(talk: Talk) -> None:
    talk.client(session_update(max_output_tokens=2, output_modalities=["text"]))
    talk.says(600).pauses(130)
    talk.produces(*(WrittenText(word) for word in ("a", "b", "c", "d")))
    talk.pauses(200)
    talk.expect("response.done", reason="max_output_tokens")
    assert not list(pairs(talk.events))


def test_a_spoken_item_that_cannot_be_heard_fails_its_response_alone(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(user_audio(pcm(300)))
    job = next(c for c in talk.commands if isinstance(c, OpenTranscription)).job
    talk.client(RESPOND).fails(job, "engine_unavailable")
    talk.expect("response.done", code="engine_unavailable")
    assert not talk.all("error")
