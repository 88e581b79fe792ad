"""How soon the embedded language model answers, how fast it writes, and how soon it stops.

Run: ``python bench/language_model.py [--models smollm2-135m,…] [--repeats 7] [--json]``

* load: from the settings to a model that answers; memory: resident after it has answered.
* cold: the first token of a new session, whose instructions have never been read.
* warm: the first token of a later turn; only what was said since is new.
* read ahead: the first token when the whole question but its last word has been read ahead.
* clause: from a warm request to the first clause that can be spoken.
* speed: tokens a second after the first.
* stop: from closing a reply to the first token of the next one, whose prompt is in the slot; so it
  includes that token.
* call: from a request to the complete arguments of a forced call.
* eight: from eight requests at once to the first token of the last of them.

Every figure is the median, with the tenth and ninetieth percentiles.
"""

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from antiphon import weights
from antiphon.engines import plugins
from antiphon.engines.llm import (
    AssistantMessage,
    ChatMessage,
    ChatRequest,
    GenerationFinished,
    GenerationPiece,
    LanguageModel,
    NamedTool,
    SystemMessage,
    TextDelta,
    Tool,
    UserMessage,
)
from antiphon.engines.sentences import ClauseSplitter

MODELS = ("smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")
INSTRUCTIONS = (
    "You are a friendly voice assistant. You are speaking with somebody, so answer in one or two "
    "short sentences of plain words, without lists or symbols."
)
HISTORY = (
    UserMessage("What is the capital of France?"),
    AssistantMessage("The capital of France is Paris."),
    UserMessage("How many people live there?"),
    AssistantMessage("About two million people live in Paris."),
)
QUESTION = "And what should I see first when I get"
LAST_WORD = " there?"
STORY = "Tell me a long story about a fox and a raven."
WEATHER = Tool(
    "get_weather",
    "Get the weather of a city.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"],
    },
)
TOKENS = 40


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    unit: str
    median: float
    low: float
    high: float


class Loaded(LanguageModel, Protocol):
    """A model in this process."""

    def close(self) -> None: ...


@dataclass(slots=True)
class Timed:
    first_s: float = 0.0
    clause_s: float = 0.0
    total_s: float = 0.0
    tokens_per_s: float = 0.0


class Subject:
    """One loaded model under test."""

    def __init__(self, model: LanguageModel, repeats: int) -> None:
        self._model = model
        self._repeats = repeats
        self._sessions = count()

    def new_session(self) -> str:
        return f"session {next(self._sessions)}"

    async def time(self, request: ChatRequest) -> Timed:
        timed = Timed()
        splitter = ClauseSplitter()
        begin = time.perf_counter()
        async for piece in self._model.generate(request):
            now = time.perf_counter() - begin
            timed.first_s = timed.first_s or now
            if isinstance(piece, TextDelta) and splitter.push(piece.text):
                timed.clause_s = timed.clause_s or now
            if isinstance(piece, GenerationFinished) and piece.usage.completion > 1:
                timed.tokens_per_s = (piece.usage.completion - 1) / max(now - timed.first_s, 1e-9)
            timed.total_s = now
        timed.clause_s = timed.clause_s or timed.total_s
        return timed

    async def cold(self) -> float:
        unread = SystemMessage(f"This is {self.new_session()}. {INSTRUCTIONS}")
        request = ChatRequest((unread, HISTORY[0]), max_tokens=1, session_key=self.new_session())
        return 1000 * (await self.time(request)).first_s

    async def warm(self) -> Timed:
        session = self.new_session()
        await self._model.prefill(asked(*HISTORY, session=session))
        question = UserMessage(QUESTION + LAST_WORD)
        return await self.time(asked(*HISTORY, question, session=session, max_tokens=TOKENS))

    async def read_ahead(self) -> float:
        session = self.new_session()
        await self._model.prefill(asked(*HISTORY, UserMessage(QUESTION), session=session))
        question = UserMessage(QUESTION + LAST_WORD)
        timed = await self.time(asked(*HISTORY, question, session=session, max_tokens=1))
        return 1000 * timed.first_s

    async def stop(self) -> float:
        request = asked(UserMessage(STORY), session=self.new_session(), max_tokens=200)
        async with aclosing(generator(self._model.generate(request))) as story:
            for _ in range(3):
                await anext(story)
        return 1000 * (await self.time(replace(request, max_tokens=1))).first_s

    async def call(self) -> float:
        request = asked(
            UserMessage("What is the weather in Paris?"), session=self.new_session(), max_tokens=1
        )
        request = replace(request, tools=(WEATHER,))
        await self.time(request)
        request = replace(request, tool_choice=NamedTool(WEATHER.name), max_tokens=None)
        return 1000 * (await self.time(request)).total_s

    async def eight(self) -> float:
        questions = [UserMessage(f"What is {n} plus {n}?") for n in range(8)]
        requests = [asked(each, session=self.new_session(), max_tokens=8) for each in questions]
        timed = await asyncio.gather(*map(self.time, requests))
        return 1000 * max(each.first_s for each in timed)

    async def figures(self) -> list[Figure]:
        await self.warm()
        rows = {"cold": [await self.cold() for _ in range(self._repeats)]}
        warm = [await self.warm() for _ in range(self._repeats)]
        rows["warm"] = [1000 * each.first_s for each in warm]
        rows["clause"] = [1000 * each.clause_s for each in warm]
        for measure in (self.read_ahead, self.stop, self.call):
            rows[measure.__name__.replace("_", " ")] = [
                await measure() for _ in range(self._repeats)
            ]
        rows["eight"] = [await self.eight() for _ in range(3)]
        speeds = [each.tokens_per_s for each in warm]
        return [
            *(summary(name, "ms", values) for name, values in rows.items()),
            summary("speed", "tokens/s", speeds),
        ]


def asked(*messages: ChatMessage, session: str, max_tokens: int | None = None) -> ChatRequest:
    spoken = (SystemMessage(INSTRUCTIONS), *messages)
    return ChatRequest(spoken, session_key=session, max_tokens=max_tokens)


def generator(pieces: AsyncIterator[GenerationPiece]) -> AsyncGenerator[GenerationPiece, None]:
    return cast("AsyncGenerator[GenerationPiece, None]", pieces)


def summary(name: str, unit: str, values: Sequence[float]) -> Figure:
    low, median, high = np.percentile(values, (10, 50, 90))
    return Figure(name, unit, float(median), float(low), float(high))


def resident_mb() -> float:
    """Return the process's resident memory, where the system tells it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(each for each in status.read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def measure(artifact: str, repeats: int) -> list[Figure]:
    before_mb = resident_mb()
    begin = time.perf_counter()
    model = cast("Loaded", plugins.load("language_model", "llama")({"artifact": artifact}))
    loaded_s = time.perf_counter() - begin
    try:
        figures = await Subject(model, repeats).figures()
        memory_mb = resident_mb() - before_mb
    finally:
        model.close()
    return [summary("load", "s", [loaded_s]), summary("memory", "MB", [memory_mb]), *figures]


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--models", default=",".join(MODELS), help="artifacts, joined by commas")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    artifacts: list[str] = arguments.models.split(",")
    weights.ensure(artifacts)
    figures = {each: asyncio.run(measure(each, arguments.repeats)) for each in artifacts}
    if arguments.json:
        machine = {"machine": platform.machine(), "processors": os.cpu_count()}
        found = {each: [asdict(figure) for figure in rows] for each, rows in figures.items()}
        print(json.dumps({**machine, "python": platform.python_version(), "models": found}))
        return 0
    for artifact, rows in figures.items():
        print(artifact)
        for row in rows:
            spread = f"{row.low:.1f}-{row.high:.1f}" if row.low != row.high else ""
            print(f"  {row.name:12} {row.median:9.1f} {row.unit:9} {spread}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
