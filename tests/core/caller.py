"""A client that talks with a running session: real runner, scripted engines, no socket."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from talk import Event, offer, pcm

from antiphon.core.kinds import Offer
from antiphon.core.output_audio import AudioLedger
from antiphon.engines.noise import NoiseReducer
from antiphon.engines.responder import Responder
from antiphon.engines.stt import Transcriber
from antiphon.protocol.dialects import Dialect
from antiphon.protocol.dialects.ga import Ga
from antiphon.runtime.pipelines import Pipeline
from antiphon.runtime.quotas import Account
from antiphon.runtime.runner import Surroundings, run_session
from antiphon.runtime.speech_scores import SpeechScores
from antiphon.testing.engines import (
    ScriptedResponder,
    ScriptedTranscriber,
    ScriptedVad,
)
from antiphon.testing.noise_reducer import ScriptedNoiseReducer
from antiphon.transports.base import DEFAULT_LIMITS, OutboxLimits
from antiphon.transports.memory import MemoryConnection

_LONGEST_S = 20
"""When a test that waits for something gives up."""


@dataclass
class Caller:
    """One client and the session that serves it."""

    responder: Responder = field(default_factory=ScriptedResponder)
    transcriber: Transcriber = field(default_factory=ScriptedTranscriber)
    noise_reducer: NoiseReducer = field(default_factory=ScriptedNoiseReducer)
    offer: Offer = field(default_factory=offer)
    dialect: Dialect = field(default_factory=Ga)
    limits: OutboxLimits = DEFAULT_LIMITS
    traces: Path | None = None
    account: Account | None = None
    now: float = 1_800_000_000.0
    events: list[Event] = field(default_factory=list)
    ledgers: list[AudioLedger] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = MemoryConnection(self.dialect, self.limits)
        self.stopping = asyncio.Event()

    async def serve(self) -> None:
        """Serve this client to the end."""
        models = {"whisper-1": self.transcriber, "gpt-4o-transcribe": self.transcriber}
        pipeline = Pipeline(
            SpeechScores(ScriptedVad()),
            self.responder,
            self.transcriber,
            MappingProxyType(models),
            self.noise_reducer,
        )
        around = Surroundings(
            lambda: self.now, self.stopping, self.traces, self.ledgers.append, self.account
        )
        await run_session(self.connection, self.offer, pipeline, around)

    async def send(self, event: Event | str) -> None:
        await self.connection.say(event if isinstance(event, str) else json.dumps(event))

    async def append(self, ms: int, level: int = 8000) -> None:
        """Send sound in pieces of 100 ms."""
        for start in range(0, ms, 100):
            audio = base64.b64encode(pcm(min(100, ms - start), level)).decode()
            await self.send({"type": "input_audio_buffer.append", "audio": audio})

    async def expect(self, kind: str) -> Event:
        """Read on until an event of this type comes."""
        while (frame := await self.connection.hear()) is not None:
            event: Event = json.loads(frame)
            self.events.append(event)
            if event["type"] == kind:
                return event
        raise AssertionError(f"No {kind} among {[each['type'] for each in self.events]}")

    async def rest(self) -> list[str]:
        """Read until the session hangs up; return the types."""
        mark = len(self.events)
        while (frame := await self.connection.hear()) is not None:
            self.events.append(json.loads(frame))
        return [event["type"] for event in self.events[mark:]]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def served(caller: Caller) -> AsyncIterator["asyncio.Task[None]"]:
    """Serve a client beside the test; whoever has not left by the end leaves then."""
    serving = asyncio.ensure_future(caller.serve())
    try:
        async with asyncio.timeout(_LONGEST_S):
            yield serving
            if not serving.done():
                await caller.connection.leave()
            await serving
    finally:
        serving.cancel()


def converse(script: Callable[..., Awaitable[Any]], **settings: Any) -> Caller:
    """Run a script against a session; return the client with what it saw."""

    async def scenario() -> Caller:
        caller = Caller(**settings)
        async with served(caller) as serving:
            await script(caller, serving)
        return caller

    return asyncio.run(scenario())
