"""Quotas: what takes from them, what happens when they are used up, and what clients are told.

Shows Limits: quotas of requests, tokens and sessions; `rate_limits.updated`
"""

from dataclasses import dataclass, field

import pytest
from talk import (
    CANCEL,
    RESPOND,
    TEXT,
    Talk,
    offer,
    pairs,
    pcm,
    response_create,
    server_vad,
    session_update,
    user_text,
)

from antiphon.core.commands import CancelJob, SettleQuota, TakeQuota
from antiphon.core.inputs import QuotaChanged
from antiphon.core.limits import Standing
from antiphon.core.routing import Output
from antiphon.engines.llm import TokenUsage
from antiphon.engines.responder import ResponseFinished, SpokenAudio, SpokenText, WrittenText

MINUTE = 60.0


@dataclass
class Metered(Talk):
    """A conversation whose quotas are counted beside it, as the server counts them."""

    tokens: int = 1000
    requests: int = 100
    counts_at_once: bool = True
    used: dict[str, int] = field(default_factory=lambda: {"requests": 0, "tokens": 0})
    granted: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opened_at = self.now
        super().__post_init__()
        self.give(QuotaChanged(self.standings()))

    def standings(self) -> tuple[Standing, ...]:
        until = self.opened_at + MINUTE
        return (
            Standing("requests", self.requests, self.requests - self.used["requests"], until),
            Standing("tokens", self.tokens, self.tokens - self.used["tokens"], until),
        )

    def other_sessions_take(self, tokens: int) -> None:
        self.used["tokens"] += tokens

    def _answer(self, output: Output) -> None:
        match output:
            case TakeQuota() if self.counts_at_once:
                self.count(output)
            case SettleQuota(response_id, tokens):
                self.used["tokens"] += tokens - self.granted.pop(response_id, 0)
            case _:
                super()._answer(output)

    def count(self, taken: TakeQuota) -> None:
        spent = {"tokens": taken.tokens > 0 and self.used["tokens"] >= self.tokens}
        spent["requests"] = taken.requests > 0 and self.used["requests"] >= self.requests
        if any(spent.values()):
            self.give(QuotaChanged(self.standings(), taken.response_id, 12.5))
            return
        self.used["tokens"] += taken.tokens
        self.used["requests"] += taken.requests
        held = self.granted.get(taken.response_id, 0)
        self.granted[taken.response_id] = held + taken.tokens
        self.give(QuotaChanged(self.standings(), taken.response_id))

    def left(self, name: str = "tokens") -> dict[str, float]:
        """What the client was told last of one kind of quota."""
        told = self.last("rate_limits.updated")["rate_limits"]
        return next(each for each in told if each["name"] == name)

    def taken(self) -> list[TakeQuota]:
        return [each for each in self.commands if isinstance(each, TakeQuota)]


def reads_nothing(**changes: int) -> Metered:
    """A conversation without instructions, so that what is counted is what is said."""
    talk = Metered(offer=offer(instructions=""), **changes)
    talk.client(session_update(turn_detection=None))
    return talk


def test_the_client_is_told_what_is_left_after_each_response() -> None:
    talk = reads_nothing()
    talk.client(TEXT).produces(WrittenText("a")).finishes(usage=TokenUsage(90, 0, 10))
    assert talk.types[-1] == "rate_limits.updated"
    assert talk.left() == {"name": "tokens", "limit": 1000, "remaining": 900, "reset_seconds": 60.0}
    assert talk.left("requests")["remaining"] == 99
    talk.waits(20)
    talk.client(TEXT).produces(WrittenText("a")).finishes(usage=TokenUsage(90, 0, 10))
    assert talk.left()["remaining"] == 800
    assert talk.left()["reset_seconds"] == 40.0
    assert talk.used == {"tokens": 200, "requests": 2}


def test_what_others_took_is_seen_when_a_response_begins() -> None:
    talk = reads_nothing()
    talk.other_sessions_take(500)
    talk.client(TEXT).produces(WrittenText("a")).finishes(usage=TokenUsage(90, 0, 10))
    assert talk.left()["remaining"] == 400


def test_a_quota_that_is_used_up_fails_the_response_and_says_how_long_to_wait() -> None:
    talk = reads_nothing(tokens=100)
    talk.client(TEXT).produces(WrittenText("a")).finishes(usage=TokenUsage(90, 0, 10))
    talk.waits(20)
    orders = len(talk.started)
    talk.client(TEXT)
    talk.expect("response.created")
    talk.expect("response.created")
    failed = talk.expect("response.done", status="failed")["response"]
    assert failed["status_details"]["type"] == "failed"
    error = failed["status_details"]["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["message"] == (
        "Rate limit reached for gpt-realtime on tokens per minute of this key: "
        "Limit 100, Used 100. Please try again in 40.0s."
    )
    assert failed["usage"]["total_tokens"] == 0
    assert talk.left()["remaining"] == 0
    assert len(talk.started) == orders
    assert not talk.all("error")


def test_the_session_goes_on_when_the_quota_is_there_again() -> None:
    talk = reads_nothing(requests=1)
    talk.client(TEXT).writes("one")
    talk.client(TEXT)
    assert talk.last("response.done")["response"]["status"] == "failed"
    talk.waits(MINUTE)
    talk.used["requests"] = 0
    talk.client(user_text("Still there?")).client(TEXT).writes("Yes.")
    assert talk.last("response.done")["response"]["status"] == "completed"
    assert talk.memory[-1] == "Still there?"


def test_a_response_that_uses_up_the_quota_ends_there_and_keeps_what_it_said() -> None:
    talk = reads_nothing(tokens=30)
    talk.client(RESPOND)
    talk.produces(SpokenText("One."), SpokenAudio(pcm(1000), "One."))
    assert "response.done" not in talk.types
    talk.produces(SpokenAudio(pcm(1000)))
    done = talk.expect("response.done", status="failed", code="rate_limit_exceeded")["response"]
    assert done["output"][0]["status"] == "incomplete"
    assert talk.ordered.job in talk.cancelled()
    assert talk.left()["remaining"] == 0
    assert not list(pairs(talk.events))
    item = talk.item(done["output"][0]["id"])
    assert item["content"][0]["transcript"] == "One."
    assert talk.sound() == pcm(2000)


def test_a_response_that_uses_exactly_what_is_left_is_complete() -> None:
    talk = reads_nothing(tokens=22)
    talk.client(RESPOND)
    talk.produces(SpokenText("One.", tokens=2), SpokenAudio(pcm(1000), "One."))
    talk.produces(ResponseFinished("stop"))
    talk.expect("response.done", status="completed")
    assert talk.used["tokens"] == 22


def test_a_long_response_takes_more_as_it_goes_on() -> None:
    talk = reads_nothing(tokens=2000)
    talk.client(RESPOND)
    talk.produces(SpokenText("Long."), *(SpokenAudio(pcm(1000), "") for _ in range(30)))
    assert talk.used["tokens"] >= 600
    assert [each.requests for each in talk.taken()] == [1, 0, 0]
    talk.produces(ResponseFinished("stop"))
    talk.expect("response.done", status="completed")
    assert talk.left()["remaining"] == 2000 - talk.used["tokens"]
    assert talk.used["tokens"] == talk.last("response.done")["response"]["usage"]["total_tokens"]


def test_the_last_request_may_be_as_long_as_the_tokens_last() -> None:
    talk = reads_nothing(requests=1)
    talk.client(RESPOND)
    talk.produces(SpokenText("Long."), *(SpokenAudio(pcm(1000), "") for _ in range(30)))
    talk.produces(ResponseFinished("stop"))
    talk.expect("response.done", status="completed")


def test_a_refusal_that_comes_later_ends_the_response_then() -> None:
    talk = reads_nothing()
    talk.counts_at_once = False
    talk.client(RESPOND)
    talk.produces(SpokenText("Well,"), SpokenAudio(pcm(100), "Well,"))
    talk.other_sessions_take(1000)
    talk.count(talk.taken()[-1])
    error = talk.expect("response.done", status="failed")["response"]["status_details"]["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert "Please try again in 60.0s." in error["message"]
    assert any(isinstance(each, CancelJob) for each in talk.commands)
    assert not list(pairs(talk.events))


def test_a_refusal_for_a_response_that_is_over_changes_nothing() -> None:
    talk = reads_nothing()
    talk.client(TEXT).writes("Done.")
    mark = len(talk.events)
    talk.give(QuotaChanged(talk.standings(), talk.taken()[0].response_id, 3.0))
    talk.give(QuotaChanged(talk.standings(), "resp_of_nobody", 3.0))
    assert talk.since(mark) == []


def test_a_refusal_whose_moment_has_passed_still_says_how_long_to_wait() -> None:
    talk = reads_nothing()
    talk.counts_at_once = False
    talk.client(RESPOND)
    talk.give(QuotaChanged((), talk.taken()[0].response_id, 0.25))
    error = talk.expect("response.done", status="failed")["response"]["status_details"]["error"]
    assert error["message"] == "Rate limit reached for gpt-realtime. Please try again in 0.2s."


def test_news_that_another_session_took_the_last_stops_the_next_response() -> None:
    talk = reads_nothing()
    talk.other_sessions_take(1000)
    talk.give(QuotaChanged(talk.standings()))
    talk.client(RESPOND)
    talk.expect("response.done", status="failed", code="rate_limit_exceeded")
    assert not talk.started
    assert [(each.requests, each.tokens) for each in talk.taken()] == [(0, 0)]


def test_a_session_that_was_refused_asks_whether_there_is_some_again() -> None:
    talk = reads_nothing()
    talk.other_sessions_take(1000)
    talk.give(QuotaChanged(talk.standings()))
    talk.other_sessions_take(-400)
    talk.client(RESPOND)
    talk.expect("response.done", status="failed", code="rate_limit_exceeded")
    talk.client(RESPOND).replies(finish=True)
    talk.expect("response.done", status="completed")


def test_a_cancelled_response_gives_back_what_it_did_not_use() -> None:
    talk = reads_nothing()
    talk.client(RESPOND)
    assert talk.used["tokens"] == 256
    talk.produces(SpokenText("One."), SpokenAudio(pcm(100), "One."))
    talk.client(CANCEL)
    used = talk.expect("response.done", status="cancelled")["response"]["usage"]["total_tokens"]
    assert 0 < used == talk.used["tokens"]


def test_a_response_that_fails_before_it_says_anything_costs_nothing() -> None:
    talk = reads_nothing()
    talk.client(RESPOND).fails(talk.ordered.job)
    assert talk.used == {"requests": 1, "tokens": 0}
    assert talk.left()["remaining"] == 1000


def test_a_guess_takes_nothing_until_it_becomes_a_response() -> None:
    talk = Metered()
    talk.says(600).pauses(130)
    talk.replies(finish=True)
    assert talk.used == {"requests": 0, "tokens": 0}
    talk.pauses(200)
    done = talk.expect("response.done", status="completed")["response"]
    assert talk.used == {"requests": 1, "tokens": done["usage"]["total_tokens"]}


def test_a_guess_is_dropped_when_the_quota_is_used_up_meanwhile() -> None:
    talk = Metered()
    talk.says(600).pauses(130)
    guess = talk.ordered.job
    talk.other_sessions_take(1000)
    talk.give(QuotaChanged(talk.standings()))
    talk.pauses(200)
    talk.expect("response.done", status="failed", code="rate_limit_exceeded")
    assert guess in talk.cancelled()
    assert not list(pairs(talk.events))


def test_responses_out_of_band_share_the_quota() -> None:
    talk = reads_nothing(tokens=300)
    aside = response_create(conversation="none", output_modalities=["text"], input=[])
    talk.client(TEXT).client(aside).client(aside)
    statuses = [each["response"]["status"] for each in talk.all("response.done")]
    assert statuses == ["failed"]
    assert len(talk.started) == 2


def test_only_the_tightest_quota_of_each_kind_is_told() -> None:
    talk = Talk(offer(instructions=""))
    talk.give(
        QuotaChanged(
            (
                Standing("tokens", 1000, 900, talk.now + 60),
                Standing("tokens", 100_000, 500, talk.now + 4000, "day", "deployment"),
            )
        )
    )
    talk.client(TEXT).produces(WrittenText("a")).finishes(usage=TokenUsage(90, 0, 10))
    (told,) = talk.last("rate_limits.updated")["rate_limits"]
    assert (told["limit"], told["remaining"], told["reset_seconds"]) == (100_000, 400, 4000.0)


def test_tokens_are_told_where_only_requests_are_limited() -> None:
    talk = Talk()
    talk.give(QuotaChanged((Standing("requests", 10, 10, talk.now + 60),)))
    talk.client(TEXT).writes("a")
    told = talk.last("rate_limits.updated")["rate_limits"]
    assert [each["name"] for each in told] == ["requests", "tokens"]
    assert told[0]["remaining"] == 9


def test_the_words_name_the_quota_that_keeps_the_client_waiting_longest() -> None:
    talk = Talk()
    talk.give(
        QuotaChanged(
            (
                Standing("requests", 10, 0, talk.now + 5, "second", "key"),
                Standing("tokens", 500, 0, talk.now + 90, "hour", "deployment"),
            )
        )
    )
    talk.client(RESPOND)
    error = talk.expect("response.done")["response"]["status_details"]["error"]
    assert "on tokens per hour of this deployment" in error["message"]
    assert "try again in 90.0s" in error["message"]


@pytest.mark.parametrize("create", [True, False])
def test_news_of_quotas_changes_nothing_that_is_visible(talk: Talk, create: bool) -> None:
    talk.client(session_update(turn_detection=server_vad(create_response=create)))
    mark = len(talk.events)
    talk.give(QuotaChanged((Standing("tokens", 10, 10, talk.now + 60),)))
    assert talk.since(mark) == []
