"""A server inside the test's own event loop: real sockets, scripted engines."""

import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websockets
from starlette.types import Receive, Scope, Send

from antiphon.core.configuration import SessionOffer
from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.runtime.metrics import LoopLag, Metrics
from antiphon.runtime.parking import Parking
from antiphon.runtime.pipelines import Pipeline
from antiphon.runtime.speech_scores import SpeechScores
from antiphon.testing.engines import ScriptedResponder, ScriptedTranscriber, ScriptedVad
from antiphon.transports.base import DEFAULT_LIMITS, OutboxLimits
from antiphon.transports.websocket import ABORT_EXTENSION
from antiphon.web.application import create_application
from antiphon.web.catalogue import Asked, Catalogue, Deployment
from antiphon.web.entrance import Entrance
from antiphon.web.keyring import Keyring
from antiphon.web.listener import Listener, bind
from antiphon.web.pages import Pages
from antiphon.web.realtime import RealtimeDoor
from antiphon.web.sessions import OpenSessions

PATIENCE_S = 30
MODEL = "gpt-realtime"
VOICES = frozenset({"alloy", "ash"})
Event = dict[str, Any]


@dataclass
class Server:
    """A running server and what a test may look at."""

    url: str
    sessions: OpenSessions
    metrics: Metrics
    catalogue: Catalogue
    responder: ScriptedResponder
    parking: Parking | None = None
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """The path of each WebSocket whose serving has ended."""

    sockets: list[Callable[[], None]] = field(default_factory=list)
    """What cuts each WebSocket without a word."""

    def cut(self) -> None:
        """Cut the newest connection, as a network does."""
        self.sockets[-1]()

    @property
    def websocket(self) -> str:
        return self.url.replace("http", "ws", 1)

    async def wait_for_end(self) -> None:
        """Wait until one more WebSocket has been served."""
        async with asyncio.timeout(PATIENCE_S):
            await self.ended.get()

    def measured(self, name: str) -> dict[str, float]:
        """Return the lines of a metric by their labels."""
        lines = self.metrics.render().decode().splitlines()
        found = (line.rsplit(" ", 1) for line in lines if line.startswith(name))
        return {labels.removeprefix(name): float(value) for labels, value in found}


class Client:
    """A client that speaks bare JSON."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def send(self, *events: Event) -> None:
        for event in events:
            await self.socket.send(json.dumps(event))

    async def receive(self) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            event: Event = json.loads(await self.socket.recv())
        return event

    async def until(self, kind: str) -> Event:
        """Read to the next event of a type."""
        while (event := await self.receive())["type"] != kind:
            pass
        return event

    async def append(self, audio: bytes) -> None:
        encoded = base64.b64encode(audio).decode()
        await self.send({"type": "input_audio_buffer.append", "audio": encoded})

    async def ask(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send({"type": "conversation.item.create", "item": item})
        await self.send({"type": "response.create"})

    async def closed(self) -> websockets.ConnectionClosed:
        """Read to the end and return how the server closed."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    await self.socket.recv()
            except websockets.ConnectionClosed as closed:
                return closed


@asynccontextmanager
async def connected(server: Server, **options: Any) -> AsyncIterator[Client]:
    """Connect and read `session.created`."""
    settings: dict[str, Any] = {
        "additional_headers": {"Authorization": "Bearer any"},
        "max_size": None,
        "proxy": None,
    }
    address = f"{server.websocket}/v1/realtime?model={MODEL}"
    async with websockets.connect(address, **(settings | options)) as socket:
        client = Client(socket)
        assert (await client.receive())["type"] == "session.created"
        yield client


def deployment(name: str, responder: ScriptedResponder, max_session_s: float) -> Deployment:
    transcriber = ScriptedTranscriber()
    heard = {"whisper-1": transcriber}
    pipeline = Pipeline(SpeechScores(ScriptedVad()), responder, transcriber, heard)
    transcription = {"whisper-1": TranscriptionOffer(shares_hearing=True)}
    offer = SessionOffer(
        name, VOICES, transcription_models=transcription, max_session_s=max_session_s
    )
    return Deployment(offer, pipeline)


@asynccontextmanager
async def served(  # noqa: PLR0913, PLR0915 - each is a setting of the server
    *,
    responder: ScriptedResponder | None = None,
    limit: int = 1000,
    outbox: OutboxLimits = DEFAULT_LIMITS,
    is_open: bool = True,
    traces: Path | None = None,
    parking: Parking | None = None,
    keys: Iterable[str] = (),
    max_session_s: float = 3600,
) -> AsyncIterator[Server]:
    responder = responder or ScriptedResponder()
    catalogue = Catalogue([MODEL, "second"], ["whisper-1"])
    if is_open:
        catalogue.open(
            {Asked(name): deployment(name, responder, max_session_s) for name in catalogue.realtime}
        )
    lag = LoopLag()
    metrics = Metrics(lag)
    sessions = OpenSessions(limit, lag)
    if parking is not None:
        metrics.watch(lambda: len(parking), lambda: parking.redeemed)
    entrance = Entrance(
        Keyring(hashlib.sha256(key.encode()).hexdigest() for key in keys), catalogue
    )
    door = RealtimeDoor(entrance, catalogue, sessions, metrics, traces, outbox, parking=parking)
    application = create_application(Pages(entrance, catalogue, sessions, metrics), door)
    listening = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = Server(url, sessions, metrics, catalogue, responder, parking)

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            server.sockets.append(scope["extensions"][ABORT_EXTENSION])
        try:
            await application(scope, receive, send)
        finally:
            if scope["type"] == "websocket":
                server.ended.put_nowait(scope["path"])

    listener = Listener(observed, listening)
    await listener.open()
    try:
        yield server
    finally:
        await listener.close()


Serve = Callable[..., AbstractAsyncContextManager[Server]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def serve() -> Serve:
    """Returns what starts a server."""
    return served


@pytest.fixture
def connect() -> Connect:
    """Returns what connects to a server."""
    return connected


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that `antiphon serve` takes."""
    return "asyncio", {"use_uvloop": sys.platform != "win32"}
