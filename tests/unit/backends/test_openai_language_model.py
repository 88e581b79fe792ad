import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from antiphon.backends.openai_language_model import create
from antiphon.engines.llm import (
    AssistantMessage,
    CallStarted,
    ChatRequest,
    GenerationFinished,
    GenerationPiece,
    NamedTool,
    Picture,
    SystemMessage,
    TextDelta,
    TokenUsage,
    Tool,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from antiphon.protocol.errors import EngineError
from antiphon.testing import answers
from antiphon.testing.contracts.language_model import calls
from antiphon.testing.endpoints import CHAT, Endpoints
from antiphon.testing.loopback import Answer, AnswerStep, Cut, Received
from antiphon.testing.scripts import Hang

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("look_up_weather", "Tell the weather.", CITY)
TIME = Tool("tell_time", "Tell the time.", {"type": "object", "properties": {}})
HELLO = ChatRequest((UserMessage("Hello"),))


def generate(
    request: ChatRequest, *lined_up: Answer, settings: Mapping[str, object] | None = None
) -> tuple[list[GenerationPiece], Received]:
    """Return the pieces of a generation, and the request that the endpoint received."""

    async def run() -> tuple[list[GenerationPiece], Received]:
        async with Endpoints() as endpoints:
            endpoints.answer_next(CHAT, *lined_up)
            engine = create({"base_url": endpoints.base_url, "model": "m", **(settings or {})})
            try:
                return [piece async for piece in engine.generate(request)], endpoints.requests[0]
            finally:
                await engine.close()

    return asyncio.run(run())


def sent(request: ChatRequest, settings: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return the fields of the request that a generation sends."""
    _, received = generate(request, answers.chat(["Hi."]), settings=settings)
    return received.fields


def stream(*steps: AnswerStep) -> Answer:
    return Answer(steps, answers.EVENT_STREAM)


def test_a_conversation_is_sent_as_messages() -> None:
    request = ChatRequest(
        (
            SystemMessage("Be brief."),
            UserMessage("How is the weather?"),
            AssistantMessage("Let me see.", (ToolCall("call_1", "look_up_weather", "{}"),)),
            ToolMessage("call_1", "Sunny."),
            AssistantMessage("", (ToolCall("call_2", "tell_time", "{}"),)),
            ToolMessage("call_2", "Noon."),
            AssistantMessage("It is sunny."),
        )
    )
    fields = sent(request)
    assert fields["model"] == "m"
    assert fields["stream"] is True
    assert fields["stream_options"] == {"include_usage": True}
    assert [each["role"] for each in fields["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert fields["messages"][2]["tool_calls"] == [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "look_up_weather", "arguments": "{}"},
        }
    ]
    assert fields["messages"][3] == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": "Sunny.",
    }
    assert fields["messages"][4]["content"] is None
    assert fields["messages"][6] == {"role": "assistant", "content": "It is sunny."}


def test_pictures_stand_between_the_text_around_them() -> None:
    picture = Picture("data:image/png;base64,AAAA", "high", 5)
    last = Picture("data:image/png;base64,BBBB", "auto", 10)
    (message,) = sent(ChatRequest((UserMessage("This\nor me?", (picture, last)),)))["messages"]
    assert message["role"] == "user"
    assert message["content"] == [
        {"type": "text", "text": "This\n"},
        {"type": "image_url", "image_url": {"url": picture.url, "detail": "high"}},
        {"type": "text", "text": "or me"},
        {"type": "image_url", "image_url": {"url": last.url, "detail": "auto"}},
        {"type": "text", "text": "?"},
    ]


def test_how_long_to_think_is_sent_when_it_is_asked_for() -> None:
    assert sent(replace(HELLO, reasoning_effort="low"))["reasoning_effort"] == "low"


def test_the_phase_of_answers_is_sent_where_the_endpoint_takes_it() -> None:
    request = ChatRequest((AssistantMessage("Hm.", phase="commentary"), *HELLO.messages))
    assert "phase" not in sent(request)["messages"][0]
    assert sent(request, {"phases": True})["messages"][0]["phase"] == "commentary"


def test_what_the_model_can_do_is_said_in_the_settings() -> None:
    base = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
    plain = create(base).capabilities
    assert (plain.sees, plain.reasons) == (False, False)
    able = create({**base, "vision": True, "reasoning": True}).capabilities
    assert (able.sees, able.reasons) == (True, True)
    assert plain.languages is None
    assert create({**base, "languages": ["es", "en"]}).capabilities.languages == {"en", "es"}


def test_what_was_not_asked_for_is_not_sent() -> None:
    assert set(sent(HELLO)) == {"model", "messages", "stream", "stream_options"}


def test_tools_are_sent() -> None:
    fields = sent(ChatRequest(HELLO.messages, (WEATHER,), "auto", parallel_tool_calls=False))
    assert fields["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "look_up_weather",
                "description": "Tell the weather.",
                "parameters": CITY,
            },
        }
    ]
    assert fields["tool_choice"] == "auto"
    assert fields["parallel_tool_calls"] is False


def test_a_named_tool_is_sent_as_the_api_wants_it() -> None:
    request = ChatRequest(HELLO.messages, (TIME, WEATHER), NamedTool("tell_time"))
    _, received = generate(request)
    assert received.fields["tool_choice"] == {
        "type": "function",
        "function": {"name": "tell_time"},
    }


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_tokens_has_the_name_that_the_endpoint_knows(field: str) -> None:
    request = ChatRequest(HELLO.messages, max_tokens=7)
    assert sent(request, {"max_tokens_field": field})[field] == 7


def test_settings_shape_the_request() -> None:
    request = ChatRequest(HELLO.messages, session_key="sess_1")
    settings = {"count_tokens": False, "cache_key": True, "extra_body": {"temperature": 0.5}}
    fields = sent(request, settings)
    assert "stream_options" not in fields
    assert fields["prompt_cache_key"] == "sess_1"
    assert fields["temperature"] == 0.5


def test_settings_say_what_the_model_can_do() -> None:
    settings = {"base_url": "http://127.0.0.1/v1", "model": "m"}
    engine = create(settings | {"context_tokens": 4096, "tools": False})
    assert engine.capabilities.context_tokens == 4096
    assert not engine.capabilities.tools


def test_the_key_and_the_headers_are_sent() -> None:
    settings = {"api_key": "sk-1", "headers": {"X-Team": "voice"}}
    _, received = generate(HELLO, settings=settings)
    assert received.headers["authorization"] == "Bearer sk-1"
    assert received.headers["x-team"] == "voice"
    assert received.headers["accept-encoding"] == "identity"


def test_without_a_key_none_is_sent() -> None:
    _, received = generate(HELLO)
    assert "authorization" not in received.headers


def test_usage_that_comes_after_the_end_is_counted() -> None:
    pieces, _ = generate(
        HELLO,
        stream(answers.chunk({"content": "Hi"}), answers.chunk({}, "stop"), answers.usage(9, 8, 1)),
    )
    assert pieces == [TextDelta("Hi"), GenerationFinished("stop", TokenUsage(9, 8, 1))]


@pytest.mark.parametrize(
    "rest",
    [
        [],
        [answers.DONE],
        [Cut()],
        [Hang()],
        [answers.DONE, Hang()],
        [b"data: {nonsense}\n\n"],
        [b"x" * 2_000_000],
    ],
)
def test_an_answer_that_is_complete_may_end_in_any_way(rest: list[AnswerStep]) -> None:
    whole = (answers.chunk({"content": "Hi"}), answers.chunk({}, "stop"))
    pieces, _ = generate(HELLO, stream(*whole, *rest))
    assert pieces == [TextDelta("Hi"), GenerationFinished("stop", TokenUsage(completion=1))]


def test_an_answer_may_end_without_a_reason() -> None:
    pieces, _ = generate(HELLO, stream(answers.chunk({"content": "Hi"}), answers.DONE))
    assert pieces[0] == TextDelta("Hi")
    assert isinstance(pieces[-1], GenerationFinished)


def test_signs_of_life_are_read_over() -> None:
    alive = b": processing\n\n"
    steps = (alive, alive, answers.chunk({"content": "Hi"}), alive, answers.chunk({}, "stop"))
    pieces, _ = generate(HELLO, stream(*steps))
    assert pieces[0] == TextDelta("Hi")


def test_bytes_may_come_one_by_one() -> None:
    whole = b"".join(answers.chat_events(["It is sunny."], prompt_tokens=3))
    pieces, _ = generate(HELLO, stream(*answers.drip(whole.replace(b"\n", b"\r\n"))))
    assert "".join(each.text for each in pieces if isinstance(each, TextDelta)) == "It is sunny."


async def collect(
    generation: AsyncIterator[GenerationPiece], pieces: list[GenerationPiece]
) -> EngineError | None:
    try:
        async for piece in generation:
            pieces += [piece]
    except EngineError as failure:
        return failure
    return None


async def first_failure(
    *lined_up: Answer, request: ChatRequest = HELLO, settings: Mapping[str, object] | None = None
) -> tuple[list[GenerationPiece], EngineError]:
    """Return what came before the failure, and the failure."""
    pieces: list[GenerationPiece] = []
    async with Endpoints() as endpoints:
        endpoints.answer_next(CHAT, *lined_up)
        engine = create({"base_url": endpoints.base_url, "model": "m", **(settings or {})})
        failure = await collect(engine.generate(request), pieces)
        await engine.close()
    assert failure is not None
    return pieces, failure


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ([], "engine_interrupted"),
        ([b'data: {"choices": [{"delta": {"con'], "engine_interrupted"),
        ([b"data: {nonsense}\n\n"], "engine_invalid_answer"),
        ([b'data: {"error": {"code": "overloaded"}}\n\n'], "engine_interrupted"),
        ([b"data: " + b"x" * 2_000_000], "engine_invalid_answer"),
        ([Cut()], "engine_interrupted"),
    ],
)
def test_what_came_before_a_failure_is_kept(rest: list[AnswerStep], code: str) -> None:
    pieces, failure = asyncio.run(first_failure(stream(answers.chunk({"content": "Hi"}), *rest)))
    assert pieces == [TextDelta("Hi")]
    assert failure.code == code


def test_an_error_in_the_middle_is_named_by_its_code() -> None:
    _, failure = asyncio.run(
        first_failure(stream(answers.event({"error": {"code": "over_quota"}})))
    )
    assert "(over_quota)" in failure.message


def test_signs_of_life_alone_are_no_answer() -> None:
    def alive() -> Any:
        while True:
            yield b": processing\n\n"

    quick = {"timeout_s": 0.1, "idle_timeout_s": 0.1}
    _, failure = asyncio.run(first_failure(Answer(alive(), answers.EVENT_STREAM), settings=quick))
    assert failure.code == "engine_timeout"


FORCED = ChatRequest(HELLO.messages, (TIME, WEATHER), NamedTool("look_up_weather"))
REQUIRED = ChatRequest(HELLO.messages, (TIME, WEATHER), "required")


@pytest.mark.parametrize("request_", [FORCED, REQUIRED])
def test_a_forced_call_comes_when_it_is_whole(request_: ChatRequest) -> None:
    call = ToolCall("call_1", "look_up_weather", '{"city": "Oslo"}')
    pieces, _ = generate(request_, answers.chat(["One moment.", call]))
    assert calls(pieces) == [("look_up_weather", '{"city": "Oslo"}')]
    assert isinstance(pieces[-1], GenerationFinished)


@pytest.mark.parametrize(
    "said",
    [
        ["It is sunny."],
        [ToolCall("call_1", "look_up_weather", '{"town": "Oslo"}')],
        [ToolCall("call_1", "look_up_weather", "Oslo")],
        [ToolCall("call_1", "tell_time", "{}")],
        [ToolCall("call_1", "no_such_tool", "{}")],
    ],
)
def test_a_forced_call_that_is_not_what_was_asked_for_is_a_failure(
    said: list[str | ToolCall],
) -> None:
    pieces, failure = asyncio.run(first_failure(answers.chat(said), request=FORCED))
    assert failure.code == "engine_invalid_answer"
    assert not any(isinstance(piece, CallStarted) for piece in pieces)


def test_a_forced_call_that_did_not_fit_says_so() -> None:
    call = ToolCall("call_1", "look_up_weather", '{"city": "Oslo"}')
    pieces, _ = generate(FORCED, answers.chat([call], max_tokens=2))
    assert calls(pieces) == [("look_up_weather", '{"city":')]
    assert isinstance(pieces[-1], GenerationFinished)
    assert pieces[-1].reason == "length"


@pytest.mark.parametrize(
    "request_", [HELLO, ChatRequest(HELLO.messages, (WEATHER,), "none")], ids=["no tools", "none"]
)
def test_a_call_that_must_not_be_made_is_a_failure(request_: ChatRequest) -> None:
    call = ToolCall("call_1", "look_up_weather", "{}")
    _, failure = asyncio.run(first_failure(answers.chat([call]), request=request_))
    assert failure.code == "engine_invalid_answer"


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_only_one_call_is_made_where_calls_must_not_be_parallel(choice: Any) -> None:
    request = ChatRequest(HELLO.messages, (TIME, WEATHER), choice, parallel_tool_calls=False)
    said = [ToolCall("call_1", "tell_time", "{}"), ToolCall("call_2", "tell_time", "{}")]
    pieces, _ = generate(request, answers.chat(said))
    assert calls(pieces) == [("tell_time", "{}")]


def prefill(settings: Mapping[str, object], *lined_up: Answer) -> list[Received]:
    async def run() -> list[Received]:
        async with Endpoints() as endpoints:
            endpoints.answer_next(CHAT, *lined_up)
            engine = create({"base_url": endpoints.base_url, "model": "m", **settings})
            await engine.prefill(FORCED)
            await engine.close()
            return endpoints.requests

    return asyncio.run(run())


def test_nothing_is_sent_ahead_unless_asked_for() -> None:
    assert prefill({}) == []


def test_the_prompt_is_sent_ahead_for_one_token() -> None:
    (received,) = prefill({"prefill": True})
    assert received.fields["max_tokens"] == 1
    assert received.fields["tool_choice"] == "auto"
    assert received.fields["messages"] == [{"role": "user", "content": "Hello"}]


def test_a_prompt_that_could_not_be_sent_ahead_is_no_failure() -> None:
    assert len(prefill({"prefill": True}, answers.failure(500))) == 1
