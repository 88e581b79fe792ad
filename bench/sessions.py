"""What a session costs the server: memory while idle, and processor time while audio comes in.

Run: ``python bench/sessions.py [--idle 200] [--talking 50] [--seconds 20] [--json]``

The engines are scripted, the VAD is the real one. Memory is the growth of the process's
proportional set size for each idle session, after one round of events. Processor time is what the
process used while every talking session sends 100 ms of audio ten times a second, speech and pauses
in turn, and gets a short answer to each turn.
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
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import websockets

from antiphon.audio.pcm import to_pcm16
from antiphon.testing.speech import silence, speech

SETTINGS = """
[deployments.gpt-realtime]
stt = { engine = "scripted" }
llm = { engine = "scripted", answers = ["Yes, of course."] }
tts = { engine = "scripted", ms_per_character = 60 }

[deployments.whisper-1]
kind = "transcription"
stt = { engine = "scripted" }
"""
ROUND_S = 8
CHUNK = 4_800
TICKS = os.sysconf("SC_CLK_TCK")


def memory_kib(process: int) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("Pss:")))


def processor_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[websockets.ClientConnection]:
    async with websockets.connect(
        f"{url}/v1/realtime?model=gpt-realtime",
        additional_headers={"Authorization": "Bearer bench"},
        compression=None,
        max_size=None,
        proxy=None,
    ) as socket:
        await socket.recv()
        yield socket


async def talk(url: str, appends: list[str], start: float, seconds: float) -> int:
    """Send audio on a fixed grid; return how many answers came."""
    async with connected(url) as socket:
        answers = 0

        async def read() -> None:
            nonlocal answers
            async for frame in socket:
                answers += '"response.done"' in str(frame)[:80]

        reader = asyncio.create_task(read())
        for number in range(int(seconds * 10)):
            await asyncio.sleep(max(0.0, start + number / 10 - time.perf_counter()))
            await socket.send(appends[number % len(appends)])
        reader.cancel()
        return answers


async def measure(options: argparse.Namespace, url: str, process: int) -> dict[str, Any]:
    async with connected(url) as first:
        await first.send('{"type":"session.update","session":{"type":"realtime"}}')
        await first.recv()
    before = memory_kib(process)
    async with AsyncExitStack() as open_sessions:
        for _ in range(options.idle):
            socket = await open_sessions.enter_async_context(connected(url))
            await socket.send('{"type":"session.update","session":{"type":"realtime"}}')
            await socket.recv()
        idle_kib = (memory_kib(process) - before) / options.idle
    pcm = to_pcm16(np.concatenate((speech(3_000), silence(ROUND_S * 1000 - 3_000))))
    audio = [base64.b64encode(pcm[at : at + CHUNK]).decode() for at in range(0, len(pcm), CHUNK)]
    appends = [json.dumps({"type": "input_audio_buffer.append", "audio": each}) for each in audio]
    start = time.perf_counter() + 1
    tasks = [
        asyncio.create_task(
            talk(url, appends, start + index * ROUND_S / options.talking % 0.1, options.seconds)
        )
        for index in range(options.talking)
    ]
    await asyncio.sleep(2)
    used, at = processor_s(process), time.perf_counter()
    await asyncio.sleep(options.seconds - 3)
    spent = (processor_s(process) - used) / (time.perf_counter() - at)
    answers = await asyncio.gather(*tasks)
    return {
        "idle_sessions": options.idle,
        "idle_kib_per_session": round(idle_kib, 1),
        "talking_sessions": options.talking,
        "cpu_ms_per_session_second": round(1000 * spent / options.talking, 2),
        "cores_used": round(spent, 2),
        "answers_per_session": round(statistics.mean(answers), 1),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--idle", type=int, default=200)
    parser.add_argument("--talking", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "antiphon.toml"
        settings.write_text(SETTINGS, encoding="utf-8")
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("antiphon"),
                *("serve", "--config", settings, "--port", "0", "--no-tls"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            line = await asyncio.to_thread(process.stdout.readline)
            url = line.split()[1].replace("http", "ws", 1)
            result = await measure(options, url, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            process.stdout.close()
    print(json.dumps(result, indent=None if options.json else 2))


if __name__ == "__main__":
    asyncio.run(main())
