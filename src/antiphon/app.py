"""The composition root: settings become engines, deployments, doors and a running server."""

import asyncio
import contextlib
import gc
import ipaddress
import itertools
import logging
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import certifi
from starlette.applications import Starlette

from antiphon import certificates, config, weights
from antiphon.certificates import Authority
from antiphon.config import EnginePlan, Loaded, Problem, RealtimePlan, SettingsError
from antiphon.core.configuration import SessionOffer, TranscriptionOffer
from antiphon.engines import plugins
from antiphon.engines.llm import LanguageModel
from antiphon.engines.responder import Responder, ResponderCapabilities
from antiphon.engines.stt import Transcriber
from antiphon.engines.tts import Synthesizer
from antiphon.engines.vad import Vad
from antiphon.runtime.cascade import Cascade
from antiphon.runtime.metrics import LoopLag, Metrics
from antiphon.runtime.pipelines import Pipeline
from antiphon.runtime.speech_scores import SpeechScores
from antiphon.web.application import create_application
from antiphon.web.catalogue import Catalogue, Deployment
from antiphon.web.entrance import Entrance
from antiphon.web.keyring import Keyring
from antiphon.web.listener import Listener, bind
from antiphon.web.pages import Pages
from antiphon.web.realtime import RealtimeDoor
from antiphon.web.sessions import OpenSessions
from antiphon.weights import Report

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")

Progress = Callable[[], contextlib.AbstractContextManager[Report]]

_SAME_REQUEST_S = 1.0
_AUTO_MAX_SESSIONS = 1000
_STREAMING_TRANSCRIPTION = frozenset({"gpt-realtime-whisper", "gpt-live-transcribe"})
_BILLED_BY_DURATION = frozenset({"whisper-1"})


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server can be reached."""

    http: str
    https: str | None
    authority: Authority | None
    """Who vouches for the https address; None: no https, or a certificate of the operator's."""


class Server:
    """A server from its sockets to its end."""

    def __init__(self, loaded: Loaded) -> None:
        """Bind the sockets. Raises `SettingsError` when that or the certificate fails."""
        self._settings = loaded.settings
        self._keys = loaded.keys
        self._plans = config.plan(loaded.settings)
        self._catalogue = Catalogue(
            [each.name for each in self._plans], config.transcription_names(loaded.settings)
        )
        self._lag = LoopLag()
        self._metrics = Metrics(self._lag)
        limit = loaded.settings.server.max_sessions
        self._sessions = OpenSessions(_AUTO_MAX_SESSIONS if limit == "auto" else limit, self._lag)
        self._sockets = _Sockets.bind(loaded)
        self._stop = asyncio.Event()

    def run(self, on_ready: Callable[[Addresses], None], progress: Progress) -> None:
        """Load the engines, call back when sessions can begin, and serve until a signal comes.

        The first SIGTERM or SIGINT drains, the second ends at once, and so does the first while
        engines are loaded. ``progress`` opens what shows how a download goes. Raises
        `AntiphonError` when the server cannot become ready.
        """
        with (
            asyncio.Runner(loop_factory=_loop_factory()) as runner,
            contextlib.suppress(asyncio.CancelledError),  # a signal that does not wait
        ):
            runner.run(self._serve(on_ready, progress))

    async def _serve(self, on_ready: Callable[[Addresses], None], progress: Progress) -> None:
        self._heed_signals(asyncio.get_running_loop(), asyncio.current_task())
        listeners = self._sockets.listeners(self._application())
        try:
            for listener in listeners:
                await listener.open()
            self._lag.start()
            self._catalogue.open(await self._load(progress))
            # What lives now lives to the end; the collector need not look at it again.
            gc.collect()
            gc.freeze()
            on_ready(self._sockets.addresses)
            await self._stop.wait()
            _logger.info("draining", extra={"sessions": len(self._sessions)})
            await self._sessions.drain(self._settings.server.drain_seconds)
        finally:
            self._lag.stop()
            for listener in listeners:
                await listener.close()

    def _application(self) -> Starlette:
        entrance = Entrance(Keyring(self._keys), self._catalogue)
        traces = self._settings.server.trace_dir
        return create_application(
            Pages(entrance, self._catalogue, self._sessions, self._metrics),
            RealtimeDoor(
                entrance,
                self._catalogue,
                self._sessions,
                self._metrics,
                Path(traces) if traces else None,
            ),
        )

    def _heed_signals(
        self, loop: asyncio.AbstractEventLoop, serving: asyncio.Task[None] | None
    ) -> None:
        asked: list[float] = []

        def heed() -> None:
            asked.append(loop.time())
            # Some send a signal to the process and to its group: that is one request, not two.
            is_urged = asked[-1] - asked[0] > _SAME_REQUEST_S
            if serving is not None and (is_urged or not self._catalogue.is_open):
                serving.cancel()
            self._stop.set()

        for name in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(name, heed)
            except NotImplementedError:  # Windows
                signal.signal(name, lambda _number, _frame: loop.call_soon_threadsafe(heed))

    async def _load(self, progress: Progress) -> dict[str, Deployment]:
        plans = config.engines(self._plans)
        needed = (weights.engine_artifacts(each.name, each.settings) for each in plans)
        artifacts = list(dict.fromkeys(itertools.chain.from_iterable(needed)))
        self._catalogue.begin([f"weights of {name}" for name in artifacts])
        self._catalogue.begin([_title(plan) for plan in plans])
        await _in_thread(lambda: _bring_weights(artifacts, self._settings.server, progress))
        for name in artifacts:
            self._catalogue.finish(f"weights of {name}")
        engines: dict[EnginePlan, object] = {}

        async def load(plan: EnginePlan) -> None:
            start = time.monotonic()
            engines[plan] = await _in_thread(lambda: _create(plan))
            self._catalogue.finish(_title(plan))
            seconds = round(time.monotonic() - start, 2)
            _logger.info("engine_loaded", extra={"engine": _title(plan), "s": seconds})

        await asyncio.gather(*(load(plan) for plan in plans))
        return assemble(self._plans, engines)


def assemble(
    plans: Iterable[RealtimePlan], engines: Mapping[EnginePlan, object]
) -> dict[str, Deployment]:
    """Return the deployments of plans whose engines are loaded, by name."""
    # Sessions of all deployments with the same VAD are scored together.
    speech: dict[EnginePlan, SpeechScores] = {}
    deployments: dict[str, Deployment] = {}
    for plan in plans:
        if plan.vad not in speech:
            speech[plan.vad] = SpeechScores(cast("Vad", engines[plan.vad]))
        responder = _responder(plan, engines)
        hears = responder.capabilities.hears
        transcriber = cast("Transcriber", engines[plan.stt])
        pipeline = Pipeline(
            speech=speech[plan.vad],
            responder=responder,
            transcriber=transcriber if hears == "transcript" else None,
            transcription_models={
                name: cast("Transcriber", engines[each])
                for name, each in plan.transcription.items()
            },
        )
        deployments[plan.name] = Deployment(_offer(plan, pipeline), pipeline)
    return deployments


def _responder(plan: RealtimePlan, engines: Mapping[EnginePlan, object]) -> Responder:
    if isinstance(plan.answer, EnginePlan):
        return cast("Responder", engines[plan.answer])
    model, synthesizer = (engines[each] for each in plan.answer)
    return Cascade(cast("LanguageModel", model), cast("Synthesizer", synthesizer))


def _offer(plan: RealtimePlan, pipeline: Pipeline) -> SessionOffer:
    capabilities = pipeline.responder.capabilities
    return SessionOffer(
        model=plan.name,
        voices=capabilities.voices,
        hears=capabilities.hears,
        transcription_models={
            name: _transcription_offer(name, transcriber, pipeline)
            for name, transcriber in pipeline.transcription_models.items()
        },
        default_voice=_default_voice(plan, capabilities),
        silence_duration_ms=plan.silence_duration_ms,
        tools=capabilities.tools,
        context_tokens=capabilities.context_tokens,
        max_session_s=plan.session_minutes * 60,
    )


def _transcription_offer(
    name: str, transcriber: Transcriber, pipeline: Pipeline
) -> TranscriptionOffer:
    return TranscriptionOffer(
        languages=transcriber.capabilities.languages,
        prompts=transcriber.capabilities.prompts,
        shares_hearing=transcriber is pipeline.transcriber,
        streams=name in _STREAMING_TRANSCRIPTION,
        bills="duration" if name in _BILLED_BY_DURATION else "tokens",
    )


def _default_voice(plan: RealtimePlan, capabilities: ResponderCapabilities) -> str:
    voices = capabilities.voices
    if plan.voice is not None and voices is not None and plan.voice not in voices:
        known = ", ".join(sorted(voices))
        message = f"The engines have no voice '{plan.voice}'. Choose one of: {known}."
        raise SettingsError([Problem(message, f"deployments.{plan.name}.voice")])
    preferred = plan.voice or plan.preferred_voice
    if voices is None or preferred in voices:
        return preferred
    return min(voices)


def _bring_weights(
    artifacts: Sequence[str], server: config.ServerSettings, progress: Progress
) -> None:
    directory = Path(server.weights_dir) if server.weights_dir else None
    try:
        weights.ensure(artifacts, offline=True, directory=directory)
    except weights.MissingWeightsError:
        if server.offline:
            raise
        # Only a download takes long enough to be worth showing.
        with progress() as report:
            weights.ensure(artifacts, report=report, directory=directory)


def _create(plan: EnginePlan) -> object:
    return plugins.load(plan.kind, plan.name)(plan.settings)


def _title(plan: EnginePlan) -> str:
    return f"{plan.kind.replace('_', ' ')} {plan.name}"


async def _in_thread(call: Callable[[], _Result]) -> _Result:
    """Run a call in a thread that ends with the process, whatever it is doing."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[_Result] = loop.create_future()

    def settle(settle_with: Callable[[], None]) -> None:
        # Nobody waits any more when the server was stopped meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if result.done() else settle_with())

    def run() -> None:
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - raised again where the result is awaited
            failure = error
            settle(lambda: result.set_exception(failure))
        else:
            settle(lambda: result.set_result(value))

    threading.Thread(target=run, daemon=True).start()
    return await result


@dataclass(frozen=True, slots=True)
class _Sockets:
    plain: socket.socket
    secure: socket.socket | None
    context: ssl.SSLContext | None
    addresses: Addresses

    @classmethod
    def bind(cls, loaded: Loaded) -> "_Sockets":
        server = loaded.settings.server
        plain = _bind(server.host, server.port, "port")
        http = f"http://{_shown(server.host)}:{plain.getsockname()[1]}"
        if not server.tls:
            return cls(plain, None, None, Addresses(http, None, None))
        secure = _bind(server.host, server.tls_port, "tls_port")
        https = f"https://{_shown(server.host)}:{secure.getsockname()[1]}"
        context, authority = _context(loaded)
        return cls(plain, secure, context, Addresses(http, https, authority))

    def listeners(self, application: Starlette) -> list[Listener]:
        listeners = [Listener(application, self.plain)]
        if self.secure is not None:
            listeners.append(Listener(application, self.secure, self.context))
        return listeners


def _bind(host: str, port: int, key: str) -> socket.socket:
    option = key.replace("_", "-")
    try:
        return bind(host, port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        cure = f"Choose another with --{option} (0 takes a free one), or end what uses it."
        raise SettingsError(
            [Problem(f"Cannot listen on {host}:{port}: {reason}. {cure}", f"server.{key}")]
        ) from error


def _context(loaded: Loaded) -> tuple[ssl.SSLContext, Authority | None]:
    server = loaded.settings.server
    try:
        if server.tls_certificate and server.tls_key:
            given = certificates.server_context(Path(server.tls_certificate), Path(server.tls_key))
            return given, None
        authority = prepare_authority(server.host)
        return certificates.server_context(authority.server), authority
    except (OSError, ValueError) as error:
        cure = "Correct `tls_certificate` and `tls_key`, or serve without TLS (--no-tls)."
        raise SettingsError(
            [Problem(f"TLS is not possible: {error}. {cure}", "server.tls")]
        ) from error


def prepare_authority(host: str = "127.0.0.1") -> Authority:
    """Make the local authority and the server's certificate, or renew what is out of date."""
    directory = certificates.default_directory()
    public = Path(os.environ.get("SSL_CERT_FILE") or certifi.where())
    if public == Authority(directory).bundle or not public.is_file():
        public = Path(certifi.where())
    return certificates.prepare(directory, _reachable_as(host), public)


def _reachable_as(host: str) -> Sequence[str]:
    if not _is_unspecified(host):
        return [host]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing: it only asks which address a packet to the outside would come from.
        probe.connect(("192.0.2.1", 9))
        return [cast("str", probe.getsockname()[0])]
    return []


def _shown(host: str) -> str:
    if _is_unspecified(host):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_unspecified(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    return False


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # not on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop
