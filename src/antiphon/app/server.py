"""A server from its sockets to its end."""

import asyncio
import contextlib
import gc
import itertools
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from starlette.applications import Starlette

from antiphon import config, weights
from antiphon.app.addresses import Addresses, Sockets
from antiphon.app.deployments import assemble, close_engines, create, stored_prompts, title
from antiphon.app.limits import admission
from antiphon.config import (
    EnginePlan,
    Loaded,
    Problem,
    RealtimePlan,
    SettingsError,
    TranslationPlan,
)
from antiphon.config.checks import is_loopback
from antiphon.core.reach import Reach
from antiphon.core.resumption import ResumptionTerms
from antiphon.runtime.metrics import LoopLag, Metrics
from antiphon.runtime.parking import Parking
from antiphon.web.application import create_application
from antiphon.web.catalogue import Asked, Catalogue, Deployment
from antiphon.web.entrance import Entrance
from antiphon.web.keyring import Keyring
from antiphon.web.pages import Pages
from antiphon.web.realtime import RealtimeDoor
from antiphon.web.sessions import OpenSessions
from antiphon.weights import Report

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")

Progress = Callable[[], contextlib.AbstractContextManager[Report]]

_SAME_REQUEST_S = 1.0
_AUTO_MAX_SESSIONS = 1000


class Server:
    """Listens, loads its engines, serves, and drains."""

    def __init__(self, loaded: Loaded) -> None:
        """Bind the sockets. Raises `SettingsError` when that or the certificate fails."""
        self._loaded = loaded
        self._admission = admission(loaded)
        self._plans: list[RealtimePlan | TranslationPlan] = [*config.plan(loaded.settings)]
        translations = config.plan_translations(loaded.settings)
        self._catalogue = Catalogue(
            [each.name for each in self._plans],
            config.transcription_names(loaded.settings),
            [each.name for each in translations],
        )
        self._plans += translations
        self._lag = LoopLag()
        self._metrics = Metrics(self._lag)
        limit = loaded.settings.server.max_sessions
        self._sessions = OpenSessions(_AUTO_MAX_SESSIONS if limit == "auto" else limit, self._lag)
        _prepare_traces(loaded)
        self._sockets = Sockets.bind(loaded)
        self._stop = asyncio.Event()
        self._engines: dict[EnginePlan, object] = {}

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
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell_fault)
        self._heed_signals(loop, asyncio.current_task())
        listeners = self._sockets.listeners(self._application())
        try:
            for listener in listeners:
                await listener.open()
            self._lag.start()
            self._admission.open()
            self._catalogue.open(await self._load(progress))
            # What lives now lives to the end; the collector need not look at it again.
            gc.collect()
            gc.freeze()
            on_ready(self._sockets.addresses)
            await self._stop.wait()
            _logger.info("draining", extra={"sessions": len(self._sessions)})
            await self._sessions.drain(self._loaded.settings.server.drain_seconds)
        finally:
            self._lag.stop()
            self._admission.close()
            for listener in listeners:
                await listener.close()
            await close_engines(self._engines.values())

    def _application(self) -> Starlette:
        keyring = Keyring(self._loaded.keys, self._loaded.key_names)
        entrance = Entrance(keyring, self._catalogue)
        traces = self._loaded.settings.server.trace_dir
        return create_application(
            Pages(entrance, self._catalogue, self._sessions, self._metrics, self._admission),
            RealtimeDoor(
                entrance,
                self._catalogue,
                self._sessions,
                self._metrics,
                Path(traces) if traces else None,
                admission=self._admission,
                parking=self._parking(),
            ),
        )

    def _parking(self) -> Parking | None:
        settings = self._loaded.settings.server
        if settings.resume_seconds == 0:
            return None
        terms = ResumptionTerms(wait_s=settings.resume_seconds)
        parking = Parking(terms, settings.max_parked_sessions)
        self._metrics.watch(lambda: len(parking), lambda: parking.redeemed)
        return parking

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

    def _reach(self) -> Reach:
        """Return which MCP servers clients may have us call."""
        settings = self._loaded.settings
        return Reach(settings.mcp.allow, loopback=is_loopback(settings.server.host))

    async def _load(self, progress: Progress) -> dict[Asked, Deployment]:
        plans = config.engines(self._plans)
        needed = (weights.engine_artifacts(each.name, each.settings) for each in plans)
        artifacts = list(dict.fromkeys(itertools.chain.from_iterable(needed)))
        self._catalogue.begin([f"weights of {name}" for name in artifacts])
        self._catalogue.begin([title(plan) for plan in plans])
        await _in_thread(lambda: _bring_weights(artifacts, self._loaded.settings.server, progress))
        for name in artifacts:
            self._catalogue.finish(f"weights of {name}")

        async def load(plan: EnginePlan) -> None:
            start = time.monotonic()
            self._engines[plan] = await _in_thread(lambda: create(plan))
            self._catalogue.finish(title(plan))
            seconds = round(time.monotonic() - start, 2)
            _logger.info("engine_loaded", extra={"engine": title(plan), "s": seconds})

        await asyncio.gather(*(load(plan) for plan in plans))
        prompts = stored_prompts(self._loaded.settings)
        return assemble(self._plans, self._engines, prompts, self._reach())


def _prepare_traces(loaded: Loaded) -> None:
    traces = loaded.settings.server.trace_dir
    if traces is None:
        return
    try:
        Path(traces).mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        found = loaded.values[("server", "trace_dir")]
        message = f"Sessions cannot be recorded in '{traces}': {(error.strerror or '').lower()}."
        raise SettingsError([Problem(message, found.place)]) from error


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


def _tell_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # The loop's own report would quote the exception, whose text may hold what users said.
    fault = cast("BaseException | None", context.get("exception"))
    _logger.error("task_failed", exc_info=fault, extra={"what": context["message"]})


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # not on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop
