"""Input transcripts: by which model, when, at what cost, and what becomes of failures.

Shows Transcription: beside a conversation, by model or deployment name; usage by tokens or duration
"""

from typing import Any

import pytest
from talk import (
    CLEAR,
    COMMIT,
    MANUAL,
    RESPOND,
    Event,
    Talk,
    offer,
    pairs,
    pcm,
    session_update,
    user_audio,
)

from antiphon.core.commands import (
    CancelJob,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    SettleTranscription,
)
from antiphon.core.inputs import TranscriptGrew, TranscriptSettled
from antiphon.engines.stt import Segment, Token

PREFIX = "conversation.item.input_audio_transcription."


def transcription(model: str | None, **fields: Any) -> Event:
    return session_update(transcription=model and {"model": model, **fields})


def deltas(talk: Talk) -> list[str]:
    return [event["delta"] for event in talk.all(PREFIX + "delta")]


def opened(talk: Talk) -> list[OpenTranscription]:
    return [c for c in talk.commands if isinstance(c, OpenTranscription)]


def test_whisper_tells_its_text_in_one_delta_and_bills_whole_seconds(talk: Talk) -> None:
    talk.client(transcription("whisper-1")).says(1200).pauses(400)
    assert deltas(talk) == ["What the user said."]
    completed = talk.expect(PREFIX + "completed")
    assert completed["transcript"] == "What the user said."
    assert completed["content_index"] == 0
    assert completed["usage"] == {"type": "duration", "seconds": 2}


def test_other_models_tell_it_word_by_word_and_bill_tokens(talk: Talk) -> None:
    talk.client(transcription("gpt-4o-transcribe")).says(640).pauses(400)
    assert deltas(talk) == ["What", " the", " user", " said."]
    usage = talk.expect(PREFIX + "completed")["usage"]
    assert usage == {
        "type": "tokens",
        "total_tokens": 14,
        "input_tokens": 9,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 9},
        "output_tokens": 5,
    }


def test_streaming_models_tell_words_while_one_speaks(talk: Talk) -> None:
    talk.client(transcription("gpt-realtime-whisper")).says(500)
    talk.understands("What").understands("What the user")
    assert deltas(talk) == ["What", " the user"]
    assert "input_audio_buffer.speech_stopped" not in talk.types
    item_id = talk.expect("input_audio_buffer.speech_started")["item_id"]
    talk.pauses(400)
    assert "".join(deltas(talk)) == "What the user said."
    assert {event["item_id"] for event in talk.all(PREFIX + "delta")} == {item_id}
    assert talk.expect(PREFIX + "completed")["transcript"] == "What the user said."


def test_words_that_do_not_stream_are_prepared_for_but_not_told(talk: Talk) -> None:
    talk.client(transcription("whisper-1")).says(500).understands("What the")
    assert deltas(talk) == []
    assert talk.prepared()[-1].context[-1].text == "What the"  # type: ignore[union-attr]


def test_a_final_text_that_differs_from_its_beginning_is_completed_alone(talk: Talk) -> None:
    talk.client(transcription("gpt-realtime-whisper")).says(500).understands("Wet the")
    talk.pauses(400)
    assert deltas(talk) == ["Wet the"]
    assert talk.expect(PREFIX + "completed")["transcript"] == "What the user said."


def test_silence_has_an_empty_transcript(talk: Talk) -> None:
    talk.transcript = ""
    talk.client(transcription("whisper-1")).client(MANUAL).pauses(300).client(COMMIT)
    assert deltas(talk) == []
    assert talk.expect(PREFIX + "completed")["transcript"] == ""


def test_the_item_gets_its_transcript(talk: Talk) -> None:
    talk.client(transcription("whisper-1")).says(600).pauses(400)
    item = talk.item(talk.expect("input_audio_buffer.committed")["item_id"])
    assert item["content"][0]["transcript"] == "What the user said."


def test_without_transcription_the_item_has_none_and_nothing_is_told(talk: Talk) -> None:
    talk.says(600).pauses(400)
    item = talk.item(talk.expect("input_audio_buffer.committed")["item_id"])
    assert item["content"][0]["transcript"] is None
    assert not [kind for kind in talk.types if kind.startswith(PREFIX)]


def test_a_transcript_may_come_after_the_response_is_done() -> None:
    talk = Talk(offer(hears="audio"), hears_at_once=False)
    talk.client(transcription("other-engine")).says(600).pauses(400)
    talk.replies(finish=True)
    done = talk.types.index("response.done")
    talk.hears("Late but right.")
    assert talk.types.index(PREFIX + "completed") > done
    assert not list(pairs(talk.events))


def test_one_run_serves_responder_and_client_where_the_engine_is_the_same(talk: Talk) -> None:
    talk.client(transcription("gpt-4o-transcribe", language="en")).says(600)
    assert [(o.model, o.options.language) for o in opened(talk)] == [(None, "en")]


def test_another_engine_runs_beside_the_one_that_hears(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(transcription("other-engine", prompt="Names: Ada")).says(600)
    hearing, telling = opened(talk)
    assert (hearing.model, hearing.options.prompt) == (None, None)
    assert (telling.model, telling.options.prompt) == ("other-engine", "Names: Ada")
    talk.pauses(400)
    talk.hears("Heard so.", job=hearing.job)
    assert talk.memory == ["Heard so."]
    assert not talk.all(PREFIX + "completed")
    talk.hears("Told so.", job=telling.job)
    assert talk.expect(PREFIX + "completed")["transcript"] == "Told so."
    assert talk.memory == ["Heard so."]


def test_an_unknown_deployment_fails_the_transcript_and_nothing_else(talk: Talk) -> None:
    talk.client(transcription("no-such-deployment")).says(600).pauses(400)
    item_id = talk.expect("input_audio_buffer.committed")["item_id"]
    failed = talk.expect(PREFIX + "failed", item_id=item_id)
    error = failed["error"]
    assert (error["type"], error["code"]) == ("server_error", "DeploymentNotFound")
    assert error["message"].startswith(f"Input transcription failed for item '{item_id}'.")
    assert "whisper-1" in error["message"]
    assert talk.types.index("conversation.item.done") < talk.types.index(PREFIX + "failed")
    talk.replies(finish=True)
    talk.expect("response.done", status="completed")
    assert not talk.all("error")


@pytest.mark.parametrize("fails_first", [True, False])
def test_a_telling_engine_that_fails_leaves_the_response_alone(
    talk: Talk, *, fails_first: bool
) -> None:
    talk.hears_at_once = False
    talk.client(transcription("other-engine")).says(600)
    hearing, telling = opened(talk)
    if fails_first:
        talk.fails(telling.job).pauses(400)
    else:
        talk.pauses(400).fails(telling.job)
    assert talk.expect(PREFIX + "failed")["error"]["code"] == "engine_unreachable"
    talk.hears("Heard.", job=hearing.job)
    talk.replies(finish=True)
    talk.expect("response.done", status="completed")
    assert len(talk.all(PREFIX + "failed")) == 1


def test_a_hearing_engine_that_fails_fails_transcript_and_response(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(transcription("whisper-1")).says(600).pauses(400)
    talk.fails(opened(talk)[0].job)
    talk.expect(PREFIX + "failed")
    talk.expect("response.done", status="failed")
    assert not list(pairs(talk.events))


def test_settings_that_change_in_mid_turn_count_from_the_next(talk: Talk) -> None:
    talk.says(600).client(transcription("no-such-deployment")).pauses(400)
    assert not talk.all(PREFIX + "failed")
    talk.replies(finish=True)
    talk.says(600).client(transcription("whisper-1")).pauses(400)
    assert len(talk.all(PREFIX + "failed")) == 1
    assert not talk.all(PREFIX + "completed")
    talk.says(600).client(transcription(None)).pauses(400)
    assert len(talk.all(PREFIX + "completed")) == 1


def test_clearing_stops_the_transcription(talk: Talk) -> None:
    talk.client(transcription("other-engine")).says(600).client(CLEAR)
    assert [c.job for c in talk.commands if isinstance(c, CancelJob)] == [
        order.job for order in opened(talk)
    ]
    talk.hears("Nobody listens.")
    assert talk.types[-1] == "input_audio_buffer.cleared"


def test_a_spoken_item_is_heard_and_not_told(talk: Talk) -> None:
    talk.client(transcription("whisper-1")).client(user_audio(pcm(300)))
    talk.client(RESPOND)
    assert talk.memory == ["What the user said."]
    assert not [kind for kind in talk.types if kind.startswith(PREFIX)]


# What the client asks of a model


LOGPROBS = ["item.input_audio_transcription.logprobs"]


def token(text: str, logprob: float = -0.5) -> Token:
    return Token(text, logprob, tuple(text.encode()))


def test_log_probabilities_are_the_models_own() -> None:
    talk = Talk(hears_at_once=False)
    talk.client(session_update(include=LOGPROBS, transcription={"model": "sure"}))
    assert talk.expect("session.updated")["session"]["include"] == LOGPROBS
    talk.says(600).pauses(400)
    assert [order.options.logprobs for order in opened(talk)] == [False, True]
    spelled = (token("It", -0.25), token(" rains", -1.5), token("!", -3.0))
    talk.hears("It rains!", tokens=spelled)
    told = talk.all(PREFIX + "delta")
    assert [(each["delta"], each["logprobs"]) for each in told] == [
        ("It", [{"token": "It", "logprob": -0.25, "bytes": [73, 116]}]),
        (
            " rains!",
            [
                {"token": " rains", "logprob": -1.5, "bytes": list(b" rains")},
                {"token": "!", "logprob": -3.0, "bytes": [33]},
            ],
        ),
    ]
    completed = talk.expect(PREFIX + "completed")
    assert [each["logprob"] for each in completed["logprobs"]] == [-0.25, -1.5, -3.0]


def test_words_told_early_bring_their_log_probabilities() -> None:
    talk = Talk(hears_at_once=False)
    talk.client(session_update(include=LOGPROBS, transcription={"model": "gpt-realtime-whisper"}))
    talk.says(500).understands("It", (token("It"),))
    assert talk.expect(PREFIX + "delta")["logprobs"][0]["token"] == "It"


def test_tokens_that_spell_another_text_are_told_with_the_whole_alone() -> None:
    talk = Talk(hears_at_once=False)
    talk.client(session_update(include=LOGPROBS, transcription={"model": "sure"}))
    talk.says(600).pauses(400).hears("Well.", tokens=(token("We"),))
    assert talk.expect(PREFIX + "delta")["logprobs"] == []
    assert len(talk.expect(PREFIX + "completed")["logprobs"]) == 1


def test_nobody_who_did_not_ask_is_told_log_probabilities(talk: Talk) -> None:
    talk.client(transcription("sure")).says(600).pauses(400)
    assert "logprobs" not in talk.expect(PREFIX + "delta")
    assert "logprobs" not in talk.expect(PREFIX + "completed")


@pytest.mark.parametrize(
    ("asked", "delay"),
    [({}, "low"), ({"delay": "minimal"}, "minimal"), ({"delay": "high"}, "high")],
)
def test_who_reads_along_says_how_soon(talk: Talk, asked: Event, delay: str) -> None:
    talk.client(transcription("gpt-realtime-whisper", **asked)).says(600)
    assert opened(talk)[-1].options.delay == delay


def test_models_that_tell_all_at_the_end_have_no_delay(talk: Talk) -> None:
    talk.client(transcription("gpt-4o-transcribe", delay="low"))
    talk.expect_error("invalid_parameter", "session.audio.input.transcription.delay")
    talk.client(transcription("gpt-4o-transcribe")).says(600)
    assert opened(talk)[-1].options.delay is None


def test_one_candidate_language_is_the_language(talk: Talk) -> None:
    talk.client(transcription("gpt-4o-transcribe", languages=["en"])).says(600)
    assert opened(talk)[-1].options.language == "en"
    talk.client(transcription("gpt-4o-transcribe", languages=["en", "de"]))
    talk.expect_error("invalid_value", "session.audio.input.transcription.languages[1]")


@pytest.mark.parametrize(
    ("told", "rest"),
    [("What, the", [" user", " said."]), ("what", [" the", " user", " said."]), ("Wet the", [])],
)
def test_after_words_told_early_the_rest_follows_if_they_were_the_same(
    talk: Talk, told: str, rest: list[str]
) -> None:
    talk.client(transcription("gpt-realtime-whisper")).says(500).understands(told)
    talk.pauses(400)
    assert deltas(talk) == [told, *rest]
    assert talk.expect(PREFIX + "completed")["transcript"] == "What the user said."


def test_what_a_transcriber_reads_is_counted(talk: Talk) -> None:
    talk.client(transcription("other-engine", prompt="Names: Ada, Grace")).says(640).pauses(400)
    usage = talk.expect(PREFIX + "completed")["usage"]
    assert usage["input_token_details"]["text_tokens"] > 0
    details = usage["input_token_details"]
    assert usage["input_tokens"] == details["text_tokens"] + details["audio_tokens"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_segments_tell_who_spoke_when() -> None:
    talk = Talk(hears_at_once=False)
    talk.client(transcription("gpt-4o-transcribe-diarize")).says(600).pauses(400)
    order = opened(talk)[-1]
    assert order.options.speakers
    ada, bob = (0.0,), (5.0,)
    segments = (
        Segment("Is it you?", 0, 1600, voice=ada),
        Segment("Yes.", 1800, 2000, voice=ada),
        Segment("It is me.", 2250, 4000, voice=bob),
    )
    talk.give(TranscriptSettled(order.job, "Is it you? Yes. It is me.", (), segments))
    item_id = talk.last("input_audio_buffer.committed")["item_id"]
    told = talk.all(PREFIX + "segment")
    assert [(each["speaker"], each["text"], each["start"], each["end"]) for each in told] == [
        ("A", "Is it you? Yes.", 0.0, 2.0),
        ("B", "It is me.", 2.25, 4.0),
    ]
    assert {(each["item_id"], each["content_index"]) for each in told} == {(item_id, 0)}
    assert len({each["id"] for each in told}) == 2
    talk.expect(PREFIX + "segment", speaker="B")
    talk.expect(PREFIX + "completed", transcript="Is it you? Yes. It is me.")


def test_a_speaker_keeps_the_name_from_turn_to_turn() -> None:
    talk = Talk(hears_at_once=False)
    talk.client(transcription("gpt-4o-transcribe-diarize"))
    for voice in (0.0, 5.0, 0.3):
        talk.says(600).pauses(400)
        said = Segment("Hm.", 0, 2000, voice=(voice,))
        talk.give(TranscriptSettled(opened(talk)[-1].job, "Hm.", (), (said,)))
        talk.hears("Hm.", job=opened(talk)[-2].job)
        talk.replies(finish=True)
    assert [each["speaker"] for each in talk.all(PREFIX + "segment")] == ["A", "B", "A"]


def test_other_models_tell_no_segments() -> None:
    talk = Talk(hears_at_once=False)
    talk.client(transcription("sure")).says(600).pauses(400)
    said = Segment("Hm.", 0, 2000, "A")
    talk.give(TranscriptSettled(opened(talk)[-1].job, "Hm.", (), (said,)))
    talk.expect(PREFIX + "completed")
    assert not talk.all(PREFIX + "segment")


def test_a_transcriber_that_cannot_tell_speakers_apart_is_refused(talk: Talk) -> None:
    talk.client(transcription("alone"))
    talk.expect_error("invalid_parameter", "session.audio.input.transcription.model")


# The speaker pauses and goes on


def pause_jobs(talk: Talk) -> int:
    return next(c for c in talk.commands if isinstance(c, SettleTranscription)).job


def test_half_a_text_that_comes_late_is_not_taken_for_the_whole(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(transcription("whisper-1"))
    talk.says(600).pauses(130).says(600)
    job = pause_jobs(talk)
    # The answer to the first pause comes after the speaker went on: it is no guess either.
    talk.hears("Half", job=job)
    assert not talk.started
    talk.pauses(400)
    assert not talk.all(PREFIX + "completed")
    talk.hears("Half and whole", job=job)
    assert talk.expect(PREFIX + "completed")["transcript"] == "Half and whole"
    assert talk.memory == ["Half and whole"]


def test_two_late_answers_count_in_order(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(transcription("whisper-1"))
    talk.says(600).pauses(130).says(600).pauses(400)
    job = pause_jobs(talk)
    talk.hears("Half", job=job)
    assert not talk.all(PREFIX + "completed")
    talk.hears("Half and whole", job=job)
    assert talk.expect(PREFIX + "completed")["transcript"] == "Half and whole"


def test_half_a_text_is_not_committed_by_hand_either(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(transcription("whisper-1"))
    talk.says(600).pauses(130)
    job = pause_jobs(talk)
    talk.hears("Half", job=job)
    talk.says(600).client(COMMIT)
    assert not talk.all(PREFIX + "completed")
    talk.hears("Half and whole", job=job)
    assert talk.expect(PREFIX + "completed")["transcript"] == "Half and whole"


def test_the_text_of_the_pause_is_the_text_of_the_turn(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(transcription("whisper-1")).says(600).pauses(130)
    talk.hears("All of it").pauses(300)
    assert talk.expect(PREFIX + "completed")["transcript"] == "All of it"
    ended = [c for c in talk.commands if isinstance(c, EndTranscription)]
    assert len(ended) == 1
    talk.hears("All of it")
    assert len(talk.all(PREFIX + "completed")) == 1


def test_transcribers_get_the_turn_without_the_silence_that_ended_it(talk: Talk) -> None:
    talk.pauses(640).says(640).pauses(600)
    fed = sum(len(c.samples) for c in talk.commands if isinstance(c, FeedTranscription)) / 16
    assert fed == pytest.approx(300 + 640 + 96, abs=64)


def test_silence_inside_a_turn_is_fed_when_the_speaker_goes_on(talk: Talk) -> None:
    talk.says(640).pauses(160).says(640).client(COMMIT)
    fed = sum(len(c.samples) for c in talk.commands if isinstance(c, FeedTranscription)) / 16
    assert fed == pytest.approx(1440, abs=2)


def test_results_of_no_job_change_nothing(talk: Talk) -> None:
    talk.client(transcription("gpt-realtime-whisper")).says(300)
    mark = len(talk.events)
    talk.give(TranscriptGrew(999, "Who?"))
    talk.give(TranscriptSettled(999, "Who?"))
    talk.fails(999)
    assert talk.since(mark) == []


def test_a_failed_run_is_silent_until_its_turn_has_ended(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(transcription("gpt-realtime-whisper")).says(300)
    job = opened(talk)[0].job
    talk.fails(job).understands("Who?").hears("Who?").fails(job)
    assert deltas(talk) == []
    talk.client(CLEAR)
    assert job not in talk.cancelled()
    assert not talk.all(PREFIX + "failed")
