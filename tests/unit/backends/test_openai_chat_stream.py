import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.backends.chat_stream import ChatStream, ReportedError, UnusableChat
from antiphon.engines.llm import (
    CallArguments,
    CallStarted,
    GenerationFinished,
    GenerationPiece,
    TextDelta,
    TokenUsage,
    ToolCall,
)
from antiphon.testing import answers
from antiphon.testing.contracts.language_model import calls


def take(*events: Any) -> list[GenerationPiece]:
    """Return the pieces of a generation, given the JSON of its events or their bytes."""
    stream = ChatStream()
    pieces: list[GenerationPiece] = []
    for event in events:
        pieces += stream.take(event if isinstance(event, bytes) else json.dumps(event).encode())
    return pieces + stream.finish()


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields}]}


def end(reason: str | None = "stop") -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def call(
    index: int | None = None,
    id: str | None = None,  # noqa: A002
    name: str | None = None,
    arguments: object = None,
) -> dict[str, object]:
    """Return a fragment of a call that leaves out what is None."""
    function = {"name": name, "arguments": arguments}
    fields: dict[str, object] = {
        "function": {word: value for word, value in function.items() if value is not None}
    }
    if index is not None:
        fields["index"] = index
    if id is not None:
        fields["id"] = id
    return fields


def test_text_comes_piece_by_piece() -> None:
    pieces = take(delta(role="assistant", content=""), delta(content="Hi"), delta(content="!"))
    assert pieces[:-1] == [TextDelta("Hi"), TextDelta("!")]


def test_a_refusal_is_text() -> None:
    assert take(delta(refusal="I must not."))[0] == TextDelta("I must not.")


def test_reasoning_is_not_spoken() -> None:
    assert take(delta(reasoning_content="Hm."), delta(content="Yes."))[:-1] == [TextDelta("Yes.")]


def test_only_the_first_choice_counts() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "No."}, "finish_reason": "stop"}]}
    assert take(other, delta(content="Yes."))[:-1] == [TextDelta("Yes.")]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("stop", "stop"),
        ("tool_calls", "stop"),
        ("function_call", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("content_filter", "content_filter"),
    ],
)
def test_the_reason_of_the_end_is_translated(told: str, reason: str) -> None:
    last = take(delta(content="Hi"), end(told))[-1]
    assert isinstance(last, GenerationFinished)
    assert last.reason == reason


def test_nothing_counts_after_the_end_but_the_usage() -> None:
    usage = {
        "choices": [],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 2,
            "prompt_tokens_details": {"cached_tokens": 8},
        },
    }
    pieces = take(delta(content="Hi"), end(), delta(content="more"), usage, b"[DONE]")
    assert pieces == [TextDelta("Hi"), GenerationFinished("stop", TokenUsage(9, 8, 2))]


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, TokenUsage(9, 0, 2)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, TokenUsage(9, 0, 0)),
        ({"prompt_tokens": None, "prompt_tokens_details": {}}, TokenUsage()),
        (None, TokenUsage(completion=1)),
    ],
)
def test_usage_may_leave_things_out(usage: object, counted: TokenUsage) -> None:
    last = take(delta(content="Hi"), end(), {"choices": [], "usage": usage})[-1]
    assert last == GenerationFinished("stop", counted)


def test_the_end_may_be_said_by_done_alone() -> None:
    stream = ChatStream()
    stream.take(json.dumps(delta(content="Hi")).encode())
    assert not stream.is_complete
    stream.take(b" [DONE]")
    assert stream.is_complete


@pytest.mark.parametrize(
    "event",
    [
        b"{",
        b"[]",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b'{"choices": 1}',
        b'{"choices": [{"delta": {"content": 1}}]}',
        b'{"choices": [{"delta": {"tool_calls": {}}}]}',
    ],
)
def test_what_is_no_piece_of_a_chat_is_refused(event: bytes) -> None:
    with pytest.raises(UnusableChat):
        ChatStream().take(event)


def test_a_chat_in_which_nothing_was_said_is_refused() -> None:
    with pytest.raises(UnusableChat, match="empty"):
        take(b"[DONE]")


def test_an_error_in_the_middle_is_reported() -> None:
    with pytest.raises(ReportedError) as reported:
        take(delta(content="Hi"), {"error": {"code": "overloaded"}})
    assert b"overloaded" in reported.value.event


WEATHER = ("look_up_weather", '{"city": "Oslo"}')
TIME = ("tell_time", "{}")

STREAMS: dict[str, Sequence[dict[str, object]]] = {
    "as the API streams them": [
        call(0, "call_1", WEATHER[0], ""),
        call(0, arguments='{"city"'),
        call(0, arguments=': "Oslo"}'),
        call(1, "call_2", TIME[0], ""),
        call(1, arguments="{}"),
    ],
    "whole": [call(0, "call_1", *WEATHER), call(1, "call_2", *TIME)],
    "whole, without ids": [call(0, None, *WEATHER), call(1, None, *TIME)],
    "whole, without indices": [call(None, "call_1", *WEATHER), call(None, "call_2", *TIME)],
    "whole, without either": [call(None, None, *WEATHER), call(None, None, *TIME)],
    "whole, all under index 0": [call(0, "call_1", *WEATHER), call(0, "call_2", *TIME)],
    "whole, all under index 0, without ids": [call(0, None, *WEATHER), call(0, None, *TIME)],
    "in fragments, without indices and ids": [
        call(name=WEATHER[0]),
        call(arguments='{"city"'),
        call(arguments=': "Oslo"}'),
        call(name=TIME[0]),
        call(arguments="{}"),
    ],
    "in fragments, the first of which has no index": [
        call(None, "call_1", WEATHER[0]),
        call(0, None, None, WEATHER[1]),
        call(1, "call_2", TIME[0]),
        call(1, None, None, TIME[1]),
    ],
    "with ids in every fragment": [
        call(None, "call_1", WEATHER[0], '{"city"'),
        call(None, "call_1", None, ': "Oslo"}'),
        call(None, "call_2", *TIME),
    ],
    "with names in every fragment": [
        call(0, "call_1", WEATHER[0], '{"city"'),
        call(0, "call_1", WEATHER[0], ': "Oslo"}'),
        call(0, "call_1", WEATHER[0], ""),
        call(1, "call_2", *TIME),
    ],
    "mixed": [
        call(0, "call_1", WEATHER[0], '{"city"'),
        call(1, "call_2", *TIME),
        call(0, None, None, ': "Oslo"}'),
    ],
    "with arguments that are an object": [
        call(0, "call_1", WEATHER[0], {"city": "Oslo"}),
        call(1, "call_2", TIME[0], {}),
    ],
    "without arguments": [
        call(0, "call_1", *WEATHER),
        call(1, "call_2", TIME[0]),
    ],
    "with a name that comes late": [
        call(0, "call_1", None, '{"city"'),
        call(0, None, WEATHER[0], ': "Oslo"}'),
        call(1, "call_2", *TIME),
    ],
}


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one event"])
@pytest.mark.parametrize("stream", STREAMS)
def test_calls_are_put_in_order_however_they_are_streamed(stream: str, together: bool) -> None:
    fragments = STREAMS[stream]
    events = (
        [delta(tool_calls=fragments)]
        if together
        else [delta(tool_calls=[fragment]) for fragment in fragments]
    )
    made = calls(take(*events, end("tool_calls")))
    assert [(name, json.loads(arguments)) for name, arguments in made] == [
        (name, json.loads(arguments)) for name, arguments in (WEATHER, TIME)
    ]


def test_one_function_can_be_called_twice_without_indices_and_ids() -> None:
    twice = [call(name=WEATHER[0], arguments=WEATHER[1])] * 2
    assert calls(take(delta(tool_calls=twice), end())) == [WEATHER, WEATHER]


def test_the_arguments_of_a_call_come_as_they_are_made() -> None:
    stream = ChatStream()
    first = stream.take(json.dumps(delta(tool_calls=[call(0, "call_1", "f", '{"a"')])).encode())
    assert first == [CallStarted("f"), CallArguments('{"a"')]


def test_a_call_follows_at_once_when_the_one_before_is_whole() -> None:
    stream = ChatStream()
    stream.take(json.dumps(delta(tool_calls=[call(0, "call_1", *WEATHER)])).encode())
    second = stream.take(json.dumps(delta(tool_calls=[call(1, "call_2", "f", '{"a"')])).encode())
    assert second == [CallStarted("f"), CallArguments('{"a"')]


def test_a_call_without_a_name_is_refused() -> None:
    with pytest.raises(UnusableChat, match="without naming it"):
        take(delta(tool_calls=[call(0, "call_1", None, "{}")]), end())


@given(st.lists(st.sampled_from([*WEATHER, *TIME, "text", '{"a": [1, 2]}']), max_size=6))
def test_what_the_test_kit_streams_is_read_back(said: list[str]) -> None:
    wanted = [ToolCall("", "f", each) if each.startswith("{") else each for each in said]
    events = [event[6:].strip() for event in answers.chat_events(wanted)]
    pieces = take(*events)
    texts = [piece.text for piece in pieces if isinstance(piece, TextDelta)]
    assert "".join(texts) == "".join(each for each in wanted if isinstance(each, str))
    assert calls(pieces) == [("f", each) for each in said if each.startswith("{")]
