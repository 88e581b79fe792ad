"""A turn as `antiphon talk` follows it: scripts of server events."""

import base64
from typing import Any

import pytest

from antiphon.cli.exchange import Exchange

SOUND = base64.b64encode(bytes(4800)).decode()


class Told:
    """An exchange, a clock, and everything that was written."""

    def __init__(self) -> None:
        self.text = ""
        self.now = 0.0
        self.exchange = Exchange(self.write)

    def write(self, text: str) -> None:
        self.text += text

    def event(self, kind: str, **fields: Any) -> None:
        self.exchange.observe({"type": kind, **fields}, self.now)

    def begin(self, response: str = "resp_1") -> None:
        self.event("response.created", response={"id": response})

    def say(self, words: str) -> None:
        self.event("response.output_audio_transcript.delta", delta=words)
        self.event("response.output_audio.delta", delta=SOUND, item_id="item_1")

    def done(self, status: str = "completed", response: str = "resp_1", **details: Any) -> None:
        self.event("response.done", response={"id": response, "status": status, **details})

    def hear(self, words: str) -> None:
        self.event("conversation.item.input_audio_transcription.completed", transcript=words)


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_spoken_turn_is_over_when_it_has_been_answered(told: Told) -> None:
    told.event("input_audio_buffer.speech_started")
    told.exchange.ended = 1.0
    told.event("input_audio_buffer.committed")
    told.hear("Hello.")
    told.begin()
    told.now = 1.25
    told.say("Good")
    told.say(" day.")
    assert not told.exchange.is_over
    told.done()
    assert told.exchange.is_over
    outcome = told.exchange.outcome()
    assert (outcome.said, outcome.reply, outcome.status) == ("Hello.", "Good day.", "completed")
    assert (outcome.latency_ms, outcome.audio_ms, outcome.commits) == (250, 200, 1)
    assert told.text == "you: Hello.\nantiphon: Good day.\n"


def test_the_reply_waits_for_the_transcript_of_the_question(told: Told) -> None:
    told.exchange.ended = 0.0
    told.event("input_audio_buffer.committed")
    told.begin()
    told.say("Good day.")
    told.done()
    assert (told.text, told.exchange.is_over) == ("", False)
    told.hear("Hello.")
    assert told.text == "you: Hello.\nantiphon: Good day.\n"
    assert told.exchange.is_over


def test_a_pause_taken_for_the_end_counts_and_does_not_end_the_turn(told: Told) -> None:
    told.event("input_audio_buffer.speech_started")
    told.event("input_audio_buffer.committed")
    told.hear("What is")
    told.begin()
    told.say("Pardon?")
    told.event("input_audio_buffer.speech_started")
    told.done("cancelled")
    told.exchange.ended = 2.0
    assert not told.exchange.is_over
    told.event("input_audio_buffer.speech_stopped")
    assert not told.exchange.is_over
    told.event("input_audio_buffer.committed")
    told.hear("the time?")
    told.begin("resp_2")
    told.now = 2.5
    told.say("Noon.")
    told.done(response="resp_2")
    outcome = told.exchange.outcome()
    assert told.exchange.is_over
    assert (outcome.said, outcome.reply, outcome.commits) == ("What is the time?", "Noon.", 2)
    assert outcome.latency_ms == 500
    assert told.text == "you: What is\nantiphon: Pardon? …\nyou: the time?\nantiphon: Noon.\n"


def test_the_end_of_an_earlier_response_says_nothing_about_this_one(told: Told) -> None:
    told.exchange.send_text("Hello", 0.0)
    told.begin("resp_2")
    told.done("cancelled", "resp_1")
    assert not told.exchange.is_over


def test_a_written_turn_answered_in_writing_is_timed_by_its_text(told: Told) -> None:
    told.exchange.send_text("Hello", 1.0)
    told.begin()
    told.now = 1.5
    told.event("response.output_text.delta", delta="Hi")
    told.done()
    outcome = told.exchange.outcome()
    assert (outcome.latency_ms, outcome.audio_ms, outcome.reply) == (500, 0, "Hi")


def test_a_failed_response_and_an_error_end_the_turn_with_their_words(told: Told) -> None:
    told.exchange.send_text("Hello", 0.0)
    told.begin()
    told.done("failed", status_details={"error": {"message": "The engine failed."}})
    assert (told.exchange.error, told.exchange.is_over) == ("The engine failed.", True)
    other = Told()
    other.event("error", error={"message": "No."})
    assert (other.exchange.error, other.exchange.is_over) == ("No.", True)


def test_speech_that_is_not_understood_is_no_reason_to_wait(told: Told) -> None:
    told.exchange.ended = 0.0
    told.event("input_audio_buffer.committed")
    told.begin()
    told.say("Pardon?")
    told.done()
    told.event("conversation.item.input_audio_transcription.failed")
    assert told.exchange.is_over


def test_a_reply_that_is_spoken_over_is_marked(told: Told) -> None:
    told.exchange.send_text("Hello", 0.0)
    told.begin()
    told.say("Once upon")
    told.exchange.cut()
    assert told.text.endswith("antiphon: Once upon …\n")


@pytest.mark.parametrize(("commits", "status"), [(0, "not heard"), (1, "unanswered")])
def test_what_did_not_happen_has_a_name(told: Told, commits, status) -> None:
    for _ in range(commits):
        told.event("input_audio_buffer.committed")
    assert told.exchange.outcome().status == status
