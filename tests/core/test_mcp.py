"""MCP tools: imported, called by the server, approved or not, told about (cases 64 to 71)."""

from typing import Any

import pytest
from talk import (
    CANCEL,
    RESPOND,
    TEXT,
    Event,
    Talk,
    call_output,
    delete,
    function,
    offer,
    pairs,
    response_create,
    session_update,
    user_text,
)

from antiphon.core.commands import CallTool, ListTools
from antiphon.core.follow_ups import FOLLOW_UP_AFTER_S, MAX_FOLLOW_UPS
from antiphon.core.inputs import Draining, JobFailed, ToolAnswered, ToolsListed
from antiphon.core.mcp_calls import MAX_CALLS
from antiphon.core.reach import Reach
from antiphon.engines.llm import NamedTool
from antiphon.engines.responder import CallTurn, ResultTurn, SpokenAudio, SpokenText
from antiphon.protocol.items import (
    McpHttpError,
    McpProtocolError,
    McpToolExecutionError,
    McpToolListing,
)

URL = "https://docs.example.com/mcp"
IMPORT = [
    "conversation.item.added",
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "conversation.item.done",
]
CALL = [
    "response.output_item.added",
    "conversation.item.added",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
]
SETTLED = ["conversation.item.done", "response.output_item.done"]
ENDED = ["response.done", "rate_limits.updated"]


def mcp(label: str = "docs", **fields: Any) -> Event:
    defined = {"type": "mcp", "server_label": label, "server_url": URL}
    return defined | {"require_approval": "never"} | fields


def listing(name: str, **fields: Any) -> McpToolListing:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    return McpToolListing(name=name, description=f"Does {name}.", input_schema=schema, **fields)


def asked(talk: Talk) -> list[ListTools]:
    return [each for each in talk.commands if isinstance(each, ListTools)]


def called(talk: Talk) -> list[CallTool]:
    return [each for each in talk.commands if isinstance(each, CallTool)]


def lists(talk: Talk, *names: str | McpToolListing, job: int | None = None) -> None:
    """Let the server that was asked last tell its tools."""
    tools = tuple(listing(each) if isinstance(each, str) else each for each in names)
    talk.give(ToolsListed(asked(talk)[-1].job if job is None else job, tools))


def answers(talk: Talk, output: str = "found it", job: int | None = None) -> None:
    talk.give(ToolAnswered(called(talk)[-1].job if job is None else job, output))


def with_tools(talk: Talk, *names: str | McpToolListing, **fields: Any) -> Talk:
    talk.client(session_update(tools=[mcp(**fields)]))
    lists(talk, *(names or ("search",)))
    return talk


def offered(talk: Talk) -> list[str]:
    return [tool.name for tool in talk.request.tools]


# Import


def test_a_server_is_asked_for_its_tools_when_it_is_defined(talk: Talk) -> None:
    mark = len(talk.events)
    talk.client(session_update(tools=[mcp()]))
    assert talk.since(mark) == ["session.updated", *IMPORT[:2]]
    added = talk.last("conversation.item.added")["item"]
    assert (added["type"], added["server_label"], added["tools"]) == ("mcp_list_tools", "docs", [])
    assert asked(talk)[0].server.url == URL
    lists(talk, "search", McpToolListing(name="fetch", input_schema={"type": "object"}))
    assert talk.since(mark) == ["session.updated", *IMPORT]
    done = talk.last("conversation.item.done")["item"]
    assert done["id"] == added["id"] == talk.last("mcp_list_tools.completed")["item_id"]
    assert [each["name"] for each in done["tools"]] == ["search", "fetch"]
    assert all(isinstance(each["description"], str) for each in done["tools"])
    assert talk.item(added["id"]) == done
    assert not list(pairs(talk.events))


def test_a_server_that_cannot_be_reached_costs_its_tools_and_nothing_else(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp()]))
    talk.give(JobFailed(asked(talk)[0].job, "mcp_failed", "It cannot be reached."))
    talk.expect("mcp_list_tools.failed")
    item = talk.expect("conversation.item.done")["item"]
    assert (item["tools"], item["error"]) == ([], "It cannot be reached.")
    talk.client(RESPOND).replies(finish=True)
    assert talk.expect("response.done")["response"]["status"] == "completed"
    assert "error" not in talk.types
    assert not list(pairs(talk.events))


def test_a_server_that_says_nothing_is_given_up(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp()])).waits(29)
    assert "mcp_list_tools.failed" not in talk.types
    talk.waits(2)
    talk.expect("mcp_list_tools.failed")
    assert talk.cancelled() == [asked(talk)[0].job]
    lists(talk, "search")
    assert "mcp_list_tools.completed" not in talk.types


def test_an_unchanged_definition_is_not_asked_again(talk: Talk) -> None:
    with_tools(talk)
    talk.client(session_update(tools=[mcp(require_approval="always")]))
    assert len(asked(talk)) == 1
    talk.client(session_update(tools=[mcp(authorization="token")]))
    assert len(asked(talk)) == 2


def test_a_failed_server_is_asked_again_when_it_is_defined_again(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp()])).give(JobFailed(asked(talk)[0].job, "x", "Down."))
    talk.client(session_update(tools=[mcp()]))
    assert len(asked(talk)) == 2


def test_a_definition_during_its_import_replaces_it(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp()]))
    first = asked(talk)[0].job
    talk.client(session_update(tools=[mcp(server_url=URL + "/2")]))
    assert first in talk.cancelled()
    lists(talk, "old", job=first)
    lists(talk, "new")
    talk.client(RESPOND)
    assert offered(talk) == ["new"]
    talk.replies(finish=True)
    assert not list(pairs(talk.events))


def test_a_label_alone_stands_for_what_was_defined(talk: Talk) -> None:
    with_tools(talk)
    talk.client(session_update(tools=[]))
    bare = {"type": "mcp", "server_label": "docs"}
    talk.client(session_update(tools=[bare]))
    assert talk.last("session.updated")["session"]["tools"] == [mcp()]
    talk.client(response_create(tools=[bare]))
    assert offered(talk) == ["search"]
    assert len(asked(talk)) == 1


def test_credentials_are_given_together_with_the_address(talk: Talk) -> None:
    with_tools(talk)
    bare = {"type": "mcp", "server_label": "docs", "authorization": "token"}
    talk.client(session_update(tools=[bare]))
    talk.expect_error("missing_required_parameter", "session.tools[0].server_url")


def test_secrets_are_handed_on_and_never_shown(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp(authorization="s3cret", headers={"X-Key": "s3cret"})]))
    (tool,) = talk.last("session.updated")["session"]["tools"]
    assert tool == mcp()
    headers = {name: secret.value for name, secret in asked(talk)[0].server.headers}
    assert headers == {"Authorization": "Bearer s3cret", "X-Key": "s3cret"}
    assert "s3cret" not in repr(talk.commands) + repr(talk.events)


def test_a_response_may_bring_a_server_and_waits_for_its_tools(talk: Talk) -> None:
    talk.client(user_text("Hi")).client(response_create(tools=[mcp()]))
    talk.expect("response.created")
    assert not talk.started
    lists(talk, "search")
    assert offered(talk) == ["search"]
    talk.writes("Done.")
    talk.client(RESPOND)
    assert offered(talk) == []


def test_a_response_goes_on_without_a_server_that_fails(talk: Talk) -> None:
    talk.client(response_create(tools=[mcp()]))
    talk.give(JobFailed(asked(talk)[0].job, "mcp_failed", "Down."))
    assert offered(talk) == []
    talk.replies(finish=True)
    talk.expect("response.done", status="completed")


def test_a_turn_taken_early_sees_the_tools_that_are_there(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp(), function("local")])).client(RESPOND)
    assert offered(talk) == ["local"]


def test_more_tools_than_a_model_can_take_have_to_be_narrowed(talk: Talk) -> None:
    many = [f"t{number}" for number in range(129)]
    with_tools(talk, *many)
    assert "allowed_tools" in talk.last("conversation.item.done")["item"]["error"]
    talk.client(session_update(tools=[mcp(allowed_tools=many[1:])]))
    lists(talk, *many)
    talk.client(RESPOND)
    assert offered(talk) == many[1:]


# Which tools


READ_ONLY = listing("read", annotations={"readOnlyHint": True})


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (["search"], ["search"]),
        ({"tool_names": ["write", "read"]}, ["read", "write"]),
        ({"read_only": True}, ["read"]),
        ({"read_only": False, "tool_names": ["read", "write"]}, ["write"]),
        ([], []),
    ],
)
def test_only_allowed_tools_are_listed_and_offered(
    talk: Talk, allowed: Any, names: list[str]
) -> None:
    with_tools(talk, "search", READ_ONLY, "write", allowed_tools=allowed)
    listed = talk.last("conversation.item.done")["item"]["tools"]
    assert [each["name"] for each in listed] == names
    talk.client(RESPOND)
    assert offered(talk) == names


@pytest.mark.parametrize(
    ("required", "asks"),
    [
        ("always", ["read", "search"]),
        ("never", []),
        ({"never": {"tool_names": ["search"]}}, ["read"]),
        ({"never": {"read_only": True}}, ["search"]),
        ({"always": {"tool_names": ["read"]}, "never": {}}, ["read"]),
        ({"always": {"tool_names": ["read"]}}, ["read", "search"]),
    ],
)
def test_approval_is_needed_unless_the_definition_says_never(
    talk: Talk, required: Any, asks: list[str]
) -> None:
    with_tools(talk, READ_ONLY, "search", require_approval=required)
    talk.client(RESPOND).calls("read", "{}").calls("search", "{}").finishes()
    items = [each["item"] for each in talk.all("response.output_item.added")]
    assert [each["name"] for each in items if each["type"] == "mcp_approval_request"] == asks
    assert {each.name for each in called(talk)} == {"read", "search"} - set(asks)


def test_approval_is_needed_by_default(talk: Talk) -> None:
    bare = {"type": "mcp", "server_label": "docs", "server_url": URL}
    talk.client(session_update(tools=[bare]))
    lists(talk, "search")
    talk.client(RESPOND).calls("search", "{}").finishes()
    talk.expect("response.output_item.added", type="mcp_approval_request")


def test_tools_of_one_name_are_told_apart(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp("a"), mcp("b", server_url=URL + "/b"), function("get")]))
    first, second = asked(talk)
    lists(talk, "search", "get", job=first.job)
    lists(talk, "search", "look up", job=second.job)
    talk.client(RESPOND)
    assert offered(talk) == ["get", "a__search", "a__get", "b__search", "look_up"]
    talk.calls("b__search", "{}").calls("get", "{}").calls("look_up", "{}")
    talk.finishes()
    assert [(each.server.label, each.name) for each in called(talk)] == [
        ("b", "search"),
        ("b", "look up"),
    ]


def test_names_that_a_model_cannot_write_are_spelled_out_and_stay_apart(talk: Talk) -> None:
    with_tools(talk, "look up", "look_up", "look.up")
    talk.client(RESPOND)
    assert offered(talk) == ["look_up", "docs__look_up", "look_up_2"]
    talk.calls("look_up_2", "{}").finishes()
    assert called(talk)[0].name == "look.up"


# Choice


def test_one_tool_of_a_server_is_forced(talk: Talk) -> None:
    with_tools(talk, "search", "fetch")
    choice = {"type": "mcp", "server_label": "docs", "name": "fetch"}
    talk.client(response_create(tool_choice=choice))
    assert (offered(talk), talk.request.tool_choice) == (["fetch"], NamedTool("fetch"))


def test_any_tool_of_a_server_is_forced(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp(), function("local")]))
    lists(talk, "search", "fetch")
    talk.client(session_update(tool_choice={"type": "mcp", "server_label": "docs"})).client(RESPOND)
    assert (offered(talk), talk.request.tool_choice) == (["search", "fetch"], "required")


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"type": "mcp", "server_label": "docs", "name": "x"}, "has no tool 'x'"),
        ({"type": "mcp", "server_label": "docs"}, "has not told its tools yet"),
        ("required", "there are no tools"),
    ],
)
def test_a_forced_call_without_a_tool_fails_the_response(
    talk: Talk, choice: Any, words: str
) -> None:
    talk.client(session_update(tools=[mcp()]))
    if words == "has no tool 'x'":
        lists(talk, "search")
    talk.client(response_create(tool_choice=choice))
    error = talk.expect("response.done", status="failed")["response"]["status_details"]["error"]
    assert error["code"] == "invalid_tool_choice"
    assert words in error["message"]
    assert not talk.started


def test_a_choice_of_a_failed_server_says_why_it_failed(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp()])).give(JobFailed(asked(talk)[0].job, "x", "No route."))
    talk.client(response_create(tool_choice={"type": "mcp", "server_label": "docs"}))
    error = talk.expect("response.done", status="failed")["response"]["status_details"]["error"]
    assert "No route." in error["message"]


def test_an_unknown_server_cannot_be_chosen(talk: Talk) -> None:
    choice = {"type": "mcp", "server_label": "other"}
    talk.client(session_update(tool_choice=choice))
    talk.expect_error("invalid_value", "session.tool_choice.server_label")
    talk.client(response_create(tool_choice=choice))
    talk.expect_error("invalid_value", "response.tool_choice.server_label")
    assert "response.created" not in talk.types


# Calls


def test_a_call_is_made_and_told_in_the_documented_order(talk: Talk) -> None:
    with_tools(talk).client(user_text("Find it.")).client(RESPOND)
    mark = len(talk.events)
    talk.calls("search", '{"q":"it"}').finishes()
    assert talk.since(mark) == CALL
    (call,) = called(talk)
    assert (call.name, call.arguments, call.server.label) == ("search", '{"q":"it"}', "docs")
    answers(talk)
    assert talk.since(mark) == [*CALL, "response.mcp_call.completed", *SETTLED, *ENDED]
    assert {each["obfuscation"] for each in talk.all(CALL[2])} == {""}
    (item,) = talk.last("response.done")["response"]["output"]
    assert (item["type"], item["name"], item["arguments"]) == ("mcp_call", "search", '{"q":"it"}')
    assert (item["output"], item["error"], item["approval_request_id"]) == ("found it", None, None)
    assert talk.last("response.done")["response"]["status"] == "completed"
    assert not list(pairs(talk.events))


def test_the_server_begins_the_response_that_tells_the_result(talk: Talk) -> None:
    with_tools(talk).client(user_text("Find it.")).client(TEXT)
    talk.calls("search", "{}").finishes()
    answers(talk)
    mark = len(talk.events)
    assert talk.memory == ["Find it.", "search({})", "found it"]
    talk.writes("Here.")
    assert talk.since(mark) == []
    talk.waits(FOLLOW_UP_AFTER_S)
    assert talk.since(mark)[0] == "response.created"
    (message,) = talk.last("response.done")["response"]["output"]
    assert message["content"][0]["text"] == "Here."
    assert len(talk.started) == 2


def test_a_client_that_asks_for_it_gets_the_result_told_once(talk: Talk) -> None:
    with_tools(talk).client(RESPOND).calls("search", "{}").finishes()
    answers(talk)
    talk.client(response_create(metadata={"asked": "by me"}))
    assert talk.last("response.created")["response"]["metadata"] == {"asked": "by me"}
    talk.replies(finish=True).waits(5)
    assert len(talk.all("response.created")) == 2
    assert "error" not in talk.types


def test_a_client_that_asks_a_moment_too_late_gets_the_result_told_once(talk: Talk) -> None:
    with_tools(talk).client(RESPOND).calls("search", "{}").finishes()
    answers(talk)
    talk.waits(1).client(RESPOND)
    assert "error" not in talk.types
    talk.client(RESPOND)
    talk.expect_error("conversation_already_has_active_response")
    talk.replies(finish=True).waits(5)
    assert len(talk.all("response.created")) == 2


def test_a_turn_that_follows_at_once_tells_the_result(talk: Talk) -> None:
    with_tools(talk).client(RESPOND).calls("search", "{}").finishes()
    answers(talk)
    talk.says(600).pauses(500)
    assert talk.memory == ["search({})", "found it", "What the user said."]
    talk.replies(finish=True).waits(5)
    assert len(talk.all("response.created")) == 2


def test_a_server_that_shuts_down_tells_the_result_first(talk: Talk) -> None:
    with_tools(talk).client(RESPOND).calls("search", "{}").finishes()
    talk.give(Draining())
    answers(talk)
    assert len(talk.all("response.created")) == 2
    assert talk.closed() is None
    talk.replies(finish=True)
    assert talk.closed() is not None


def test_what_was_forced_is_not_forced_again(talk: Talk) -> None:
    with_tools(talk).client(session_update(tool_choice="required")).client(RESPOND)
    talk.calls("search", "{}").finishes()
    answers(talk)
    assert (talk.request.tool_choice, offered(talk)) == ("auto", ["search"])


def test_a_model_that_calls_for_ever_has_to_speak_in_the_end(talk: Talk) -> None:
    with_tools(talk).client(RESPOND)
    for _ in range(MAX_FOLLOW_UPS + 1):
        assert talk.request.tool_choice == "auto"
        talk.calls("search", "{}").finishes()
        answers(talk)
        talk.waits(1)
    assert talk.request.tool_choice == "none"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (McpToolExecutionError(message="No such page"), "The tool failed: No such page"),
        (McpProtocolError(code=-32601, message="No"), "The tool could not be called: No"),
        (McpHttpError(code=502, message="Bad"), "HTTP status 502: Bad"),
    ],
)
def test_a_failure_is_typed_and_the_model_reads_it(talk: Talk, error: Any, told: str) -> None:
    with_tools(talk).client(RESPOND)
    mark = len(talk.events)
    talk.calls("search", "{}").finishes()
    talk.give(ToolAnswered(called(talk)[0].job, error=error))
    assert talk.since(mark) == [*CALL, "response.mcp_call.failed", *SETTLED, *ENDED]
    (item,) = talk.last("response.done")["response"]["output"]
    assert item["error"]["message"] == error.message
    assert item["error"]["type"] == error.__struct_config__.tag
    assert item["output"] is None
    assert told in talk.memory[-1]


def test_a_tool_that_never_answers_fails_its_call(talk: Talk) -> None:
    with_tools(talk).client(RESPOND).calls("search", "{}").finishes()
    talk.waits(59)
    assert "response.done" not in talk.types
    talk.waits(2)
    talk.expect("response.mcp_call.failed")
    item = talk.expect("response.done", status="completed")["response"]["output"][0]
    assert item["error"]["type"] == "tool_execution_error"
    assert called(talk)[0].job in talk.cancelled()


def test_a_fault_of_the_job_fails_its_call(talk: Talk) -> None:
    with_tools(talk).client(RESPOND).calls("search", "{}").finishes()
    talk.give(JobFailed(called(talk)[0].job, "server_error", "A fault."))
    error = talk.expect("response.done")["response"]["output"][0]["error"]
    assert error == {"type": "protocol_error", "code": -32603, "message": "A fault."}


@pytest.mark.parametrize("arguments", ["[1]", "{broken", '"text"'])
def test_arguments_that_are_no_object_call_nothing(talk: Talk, arguments: str) -> None:
    with_tools(talk).client(RESPOND).calls("search", arguments).finishes()
    assert not called(talk)
    item = talk.expect("response.done")["response"]["output"][0]
    assert (item["error"]["type"], item["error"]["code"]) == ("protocol_error", -32602)
    assert not list(pairs(talk.events))


def test_a_session_makes_only_so_many_calls_at_once(talk: Talk) -> None:
    with_tools(talk).client(RESPOND)
    for _ in range(MAX_CALLS + 1):
        talk.calls("search", "{}")
    talk.finishes()
    assert len(called(talk)) == MAX_CALLS
    error = talk.expect("response.output_item.done", type="mcp_call")["item"]["error"]
    assert "not called" in error["message"]


def test_calls_of_one_response_run_beside_each_other(talk: Talk) -> None:
    with_tools(talk, "search", "fetch").client(RESPOND)
    talk.calls("search", "{}").calls("fetch", "{}").finishes()
    first, second = called(talk)
    answers(talk, "two", second.job)
    assert "response.done" not in talk.types
    answers(talk, "one", first.job)
    output = talk.expect("response.done")["response"]["output"]
    assert [(each["name"], each["output"]) for each in output] == [
        ("search", "one"),
        ("fetch", "two"),
    ]
    assert not list(pairs(talk.events))


def test_what_was_said_beside_a_call_does_not_wait_for_it(talk: Talk) -> None:
    with_tools(talk).client(RESPOND)
    talk.produces(SpokenText("Let me see."), SpokenAudio(b"\1\0" * 1000, "Let me see."))
    talk.calls("search", "{}").finishes()
    assert len(talk.sound()) == 2000
    talk.expect("response.output_item.done", type="message")
    assert "response.done" not in talk.types
    answers(talk)
    kinds = [each["type"] for each in talk.expect("response.done")["response"]["output"]]
    assert kinds == ["message", "mcp_call"]
    assert not list(pairs(talk.events))


def test_functions_of_the_client_are_answered_first(talk: Talk) -> None:
    talk.client(session_update(tools=[mcp(), function("local")]))
    lists(talk, "search")
    talk.client(RESPOND).calls("local", "{}").calls("search", "{}").finishes()
    answers(talk)
    talk.expect("response.done", status="completed")
    talk.waits(5)
    assert len(talk.started) == 1
    call_id = talk.all("response.function_call_arguments.done")[0]["call_id"]
    talk.client(call_output(call_id, "done")).client(RESPOND)
    assert talk.memory == ["local({})", "search({})", "found it", "done"]


@pytest.mark.parametrize("by", ["the client", "the user"])
def test_a_response_that_is_stopped_ends_its_calls(talk: Talk, by: str) -> None:
    with_tools(talk).client(RESPOND).calls("search", "{}").finishes()
    if by == "the client":
        talk.client(CANCEL)
    else:
        talk.says(300)
    talk.expect("response.mcp_call.failed")
    item = talk.expect("response.done", status="cancelled")["response"]["output"][0]
    assert item["error"]["type"] == "tool_execution_error"
    assert called(talk)[0].job in talk.cancelled()
    answers(talk)
    assert "response.mcp_call.completed" not in talk.types
    talk.pauses(500).waits(5)
    assert len(talk.started) == (2 if by == "the user" else 1)


def test_a_call_that_is_cut_off_before_it_is_complete_is_not_made(talk: Talk) -> None:
    with_tools(talk).client(RESPOND)
    talk.calls("search", '{"q":')
    talk.client(CANCEL)
    assert not called(talk)
    assert "response.mcp_call_arguments.done" not in talk.types
    assert not list(pairs(talk.events))


def test_a_response_out_of_band_calls_what_needs_no_approval(talk: Talk) -> None:
    approval = {"always": {"tool_names": ["fetch"]}, "never": {"tool_names": ["search"]}}
    with_tools(talk, "search", "fetch", require_approval=approval)
    talk.client(response_create(conversation="none", input=[]))
    assert offered(talk) == ["search"]
    talk.calls("search", "{}").finishes()
    answers(talk)
    item = talk.expect("response.done", status="completed")["response"]["output"][0]
    assert item["output"] == "found it"
    talk.waits(5)
    assert len(talk.started) == 1
    assert "conversation.item.added" not in talk.since(len(IMPORT) + 3)


# Approval


def asks(talk: Talk, *calls: str, **fields: Any) -> list[Event]:
    """Let the model call tools that need approval and return the questions."""
    with_tools(talk, *calls, require_approval="always", **fields)
    talk.client(user_text("Go.")).client(RESPOND)
    for name in calls:
        talk.calls(name, '{"q":1}')
    talk.finishes()
    items = [each["item"] for each in talk.all("response.output_item.done")]
    return [each for each in items if each["type"] == "mcp_approval_request"]


def approval(question: Event, approve: bool = True, **fields: Any) -> Event:
    item = {
        "type": "mcp_approval_response",
        "approval_request_id": question["id"],
        "approve": approve,
    }
    return {"type": "conversation.item.create", "item": item | fields}


def test_a_question_comes_after_the_arguments_and_ends_the_response(talk: Talk) -> None:
    with_tools(talk, require_approval="always").client(RESPOND)
    mark = len(talk.events)
    talk.calls("search", '{"q":1}').finishes()
    assert talk.since(mark) == [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_item.added",
        "conversation.item.added",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    (item,) = talk.last("response.done")["response"]["output"]
    assert (item["type"], item["server_label"]) == ("mcp_approval_request", "docs")
    assert (item["name"], item["arguments"]) == ("search", '{"q":1}')
    assert not called(talk)
    talk.waits(60)
    assert len(talk.started) == 1


def test_an_approved_call_is_made(talk: Talk) -> None:
    (question,) = asks(talk, "search")
    announced = talk.last("response.mcp_call_arguments.done")["item_id"]
    mark = len(talk.events)
    talk.client(approval(question, id="mcp_approval_" + question["id"]))
    assert talk.since(mark) == [
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.added",
        "response.mcp_call.in_progress",
    ]
    assert called(talk)[0].arguments == '{"q":1}'
    answers(talk)
    assert talk.since(mark)[4:] == ["response.mcp_call.completed", "conversation.item.done"]
    item = talk.last("conversation.item.done")["item"]
    assert item["id"] == talk.last("response.mcp_call.completed")["item_id"] == announced
    assert (item["output"], item["approval_request_id"]) == ("found it", question["id"])
    talk.waits(1)
    assert talk.memory == ["Go.", 'search({"q":1})', "found it"]
    talk.expect("response.created")
    talk.replies(finish=True)
    assert not list(pairs(talk.events))


def test_an_approved_call_finds_another_id_if_its_own_is_taken(talk: Talk) -> None:
    (question,) = asks(talk, "search")
    taken = talk.last("response.mcp_call_arguments.done")["item_id"]
    talk.client(user_text("Mine.", id=taken)).client(approval(question))
    answers(talk)
    item = talk.last("conversation.item.done")["item"]
    assert item["type"] == "mcp_call"
    assert item["id"] == talk.last("response.mcp_call.completed")["item_id"] != taken
    assert talk.item(taken)["type"] == "message"


def test_an_approved_call_with_arguments_that_are_no_object_is_not_made(talk: Talk) -> None:
    with_tools(talk, require_approval="always").client(RESPOND).calls("search", "[1]").finishes()
    question = talk.last("response.output_item.done")["item"]
    talk.client(approval(question))
    assert not called(talk)
    talk.expect("response.mcp_call.failed")
    assert talk.expect("conversation.item.done")["item"]["error"]["code"] == -32602


def test_a_question_whose_arguments_are_cut_off_is_not_asked(talk: Talk) -> None:
    with_tools(talk, require_approval="always").client(RESPOND).calls("search", '{"q":')
    talk.client(CANCEL)
    assert talk.last("response.done")["response"]["output"] == []
    assert not list(pairs(talk.events))


def test_an_answer_that_comes_twice_changes_nothing(talk: Talk) -> None:
    with_tools(talk).client(RESPOND).calls("search", "{}").finishes()
    answers(talk)
    mark = len(talk.events)
    answers(talk, "again")
    assert talk.since(mark) == []


def test_a_rejected_call_is_not_made_and_the_model_learns_why(talk: Talk) -> None:
    (question,) = asks(talk, "search")
    talk.client(approval(question, approve=False, reason="Too dear."))
    assert talk.types[-2:] == ["conversation.item.added", "conversation.item.done"]
    talk.waits(1)
    assert not called(talk)
    call, result = talk.request.context[1:]
    assert call == CallTurn(question["id"], "search", '{"q":1}')
    assert isinstance(result, ResultTurn)
    assert "did not allow" in result.output
    assert "Too dear." in result.output


def test_the_result_is_told_when_every_question_is_answered(talk: Talk) -> None:
    first, second = asks(talk, "search", "fetch")
    talk.client(approval(first))
    answers(talk)
    talk.waits(5)
    assert len(talk.started) == 1
    talk.client(approval(second, approve=False)).waits(1)
    assert len(talk.started) == 2


def test_speech_does_not_end_an_approved_call(talk: Talk) -> None:
    (question,) = asks(talk, "search")
    talk.client(approval(question))
    talk.says(600).pauses(500)
    talk.replies(finish=True)
    answers(talk)
    talk.waits(1)
    assert "found it" in talk.memory
    assert talk.expect("response.mcp_call.completed")


@pytest.mark.parametrize("times", [1, 2])
def test_a_question_is_answered_once(talk: Talk, times: int) -> None:
    (question,) = asks(talk, "search")
    if times == 2:
        talk.client(approval(question))
    else:
        question = {"id": "item_unknown"}
    before = len(called(talk))
    talk.client(approval(question))
    talk.expect_error("invalid_value", "item.approval_request_id")
    assert len(called(talk)) == before


def test_a_question_that_was_deleted_cannot_be_answered(talk: Talk) -> None:
    (question,) = asks(talk, "search")
    talk.client(delete(question["id"])).client(approval(question))
    talk.expect_error("invalid_value", "item.approval_request_id")


def test_a_session_that_ends_closes_what_is_open(talk: Talk) -> None:
    (question,) = asks(talk, "search")
    talk.client(approval(question))
    talk.client(session_update(tools=[mcp("other")]))
    talk.client({"type": "session.close"})
    assert "response.mcp_call.failed" in talk.types
    assert "mcp_list_tools.failed" in talk.types
    assert not list(pairs(talk.events))
    assert {called(talk)[0].job, asked(talk)[-1].job} <= set(talk.cancelled())


# Items of the client


def test_history_with_mcp_items_can_be_brought_along(talk: Talk) -> None:
    call = {
        "type": "mcp_call",
        "id": "old_call",
        "server_label": "gone",
        "name": "search",
        "arguments": "{}",
        "output": "old result",
    }
    tools = {"type": "mcp_list_tools", "server_label": "gone", "tools": []}
    for item in (tools, call):
        talk.client({"type": "conversation.item.create", "item": item})
    assert "error" not in talk.types
    talk.client(RESPOND)
    assert talk.memory == ["search({})", "old result"]


def test_a_question_cannot_be_brought_along(talk: Talk) -> None:
    item = {
        "type": "mcp_approval_request",
        "id": "q",
        "server_label": "docs",
        "name": "search",
        "arguments": "{}",
    }
    talk.client({"type": "conversation.item.create", "item": item})
    talk.expect_error("invalid_parameter", "item.type")


# Definitions that cannot be honoured


BARE = {"type": "mcp", "server_label": "a"}


@pytest.mark.parametrize(
    ("tools", "code", "field"),
    [
        ([mcp(), mcp()], "invalid_value", "[1].server_label"),
        ([mcp(connector_id="connector_gmail")], "invalid_value", "[0].connector_id"),
        ([BARE], "missing_required_parameter", "[0].server_url"),
        ([BARE | {"connector_id": "connector_gmail"}], "invalid_parameter", "[0].connector_id"),
        ([BARE | {"authorization": "x"}], "missing_required_parameter", "[0].server_url"),
        ([BARE | {"tunnel_id": "t"}], "invalid_parameter", "[0].tunnel_id"),
        ([BARE | {"connector_id": "connector_x"}], "invalid_value", "[0].connector_id"),
        (
            [mcp(authorization="x", headers={"authorization": "y"})],
            "invalid_value",
            "[0].authorization",
        ),
        ([mcp(authorization="x\r\ny")], "invalid_value", "[0].authorization"),
        ([mcp(headers={"X": "a\nb"})], "invalid_value", "[0].headers.X"),
        ([mcp(headers={"Host": "elsewhere"})], "invalid_value", "[0].headers"),
        ([mcp(defer_loading=True)], "invalid_parameter", "[0].defer_loading"),
        ([mcp(allowed_callers=["programmatic"])], "invalid_parameter", "[0].allowed_callers"),
        ([mcp(server_url="ftp://x.example")], "invalid_value", "[0].server_url"),
        ([mcp(server_url="https://u:p@x.example")], "invalid_value", "[0].server_url"),
        ([mcp(server_url="http://x.example/mcp")], "invalid_value", "[0].server_url"),
        ([mcp(server_url="https://127.0.0.1/mcp")], "invalid_value", "[0].server_url"),
        ([mcp(server_url="https://169.254.169.254/")], "invalid_value", "[0].server_url"),
        ([mcp(f"s{n}", server_url=f"{URL}/{n}") for n in range(17)], "array_above_max_length", ""),
    ],
)
@pytest.mark.parametrize("where", ["session", "response"])
def test_impossible_definitions_are_refused_before_anything_is_done(
    talk: Talk, where: str, tools: list[Event], code: str, field: str
) -> None:
    mark = len(talk.events)
    event = session_update if where == "session" else response_create
    talk.client(event(tools=tools))
    talk.expect_error(code, f"{where}.tools{field}")
    assert talk.since(mark) == ["error"]
    assert not asked(talk)


def test_a_server_for_this_machine_alone_may_call_this_machine() -> None:
    talk = Talk(offer=offer(reach=Reach(loopback=True)))
    talk.client(session_update(tools=[mcp(server_url="http://127.0.0.1:9/mcp")]))
    assert asked(talk)
