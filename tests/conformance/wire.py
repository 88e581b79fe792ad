"""A client that speaks bare JSON over a WebSocket, for cases that no library would send."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import websockets
from conformance_server import Server

from antiphon.testing.speech import speech

Event = dict[str, Any]
PATIENCE_S = 20


class Wire:
    """One connection: sends events, reads until an expected one, keeps everything it saw."""

    def __init__(self, socket: websockets.ClientConnection, server: Server) -> None:
        self.socket = socket
        self.server = server
        self.events: list[Event] = []

    async def send(self, *events: Event | str | bytes) -> None:
        for event in events:
            await self.socket.send(event if isinstance(event, str | bytes) else json.dumps(event))

    async def receive(self) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.socket.recv()
        assert isinstance(frame, str)
        self.server.frames.append(frame)
        event: Event = json.loads(frame)
        self.events.append(event)
        return event

    async def until(self, kind: str) -> Event:
        """Read to the next event of this type and return it."""
        while True:
            event = await self.receive()
            if event["type"] == kind:
                return event
            if event["type"] == "error" and kind != "error":
                raise AssertionError(event["error"])

    async def error(self) -> Event:
        error: Event = (await self.until("error"))["error"]
        return error

    async def turn(self) -> list[Event]:
        """Read to the end of a response and return everything since its creation."""
        await self.until("response.created")
        start = len(self.events) - 1
        await self.until("rate_limits.updated")
        return self.events[start:]

    async def say(self, text: str) -> None:
        await self.send(user(text))
        await self.until("conversation.item.done")

    async def append(self, audio: bytes, chunk_bytes: int = 4800) -> None:
        for start in range(0, len(audio), chunk_bytes):
            chunk = base64.b64encode(audio[start : start + chunk_bytes]).decode()
            await self.send({"type": "input_audio_buffer.append", "audio": chunk})


@asynccontextmanager
async def connected(
    server: Server,
    path: str = "/v1/realtime?model=gpt-realtime",
    headers: dict[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Wire]:
    """Connect and read `session.created`."""
    given = {"Authorization": f"Bearer {server.key}"} if headers is None else headers
    async with websockets.connect(
        server.websocket + path, additional_headers=given, max_size=None, proxy=None, **options
    ) as socket:
        wire = Wire(socket, server)
        created = await wire.receive()
        assert created["type"] == "session.created", created
        yield wire


def update(**session: Any) -> Event:
    return {"type": "session.update", "session": {"type": "realtime"} | session}


def user(text: str, **item: Any) -> Event:
    content = [{"type": "input_text", "text": text}]
    message = {"type": "message", "role": "user", "content": content} | item
    return {"type": "conversation.item.create", "item": message}


def respond(**response: Any) -> Event:
    return {"type": "response.create", "response": response}


def spoken(ms: int) -> bytes:
    """Speech that the VAD knows for speech."""
    samples = speech(ms)
    return (samples * 32767).astype("<i2").tobytes()


def silent(ms: int) -> bytes:
    return np.zeros(ms * 24, "<i2").tobytes()


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]
