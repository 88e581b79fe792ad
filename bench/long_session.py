"""Whether a long session keeps its speed: the answer of turn 200 against that of turn 10.

Run: ``python bench/long_session.py [--profile test] [--at 10 200] [--window 5] [--spoken]``

Without ``--profile`` the engines are endpoints that answer at once, in a process of their own: what
is measured is the server's own part. With it, the embedded engines of that profile answer.

A session is opened, and spoken to in real time, with silence after each question. The time counts
from the last sample of speech to the first audio of the answer, so it includes the silence that
ends the turn. ``--window`` questions are measured up to each of the turns of ``--at``, the same
ones each time. The turns between are written into the conversation, questions and answers of usual
length, and one spoken turn follows them that is not measured: in it an embedded model reads at once
what it would have read turn by turn. With ``--spoken`` all turns are spoken, which takes as long as
it sounds.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import websockets
from conversation import Client, Turn, questions, server
from instant_engines import ANTIPHON, DEPLOYMENT, first_line, running

PATIENCE_S = 300
BAR = 1.2
"""How much longer the last turns may take than the first."""
FILLER = (
    "Could you tell me a little more about what we talked about before, part {number}?",
    "Of course: number {number} depends on the weather, on the time of the day, and on who comes.",
)


@dataclass(slots=True)
class Window:
    """The answers up to one turn."""

    turn: int
    answered_ms: list[float] = field(default_factory=list[float])
    failed: int = 0
    cached: list[str] = field(default_factory=list[str])
    """Of each prompt, how many tokens were in the cache, and of how many."""

    @property
    def median_ms(self) -> float:
        return statistics.median(self.answered_ms) if self.answered_ms else float("inf")


class Writer(Client):
    """A client that can also write turns into the conversation."""

    async def write(self, number: int) -> None:
        for role, text, kind in zip(
            ("user", "assistant"), FILLER, ("input_text", "output_text"), strict=True
        ):
            content = [{"type": kind, "text": text.format(number=number)}]
            item = {"type": "message", "role": role, "content": content}
            await self.send({"type": "conversation.item.create", "item": item})


@asynccontextmanager
async def instant() -> AsyncIterator[str]:
    """Serve with endpoints that answer at once."""
    program = (sys.executable, "-m", "antiphon.testing.endpoints", "--reply", FILLER[1])
    with tempfile.TemporaryDirectory() as folder, running(*program) as endpoints:
        base_url = json.loads(first_line(endpoints))["base_url"]
        config = Path(folder) / "antiphon.toml"
        config.write_text(DEPLOYMENT.format(base_url=base_url), encoding="utf-8")
        with running(ANTIPHON, "serve", "--config", str(config)) as serving:
            yield first_line(serving).split()[1].replace("http", "ws", 1)


async def measure(options: argparse.Namespace) -> list[Window]:
    asked = await questions()
    serving = server(options.profile) if options.profile else instant()
    async with serving as url, connected(url) as client, asyncio.TaskGroup() as tasks:
        helpers = [tasks.create_task(client.stream()), tasks.create_task(client.read())]
        windows = await converse(client, asked, options)
        for helper in helpers:
            helper.cancel()
    return windows


async def converse(
    client: Writer, asked: list[tuple[str, bytes]], options: argparse.Namespace
) -> list[Window]:
    windows: list[Window] = []
    turns = 0
    for last in options.at:
        first = last - options.window
        while turns < first:
            if options.spoken or turns == first - 1:
                await speak(client, *asked[-1])
            else:
                await client.write(turns)
            turns += 1
        window = Window(last)
        windows.append(window)
        # The same questions each time: their ends fall differently on the grid of the appends.
        for question, sound in itertools.islice(itertools.cycle(asked), options.window):
            turn = await speak(client, question, sound)
            turns += 1
            window.cached.append(f"{turn.cached_tokens}/{turn.input_tokens}")
            if turn.answered_s is None or turn.splits:
                window.failed += 1
            else:
                window.answered_ms.append(turn.answered_s * 1000)
    return windows


async def speak(client: Client, question: str, sound: bytes) -> Turn:
    await client.ask(question, sound)
    # Long enough for the next prompt to be read ahead, as it is while an answer plays.
    await asyncio.sleep(1.0)
    return client.session.turns[-1]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Writer]:
    async with websockets.connect(
        f"{url}/v1/realtime?model=gpt-realtime",
        additional_headers={"Authorization": "Bearer bench"},
        max_size=None,
        proxy=None,
        compression=None,
    ) as socket:
        client = Writer(socket)
        client.patience_s = PATIENCE_S
        # Short answers: the session is long, not the waiting.
        output = {"voice": "marin"}
        session = {"type": "realtime", "max_output_tokens": 400, "audio": {"output": output}}
        await client.send({"type": "session.update", "session": session})
        yield client


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--profile", help="embedded engines; without: instant endpoints")
    parser.add_argument("--at", type=int, nargs="+", default=[10, 200], help="turns to compare")
    parser.add_argument("--window", type=int, default=5, help="turns measured up to each")
    parser.add_argument("--spoken", action="store_true", help="speak every turn")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    load_before = round(os.getloadavg()[0], 2)
    windows = asyncio.run(measure(options))
    ratio = windows[-1].median_ms / windows[0].median_ms
    figures = {
        "engines": options.profile or "instant",
        "load_before": load_before,
        "median_ms": {each.turn: round(each.median_ms, 1) for each in windows},
        "each_ms": {each.turn: [round(ms, 1) for ms in each.answered_ms] for each in windows},
        "cached": {each.turn: each.cached for each in windows},
        "failed": sum(each.failed for each in windows),
        "ratio": round(ratio, 3),
        "reached": ratio <= BAR,
    }
    print(json.dumps(figures, indent=None if options.json else 2))
    return 0 if ratio <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
