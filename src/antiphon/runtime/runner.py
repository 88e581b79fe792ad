"""Drive one session: one task, one inbox, one core."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from antiphon.core.commands import (
    CloseConnection,
    Command,
    NameSession,
    ParkSession,
    RecordAudio,
    ReduceNoise,
    SettleQuota,
    TakeQuota,
)
from antiphon.core.inputs import Connected, DeadlineReached, Disconnected, Draining
from antiphon.core.kinds import AnySession, Offer
from antiphon.core.output_audio import AudioLedger
from antiphon.core.resumption import ResumptionTerms
from antiphon.core.routing import Input, Output
from antiphon.protocol import translation
from antiphon.protocol.client_events import SessionUpdate
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.wire import Wire
from antiphon.runtime.connection import Connection, ConnectionLost
from antiphon.runtime.inbox import Inbox
from antiphon.runtime.jobs import Jobs
from antiphon.runtime.noise import NoiseStage
from antiphon.runtime.pipelines import Pipeline
from antiphon.runtime.quotas import Account
from antiphon.runtime.trace import Opening, Trace

_logger = logging.getLogger(__name__)

_SEED_BYTES = 16


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session needs of the server it runs in."""

    clock: Callable[[], float]
    """Unix time in seconds."""
    stopping: asyncio.Event
    """Set when the server shuts down: sessions finish what runs and close."""
    traces: Path | None = None
    """Where sessions are recorded; None: nowhere."""
    record_audio: Callable[[AudioLedger], None] = lambda _: None
    """Is told the account of each response's audio."""
    account: Account | None = None
    """What the session takes its quotas from; None: it has none."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a session needs to which its client may come back."""

    terms: ResumptionTerms
    park: Callable[[int, str], None]
    """Hangs up, with a code and a reason, and lets the session wait for its client."""


async def run_session(
    connection: Connection,
    offer: Offer,
    pipeline: Pipeline,
    around: Surroundings,
    resumption: Resumption | None = None,
) -> None:
    """Serve a client from its `session.created` until it leaves or the server hangs up."""
    terms = None if resumption is None else resumption.terms
    opening = Opening(offer, secrets.token_bytes(_SEED_BYTES), around.clock(), terms)
    session = opening.open()
    trace = None
    if around.traces is not None:
        try:
            trace = Trace.begin(around.traces, session.id, opening)
        except OSError as fault:
            _logger.error("trace_failed", extra={"fault": type(fault).__name__})
    runner = Runner(connection, session, around, trace, resumption)
    try:
        await runner.run(pipeline)
    finally:
        if trace is not None:
            trace.close()


class Runner:
    """The task that owns a session and is the only caller of its core."""

    def __init__(
        self,
        connection: Connection,
        session: AnySession,
        around: Surroundings,
        trace: Trace | None,
        resumption: Resumption | None = None,
    ) -> None:
        self._connection = connection
        self._session = session
        self._around = around
        self._trace = trace
        self._resumption = resumption
        self._inbox = Inbox()
        self._noise = NoiseStage()
        self._hang_up: CloseConnection | None = None
        self._gone = False

    async def run(self, pipeline: Pipeline) -> None:
        """Drive the session until the client leaves or the server hangs up.

        Client events, engine results and deadlines pass through here one at a time. Nothing else
        calls the core, which is why the core needs no lock.
        """
        self._noise.use(pipeline.noise_reducer)
        async with asyncio.TaskGroup() as tasks:
            jobs = Jobs(pipeline, self._inbox, tasks)
            helpers = (tasks.create_task(self._listen()), tasks.create_task(self._await_stop()))
            try:
                self._take(Connected(), jobs)
                if self._around.account is not None:
                    self._around.account.open(self._inbox.put_at_once)
                while self._hang_up is None and not self._gone:
                    self._take(await self._next(), jobs)
            finally:
                if self._around.account is not None:
                    self._around.account.close()
                jobs.cancel_all()
                for helper in helpers:
                    helper.cancel()
            # Before the group waits for its jobs: the client need not wait for slow engines.
            if self._hang_up is not None and not self._gone:
                await self._connection.close(self._hang_up.code, self._hang_up.reason)

    async def _listen(self) -> None:
        """Bring client events to the inbox until the client leaves."""
        while (event := await self._connection.receive()) is not None:
            for each in await self._noise.prepare(event):
                await self._inbox.put(each)
            await self._noise.follow(event)
        self._inbox.put_at_once(Disconnected())

    async def _await_stop(self) -> None:
        await self._around.stopping.wait()
        self._inbox.put_at_once(Draining())

    async def _next(self) -> Input:
        deadline = self._session.deadline()
        timeout_s = None if deadline is None else deadline - self._around.clock()
        if timeout_s is not None and timeout_s <= 0:
            # Even while inputs wait: a client cannot put a deadline off by sending on.
            return DeadlineReached()
        received = await self._inbox.take(timeout_s)
        return DeadlineReached() if received is None else received

    def _take(self, received: Input, jobs: Jobs) -> None:
        now = self._around.clock()
        outputs = self._session.handle(received, now)
        if self._trace is not None:
            self._trace.record(now, received, outputs)
        if isinstance(received, Disconnected):
            self._gone = True
        self._perform(outputs, jobs)
        if isinstance(received, SessionUpdate | translation.SessionUpdate):
            self._noise.settle()

    def _perform(self, outputs: list[Output], jobs: Jobs) -> None:
        events: list[AnyServerEvent] = []
        parting: ParkSession | None = None
        for output in outputs:
            if isinstance(output, Wire):
                events.append(output)
            elif isinstance(output, ParkSession):
                parting = output
            else:
                self._carry_out(output, jobs)
        if events and not self._gone:
            self._send(events, jobs)
        if parting is not None and self._resumption is not None:
            self._resumption.park(parting.code, parting.reason)

    def _send(self, events: list[AnyServerEvent], jobs: Jobs) -> None:
        with suppress(ConnectionLost):
            self._connection.send(events)
            return
        self._lose(jobs)

    def _carry_out(self, command: Command, jobs: Jobs) -> None:
        match command:
            case CloseConnection():
                self._hang_up = command
            case NameSession(workflow_name, group_id):
                names = {"workflow_name": workflow_name, "group_id": group_id}
                _logger.info("session_named", extra={"session": self._session.id, **names})
            case ReduceNoise():
                self._noise.configure(command)
            case RecordAudio(ledger):
                self._around.record_audio(ledger)
            case TakeQuota() | SettleQuota():
                if self._around.account is not None:
                    self._around.account.perform(command)
            case _:
                jobs.perform(command)

    def _lose(self, jobs: Jobs) -> None:
        """End the session of a client that can no longer be reached."""
        if not self._gone:
            self._take(Disconnected("the client does not read"), jobs)
