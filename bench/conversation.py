"""How soon a spoken question is answered, and whether simultaneous sessions all are.

Run: ``python bench/conversation.py [--profile default] [--sessions 1] [--voice marin] [--json]``

A server is started as a user starts it. Ten different questions, spoken by Kokoro voices (never the
one that answers), are streamed in real time as appends of 100 ms, with silence after them, through
one WebSocket for each session. The time counts from the moment at which the append with the last
sample of speech was sent to the arrival of the first audio of the answer, so it includes the
silence that ends the turn. A question is split when its turn ended before its last sample.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import websockets
from numpy.typing import NDArray

from antiphon.engines import plugins
from antiphon.engines.tts import SynthesisRequest, Synthesizer

QUESTIONS = (
    "What is the capital of France?",
    "How many days are there in a week?",
    "Can you tell me a short joke about cats?",
    "What should I cook for dinner tonight?",
    "Why is the sky blue during the day?",
    "Who wrote the play Romeo and Juliet?",
    "How do I keep my plants from dying?",
    "What is seven plus five?",
    "Could you recommend a good book for my holiday?",
    "What is the fastest animal on land?",
)
VOICES = ("alloy", "echo", "coral", "sage", "verse")
HZ = 24_000
APPEND_S = 0.1
SILENCE_RMS = 0.01
PATIENCE_S = 40

Event = dict[str, Any]


@dataclass
class Turn:
    question: str
    heard: str = ""
    answer: str = ""
    answered_s: float | None = None
    stopped_s: float | None = None
    """From the last sample of speech to `speech_stopped`."""
    status: str = "none"
    splits: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0


@dataclass
class Session:
    turns: list[Turn] = field(default_factory=list[Turn])
    errors: list[str] = field(default_factory=list[str])


async def speak(text: str, voice: str, synthesizer: Synthesizer) -> NDArray[np.float32]:
    pieces = [p async for p in synthesizer.synthesize(SynthesisRequest(text, voice))]
    return np.concatenate(pieces)


def end_of_speech(samples: NDArray[np.float32]) -> int:
    """Return where the last 10 ms that are louder than silence end."""
    hop = HZ // 100
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop)
    loud = np.flatnonzero(np.sqrt(np.mean(blocks**2, axis=1)) > SILENCE_RMS)
    return int(loud[-1] + 1) * hop


async def questions() -> list[tuple[str, bytes]]:
    create = plugins.load("synthesizer", "kokoro")
    synthesizer = cast("Synthesizer", create({}))
    spoken: list[tuple[str, bytes]] = []
    for index, text in enumerate(QUESTIONS):
        samples = await speak(text, VOICES[index % len(VOICES)], synthesizer)
        samples = samples[: end_of_speech(samples)]
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        spoken.append((text, pcm))
    return spoken


class Client:
    """One session: streams audio all the time, notes when what arrives."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._speech: bytes = b""
        self._spoken_at: float | None = None
        self.session = Session()
        self._turn: Turn | None = None
        self._done = asyncio.Event()
        self.patience_s: float = PATIENCE_S

    async def stream(self) -> None:
        """Append 100 ms at a time on a fixed grid: the question, then silence."""
        size = int(HZ * APPEND_S) * 2
        start, sent = time.perf_counter(), 0
        while True:
            chunk, self._speech = self._speech[:size], self._speech[size:]
            last = bool(chunk) and not self._speech
            chunk = chunk.ljust(size, b"\0")
            append = {
                "type": "input_audio_buffer.append",
                "audio": base64.b64encode(chunk).decode(),
            }
            await self.send(append)
            if last:
                self._spoken_at = time.perf_counter()
            sent += 1
            await asyncio.sleep(max(0.0, start + sent * APPEND_S - time.perf_counter()))

    async def send(self, event: Event) -> None:
        await self._socket.send(json.dumps(event))

    async def read(self) -> None:
        async for frame in self._socket:
            self._note(json.loads(frame))

    async def ask(self, question: str, pcm: bytes) -> None:
        self._turn = Turn(question)
        self.session.turns.append(self._turn)
        self._done.clear()
        self._spoken_at = None
        self._speech = pcm
        try:
            async with asyncio.timeout(self.patience_s):
                await self._done.wait()
        except TimeoutError:
            self._turn.status = "timeout"

    def _note(self, event: Event) -> None:
        if event["type"] == "error":
            self.session.errors.append(event["error"]["message"])
        elif self._turn is not None:
            self._follow(self._turn, event, time.perf_counter())

    def _follow(self, turn: Turn, event: Event, now: float) -> None:
        match event["type"]:
            case "input_audio_buffer.speech_stopped":
                if self._spoken_at is None:
                    turn.splits += 1
                else:
                    turn.stopped_s = now - self._spoken_at
            case "conversation.item.input_audio_transcription.completed":
                turn.heard = f"{turn.heard} {event['transcript']}".strip()
            case "response.output_audio.delta" if turn.answered_s is None:
                if self._spoken_at is not None:
                    turn.answered_s = now - self._spoken_at
            case "response.done" if self._spoken_at is not None:
                self._end(turn, event["response"])
            case _:
                pass

    def _end(self, turn: Turn, response: Event) -> None:
        turn.status = response["status"]
        turn.input_tokens = response["usage"]["input_tokens"]
        turn.cached_tokens = response["usage"]["input_token_details"]["cached_tokens"]
        content = [part for item in response["output"] for part in item["content"]]
        turn.answer = " ".join(part.get("transcript", "") for part in content)
        if turn.status != "cancelled":
            self._done.set()


async def converse(
    url: str, asked: list[tuple[str, bytes]], voice: str, offset: int, model: str
) -> Session:
    headers = {"Authorization": "Bearer bench"}
    async with websockets.connect(
        f"{url}/v1/realtime?model={model}",
        additional_headers=headers,
        max_size=None,
        proxy=None,
        compression=None,
    ) as socket:
        session = {
            "type": "realtime",
            "max_output_tokens": 400,
            "audio": {
                "input": {"transcription": {"model": "whisper-1"}},
                "output": {"voice": voice},
            },
        }
        await socket.send(json.dumps({"type": "session.update", "session": session}))
        client = Client(socket)
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(client.stream()), tasks.create_task(client.read())]
            # People do not all speak at once: phases are spread over a second.
            await asyncio.sleep(1.0 + 0.13 * offset)
            for index in range(len(asked)):
                await client.ask(*asked[(index + offset) % len(asked)])
                await asyncio.sleep(0.5)
            for helper in helpers:
                helper.cancel()
        return client.session


@asynccontextmanager
async def server(profile: str) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(Path(sys.executable).with_name("antiphon")),
            *("serve", "--profile", profile, "--port", "0", "--no-tls"),
        ]
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=(Path(folder) / "log").open("wb"),
            cwd=folder,
            env=os.environ | {"ANTIPHON_SERVER__LOG_LEVEL": "warning"},
            text=True,
        )
        try:
            assert process.stdout is not None
            line = await asyncio.to_thread(process.stdout.readline)
            if not line.startswith("ready "):
                raise SystemExit((Path(folder) / "log").read_text())
            print(f"ready after {time.perf_counter() - begun:.2f} s", file=sys.stderr)
            yield line.split()[1].replace("http", "ws", 1)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=40)
            process.stdout.close() if process.stdout else None


def report(sessions: list[Session], profile: str, voice: str) -> dict[str, Any]:
    turns = [turn for session in sessions for turn in session.turns]
    whole = [turn for turn in turns if not turn.splits and turn.answered_s is not None]
    times = sorted(turn.answered_s * 1000 for turn in whole if turn.answered_s is not None)
    stops = [turn.stopped_s * 1000 for turn in whole if turn.stopped_s is not None]
    return {
        "profile": profile,
        "voice": voice,
        "sessions": len(sessions),
        "turns": len(turns),
        "failed": [t.question for t in turns if t.status not in ("completed", "incomplete")],
        "errors": [error for session in sessions for error in session.errors],
        "split": sum(bool(turn.splits) for turn in turns),
        "answer_ms": {
            "p50": round(statistics.median(times)),
            "p95": round(times[min(len(times) - 1, int(len(times) * 0.95))]),
            "min": round(times[0]),
            "max": round(times[-1]),
        }
        if times
        else None,
        "speech_stopped_ms_p50": round(statistics.median(stops)) if stops else None,
        "each": [asdict(turn) for turn in turns],
    }


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    asked = (await questions())[: options.questions]
    async with server(options.profile) as url:
        sessions = await asyncio.gather(
            *(
                converse(url, asked, options.voice, offset, "gpt-realtime")
                for offset in range(options.sessions)
            )
        )
    return report(list(sessions), options.profile, options.voice)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--profile", default="default")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--questions", type=int, default=len(QUESTIONS))
    parser.add_argument("--voice", default="marin")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for turn in result.pop("each"):
        took = "-" if turn["answered_s"] is None else f"{turn['answered_s'] * 1000:5.0f} ms"
        print(f"{took}  {turn['status']:<10} {turn['heard']!r} -> {turn['answer'][:70]!r}")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
