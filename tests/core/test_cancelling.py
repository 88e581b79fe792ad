"""Cancelling and interrupting, in every state that a response can be in."""

from collections.abc import Callable

import pytest
from talk import (
    CANCEL,
    COMMIT,
    MANUAL,
    RESPOND,
    TEXT,
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

from antiphon.core.commands import CancelJob
from antiphon.engines.responder import (
    FunctionCallArguments,
    FunctionCallStarted,
    SpokenAudio,
    SpokenText,
    WrittenText,
)

State = Callable[[Talk], object]


def waiting_for_a_transcript(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(user_audio(pcm(300))).client(RESPOND)
    assert not talk.started


def before_the_first_piece(talk: Talk) -> None:
    talk.client(RESPOND)


def amid_text(talk: Talk) -> None:
    talk.client(TEXT).produces(WrittenText("Once upon"))


def amid_transcript(talk: Talk) -> None:
    talk.client(RESPOND).produces(SpokenText("Once upon"))


def amid_sound(talk: Talk) -> None:
    talk.client(RESPOND).replies("Once upon a time", audio_ms=1100)


def amid_a_call(talk: Talk) -> None:
    talk.client(RESPOND)
    talk.produces(FunctionCallStarted("f"), FunctionCallArguments("{"))


def between_calls(talk: Talk) -> None:
    talk.client(RESPOND).calls("f", "{}").produces(FunctionCallStarted("g"))


STATES: list[tuple[State, list[str]]] = [
    (waiting_for_a_transcript, []),
    (before_the_first_piece, []),
    (amid_text, ["message"]),
    (amid_transcript, ["message"]),
    (amid_sound, ["message"]),
    (amid_a_call, ["function_call"]),
    (between_calls, ["function_call", "function_call"]),
]


@pytest.mark.parametrize(("state", "output"), STATES)
def test_cancelling_closes_what_is_open_and_says_why(
    talk: Talk, state: State, output: list[str]
) -> None:
    state(talk)
    talk.client(CANCEL)
    response = talk.expect("response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert [item["type"] for item in response["output"]] == output
    assert not output or response["output"][-1]["status"] == "incomplete"
    assert [order.job for order in talk.started if order.job not in talk.cancelled()] == []
    assert not list(pairs(talk.events))
    assert talk.types[-1] == "rate_limits.updated"


@pytest.mark.parametrize(("state", "output"), STATES)
def test_speaking_interrupts_in_every_state(talk: Talk, state: State, output: list[str]) -> None:
    state(talk)
    talk.says(200)
    started = talk.types.index("input_audio_buffer.speech_started")
    response = talk.expect("response.done")["response"]
    assert talk.types.index("response.done") > started
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert [item["type"] for item in response["output"]] == output
    assert not list(pairs(talk.events))


@pytest.mark.parametrize(("state", "output"), STATES)
def test_the_end_of_the_connection_ends_the_response(
    talk: Talk, state: State, output: list[str]
) -> None:
    state(talk)
    talk.client({"type": "session.close"})
    assert talk.all("response.done")[0]["response"]["status"] == "cancelled"
    assert not list(pairs(talk.events))


@pytest.mark.parametrize(("state", "output"), STATES)
def test_an_engine_that_fails_ends_the_response(
    talk: Talk, state: State, output: list[str]
) -> None:
    state(talk)
    job = talk.started[-1].job if talk.started else 1
    talk.fails(job, "engine_broken")
    response = talk.expect("response.done")["response"]
    assert response["status_details"]["error"]["code"] == "engine_broken"
    assert not list(pairs(talk.events))
    assert not talk.all("error")


def test_with_nothing_to_cancel_the_session_goes_on(talk: Talk) -> None:
    talk.client(CANCEL | {"event_id": "e"})
    assert talk.expect_error("response_cancel_not_active", None)["event_id"] == "e"
    talk.client(RESPOND).replies(finish=True)
    talk.expect("response.done", status="completed")
    talk.client(CANCEL)
    talk.expect_error("response_cancel_not_active", None)


def test_a_wrong_id_cancels_nothing(talk: Talk) -> None:
    talk.client(RESPOND).client(CANCEL | {"response_id": "resp_other"})
    talk.expect_error("response_cancel_not_active", None)
    talk.replies(finish=True)
    talk.expect("response.done", status="completed")


def test_a_response_is_cancelled_by_its_id(talk: Talk) -> None:
    talk.client(RESPOND)
    response_id = talk.expect("response.created")["response"]["id"]
    talk.client(CANCEL | {"response_id": response_id})
    talk.expect("response.done", id=response_id, status="cancelled")


def test_a_cancelled_response_costs_what_it_made(talk: Talk) -> None:
    talk.client(session_update(instructions="x" * 400)).client(RESPOND)
    talk.produces(SpokenText("Once", tokens=3), SpokenAudio(pcm(500), "Once"))
    talk.client(CANCEL)
    usage = talk.last("response.done")["response"]["usage"]
    assert usage["output_token_details"] == {"text_tokens": 3, "audio_tokens": 10}
    assert usage["input_tokens"] == 100


def test_a_response_that_never_began_costs_nothing(talk: Talk) -> None:
    waiting_for_a_transcript(talk)
    talk.client(CANCEL)
    assert talk.last("response.done")["response"]["usage"]["total_tokens"] == 0


def test_a_transcript_that_comes_after_the_cancellation_starts_nothing(talk: Talk) -> None:
    waiting_for_a_transcript(talk)
    talk.client(CANCEL).hears("Too late.")
    assert not talk.started
    talk.client(RESPOND)
    assert talk.memory == ["Too late."]


def test_cut_off_sound_is_accounted_for(talk: Talk) -> None:
    amid_sound(talk)
    talk.waits(0.3).client(CANCEL)
    (ledger,) = talk.ledgers()
    sent = len(talk.sound()) // 2
    assert (ledger.made_samples, ledger.sent_samples) == (26_400, sent)
    assert ledger.dropped_samples == 26_400 - sent > 0
    assert ledger.dropped_why == "client_cancelled"
    assert ledger.played_samples == pytest.approx(0.3 * 24_000, abs=100)
    assert ledger.status == "cancelled"


def test_gaps_in_the_sound_are_measured(talk: Talk) -> None:
    talk.client(RESPOND)
    talk.waits(0.2).replies(audio_ms=250)
    talk.waits(1.25).replies(audio_ms=250, finish=True)
    (ledger,) = talk.ledgers()
    assert ledger.first_audio_s == pytest.approx(0.2)
    assert ledger.longest_gap_s == pytest.approx(1.0)
    assert ledger.made_samples == ledger.sent_samples == 12_000
    assert (ledger.dropped_samples, ledger.dropped_why) == (0, None)


# Turns and responses


def test_speech_leaves_a_response_alone_that_may_not_be_interrupted(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600)
    talk.expect("input_audio_buffer.speech_started")
    talk.replies(finish=True)
    talk.expect("response.done", status="completed")


def test_a_turn_over_such_a_response_is_answered_after_it(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600).pauses(400)
    talk.expect("input_audio_buffer.committed")
    assert len(talk.all("response.created")) == 1
    talk.replies("I will finish this.", finish=True)
    first_done = talk.types.index("rate_limits.updated")
    assert talk.types[first_done + 1] == "response.created"
    assert talk.memory == ["What the user said.", "I will finish this."]
    talk.replies(finish=True)
    assert len(talk.all("response.created")) == 2
    assert not list(pairs(talk.events))


def test_two_turns_over_such_a_response_are_answered_together(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600).pauses(400).says(600).pauses(400)
    talk.finishes()
    assert len(talk.all("response.created")) == 2
    assert talk.memory == ["What the user said."] * 2


def test_who_speaks_again_is_not_talked_over(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600).pauses(400).says(300)
    talk.replies(finish=True)
    assert len(talk.all("response.created")) == 1
    talk.pauses(400)
    assert len(talk.all("response.created")) == 2


def test_a_turn_that_waits_is_answered_when_the_next_one_is_thrown_away(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600).pauses(400).says(300)
    talk.replies(finish=True)
    talk.client({"type": "input_audio_buffer.clear"})
    assert len(talk.all("response.created")) == 2


def test_a_turn_that_waits_needs_no_second_answer(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600).pauses(400).says(300)
    talk.replies(finish=True).client(RESPOND).replies(finish=True)
    talk.client({"type": "input_audio_buffer.clear"})
    assert len(talk.all("response.created")) == 2


def test_turns_may_go_unanswered(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(create_response=False)))
    talk.says(600).pauses(400)
    talk.expect("input_audio_buffer.committed")
    talk.expect("conversation.item.done")
    talk.expect_nothing()
    assert not talk.started
    talk.client(RESPOND)
    assert talk.memory == ["What the user said."]


def test_unanswered_turns_still_interrupt(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(create_response=False)))
    talk.client(RESPOND).replies().says(200)
    talk.expect("response.done", reason="turn_detected")


def test_with_both_off_the_vad_only_tells(talk: Talk) -> None:
    vad = server_vad(create_response=False, interrupt_response=False)
    talk.client(session_update(turn_detection=vad)).client(RESPOND)
    mark = len(talk.events)
    talk.says(600).pauses(400)
    assert talk.since(mark) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    talk.replies(finish=True)
    assert len(talk.all("response.created")) == 1


def test_a_response_of_the_client_takes_the_place_of_the_guess(talk: Talk) -> None:
    talk.says(600).pauses(130)
    guess = talk.ordered.job
    talk.client(user_text("Actually:")).client(RESPOND)
    assert guess in talk.cancelled()
    assert talk.memory == ["Actually:"]
    talk.pauses(200)
    talk.expect("input_audio_buffer.committed")
    talk.replies(finish=True)
    assert talk.memory == ["Actually:", "What the user said.", "Hello there."]
    talk.replies(finish=True)
    assert not list(pairs(talk.events))


def test_a_guess_made_under_other_instructions_is_not_used(talk: Talk) -> None:
    talk.says(600).pauses(130)
    guess = talk.ordered.job
    talk.client(session_update(instructions="Be brief.")).pauses(200)
    assert guess in talk.cancelled()
    assert talk.request.instructions == "Be brief."


def test_a_guess_that_fails_is_tried_again_in_earnest(talk: Talk) -> None:
    talk.says(600).pauses(130)
    talk.fails(talk.ordered.job)
    talk.pauses(200)
    assert len(talk.started) == 2
    talk.replies(finish=True)
    talk.expect("response.done", status="completed")


def test_a_guess_that_is_finished_before_the_turn_is_answered_at_once(talk: Talk) -> None:
    talk.says(600).pauses(130)
    talk.replies("Yes.", audio_ms=200, finish=True)
    assert "response.created" not in talk.types
    talk.pauses(200)
    talk.expect("response.created")
    talk.expect("response.done", status="completed")
    assert talk.sound() == pcm(200)


def test_clearing_the_buffer_throws_the_turn_and_its_guess_away(talk: Talk) -> None:
    talk.says(600).pauses(130)
    guess = talk.ordered.job
    talk.client({"type": "input_audio_buffer.clear"}).pauses(500)
    assert guess in talk.cancelled()
    assert talk.types[-1] == "input_audio_buffer.cleared"


def test_a_client_that_cancels_before_the_words_are_known_gets_no_guess_later(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.says(600).pauses(400)
    talk.expect("response.created")
    talk.client(CANCEL).hears("Anything.")
    assert not talk.started


def test_a_responder_that_hears_is_interrupted_all_the_same() -> None:
    talk = Talk(offer(hears="audio"))
    talk.says(600).pauses(400).replies().says(200)
    talk.expect("response.done", reason="turn_detected")
    assert CancelJob(talk.started[0].job) in talk.commands


def test_a_manual_turn_interrupts_nothing(talk: Talk) -> None:
    talk.client(MANUAL).client(RESPOND).says(600).client(COMMIT)
    talk.replies(finish=True)
    talk.expect("response.done", status="completed")


def test_own_input_reads_no_turn_that_waits(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    talk.client(RESPOND).says(600).pauses(400)
    talk.client(response_create(conversation="none", input=[], output_modalities=["text"]))
    talk.writes("aside")
    assert len(talk.all("response.created")) == 2
    talk.finishes()
