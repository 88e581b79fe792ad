"""What the server counts and measures, for `/metrics`.

Sessions are measured from the events that pass between client and session, so every transport is
measured alike and the core knows nothing of it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from msgspec import UNSET
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from antiphon.audio.pcm import BYTES_PER_SAMPLE
from antiphon.core.output_audio import AudioLedger
from antiphon.core.resumption import is_repeatable
from antiphon.protocol import translation
from antiphon.protocol.client_events import InputAudioBufferAppend
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.resumption import AntiphonSessionResumed
from antiphon.protocol.server_events import (
    Error,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStopped,
    ResponseDone,
    ResponseOutputAudioDelta,
    SessionCreated,
)
from antiphon.protocol.translation import SessionInputAudioBufferAppend, SessionOutputAudioDelta
from antiphon.runtime.connection import Connection, Received
from antiphon.runtime.usage import UsageMeter
from antiphon.runtime.usage_counters import UsageCounters

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_ANSWER_BUCKETS_S = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_SESSION_BUCKETS_S = (1, 10, 60, 300, 900, 1800, 3600, 7200)


class SoundMetrics:
    """What is counted of the sound that passes."""

    def __init__(self, kept: CollectorRegistry) -> None:
        self.audio_bytes = Counter(
            "antiphon_audio_base64_bytes_total",
            "Base64 audio in events, by direction.",
            ["direction"],
            registry=kept,
        )
        self.translated_seconds = Counter(
            "antiphon_translated_seconds_total",
            "Sound that translation sessions took, by which they are billed.",
            ["model"],
            registry=kept,
        )


class Metrics:
    """The server's counters."""

    def __init__(self, lag: "LoopLag") -> None:
        self._registry = CollectorRegistry()
        kept = self._registry
        self.sessions = Gauge("antiphon_sessions", "Sessions now.", ["model"], registry=kept)
        self.session_seconds = Histogram(
            "antiphon_session_seconds",
            "Length of ended sessions, by model and why they ended.",
            ["model", "end"],
            buckets=_SESSION_BUCKETS_S,
            registry=kept,
        )
        self.refusals = Counter(
            "antiphon_refusals_total",
            "Connections refused before a session.",
            ["code"],
            registry=kept,
        )
        self.turns = Counter(
            "antiphon_turns_total", "Turns of users committed.", ["model"], registry=kept
        )
        self.responses = Counter(
            "antiphon_responses_total", "Responses done.", ["model", "status"], registry=kept
        )
        self.answer_seconds = Histogram(
            "antiphon_answer_seconds",
            "From speech_stopped to the first audio of the answer.",
            ["model"],
            buckets=_ANSWER_BUCKETS_S,
            registry=kept,
        )
        self.errors = Counter("antiphon_errors_total", "Error events.", ["code"], registry=kept)
        self.sound = SoundMetrics(kept)
        self.usage = UsageCounters(kept)
        Gauge(
            "antiphon_loop_lag_seconds",
            "How late the event loop runs what is due, smoothed.",
            registry=kept,
        ).set_function(lambda: lag.seconds)

    def end_response(self, model: str, event: ResponseDone) -> None:
        """Take the end of a response."""
        self.responses.labels(model, event.response.status).inc()
        details = event.response.status_details
        error = None if details is None or details.error is UNSET else details.error
        if error is not None and error.code == "rate_limit_exceeded":
            self.usage.rate_limited.labels(model).inc()

    def watch(self, waiting: Callable[[], int], resumed: Callable[[], int]) -> None:
        """Tell of the sessions that wait for their clients, and how often one came back."""
        self._registry.register(_Resumption(waiting, resumed))

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)


class _Resumption(Collector):
    """Reads what is counted elsewhere."""

    def __init__(self, waiting: Callable[[], int], resumed: Callable[[], int]) -> None:
        self._waiting = waiting
        self._resumed = resumed

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as they stand."""
        waiting = "Sessions now that wait for their clients to come back."
        yield GaugeMetricFamily("antiphon_parked_sessions", waiting, self._waiting())
        resumed = "Times that a client came back to its session."
        yield CounterMetricFamily("antiphon_sessions_resumed", resumed, self._resumed())


class MeteredConnection:
    """A connection that counts what passes through it."""

    def __init__(
        self, connection: Connection, metrics: Metrics, model: str, meter: UsageMeter
    ) -> None:
        self._connection = connection
        self._speech_stopped: float | None = None
        # Looked up once: a label lookup takes longer than counting.
        self._answer_seconds = metrics.answer_seconds.labels(model)
        self._heard = metrics.sound.audio_bytes.labels("in")
        self._spoken = metrics.sound.audio_bytes.labels("out")
        self._metrics = metrics
        self._model = model
        self._meter = meter
        self._last_said = ""
        """The id of the last event that could be told again."""
        self.session_id = ""
        """Known once the session is created."""

    async def receive(self) -> Received | None:
        """Receive through the connection."""
        event = await self._connection.receive()
        if isinstance(event, InputAudioBufferAppend):
            self._heard.inc(len(event.audio))
            self._meter.hear(event.audio)
        elif isinstance(event, SessionInputAudioBufferAppend):
            self._heard.inc(len(event.audio))
            self._metrics.sound.translated_seconds.labels(self._model).inc(_seconds(event.audio))
            self._meter.hear(event.audio)
        return event

    def send(self, events: Sequence[AnyServerEvent]) -> None:
        """Send through the connection."""
        self._connection.send(events)
        for event in self._first_said(events):
            self._count(event)
            self._meter.send(event)

    def _first_said(self, events: Sequence[AnyServerEvent]) -> Sequence[AnyServerEvent]:
        """Leave out what a client that has come back is told again."""
        if isinstance(events[0], AntiphonSessionResumed):
            ids = [each.event_id for each in events]
            if self._last_said in ids:
                events = events[ids.index(self._last_said) + 1 :]
        repeatable = (each.event_id for each in reversed(events) if is_repeatable(each))
        self._last_said = next(repeatable, self._last_said)
        return events

    def record_audio(self, ledger: AudioLedger) -> None:
        """Take the account of a response's audio."""
        self._metrics.usage.record_audio(ledger)
        self._meter.speak(ledger)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        await self._connection.close(code, reason)

    def _hear_answer(self) -> None:
        if self._speech_stopped is not None:
            self._answer_seconds.observe(self._meter.now() - self._speech_stopped)
            self._speech_stopped = None

    def _count(self, event: AnyServerEvent) -> None:
        match event:
            case ResponseOutputAudioDelta():
                self._spoken.inc(len(event.delta))
                self._hear_answer()
            case InputAudioBufferSpeechStopped():
                self._speech_stopped = self._meter.now()
            case InputAudioBufferCommitted():
                self._metrics.turns.labels(self._model).inc()
            case ResponseDone():
                self._speech_stopped = None
                self._metrics.end_response(self._model, event)
            case Error():
                self._metrics.errors.labels(event.error.code or "none").inc()
            case SessionOutputAudioDelta():
                self._spoken.inc(len(event.delta))
            case SessionCreated() | translation.SessionCreated():
                self.session_id = event.session.id
            case _:
                pass  # nothing to count


def _seconds(audio: str) -> float:
    """Return how long base64 of PCM16 at 24 kHz plays, to a sample or two of padding."""
    return len(audio) * 3 / 4 / (translation.SAMPLE_RATE_HZ * BYTES_PER_SAMPLE)


class LoopLag:
    """Watches how late the event loop runs what is due."""

    _INTERVAL_S = 0.25
    _WEIGHT = 0.2
    """Of the newest measurement; a second of lag is noticed within about a second."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self.seconds = 0.0

    def start(self) -> None:
        """Begin to watch the running loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + self._INTERVAL_S, self._measure)

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()

    def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._timer.when() if self._timer is not None else loop.time()
        late = max(0.0, loop.time() - due)
        self.seconds += self._WEIGHT * (late - self.seconds)
        self._timer = loop.call_at(loop.time() + self._INTERVAL_S, self._measure)
