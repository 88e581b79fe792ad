"""Function calls: asked for by the model, answered by the client."""

import pytest
from talk import (
    CANCEL,
    RESPOND,
    TEXT,
    Talk,
    call_output,
    function,
    pairs,
    response_create,
    session_update,
    user_text,
)

from antiphon.engines.llm import NamedTool
from antiphon.engines.responder import (
    FunctionCallArguments,
    FunctionCallStarted,
    SpokenAudio,
    SpokenText,
)

TOOLS = session_update(tools=[function("get-weather"), function("get_time")])


def test_a_call_comes_in_the_recorded_order(talk: Talk) -> None:
    talk.client(TOOLS).client(user_text("Weather in Paris?")).client(RESPOND)
    mark = len(talk.events)
    talk.calls("get-weather", '{"city":"Paris"}').finishes()
    assert talk.since(mark) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    added = talk.expect("response.output_item.added")["item"]
    assert (added["name"], added["arguments"], added["status"]) == (
        "get-weather",
        "",
        "in_progress",
    )
    done = talk.expect("response.function_call_arguments.done")
    assert (done["name"], done["call_id"]) == ("get-weather", added["call_id"])
    assert done["arguments"] == '{"city":"Paris"}'
    (item,) = talk.expect("response.done", status="completed")["response"]["output"]
    assert item == added | {"status": "completed", "arguments": '{"city":"Paris"}'}
    assert not list(pairs(talk.events))


def test_the_client_answers_a_call_and_asks_for_the_reply(talk: Talk) -> None:
    talk.client(TOOLS).client(user_text("Weather in Paris?")).client(RESPOND)
    talk.calls("get-weather", '{"city":"Paris"}').finishes()
    call_id = talk.expect("response.function_call_arguments.done")["call_id"]
    mark = len(talk.events)
    talk.client(call_output(call_id, "20 degrees"))
    assert talk.since(mark) == ["conversation.item.added", "conversation.item.done"]
    talk.client(RESPOND)
    assert talk.memory == [
        "Weather in Paris?",
        'get-weather({"city":"Paris"})',
        "20 degrees",
    ]
    talk.replies("It is 20 degrees.", finish=True)
    talk.expect("response.done", status="completed")


def test_parallel_calls_have_places_of_their_own(talk: Talk) -> None:
    talk.client(TOOLS).client(RESPOND)
    talk.calls("get-weather", "{}").calls("get_time", "{}").finishes()
    places = [event["output_index"] for event in talk.all("response.output_item.added")]
    assert places == [0, 1]
    ids = {event["call_id"] for event in talk.all("response.function_call_arguments.done")}
    assert len(ids) == 2
    assert [item["name"] for item in talk.last("response.done")["response"]["output"]] == [
        "get-weather",
        "get_time",
    ]
    assert not list(pairs(talk.events))


def test_a_message_and_a_call_may_come_together(talk: Talk) -> None:
    talk.client(TOOLS).client(RESPOND).replies("Let me see.")
    talk.calls("get_time", "{}").produces(SpokenText(" Soon.")).finishes()
    message, call = talk.last("response.done")["response"]["output"]
    assert (message["type"], call["type"]) == ("message", "function_call")
    assert message["content"][0]["transcript"] == "Let me see. Soon."
    assert not list(pairs(talk.events))


@pytest.mark.parametrize("choice", ["none", "auto", "required"])
def test_the_choice_reaches_the_model(talk: Talk, choice: str) -> None:
    talk.client(TOOLS).client(response_create(tool_choice=choice))
    assert talk.request.tool_choice == choice


def test_a_function_is_forced_by_name(talk: Talk) -> None:
    talk.client(TOOLS)
    talk.client(response_create(tool_choice={"type": "function", "name": "get_time"}))
    assert talk.request.tool_choice == NamedTool("get_time")


def test_the_sessions_choice_counts_until_a_response_brings_other_tools(talk: Talk) -> None:
    named = {"type": "function", "name": "get_time"}
    talk.client(TOOLS).client(session_update(tool_choice=named)).client(TEXT)
    assert talk.request.tool_choice == NamedTool("get_time")
    talk.writes("ok")
    talk.client(response_create(tools=[function("other")]))
    assert talk.request.tool_choice == "auto"


def test_required_without_tools_fails_the_response(talk: Talk) -> None:
    talk.client(response_create(tool_choice="required"))
    talk.expect("response.created")
    response = talk.expect("response.done", status="failed")["response"]
    assert response["status_details"]["error"]["code"] == "invalid_tool_choice"
    assert not talk.started
    talk.client(RESPOND)
    assert talk.started


def test_parallel_calls_can_be_forbidden(talk: Talk) -> None:
    talk.client(session_update(parallel_tool_calls=False)).client(RESPOND)
    assert talk.request.parallel_tool_calls is False


def test_half_a_call_is_never_acted_upon(talk: Talk) -> None:
    talk.client(TOOLS).client(RESPOND)
    talk.produces(FunctionCallStarted("get_time"), FunctionCallArguments('{"ci'))
    talk.client(CANCEL)
    assert "response.function_call_arguments.done" not in talk.types
    response = talk.expect("response.done", status="cancelled")["response"]
    assert response["output"][0]["status"] == "incomplete"
    assert not list(pairs(talk.events))


def test_a_finished_call_stays_when_its_response_fails(talk: Talk) -> None:
    talk.client(TOOLS).client(RESPOND).calls("get_time", "{}")
    talk.produces(FunctionCallStarted("get-weather")).fails(talk.ordered.job)
    statuses = [item["status"] for item in talk.last("response.done")["response"]["output"]]
    assert statuses == ["completed", "incomplete"]
    call_id = talk.expect("response.function_call_arguments.done")["call_id"]
    talk.client(call_output(call_id, "noon"))
    assert talk.types[-1] == "conversation.item.done"


def test_speech_before_a_call_is_sent_whole(talk: Talk) -> None:
    talk.client(TOOLS).client(RESPOND)
    talk.produces(SpokenText("Wait."), SpokenAudio(b"\1\0" * 1000, "Wait."))
    talk.calls("get_time", "{}").finishes()
    assert len(talk.sound()) == 2000
