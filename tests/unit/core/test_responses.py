"""Which responses run, and how a guess becomes one."""

from itertools import count

import pytest

from antiphon.core import responses as module
from antiphon.core.commands import CancelJob, StartResponse
from antiphon.core.configuration import SessionOffer, initial_session
from antiphon.core.context import Context
from antiphon.core.ids import Ids
from antiphon.core.plan import plan
from antiphon.core.response import Ending, Response
from antiphon.core.responses import Responses
from antiphon.engines.responder import (
    ResponseFinished,
    ResponseRequest,
    SpokenAudio,
    SpokenText,
    WrittenText,
)
from antiphon.protocol.errors import ClientError
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.server_events import ResponseDone

OFFER = SessionOffer("m", None)
SESSION = initial_session(OFFER, "sess", 0.0)
IDS = Ids(b"s")
NOTHING = Context((), 0, 0, 0)
REQUEST = ResponseRequest("Be kind.", (), "audio", "alloy")
OTHER = ResponseRequest("Be brief.", (), "audio", "alloy")


def response(**asked: object) -> Response:
    planned = plan(SESSION, ResponseParameters(**asked), OFFER, has_spoken=False)  # type: ignore[arg-type]
    return Response(planned, "conv", (), IDS, 1.0)


def outside() -> Response:
    return response(conversation="none")


def statuses(told: list[object]) -> list[str]:
    return [each.response.status for each in told if isinstance(each, ResponseDone)]


@pytest.fixture
def responses() -> Responses:
    return Responses(count(1), 60)


def test_one_is_active_and_others_run_beside_it(responses: Responses) -> None:
    assert responses.is_idle
    answer, aside = response(), outside()
    responses.add(answer)
    responses.add(aside)
    assert responses.active is answer
    assert list(responses) == [answer, aside]
    assert responses.find(None) is answer
    assert responses.find(aside.id) is aside
    responses.remove(answer.id)
    assert responses.active is None
    assert not responses.is_idle
    responses.remove(aside.id)
    responses.remove(aside.id)
    assert responses.is_idle
    with pytest.raises(ClientError):
        responses.find(None)
    with pytest.raises(ClientError):
        responses.find(aside.id)


def test_there_is_room_for_one_answer_and_sixteen_asides(responses: Responses) -> None:
    responses.add(response())
    with pytest.raises(ClientError) as second:
        responses.check_room(in_conversation=True)
    assert second.value.code == "conversation_already_has_active_response"
    for _ in range(module.MAX_OUT_OF_BAND):
        responses.check_room(in_conversation=False)
        responses.add(outside())
    with pytest.raises(ClientError) as aside:
        responses.check_room(in_conversation=False)
    assert aside.value.code == "too_many_responses"


def test_a_started_response_takes_the_pieces_of_its_job(responses: Responses) -> None:
    answer = response()
    responses.add(answer)
    assert responses.start(answer, REQUEST, NOTHING, 1.0) == [StartResponse(1, REQUEST)]
    assert responses.produce(2, WrittenText("Hi"), 2.0) == []
    assert responses.produce(1, WrittenText("Hi"), 2.0)
    assert statuses(responses.produce(1, ResponseFinished("stop"), 3.0)) == ["completed"]


def test_sound_of_any_running_response_is_known(responses: Responses) -> None:
    aside = outside()
    responses.add(aside)
    responses.start(aside, REQUEST, NOTHING, 1.0)
    assert not responses.have_sound
    responses.produce(1, SpokenAudio(b"\1\0" * 100), 2.0)
    assert responses.have_sound


def test_a_guess_becomes_the_response_that_asks_the_same(responses: Responses) -> None:
    assert responses.guess(REQUEST) == [StartResponse(1, REQUEST)]
    assert responses.is_guessing
    assert responses.guess(REQUEST) == []
    assert responses.produce(1, WrittenText("Hi"), 1.0) == []
    answer = response()
    responses.add(answer)
    told = responses.start(answer, REQUEST, NOTHING, 2.0)
    assert not any(isinstance(each, StartResponse | CancelJob) for each in told)
    assert answer.job == 1
    assert not responses.is_guessing
    assert statuses(responses.produce(1, ResponseFinished("stop"), 3.0)) == ["completed"]


def test_a_guess_that_asked_for_something_else_is_given_up(responses: Responses) -> None:
    responses.guess(OTHER)
    assert responses.guess(REQUEST) == [CancelJob(1), StartResponse(2, REQUEST)]
    answer = response()
    responses.add(answer)
    assert responses.start(answer, OTHER, NOTHING, 2.0) == [
        CancelJob(2),
        StartResponse(3, OTHER),
    ]


def test_an_aside_leaves_the_guess_alone(responses: Responses) -> None:
    responses.guess(REQUEST)
    aside = outside()
    responses.add(aside)
    assert responses.start(aside, REQUEST, NOTHING, 2.0) == [StartResponse(2, REQUEST)]
    assert responses.is_guessing
    assert responses.discard_guess() == [CancelJob(1)]
    assert responses.discard_guess() == []


def test_a_guess_that_never_ends_is_given_up(responses: Responses) -> None:
    responses.guess(REQUEST)
    for _ in range(module.MAX_GUESSED_PIECES):
        assert responses.produce(1, WrittenText("a"), 1.0) == []
    assert responses.produce(1, WrittenText("a"), 1.0) == [CancelJob(1)]
    assert not responses.is_guessing


def test_a_guess_that_failed_is_forgotten(responses: Responses) -> None:
    responses.guess(REQUEST)
    assert responses.fail(1, "broken", "Broken.", 1.0) == []
    assert not responses.is_guessing
    assert responses.fail(1, "broken", "Broken.", 1.0) is None


def test_pieces_after_the_end_of_a_guess_are_not_replayed(responses: Responses) -> None:
    responses.guess(REQUEST)
    for piece in (WrittenText("a"), ResponseFinished("stop"), WrittenText("b")):
        responses.produce(1, piece, 1.0)
    answer = response()
    responses.add(answer)
    assert statuses(responses.start(answer, REQUEST, NOTHING, 2.0)) == ["completed"]


def test_a_failure_ends_the_response_of_its_job(responses: Responses) -> None:
    answer = response()
    responses.add(answer)
    responses.start(answer, REQUEST, NOTHING, 1.0)
    assert statuses(responses.fail(1, "broken", "Broken.", 2.0) or []) == ["failed"]


def test_stopping_stops_the_job_if_there_is_one(responses: Responses) -> None:
    cancelled = Ending("cancelled", "client_cancelled")
    assert CancelJob not in {type(each) for each in responses.stop(response(), cancelled, 1.0)}
    answer = response()
    responses.add(answer)
    responses.start(answer, REQUEST, NOTHING, 1.0)
    assert responses.stop(answer, cancelled, 1.0)[0] == CancelJob(1)


def test_too_many_tokens_and_half_a_sample_stop_the_job(responses: Responses) -> None:
    for piece, status in (
        (SpokenText("a", tokens=9), "incomplete"),
        (SpokenAudio(b"\0"), "failed"),
    ):
        made = response(conversation="none", max_output_tokens=5)
        responses.add(made)
        (order,) = responses.start(made, REQUEST, NOTHING, 1.0)
        assert isinstance(order, StartResponse)
        told = responses.produce(order.job, piece, 2.0)
        assert CancelJob(order.job) in told
        assert statuses(told) == [status]


def test_patience_counts_from_the_last_sign_of_life(responses: Responses) -> None:
    assert responses.deadline is None
    waiting, answer = outside(), response()
    responses.add(waiting)
    assert responses.deadline is None
    responses.add(answer)
    responses.start(answer, REQUEST, NOTHING, 1.0)
    assert responses.deadline == 61.0
    responses.produce(1, WrittenText("a"), 5.0)
    assert responses.deadline == 65.0
    assert responses.expire(64.9) == []
    told = responses.expire(65.0)
    assert told[0] == CancelJob(1)
    assert statuses(told) == ["failed"]
