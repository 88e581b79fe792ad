"""Quotas at the door: whether a key may open one more session, or ask one thing more."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from antiphon.core.limits import Standing, exhausted
from antiphon.runtime.counters import Counters
from antiphon.runtime.quotas import Account, Outcome, Policy, Quotas
from antiphon.runtime.seats import Seats
from antiphon.web import refusals
from antiphon.web.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Admission:
    """Counts who comes in. A session is counted once, from its opening to its end."""

    quotas: Quotas
    seats: Seats

    @classmethod
    def of(cls, policy: Policy, counters: Counters) -> "Admission":
        """Return the admission of a server with these limits."""
        quotas = Quotas(policy, counters)
        return cls(quotas, Seats(quotas, counters))

    def open(self) -> None:
        """Begin to count, in the running loop."""
        self.seats.open()

    def close(self) -> None:
        """Finish counting."""
        self.seats.close()
        self.quotas.close()

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
        return _refusal(await account.request(), "this server", self.quotas.now())


def unlimited() -> Admission:
    """Return the admission of a server without limits."""
    return Admission.of(Policy(), Counters(None, time.time))


def _refusal(outcome: Outcome, model: str, now: float) -> Refusal | None:
    if outcome.refused_s is None:
        return None
    spent = [each for each in outcome.standings if each.name == "requests" and each.remaining <= 0]
    worst: Standing = max(spent, key=lambda each: each.reset_at)
    return refusals.quota_used_up(exhausted(model, worst, now), "requests", outcome.refused_s)
