"""How soon the first word of a transcript is told while one speaks, and what that costs in words.

Run: ``python bench/transcription.py [--profile default] [--clips DIR] [--delay low] [--json]``

A server is started as a user starts it. The thirteen recorded clips of `bench/speech.py` and ten
questions spoken by Kokoro are streamed in real time, as appends of 100 ms, through one realtime
session with `server_vad`, which transcribes and does not answer. Each clip is heard twice: by
`gpt-realtime-whisper`, which tells words while one speaks, and by `gpt-4o-transcribe`, which tells
them after the turn. The time of the first delta counts from the first 10 ms of the clip that are
louder than 2 % of full scale, as they would have been spoken; it includes the 100 ms of the append.
A first delta is wrong when its words are not those that the complete transcript begins with.
"""

import argparse
import asyncio
import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import websockets
from conversation import QUESTIONS, server, speak
from numpy.typing import NDArray
from speech import CLIPS, load_clips, synthesizer

from antiphon.audio.resample import resample
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ
from antiphon.testing.wer import normalise, word_errors

HZ = 24_000
APPEND_S = 0.1
LEAD_S, TRAIL_S = 0.5, 1.2
LOUD = 0.02
PATIENCE_S = 20
SETTLED_S = 0.5
BAR_MS = 700
VOICES = ("alloy", "echo", "coral", "sage", "verse")
PREFIX = "conversation.item.input_audio_transcription."

Event = dict[str, Any]
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """One clip through one model."""

    clip: str
    model: str
    text: str
    errors: int
    words: int
    first: str
    first_ms: float | None
    """From the beginning of speech to the first delta."""
    is_early: bool
    """Whether the first delta came before the speaker had stopped."""
    is_wrong: bool


def onset_s(samples: Samples) -> float:
    """Return when speech begins."""
    hop = HZ // 100
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop)
    return float(np.flatnonzero(np.abs(blocks).max(axis=1) > LOUD)[0]) / 100


async def spoken(directory: Path) -> dict[str, tuple[str, Samples]]:
    """Return what is said and how it sounds, by name."""
    clips = load_clips(directory)
    said = {
        name: (CLIPS[name], resample(samples, STT_SAMPLE_RATE_HZ, HZ))
        for name, samples in clips.items()
    }
    kokoro = synthesizer("kokoro")
    for index, text in enumerate(QUESTIONS):
        said[f"question {index + 1}"] = (text, await speak(text, VOICES[index % 5], kokoro))
    return said


async def stream(socket: websockets.ClientConnection, samples: Samples) -> float:
    """Append a clip in real time, with silence around it; return when it began."""
    quiet = np.zeros(int(LEAD_S * HZ), np.float32), np.zeros(int(TRAIL_S * HZ), np.float32)
    sound = np.concatenate((quiet[0], samples, quiet[1]))
    pcm = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
    size, began = int(HZ * APPEND_S) * 2, time.perf_counter()
    for n, start in enumerate(range(0, len(pcm), size), start=1):
        # A chunk can be sent when its last sample has been spoken.
        await asyncio.sleep(max(0.0, began + n * APPEND_S - time.perf_counter()))
        audio = base64.b64encode(pcm[start : start + size]).decode()
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    return began


async def _next(
    socket: websockets.ClientConnection, streaming: asyncio.Task[float], *, is_open: bool
) -> Event | None:
    """Return the next event; None when all was sent and nothing more is to come."""
    while True:
        try:
            async with asyncio.timeout(SETTLED_S):
                event: Event = json.loads(await socket.recv())
                return event
        except TimeoutError:
            if streaming.done() and not is_open:
                return None


async def hear(
    socket: websockets.ClientConnection, name: str, model: str, said: str, samples: Samples
) -> Heard:
    """Stream one clip and read what is understood; several turns are one text."""
    first: tuple[str, float, bool] | None = None
    stopped, texts, open_turns = False, list[str](), 0
    began = time.perf_counter()
    streaming = asyncio.create_task(stream(socket, samples))
    async with asyncio.timeout(PATIENCE_S + len(samples) / HZ):
        while event := await _next(socket, streaming, is_open=open_turns > 0 or not texts):
            match event["type"].removeprefix(PREFIX):
                case "delta" if first is None:
                    first = (event["delta"], time.perf_counter(), not stopped)
                case "input_audio_buffer.speech_started":
                    open_turns += 1
                case "input_audio_buffer.speech_stopped":
                    stopped = True
                case "completed":
                    texts.append(event["transcript"])
                    open_turns -= 1
                case "failed" | "error":
                    raise SystemExit(str(event["error"]))
                case _:
                    pass
    text = " ".join(texts)
    told = first[0] if first else ""
    words = normalise(text)[: len(normalise(told))]
    since = None if first is None else 1000 * (first[1] - began - LEAD_S - onset_s(samples))
    return Heard(
        clip=name,
        model=model,
        text=text,
        errors=word_errors(said, text),
        words=len(normalise(said)),
        first=told,
        first_ms=since,
        is_early=bool(first and first[2]),
        is_wrong=normalise(told) != words,
    )


async def run(url: str, arguments: argparse.Namespace) -> list[Heard]:
    clips = await spoken(arguments.clips)
    heard: list[Heard] = []
    headers = {"Authorization": "Bearer bench"}
    for model in ("gpt-realtime-whisper", "gpt-4o-transcribe"):
        asked: Event = {"model": model, "language": "en"}
        if model == "gpt-realtime-whisper":
            asked["delay"] = arguments.delay
        listening = {
            "transcription": asked,
            "turn_detection": {
                "type": "server_vad",
                "silence_duration_ms": 700,
                "create_response": False,
            },
        }
        session = {"type": "realtime", "audio": {"input": listening}}
        async with websockets.connect(
            f"{url}/v1/realtime?model=gpt-realtime",
            additional_headers=headers,
            max_size=None,
            proxy=None,
            compression=None,
        ) as socket:
            await socket.send(json.dumps({"type": "session.update", "session": session}))
            while json.loads(await socket.recv())["type"] != "session.updated":
                pass
            for name, (said, samples) in clips.items():
                heard.append(await hear(socket, name, model, said, samples))
    return heard


def summary(heard: Sequence[Heard]) -> Event:
    """Return what decides."""
    streamed = [each for each in heard if each.model == "gpt-realtime-whisper"]
    whole = [each for each in heard if each.model != "gpt-realtime-whisper"]
    first = [each.first_ms for each in streamed if each.first_ms is not None]
    return {
        "clips": len(streamed),
        "first_delta_ms": {
            "p50": round(statistics.median(first)),
            "p90": round(float(np.percentile(first, 90))),
            "max": round(max(first)),
        },
        "before_speech_stopped": sum(each.is_early for each in streamed),
        "first_words_wrong": sum(each.is_wrong for each in streamed),
        "word_errors_streaming_percent": _percent(streamed),
        "word_errors_whole_percent": _percent(whole),
    }


def _percent(heard: Sequence[Heard]) -> float:
    return round(100 * sum(h.errors for h in heard) / sum(h.words for h in heard), 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="default")
    parser.add_argument(
        "--clips", type=Path, default=Path(tempfile.gettempdir()) / "antiphon-clips"
    )
    parser.add_argument("--delay", default="low")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    async def measure() -> list[Heard]:
        async with server(arguments.profile) as url:
            return await run(url, arguments)

    heard = asyncio.run(measure())
    found = summary(heard)
    if arguments.json:
        print(json.dumps({"summary": found, "clips": [asdict(each) for each in heard]}))
    else:
        for each in heard:
            first = f"{each.first_ms:6.0f}" if each.first_ms is not None else "     -"
            mark = " WRONG" if each.is_wrong else ""
            print(f"{each.model:22} {first} ms  {each.first!r:16} {each.text[:60]}{mark}")
        print(json.dumps(found, indent=2))
    met = found["first_delta_ms"]["p50"] <= BAR_MS
    no_worse = found["word_errors_streaming_percent"] <= found["word_errors_whole_percent"]
    return 0 if met and no_worse else 1


if __name__ == "__main__":
    sys.exit(main())
