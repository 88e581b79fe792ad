"""The whole of it with real models: a spoken question in, the spoken answer written down again.

Shows Engines: Silero, Moonshine, GGUF models and voices embedded
"""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import websockets
from numpy.typing import NDArray

from antiphon import weights
from antiphon.audio.pcm import to_float32, to_pcm16
from antiphon.audio.resample import resample
from antiphon.engines import plugins
from antiphon.engines.stt import FinalTranscript, Transcriber, TranscriptionOptions
from antiphon.engines.tts import SynthesisRequest, Synthesizer
from antiphon.testing.wer import word_error_rate

pytestmark = [pytest.mark.models, pytest.mark.anyio]

QUESTION = "What is the capital of France?"
PATIENCE_S = 90
CHUNK_BYTES = 4_800

Event = dict[str, Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("real")
    weights.ensure(weights.profile_artifacts("test"))
    process = subprocess.Popen(
        [Path(sys.executable).with_name("antiphon"), "serve", "--profile", "test", "--port", "0",
         "--no-tls", "--offline"],
        stdout=subprocess.PIPE,
        cwd=home,
        env=os.environ | {"XDG_CONFIG_HOME": str(home / "config")},
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        assert ready.startswith("ready http://")
        yield ready.split()[1].replace("http", "ws", 1)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        process.stdout.close()


class Client:
    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def send(self, *events: Event) -> None:
        for event in events:
            await self.socket.send(json.dumps(event))

    async def read_until(self, kind: str) -> list[Event]:
        events: list[Event] = []
        async with asyncio.timeout(PATIENCE_S):
            while not events or events[-1]["type"] != kind:
                events.append(json.loads(await self.socket.recv()))
                assert events[-1]["type"] != "error", events[-1]
        return events

    async def append(self, samples: NDArray[np.float32]) -> None:
        pcm = to_pcm16(samples)
        for start in range(0, len(pcm), CHUNK_BYTES):
            audio = base64.b64encode(pcm[start : start + CHUNK_BYTES]).decode()
            await self.send({"type": "input_audio_buffer.append", "audio": audio})


@asynccontextmanager
async def connected(
    url: str, path: str = "/v1/realtime?model=gpt-realtime"
) -> AsyncIterator[Client]:
    async with websockets.connect(
        f"{url}{path}",
        additional_headers={"Authorization": "Bearer test"},
        max_size=None,
        proxy=None,
    ) as socket:
        client = Client(socket)
        await client.read_until("session.created")
        yield client


async def spoken(text: str) -> NDArray[np.float32]:
    synthesizer = cast("Synthesizer", plugins.load("synthesizer", "hibari")({}))
    pieces = [each async for each in synthesizer.synthesize(SynthesisRequest(text, "marin"))]
    return np.concatenate(pieces)


async def heard(pcm: bytes) -> str:
    transcriber = cast("Transcriber", plugins.load("transcriber", "moonshine-tiny")({}))
    samples = resample(to_float32(pcm), 24_000, 16_000)

    async def audio() -> AsyncIterator[NDArray[np.float32]]:
        yield samples

    results = [each async for each in transcriber.transcribe(audio(), TranscriptionOptions())]
    assert isinstance(results[-1], FinalTranscript)
    return results[-1].text


async def test_a_spoken_question_is_heard_and_answered_aloud(server: str) -> None:
    async with connected(server) as client:
        await client.send(
            {
                "type": "session.update",
                "session": {
                    "type": "realtime",
                    "max_output_tokens": 300,
                    "audio": {
                        "input": {"transcription": {"model": "whisper-1"}},
                        "output": {"voice": "marin"},
                    },
                },
            }
        )
        await client.append(await spoken(QUESTION))
        await client.append(np.zeros(24_000, np.float32))
        events = await client.read_until("rate_limits.updated")
    transcripts = [
        event["transcript"]
        for event in events
        if event["type"] == "conversation.item.input_audio_transcription.completed"
    ]
    assert word_error_rate(QUESTION, " ".join(transcripts)) == 0
    response = events[-2]["response"]
    assert response["status"] in {"completed", "incomplete"}
    said = response["output"][0]["content"][0]["transcript"]
    sound = b"".join(
        base64.b64decode(event["delta"])
        for event in events
        if event["type"] == "response.output_audio.delta"
    )
    assert np.abs(to_float32(sound)).max() < 1.0
    if response["status"] == "completed":
        assert word_error_rate(said, await heard(sound)) <= 0.2


async def test_the_second_turn_reads_the_first_from_the_prompt_cache(server: str) -> None:
    def message(text: str) -> Event:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        return {"type": "conversation.item.create", "item": item}

    usages: list[Event] = []
    async with connected(server) as client:
        text_only = {"type": "realtime", "output_modalities": ["text"], "max_output_tokens": 60}
        await client.send({"type": "session.update", "session": text_only})
        for text in ("My name is Anna.", "What is my name?"):
            await client.send(message(text), {"type": "response.create"})
            events = await client.read_until("response.done")
            usages.append(events[-1]["response"]["usage"])
    first, second = usages
    assert second["input_tokens"] > first["input_tokens"]
    assert second["input_token_details"]["cached_tokens"] > first["input_tokens"] // 2


async def test_embedded_engines_say_again_in_english_what_they_heard(server: str) -> None:
    said = "Good morning everybody. The meeting begins at noon, in the large room."
    path = "/v1/realtime/translations?model=gpt-realtime-translate"
    async with connected(server, path) as client:
        shown = {"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}}
        await client.send({"type": "session.update", "session": shown})
        pcm = to_pcm16(await spoken(said))
        for start in range(0, len(pcm), 9_600):
            audio = base64.b64encode(pcm[start : start + 9_600]).decode()
            await client.send({"type": "session.input_audio_buffer.append", "audio": audio})
        await client.send({"type": "session.close"})
        events = await client.read_until("session.closed")

    def joined(kind: str) -> str:
        return "".join(event["delta"] for event in events if event["type"] == kind)

    assert word_error_rate(said, joined("session.input_transcript.delta")) <= 0.1
    translated = joined("session.output_transcript.delta")
    assert word_error_rate(said, translated) <= 0.1
    sound = b"".join(
        base64.b64decode(event["delta"])
        for event in events
        if event["type"] == "session.output_audio.delta"
    )
    assert word_error_rate(translated, await heard(sound)) <= 0.2
