"""One response: what each piece and each ending tells."""

import numpy as np
import pytest

from antiphon.core.configuration import SessionOffer, initial_session
from antiphon.core.context import Context
from antiphon.core.happenings import ItemClosed, ItemOpened, ResponseEnded
from antiphon.core.ids import Ids
from antiphon.core.memory import Reading
from antiphon.core.plan import plan
from antiphon.core.response import COMPLETED, Ending, Response, failure
from antiphon.engines.llm import TokenUsage
from antiphon.engines.responder import (
    FunctionCallArguments,
    FunctionCallStarted,
    ResponseFinished,
    ResponsePiece,
    SpokenAudio,
    SpokenText,
    WrittenText,
)
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.server_events import ResponseCreated, ResponseDone

OFFER = SessionOffer("m", None)
SESSION = initial_session(OFFER, "sess", 0.0)
PCM = np.full(130 * 24, 5000, "<i2").tobytes()


def response(**asked: object) -> Response:
    planned = plan(SESSION, ResponseParameters(**asked), OFFER, has_spoken=False)  # type: ignore[arg-type]
    return Response(planned, "conv", Reading(("a", "b")), Ids(b"s"), 1.0)


def running(**asked: object) -> Response:
    made = response(**asked)
    made.start(7, Context(text_tokens=100, audio_tokens=20, spoken_text_tokens=30), 2.0)
    return made


def take(made: Response, *pieces: ResponsePiece) -> list[object]:
    return [each for piece in pieces for each in made.take(piece, 3.0)]


def done(told: list[object]) -> ResponseDone:
    (found,) = [each for each in told if isinstance(each, ResponseDone)]
    return found


def ended(told: list[object]) -> ResponseEnded:
    last = told[-1]
    assert isinstance(last, ResponseEnded)
    return last


def test_it_is_announced_in_progress() -> None:
    made = response(metadata={"a": "b"})
    announced = made.announce()
    assert isinstance(announced, ResponseCreated)
    assert announced.response.status == "in_progress"
    assert announced.response.conversation_id == "conv"
    assert announced.response.metadata == {"a": "b"}
    assert made.job is None
    assert made.reads == Reading(("a", "b"))
    outside = response(conversation="none").announce()
    assert outside.response.conversation_id is None  # type: ignore[union-attr]


def test_each_piece_is_a_sign_of_life() -> None:
    made = running()
    assert (made.job, made.heard_at) == (7, 2.0)
    made.take(SpokenText("Hi"), 9.0)
    assert made.heard_at == 9.0


def test_sound_is_known_once_there_is_some() -> None:
    made = running()
    take(made, SpokenText("Hi"))
    assert not made.has_sound
    take(made, SpokenAudio(PCM, "Hi"))
    assert made.has_sound
    opened = take(running(), SpokenAudio(PCM, "Hi"))[0]
    assert isinstance(opened, ItemOpened)


def test_its_message_is_found_by_id() -> None:
    made = running()
    opened = take(made, SpokenText("Hi"))[0]
    assert isinstance(opened, ItemOpened)
    assert made.message_of(str(opened.item.id)) is not None
    assert made.message_of("other") is None
    written = running()
    opened = take(written, WrittenText("Hi"))[0]
    assert written.message_of(str(opened.item.id)) is None  # type: ignore[union-attr]


def test_items_stand_in_the_order_in_which_they_began() -> None:
    made = running()
    told = take(made, SpokenText("Hi"), FunctionCallStarted("f"), FunctionCallStarted("g"))
    told += take(made, FunctionCallArguments("{}"), ResponseFinished("stop"))
    assert [each.output_index for each in told if isinstance(each, ItemOpened)] == [0, 1, 2]
    assert [each.output_index for each in told if isinstance(each, ItemClosed)] == [1, 0, 2]
    output = done(told).response.output
    assert [each.name for each in output[1:]] == ["f", "g"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("finished", "status", "reason"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_it_ends_as_the_model_says(finished: str, status: str, reason: str | None) -> None:
    made = running()
    told = take(made, SpokenText("Hi"), ResponseFinished(finished))  # type: ignore[arg-type]
    assert made.has_ended
    ending = done(told).response
    assert ending.status == status
    assert (ending.status_details is None) == (reason is None)
    assert ending.status_details is None or ending.status_details.reason == reason


def test_nothing_at_all_is_a_failure() -> None:
    told = take(running(), ResponseFinished("stop"))
    assert done(told).response.status_details.error.code == "empty_response"  # type: ignore[union-attr]


def test_what_does_not_fit_is_ignored() -> None:
    made = running()
    assert take(made, FunctionCallArguments("{}")) == []
    take(made, WrittenText("Hi"))
    assert take(made, SpokenText("Hi"), SpokenAudio(PCM)) == []
    spoken = running()
    take(spoken, SpokenText("Hi"))
    assert take(spoken, WrittenText("Hi")) == []


def test_text_and_sound_count_against_the_maximum() -> None:
    made = running(max_output_tokens=5)
    take(made, SpokenText("a", tokens=1), FunctionCallArguments("", tokens=1))
    assert not made.exceeds_its_tokens()
    take(made, SpokenAudio(PCM))
    assert not made.exceeds_its_tokens()
    take(made, WrittenText("ignored", tokens=1))
    assert made.exceeds_its_tokens()
    boundless = running()
    take(boundless, SpokenText("a", tokens=10**6))
    assert not boundless.exceeds_its_tokens()


def test_usage_is_what_the_model_counted_less_what_was_sound() -> None:
    told = take(
        running(),
        SpokenText("Hi"),
        SpokenAudio(PCM),
        ResponseFinished("stop", TokenUsage(90, 80, 6)),
    )
    usage = done(told).response.usage
    assert usage is not None
    assert (usage.input_token_details.text_tokens, usage.input_token_details.audio_tokens) == (
        60,
        20,
    )
    assert usage.input_token_details.cached_tokens == 60
    assert (usage.output_token_details.text_tokens, usage.output_token_details.audio_tokens) == (
        6,
        3,
    )
    assert usage.total_tokens == ended(told).tokens == 89


def test_a_failure_and_a_response_that_never_began_cost_nothing() -> None:
    made = running()
    take(made, SpokenText("Hi"))
    assert ended(made.end(failure("x", "X."), 3.0)).tokens == 0
    waiting = response()
    assert ended(waiting.end(Ending("cancelled", "client_cancelled"), 3.0)).tokens == 0


def test_only_an_interruption_leaves_sound_unsent() -> None:
    for ending, dropped in (
        (COMPLETED, 0),
        (failure("x", "X."), 0),
        (Ending("incomplete", "max_output_tokens"), 0),
        (Ending("cancelled", "turn_detected"), 30 * 24),
        (Ending("cancelled", "client_cancelled"), 30 * 24),
    ):
        made = running()
        take(made, SpokenText("Hi"), SpokenAudio(PCM, "Hi"))
        ledger = ended(made.end(ending, 3.0)).ledger
        assert (ledger.status, ledger.dropped_samples) == (ending.status, dropped)
        assert ledger.dropped_why == (ending.reason if dropped else None)
        assert ledger.first_audio_s == 2.0


def test_without_sound_there_is_an_account_all_the_same() -> None:
    ledger = ended(take(running(), WrittenText("Hi"), ResponseFinished("stop"))).ledger
    assert (ledger.status, ledger.made_samples) == ("completed", 0)
