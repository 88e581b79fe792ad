"""Quotas at the door: whether a key may open one more session, or ask one thing more."""

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from antiphon.core.limits import Standing, exhausted
from antiphon.runtime.counters import Counters
from antiphon.runtime.ledger import UsageLedger
from antiphon.runtime.metrics import Metrics
from antiphon.runtime.quotas import Account, Outcome, Policy, Quotas
from antiphon.runtime.seats import Seats
from antiphon.runtime.usage import UsageMeter, Used
from antiphon.web import refusals
from antiphon.web.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Admission:
    """Counts who comes in and what they use. A session is counted once, from opening to end."""

    quotas: Quotas
    seats: Seats
    ledger: UsageLedger | None = None
    """Where it is written what they use; None: nowhere."""

    @classmethod
    def of(
        cls, policy: Policy, counters: Counters, ledger: UsageLedger | None = None
    ) -> "Admission":
        """Return the admission of a server with these limits."""
        quotas = Quotas(policy, counters)
        return cls(quotas, Seats(quotas, counters), ledger)

    def open(self) -> None:
        """Begin to count, in the running loop."""
        self.seats.open()
        if self.ledger is not None:
            self.ledger.open()

    def close(self) -> None:
        """Finish counting."""
        self.seats.close()
        self.quotas.close()
        if self.ledger is not None:
            self.ledger.close()

    @asynccontextmanager
    async def hold(self, key_id: str, deployment: str) -> AsyncGenerator[Account | Refusal]:
        """Count a session while it runs; give its account, or why it may not begin."""
        rooms = self.seats.rooms(key_id, deployment)
        full = await self.seats.take(rooms)
        if full is not None:
            yield refusals.no_seat(full.limit, full.owner)
            return
        try:
            account = self.quotas.account(key_id, deployment)
            yield _refusal(await account.request(), deployment, self.quotas.now()) or account
        finally:
            self.seats.leave(rooms)

    async def count(self, key_id: str) -> Refusal | None:
        """Count a request that opens no session; return why it may not be made, if so."""
        account = self.quotas.account(key_id, "")
        refusal = _refusal(await account.request(), "this server", self.quotas.now())
        if refusal is None:
            self._record(key_id, "", Used(requests=1))
        return refusal

    @contextmanager
    def meter(self, key_id: str, deployment: str, metrics: Metrics) -> Generator[UsageMeter]:
        """Count what a session uses while it runs, in the ledger and in the metrics."""

        def record(used: Used) -> None:
            self._record(key_id, deployment, used)
            metrics.usage.count(deployment, used)

        meter = UsageMeter(record, time.monotonic)
        meter.open()
        try:
            yield meter
        finally:
            meter.close()

    def _record(self, key_id: str, deployment: str, used: Used) -> None:
        if self.ledger is not None:
            self.ledger.add(key_id, deployment, used)


def unlimited() -> Admission:
    """Return the admission of a server without limits."""
    return Admission.of(Policy(), Counters(None, time.time))


def _refusal(outcome: Outcome, model: str, now: float) -> Refusal | None:
    if outcome.refused_s is None:
        return None
    spent = [each for each in outcome.standings if each.name == "requests" and each.remaining <= 0]
    worst: Standing = max(spent, key=lambda each: each.reset_at)
    return refusals.quota_used_up(exhausted(model, worst, now), "requests", outcome.refused_s)
