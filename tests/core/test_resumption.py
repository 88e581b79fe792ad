"""A client that loses its connection and comes back: what it is told, in which order (case 84).

Shows Session length: a warning before the end
"""

import random
from types import MappingProxyType
from typing import Any

import interpreting
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import (
    COMMIT,
    MANUAL,
    RESPOND,
    START,
    TEXT,
    Event,
    Talk,
    delete,
    offer,
    pairs,
    pcm,
    session_update,
    user_text,
)

from antiphon.core.commands import ParkSession
from antiphon.core.ids import Ids
from antiphon.core.inputs import (
    Connected,
    DeadlineReached,
    Disconnected,
    Draining,
    Interrupted,
    Resumed,
)
from antiphon.core.kept_events import SURELY_HEARD_S
from antiphon.core.kinds import open_session
from antiphon.core.resumption import ResumptionTerms
from antiphon.core.transcription_offer import TranscriptionOffer, TranscriptionSessionOffer
from antiphon.protocol.resumption import AntiphonSessionResumed

WAIT_S = 100
TERMS = ResumptionTerms(wait_s=WAIT_S)


def resumable(**changes: Any) -> Talk:
    return Talk(offer(**changes), terms=TERMS)


def lose(talk: Talk) -> int:
    """Lose the connection; return how many events it brought."""
    talk.give(Interrupted())
    return len(talk.events)


def come_back(talk: Talk, after: str | None = None) -> list[Event]:
    """Return what the new connection is told at once."""
    mark = len(talk.events)
    talk.give(Resumed(after))
    return talk.events[mark:]


def kinds(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def parked(talk: Talk) -> ParkSession:
    return next(each for each in talk.commands if isinstance(each, ParkSession))


# What a client is told that asked for it


def test_a_client_that_asked_is_told_after_session_created_that_it_may_come_back() -> None:
    talk = resumable()
    assert talk.types == ["session.created", "antiphon.session.resumable"]
    told = talk.events[1]
    assert told == {
        "type": "antiphon.session.resumable",
        "event_id": told["event_id"],
        "token": "",
        "seconds": WAIT_S,
    }


def test_a_client_that_did_not_ask_is_told_nothing_of_it(talk: Talk) -> None:
    talk.client(TEXT).writes("Hello.")
    talk.waits(3600)
    assert not [kind for kind in talk.types if kind.startswith("antiphon.")]
    assert talk.closed() is not None


def test_an_answer_in_the_making_goes_on_and_is_told_on_the_new_connection() -> None:
    talk = resumable()
    talk.client(user_text("Tell me a story.")).client(RESPOND)
    talk.replies("Once upon a time", audio_ms=400)
    last = talk.events[-1]["event_id"]
    mark = lose(talk)
    talk.replies(" there was a king.", audio_ms=800)
    talk.finishes()
    assert talk.events[mark:] == []

    told = come_back(talk, after=last)
    assert kinds(told)[:2] == ["antiphon.session.resumed", "antiphon.session.resumable"]
    assert kinds(told)[-2:] == ["response.done", "rate_limits.updated"]
    resumed = told[0]
    assert resumed["redelivered"] == len(told) - 2
    assert not resumed["events_lost"]
    assert resumed["response_ids"] == []
    assert not list(pairs([each for each in talk.events if each["type"][:4] != "anti"]))
    assert len(talk.sound()) == 1200 * 48


def test_without_a_connection_to_tell_it_to_nothing_is_said() -> None:
    talk = resumable()
    talk.client(RESPOND)
    mark = lose(talk)
    talk.replies("Hello.", audio_ms=300)
    assert talk.since(mark) == []
    told = come_back(talk)
    assert told[0]["response_ids"] == [talk.all("response.created")[0]["response"]["id"]]
    talk.finishes()
    talk.expect("response.done", status="completed")


def test_what_was_on_its_way_when_the_connection_died_is_told_again() -> None:
    talk = resumable()
    talk.client(TEXT).writes("One", finish=False).writes("two", finish=False).writes(
        "three", finish=False
    )
    words = talk.all("response.output_text.delta")
    lose(talk)
    told = come_back(talk, after=words[0]["event_id"])
    assert told[2:] == words[1:]
    assert told[0]["redelivered"] == 2


def test_a_client_may_come_back_before_the_server_has_noticed_its_loss() -> None:
    talk = resumable()
    talk.client(TEXT).writes("One", finish=False).writes("two", finish=False)
    first, second = talk.all("response.output_text.delta")
    assert come_back(talk, after=first["event_id"])[2:] == [second]
    talk.writes("three", finish=False)
    assert talk.events[-1]["delta"] == "three"


def test_a_connection_that_dies_while_it_is_told_may_be_told_once_more() -> None:
    talk = resumable()
    talk.client(TEXT)
    lose(talk)
    talk.writes("One", finish=False).writes("two", finish=False)
    first = come_back(talk)
    lose(talk)
    again = come_back(talk, after=first[1]["event_id"])
    assert again[2:] == first[2:]
    last = come_back(talk, after=again[-2]["event_id"])
    assert last[2:] == again[-1:]


def test_the_conversation_and_the_configuration_are_there_again() -> None:
    talk = resumable()
    talk.client(session_update(instructions="Be brief.", voice="marin"))
    for name in ("item_a", "item_b", "item_c"):
        talk.client(user_text(name, id=name))
    talk.client(user_text("first", id="item_z") | {"previous_item_id": "root"})
    talk.client(delete("item_b"))
    lose(talk)
    resumed = come_back(talk)[0]
    assert resumed["item_ids"] == ["item_z", "item_a", "item_c"]
    assert resumed["session"] == talk.all("session.updated")[-1]["session"]
    assert resumed["session"]["instructions"] == "Be brief."
    talk.client(TEXT).writes("Yes.")
    assert [turn.text for turn in talk.ordered.request.context] == ["first", "item_a", "item_c"]


def test_audio_that_was_appended_is_still_in_the_buffer() -> None:
    talk = resumable()
    talk.client(MANUAL).append(pcm(300))
    lose(talk)
    talk.waits(20)
    come_back(talk)
    talk.append(pcm(200)).client(COMMIT)
    item = talk.expect("conversation.item.added")["item"]
    assert len(talk.item(item["id"])["content"][0]["audio"]) * 3 // 4 == 500 * 48


def test_a_turn_that_was_being_spoken_goes_on_where_it_was_cut() -> None:
    talk = resumable()
    talk.says(600)
    started = talk.expect("input_audio_buffer.speech_started")
    lose(talk)
    talk.waits(15)
    come_back(talk)
    talk.says(400).pauses(500)
    assert talk.expect("input_audio_buffer.speech_stopped")["item_id"] == started["item_id"]
    talk.expect("response.created")


# For how long


def test_a_client_that_does_not_come_back_in_time_loses_its_session() -> None:
    talk = resumable(response_patience_s=2 * WAIT_S)
    talk.client(RESPOND)
    mark = lose(talk)
    talk.waits(WAIT_S - 1)
    assert talk.closed() is None
    talk.waits(1)
    assert talk.closed() is not None
    assert talk.since(mark) == []
    assert [ledger.status for ledger in talk.ledgers()] == ["cancelled"]
    assert talk.session.deadline() is None
    assert come_back(talk) == []


def test_a_client_that_says_goodbye_ends_its_session() -> None:
    talk = resumable()
    talk.client(RESPOND)
    talk.give(Disconnected())
    assert [ledger.status for ledger in talk.ledgers()] == ["cancelled"]
    assert talk.session.deadline() is None
    assert come_back(talk) == []


def test_a_server_that_ends_keeps_no_session_for_a_client_that_is_away() -> None:
    talk = resumable()
    lose(talk)
    talk.give(Draining())
    closed = talk.closed()
    assert closed is not None
    assert closed.code == 1001


def test_a_connection_lost_while_the_server_ends_is_lost_for_good() -> None:
    talk = resumable()
    talk.client(RESPOND)
    talk.give(Draining())
    assert talk.closed() is None
    talk.give(Interrupted())
    assert talk.closed() is not None


def test_deadlines_are_kept_while_the_client_is_away() -> None:
    talk = resumable(response_patience_s=10)
    talk.client(RESPOND)
    lose(talk)
    talk.waits(30)
    done = come_back(talk)[-2]
    assert done["response"]["status_details"]["error"]["code"] == "engine_timeout"


# The end of the session's time


def test_the_end_is_announced_once() -> None:
    talk = resumable(max_session_s=600)
    talk.waits(539)
    talk.expect("antiphon.session.resumable")
    talk.expect_nothing()
    talk.waits(1)
    warning = talk.expect("antiphon.session.expiring")
    assert (warning["seconds_left"], warning["expires_at"]) == (60, START + 600)
    talk.waits(59)
    talk.expect_nothing()


@pytest.mark.parametrize(("lasts_s", "warned_after_s"), [(3600, 3540), (120, 60), (60, 30)])
def test_a_short_session_is_warned_at_half_its_time(lasts_s: int, warned_after_s: int) -> None:
    talk = resumable(max_session_s=lasts_s)
    talk.waits(warned_after_s - 1)
    assert talk.all("antiphon.session.expiring") == []
    talk.waits(1)
    assert len(talk.all("antiphon.session.expiring")) == 1


def test_a_session_that_has_expired_begins_a_new_time_when_its_client_is_back() -> None:
    talk = resumable(max_session_s=600)
    talk.client(user_text("My name is Anna.", id="item_a")).client(RESPOND)
    talk.waits(590)
    talk.client(RESPOND)
    talk.waits(10)
    error = talk.expect_error("session_expired", None)
    assert (parked(talk).code, parked(talk).reason) == (1001, error["message"])
    assert talk.closed() is None
    talk.waits(50)
    resumed = come_back(talk, after=talk.events[-1]["event_id"])[0]
    assert resumed["session"]["expires_at"] == int(talk.now + 600)
    assert resumed["item_ids"] == ["item_a"]
    talk.waits(539)
    assert len(talk.all("antiphon.session.expiring")) == 1
    talk.waits(1)
    assert len(talk.all("antiphon.session.expiring")) == 2
    talk.waits(60)
    assert len(talk.all("error")) == 2


def test_an_answer_outlives_the_end_of_the_sessions_time() -> None:
    talk = resumable(max_session_s=600)
    talk.waits(595)
    talk.client(RESPOND)
    talk.replies("Once", audio_ms=200)
    talk.waits(5)
    assert talk.all("response.done") == []
    talk.replies(" more.", audio_ms=200)
    talk.finishes()
    told = come_back(talk)
    assert told[-2]["response"]["status"] == "completed"
    assert "error" not in kinds(told)


def test_the_end_of_a_time_that_is_over_is_not_told_again() -> None:
    talk = resumable(max_session_s=600)
    talk.client(user_text("Hello."))
    last = talk.events[-1]["event_id"]
    talk.waits(600)
    assert kinds(come_back(talk, after=last)) == [
        "antiphon.session.resumed",
        "antiphon.session.resumable",
    ]


def test_time_that_runs_out_while_the_client_is_away_begins_anew_as_well() -> None:
    talk = resumable(max_session_s=600)
    talk.waits(590)
    lose(talk)
    talk.waits(20)
    resumed = come_back(talk)[0]
    assert resumed["session"]["expires_at"] == int(talk.now + 600)
    assert talk.all("error") == []


def test_a_lost_connection_wins_no_time() -> None:
    talk = resumable(max_session_s=600)
    expires_at = talk.events[0]["session"]["expires_at"]
    talk.waits(100)
    lose(talk)
    assert come_back(talk)[0]["session"]["expires_at"] == expires_at


# Every kind of session


def test_a_transcription_session_goes_on_in_mid_turn() -> None:
    models = MappingProxyType({"whisper-1": TranscriptionOffer(bills="duration")})
    talk = Talk(TranscriptionSessionOffer(models), terms=TERMS)
    audio = {"input": {"transcription": {"model": "whisper-1"}}}
    session = {"type": "transcription", "audio": audio}
    talk.client({"type": "session.update", "session": session})
    talk.says(500)
    lose(talk)
    talk.waits(10)
    resumed = come_back(talk)[0]
    assert resumed["session"] == talk.all("session.updated")[-1]["session"]
    talk.says(300).pauses(500)
    kind = "conversation.item.input_audio_transcription.completed"
    assert talk.expect(kind)["transcript"] == "What the user said."


def test_a_translation_session_may_be_come_back_to_after_its_time() -> None:
    translated = interpreting.offer(max_session_s=600)
    session = open_session(translated, Ids(b"seed"), START, TERMS)
    told = [*session.handle(Connected(), START), *session.handle(DeadlineReached(), START + 600)]
    assert [type(each) for each in told if isinstance(each, ParkSession)] == [ParkSession]
    resumed = session.handle(Resumed(), START + 630)[0]
    assert isinstance(resumed, AntiphonSessionResumed)
    assert resumed.session.expires_at == START + 1230
    assert resumed.item_ids == ()


# How much is kept


def test_more_than_is_kept_is_lost_and_the_client_is_told_so() -> None:
    talk = Talk(terms=ResumptionTerms(wait_s=WAIT_S, kept_bytes=100_000))
    talk.client(RESPOND)
    lose(talk)
    for _ in range(20):
        talk.replies("Word ", audio_ms=300)
    talk.finishes()
    told = come_back(talk)
    assert told[0]["events_lost"]
    assert kinds(told)[-2:] == ["response.done", "rate_limits.updated"]
    assert sum(len(str(each)) for each in told[2:]) < 110_000
    assert talk.all("response.done")[0]["response"]["status"] == "completed"


def test_events_of_long_ago_are_kept_no_longer_but_their_successors_are() -> None:
    talk = resumable()
    talk.client(user_text("One"))
    long_ago = talk.events[-2]["event_id"]
    last = talk.events[-1]["event_id"]
    talk.waits(SURELY_HEARD_S + 1)
    talk.client(user_text("Two"))
    lose(talk)
    assert not come_back(talk, after=last)[0]["events_lost"]
    lose(talk)
    assert come_back(talk, after=long_ago)[0]["events_lost"]


def test_an_event_that_never_was_is_told_apart_from_one_that_is_known() -> None:
    talk = resumable()
    lose(talk)
    assert come_back(talk, after="event_unknown")[0]["events_lost"]


# Whatever happens


class Journey:
    """A client whose connection breaks at any moment, and which puts together what it was told."""

    def __init__(self, seed: int) -> None:
        self.talk = resumable()
        self.heard: list[Event] = list(self.talk.events)
        self.chance = random.Random(seed)  # noqa: S311 - a script, not a secret

    def go(self) -> None:
        """Let one thing happen while the client is there, and hear all of it or a part."""
        mark = len(self.talk.events)
        self.happen()
        self.heard += self.talk.events[mark:]

    def happen(self) -> None:
        talk, ordered = self.talk, self.talk.commands
        running = talk.all("response.created")
        is_running = bool(running) and not any(
            each["response"]["id"] == running[-1]["response"]["id"]
            for each in talk.all("response.done")
        )
        if is_running and ordered:
            self.chance.choice(
                [
                    lambda: talk.replies("Word ", audio_ms=200),
                    talk.finishes,
                    lambda: talk.writes("x", finish=False),
                ]
            )()
        else:
            self.chance.choice(
                [lambda: talk.client(RESPOND), lambda: talk.client(user_text("Hm"))]
            )()

    def break_down(self) -> None:
        """Lose the connection with some of what it had still to bring, and come back."""
        lost = self.chance.randrange(3)
        while lost and len(self.heard) > 2:
            self.heard.pop()
            lost -= 1
        if self.chance.random() < 0.7:
            self.talk.give(Interrupted())
            self.talk.waits(self.chance.randrange(5))
        self.heard += come_back(self.talk, after=self.heard[-1]["event_id"])


@settings(max_examples=60, deadline=None)
@given(st.integers(), st.lists(st.booleans(), max_size=40))
def test_over_all_connections_each_event_is_heard_once_and_in_order(
    seed: int, steps: list[bool]
) -> None:
    journey = Journey(seed)
    for breaks in steps:
        if breaks:
            journey.break_down()
        else:
            journey.go()
    if journey.talk.all("response.created"):
        journey.talk.client({"type": "response.cancel"})
        journey.break_down()
    heard = [each for each in journey.heard if not each["type"].startswith("antiphon.")]
    heard = [each for each in heard if each["type"] != "error"]
    ids = [each["event_id"] for each in heard]
    assert len(ids) == len(set(ids))
    assert not list(pairs(heard))


def test_nobody_is_asked_why_they_are_silent_while_they_are_away() -> None:
    talk = resumable()
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    talk.client(session_update(turn_detection=detection)).client(RESPOND)
    talk.replies(finish=True)
    lose(talk)
    talk.waits(60)
    assert "input_audio_buffer.timeout_triggered" not in talk.types
    come_back(talk)
    talk.waits(4.9)
    assert "input_audio_buffer.timeout_triggered" not in talk.types
    talk.waits(0.2)
    talk.expect("input_audio_buffer.timeout_triggered")
