"""What the server alone adds to an answer, with engines that answer at once.

Run: ``python bench/instant_engines.py [--sessions 8 32] [--turns 6] [--json]``

Endpoints that speak the OpenAI API and answer at once run in a process of their own; a server is
started as a user starts it, with a deployment whose transcriber, language model and synthesizer are
those endpoints, and with the real VAD. Each session speaks in real time, as appends of 100 ms, and
goes on with silence until it is answered. Sessions begin at different moments, as callers do.

``server_vad``: from the arrival of ``input_audio_buffer.speech_stopped`` to that of the first
``response.output_audio.delta``. The server begins to answer before it says that speech has stopped.
``manual``: the same from the moment at which the client sends ``input_audio_buffer.commit`` and
``response.create``, where nothing can be done ahead.

The endpoints' own time, the median of one transcription, one completion and one speech, is shown
beside the figures and not taken off.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import httpx
import msgspec
import numpy as np
import websockets

from antiphon.testing.endpoints import CHAT, REQUESTS, SPEECH, TRANSCRIPTIONS
from antiphon.testing.speech import APPEND_MS, appends, silence, speech

BARS_MS = {8: 20.0, 32: 50.0}
"""The 95th percentile that must be reached, by sessions."""
ANTIPHON = str(Path(sys.executable).with_name("antiphon"))
SPEECH_MS = 1200
PATIENCE_S = 20.0
DEPLOYMENT = """
[server]
port = 0
tls = false
log_level = "warning"

[deployments.gpt-realtime]
stt = {{ engine = "openai", base_url = "{base_url}", model = "instant" }}
llm = {{ engine = "openai", base_url = "{base_url}", model = "instant" }}
tts = {{ engine = "openai", base_url = "{base_url}", model = "instant" }}
"""
Mode = Literal["server_vad", "manual"]
MODES: tuple[Mode, ...] = ("server_vad", "manual")
TURN_DETECTION = {
    "server_vad": {"type": "server_vad", "silence_duration_ms": 200},
    "manual": None,
}
COMMIT = json.dumps({"type": "input_audio_buffer.commit"})
RESPOND = json.dumps({"type": "response.create"})


class ServerEvent(msgspec.Struct):
    """As much of an event as is looked at."""

    type: str


class Answered(msgspec.Struct):
    """As much of `GET /requests` as is looked at."""

    path: str
    arrived_s: float
    answered_s: float | None


@dataclass(slots=True)
class Figure:
    """The time to the first audio at a number of sessions, in ms."""

    mode: Mode
    sessions: int
    turns: int
    failed_turns: int
    endpoints_ms: float
    median_ms: float
    p10_ms: float
    p90_ms: float
    p95_ms: float
    worst_ms: float
    bar_ms: float | None = None

    @property
    def is_reached(self) -> bool:
        return not self.failed_turns and (self.bar_ms is None or self.p95_ms <= self.bar_ms)


@dataclass
class Session:
    """One client: what it sends, and when the events that matter arrived."""

    socket: websockets.ClientConnection
    mode: Mode
    delays_ms: list[float] = field(default_factory=list)
    failed_turns: int = 0
    asked_s: float | None = None
    """When the turn that waits for its answer ended."""
    is_answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def speak(self, turns: int, spoken: Sequence[str], quiet: str) -> None:
        """Take so many turns, in real time."""
        for _ in range(turns):
            self.is_answered.clear()
            began_s = time.monotonic()
            sent = 0
            while not self.is_answered.is_set():
                await self.socket.send(spoken[sent] if sent < len(spoken) else quiet)
                sent += 1
                if self.mode == "manual" and sent == len(spoken):
                    await self.ask()
                if time.monotonic() - began_s > PATIENCE_S:
                    self.failed_turns += 1
                    break
                await asyncio.sleep(began_s + sent * APPEND_MS / 1000 - time.monotonic())

    async def ask(self) -> None:
        self.asked_s = time.monotonic()
        await self.socket.send(COMMIT)
        await self.socket.send(RESPOND)

    async def listen(self) -> None:
        """Take the times of the events until the connection ends."""
        async for message in self.socket:
            now_s = time.monotonic()
            match msgspec.json.decode(message, type=ServerEvent).type:
                case "input_audio_buffer.speech_stopped":
                    self.asked_s = now_s
                case "response.output_audio.delta" if self.asked_s is not None:
                    self.delays_ms.append((now_s - self.asked_s) * 1000)
                    self.asked_s = None
                case "response.done":
                    self.failed_turns += self.asked_s is not None
                    self.is_answered.set()
                case "error":
                    self.failed_turns += 1
                case _:
                    pass


async def converse(url: str, mode: Mode, sessions: int, turns: int) -> list[Session]:
    """Let so many sessions speak at once."""
    spoken = [append(audio) for audio in appends(speech(SPEECH_MS))]
    (quiet,) = (append(audio) for audio in appends(silence(APPEND_MS)))
    step_s = SPEECH_MS / 1000 / sessions

    async def take_part(number: int) -> Session:
        await asyncio.sleep(number * step_s)
        async with open_session(url, mode) as session, asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(session.listen())
            await session.speak(turns, spoken, quiet)
            listening.cancel()
        return session

    return await asyncio.gather(*(take_part(number) for number in range(sessions)))


def append(audio: str) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


def session_update(mode: Mode) -> str:
    audio = {"input": {"turn_detection": TURN_DETECTION[mode]}}
    return json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": audio}})


@asynccontextmanager
async def open_session(url: str, mode: Mode) -> AsyncIterator[Session]:
    address = url.replace("http", "ws", 1) + "/v1/realtime?model=gpt-realtime"
    headers = {"Authorization": "Bearer bench"}
    async with websockets.connect(address, additional_headers=headers, compression=None) as socket:
        await socket.send(session_update(mode))
        yield Session(socket, mode)


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of ours for as long as the context is open."""
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield program
    finally:
        program.send_signal(signal.SIGINT)
        try:
            program.wait(timeout=15)
        except subprocess.TimeoutExpired:
            program.kill()


def first_line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    line = program.stdout.readline()
    if not line:
        raise RuntimeError("A program ended before it was ready.")
    return line


def own_time_ms(origin: str, since_s: float) -> float:
    """Return how long the endpoints take themselves for all that an answer needs."""
    body = httpx.get(origin + REQUESTS, trust_env=False).content
    answered = msgspec.json.decode(body, type=list[Answered])
    total_ms = 0.0
    for path in (TRANSCRIPTIONS, CHAT, SPEECH):
        took_s = [
            each.answered_s - each.arrived_s
            for each in answered
            if each.path == path and each.answered_s is not None and each.arrived_s >= since_s
        ]
        total_ms += 1000 * float(np.median(took_s)) if took_s else 0.0
    return total_ms


def figure(sessions: Sequence[Session], turns: int, endpoints_ms: float) -> Figure:
    mode = sessions[0].mode
    delays_ms = np.array([delay for session in sessions for delay in session.delays_ms])
    missing = len(sessions) * turns - len(delays_ms)
    known_ms = delays_ms if len(delays_ms) else np.array([float("inf")])
    p10, median, p90, p95 = np.percentile(known_ms, (10, 50, 90, 95), method="inverted_cdf")
    return Figure(
        mode,
        len(sessions),
        len(delays_ms),
        max(missing, sum(session.failed_turns for session in sessions)),
        endpoints_ms,
        float(median),
        float(p10),
        float(p90),
        float(p95),
        float(known_ms.max()),
        BARS_MS.get(len(sessions)) if mode == "server_vad" else None,
    )


def measure(session_counts: Sequence[int], turns: int) -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(
            sys.executable, "-m", "antiphon.testing.endpoints", "--reply", "Certainly."
        ) as endpoints,
    ):
        base_url = json.loads(first_line(endpoints))["base_url"]
        config = Path(folder) / "antiphon.toml"
        config.write_text(DEPLOYMENT.format(base_url=base_url), encoding="utf-8")
        with running(ANTIPHON, "serve", "--config", str(config)) as server:
            url = first_line(server).removeprefix("ready ").strip()
            # A first turn loads what is loaded when it is first needed.
            asyncio.run(converse(url, "server_vad", 1, 1))
            figures: list[Figure] = []
            for mode, count in itertools.product(MODES, session_counts):
                began_s = time.monotonic()
                sessions = asyncio.run(converse(url, mode, count, turns))
                endpoints_ms = own_time_ms(base_url.removesuffix("/v1"), began_s)
                figures.append(figure(sessions, turns, endpoints_ms))
    return figures


def show(figures: Sequence[Figure]) -> None:
    print("end of a turn -> first audio, in ms")
    columns = ("sessions", "turns", "failed", "engines", "median", "10 %", "90 %", "95 %", "worst")
    print(f"{'':10}  " + "  ".join(f"{column:>8}" for column in columns))
    for each in figures:
        counts = (each.sessions, each.turns, each.failed_turns)
        values = (
            each.endpoints_ms,
            each.median_ms,
            each.p10_ms,
            each.p90_ms,
            each.p95_ms,
            each.worst_ms,
        )
        shown = [*(f"{count:8d}" for count in counts), *(f"{value:8.2f}" for value in values)]
        verdict = "reached" if each.is_reached else "MISSED"
        bar = "" if each.bar_ms is None else f"  95 % <= {each.bar_ms:g}: {verdict}"
        print(f"{each.mode:10}  " + "  ".join(shown) + bar)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what the server alone adds.")
    parser.add_argument("--sessions", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--turns", type=int, default=6, help="turns of each session")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    try:
        figures = measure(options.sessions, options.turns)
    except (OSError, RuntimeError, websockets.WebSocketException) as failure:
        print(f"Could not measure: {failure}", file=sys.stderr)
        return 2
    machine = {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        # Whatever else runs takes its share of the tail.
        "load_before": round(load_before, 2),
    }
    if options.json:
        print(json.dumps({**machine, "figures": [asdict(each) for each in figures]}))
    else:
        print("  ".join(f"{name} {value}" for name, value in machine.items()))
        show(figures)
    return 0 if all(each.is_reached for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
