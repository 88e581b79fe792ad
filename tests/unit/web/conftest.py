"""The web application without sockets: HTTP through ASGI, and handshakes by hand."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Message

from antiphon.core.configuration import SessionOffer
from antiphon.core.transcription_offer import TranscriptionSessionOffer
from antiphon.core.translation_settings import TranslationOffer
from antiphon.runtime.counters import Counters
from antiphon.runtime.metrics import LoopLag, Metrics
from antiphon.runtime.pipelines import Pipeline
from antiphon.runtime.quotas import Limits, Policy
from antiphon.runtime.speech_scores import SpeechScores
from antiphon.testing.engines import ScriptedResponder, ScriptedTranscriber, ScriptedVad
from antiphon.web.admission import Admission
from antiphon.web.application import create_application
from antiphon.web.catalogue import Asked, Catalogue, Deployment
from antiphon.web.entrance import Entrance
from antiphon.web.keyring import Keyring
from antiphon.web.pages import Pages
from antiphon.web.realtime import RealtimeDoor
from antiphon.web.sessions import OpenSessions

KEY = "ak-right"


@dataclass
class Answer:
    """What a handshake came to."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]
    subprotocol: str | None = None
    frames: tuple[dict[str, Any], ...] = ()
    close: tuple[int, str] | None = None

    @property
    def error(self) -> dict[str, Any]:
        """The error, wherever it was told."""
        told: dict[str, Any] = self.frames[0]["error"] if self.frames else self.body["error"]
        return told


@dataclass
class Site:
    """An application and its parts."""

    application: Starlette
    catalogue: Catalogue
    sessions: OpenSessions
    metrics: Metrics

    async def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://any.host") as client:
            return await client.request(method, path, headers=headers or {})

    async def knock(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """Ask for a WebSocket, leave at once if it opens, and return what happened."""
        parts = urlsplit(path)
        given = [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()]
        scope = {
            "type": "websocket",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": given,
            "subprotocols": [],
            "scheme": "ws",
            "extensions": {"websocket.http.response": {}},
        }
        incoming: asyncio.Queue[Message] = asyncio.Queue()
        incoming.put_nowait({"type": "websocket.connect"})
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await self.application(scope, incoming.get, send)
        return _answer(sent)


def _answer(sent: list[Message]) -> Answer:
    first = sent[0]
    headers = {k.decode(): v.decode() for k, v in first.get("headers", [])}
    if first["type"] == "websocket.http.response.start":
        body = b"".join(each.get("body", b"") for each in sent[1:])
        return Answer(first["status"], headers, json.loads(body))
    frames = tuple(json.loads(each["text"]) for each in sent if each["type"] == "websocket.send")
    closes = [(m["code"], m["reason"]) for m in sent if m["type"] == "websocket.close"]
    close = closes[0] if closes else None
    return Answer(101, headers, {}, first.get("subprotocol"), frames, close)


def build(*keys: str, policy: Policy | None = None) -> Site:
    catalogue = Catalogue(["gpt-realtime", "mine"], ["whisper-1"], ["gpt-realtime-translate"])
    pipeline = Pipeline(SpeechScores(ScriptedVad()), ScriptedResponder(), ScriptedTranscriber(), {})
    offers = {name: SessionOffer(name, None) for name in catalogue.realtime}
    deployments = {Asked(name): Deployment(offer, pipeline) for name, offer in offers.items()}
    transcribing = Deployment(TranscriptionSessionOffer(), pipeline)
    translating = Deployment(TranslationOffer("gpt-realtime-translate", ("en",)), pipeline)
    others = {
        Asked("", "transcription"): transcribing,
        Asked("gpt-realtime-translate", "translation"): translating,
    }
    catalogue.open({**deployments, **others})
    lag = LoopLag()
    metrics = Metrics(lag)
    sessions = OpenSessions(10, lag)
    entrance = Entrance(Keyring(hashlib.sha256(k.encode()).hexdigest() for k in keys), catalogue)
    admission = Admission.of(policy or Policy(), Counters(None, lambda: 1_000_000.0))
    application = create_application(
        Pages(entrance, catalogue, sessions, metrics, admission),
        RealtimeDoor(entrance, catalogue, sessions, metrics, admission=admission),
    )
    return Site(application, catalogue, sessions, metrics)


@pytest.fixture
def locked() -> Site:
    """A site with one key."""
    return build(KEY)


@pytest.fixture
def limited() -> Site:
    """A site where each key may ask three things a minute."""
    return build(KEY, "ak-other", policy=Policy(Limits.parse("3/minute", None, None)))


@pytest.fixture
def unlocked() -> Site:
    """A site that accepts any key."""
    return build()


@pytest.fixture
def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
