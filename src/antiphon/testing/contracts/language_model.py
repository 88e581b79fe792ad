"""What a language model must keep to."""

# ruff: noqa: D102, S101 - these are tests; their names say what they demand.

import asyncio
import json
from collections.abc import Sequence
from typing import ClassVar, cast

import pytest

from antiphon.engines.llm import (
    AssistantMessage,
    CallArguments,
    CallStarted,
    ChatRequest,
    GenerationFinished,
    GenerationPiece,
    LanguageModel,
    LanguageModelCapabilities,
    NamedTool,
    SystemMessage,
    TextDelta,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMessage,
    UserMessage,
)
from antiphon.testing.contracts.engine import (
    EngineContract,
    gather,
    require_end,
    require_engine_error,
    require_frozen,
    require_language_codes,
    stop,
)

CITIES = ("Paris", "Oslo")
WEATHER = Tool(
    "look_up_weather",
    "Tell the weather in a city.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "enum": list(CITIES)},
            "days": {"type": "integer", "minimum": 1, "maximum": 7},
        },
        "required": ["city", "days"],
        "additionalProperties": False,
    },
)
CLOCK = Tool("tell_time", "Tell what time it is.", {"type": "object", "properties": {}})

Call = tuple[str, str]
"""The name of a tool, and the arguments as JSON text."""


def request(
    text: str = "How is the weather in Oslo?",
    *,
    tools: tuple[Tool, ...] = (),
    tool_choice: ToolChoice = "auto",
    max_tokens: int | None = 48,
) -> ChatRequest:
    """Return a short conversation that waits for its answer."""
    messages = (SystemMessage("Answer in one short sentence."), UserMessage(text))
    return ChatRequest(messages, tools, tool_choice, max_tokens=max_tokens, session_key="contract")


def calls(pieces: Sequence[GenerationPiece]) -> list[Call]:
    """Return the calls that a generation makes."""
    made: list[Call] = []
    for piece in pieces:
        match piece:
            case CallStarted(name):
                made.append((name, ""))
            case CallArguments(delta):
                name, arguments = made.pop()
                made.append((name, arguments + delta))
            case _:
                pass
    return made


class LanguageModelContract(EngineContract[LanguageModel]):
    """The tests of `antiphon.engines.llm.LanguageModel`."""

    calls_tools: ClassVar[bool] = True
    """Whether the engine under test can call tools."""

    def generate(self, engine: LanguageModel, asked: ChatRequest) -> list[GenerationPiece]:
        """Return all pieces of a generation."""
        return self.run(engine, gather(engine.generate(asked)))

    def test_the_last_piece_says_that_it_is_the_last(self, engine: LanguageModel) -> None:
        pieces = self.generate(engine, request())
        ends = [each for each in pieces if isinstance(each, GenerationFinished)]
        assert ends == [pieces[-1]]

    def test_it_writes_text(self, engine: LanguageModel) -> None:
        texts = [
            each.text
            for each in self.generate(engine, request("Say hello."))
            if isinstance(each, TextDelta)
        ]
        assert "".join(texts).strip()
        assert all(texts)

    def test_nothing_follows_the_last_piece(self, engine: LanguageModel) -> None:
        async def generate() -> None:
            pieces = engine.generate(request())
            await gather(pieces)
            await require_end(pieces)

        self.run(engine, generate())

    def test_it_keeps_to_the_limit_of_tokens(self, engine: LanguageModel) -> None:
        asked = request("Count from one to a hundred in words.", max_tokens=4)
        pieces = self.generate(engine, asked)
        written = sum(each.tokens for each in pieces if isinstance(each, TextDelta | CallArguments))
        assert written <= 4

    def test_its_usage_adds_up(self, engine: LanguageModel) -> None:
        last = self.generate(engine, request())[-1]
        assert isinstance(last, GenerationFinished)
        assert 0 <= last.usage.cached <= last.usage.prompt
        assert last.usage.completion >= 0

    def test_a_named_tool_is_called_with_valid_arguments(self, engine: LanguageModel) -> None:
        self._require_tools(engine)
        asked = request(tools=(CLOCK, WEATHER), tool_choice=NamedTool(WEATHER.name), max_tokens=128)
        made = calls(self.generate(engine, asked))
        assert {name for name, _ in made} == {WEATHER.name}
        for _, arguments in made:
            _require_weather(arguments)

    def test_a_required_call_is_made_with_valid_arguments(self, engine: LanguageModel) -> None:
        self._require_tools(engine)
        asked = request(tools=(WEATHER,), tool_choice="required", max_tokens=128)
        made = calls(self.generate(engine, asked))
        assert made
        for _, arguments in made:
            _require_weather(arguments)

    def test_it_reads_the_results_of_calls(self, engine: LanguageModel) -> None:
        self._require_tools(engine)
        call = ToolCall("call_1", WEATHER.name, '{"city": "Oslo", "days": 1}')
        asked = ChatRequest(
            (
                UserMessage("How is the weather in Oslo?"),
                AssistantMessage("", (call,)),
                ToolMessage("call_1", "Sunny."),
            ),
            (WEATHER,),
            max_tokens=48,
        )
        assert isinstance(self.generate(engine, asked)[-1], GenerationFinished)

    def test_closing_stops_it_and_leaves_it_usable(self, engine: LanguageModel) -> None:
        async def generate() -> list[GenerationPiece]:
            pieces = engine.generate(request("Count from one to a hundred.", max_tokens=None))
            await anext(pieces)
            await stop(pieces)
            await require_end(pieces)
            return await gather(engine.generate(request()))

        assert isinstance(self.run(engine, generate())[-1], GenerationFinished)

    def test_cancelling_it_before_its_first_piece_leaves_it_usable(
        self, engine: LanguageModel
    ) -> None:
        async def generate() -> list[GenerationPiece]:
            first = asyncio.ensure_future(gather(engine.generate(request())))
            await asyncio.sleep(0)
            was_running = first.cancel()
            await asyncio.wait([first])
            assert first.cancelled() == was_running
            return await gather(engine.generate(request()))

        assert isinstance(self.run(engine, generate())[-1], GenerationFinished)

    def test_two_generations_at_once_both_end(self, engine: LanguageModel) -> None:
        async def generate() -> list[list[GenerationPiece]]:
            asked = (request("Say one."), request("Say two."))
            return await asyncio.gather(*(gather(engine.generate(each)) for each in asked))

        for pieces in self.run(engine, generate()):
            assert isinstance(pieces[-1], GenerationFinished)

    def test_preparing_changes_nothing_that_can_be_seen(self, engine: LanguageModel) -> None:
        async def generate() -> list[GenerationPiece]:
            await engine.prefill(request())
            return await gather(engine.generate(request()))

        assert isinstance(self.run(engine, generate())[-1], GenerationFinished)

    def test_a_failure_is_an_engine_error(self, failing_engine: LanguageModel) -> None:
        self.run(failing_engine, require_engine_error(failing_engine.generate(request())))

    def test_its_capabilities_are_fixed(self, engine: LanguageModel) -> None:
        assert isinstance(engine.capabilities, LanguageModelCapabilities)
        assert engine.capabilities.context_tokens > 0
        require_language_codes(engine.capabilities.languages)
        require_frozen(engine.capabilities)

    def _require_tools(self, engine: LanguageModel) -> None:
        assert engine.capabilities.tools == self.calls_tools
        if not self.calls_tools:
            pytest.skip("The engine cannot call tools.")


def _require_weather(arguments: str) -> None:
    given = cast("dict[str, object]", json.loads(arguments))
    assert set(given) == {"city", "days"}
    assert given["city"] in CITIES
    assert given["days"] in range(1, 8)
