"""Quotas of keys and deployments: who may use how much, and what is left of it.

Each quota is a counter that begins with the first use and is forgotten when its time is over. All
that apply must have something left. What is taken is known at once in this process; where counters
are shared, a thread beside the loop asks for them and the answer comes when it comes.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeVar

from limits import RateLimitItem, parse_many

from antiphon.core.commands import SettleQuota, TakeQuota
from antiphon.core.inputs import QuotaChanged
from antiphon.core.limits import QuotaName, Standing
from antiphon.runtime.counters import Counters

Owner = Literal["key", "deployment"]
Amounts = Mapping[QuotaName, int]
_Result = TypeVar("_Result")

_NAMESPACE = "antiphon"
_MAX_WAITING = 10_000
"""Calls of a shared storage that may wait; beyond, nothing is counted until it catches up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one owner may use."""

    requests: tuple[RateLimitItem, ...] = ()
    tokens: tuple[RateLimitItem, ...] = ()
    sessions: int | None = None

    @classmethod
    def parse(cls, requests: str | None, tokens: str | None, sessions: int | None) -> "Limits":
        """Read limits as they are written: "60/minute; 5000/day". Raises `ValueError`."""
        return cls(_items(requests), _items(tokens), sessions)


@dataclass(frozen=True, slots=True)
class Window:
    """One quota of one owner."""

    name: QuotaName
    owner: Owner
    item: RateLimitItem
    key: str
    """Under which it is counted."""

    @property
    def per(self) -> str:
        """The time that it is for, in words."""
        unit, times = self.item.GRANULARITY.name, self.item.multiples
        return unit if times == 1 else f"{times} {unit}s"


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of everybody."""

    each_key: Limits = field(default_factory=Limits)
    """What applies to a key that has none of its own."""
    keys: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType[str, Limits]({}))
    deployments: Mapping[str, Limits] = field(
        default_factory=lambda: MappingProxyType[str, Limits]({})
    )

    def of(self, key_id: str, deployment: str) -> tuple[tuple[Owner, str, Limits], ...]:
        """Return the limits that apply to a key on a deployment, with their owners."""
        key = self.keys.get(key_id, self.each_key)
        whole = self.deployments.get(deployment, Limits())
        return (("key", key_id, key), ("deployment", deployment, whole))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of taking."""

    standings: tuple[Standing, ...]
    refused_s: float | None = None
    """In how many seconds there is more; None: it was granted."""


class Quotas:
    """The quotas of this server."""

    def __init__(self, policy: Policy, counters: Counters) -> None:
        self.policy = policy
        self._counters = counters
        self._beside = ThreadPoolExecutor(1, "limits") if counters.is_shared else None
        self._waiting = 0
        self._accounts: dict[Window, set[Account]] = {}
        self._spent: set[Window] = set()
        """The quotas of which everybody has been told that nothing is left."""

    def windows(self, key_id: str, deployment: str) -> tuple[Window, ...]:
        """Return the quotas that apply to a key on a deployment."""
        return tuple(
            Window(name, owner, item, item.key_for(_NAMESPACE, owner, owner_id, name))
            for owner, owner_id, limits in self.policy.of(key_id, deployment)
            for name, items in _by_name(limits)
            for item in items
        )

    def account(self, key_id: str, deployment: str) -> "Account":
        """Return the account of a session."""
        return Account(self, self.windows(key_id, deployment))

    def join(self, account: "Account", windows: Iterable[Window]) -> None:
        """Tell an account when somebody takes the last of a quota."""
        for window in windows:
            self._accounts.setdefault(window, set()).add(account)

    def leave(self, account: "Account", windows: Iterable[Window]) -> None:
        """Tell an account nothing any more."""
        for window in windows:
            left = self._accounts.get(window, set())
            left.discard(account)
            if not left:
                self._accounts.pop(window, None)
                self._spent.discard(window)

    def tell_others(self, teller: "Account", known: Mapping[Window, Standing]) -> None:
        """Tell the other accounts of quotas of which nothing is left, or something again."""
        news: dict[Window, Standing] = {}
        for window, found in known.items():
            is_spent = found.remaining <= 0
            if is_spent != (window in self._spent):
                news[window] = found
        self._spent = (self._spent | news.keys()) - {
            window for window, found in news.items() if found.remaining > 0
        }
        others = {each for window in news for each in self._accounts.get(window, ())}
        for account in others - {teller}:
            account.hear(news)

    def close(self) -> None:
        """Finish what waits, and stop."""
        if self._beside is not None:
            self._beside.shutdown()

    def now(self) -> float:
        """Return the time that quotas go by."""
        return self._counters.now()

    def take(self, windows: Sequence[Window], amounts: Amounts) -> Outcome:
        """Take from all of these quotas, or from none. To be called by `call`."""
        found = [
            (window, amount, self._counters.add(window.key, amount, window.item.get_expiry()))
            for window in windows
            for amount in (amounts.get(window.name, 0),)
        ]
        # Whoever finds anything left may take it: what is too much is less for the next one.
        refusing = [
            count.reset_at
            for window, amount, count in found
            if amount and count.total - amount >= window.item.amount
        ]
        if not refusing:
            return Outcome(tuple(self._standing(w, c.total, c.reset_at) for w, _, c in found))
        for window, amount, _ in found:
            if amount:
                self._counters.add(window.key, -amount, window.item.get_expiry())
        standings = tuple(self._standing(w, c.total - amount, c.reset_at) for w, amount, c in found)
        return Outcome(standings, max(0.1, max(refusing) - self._counters.now()))

    def add(self, windows: Iterable[Window], amount: int) -> None:
        """Add to quotas whatever is left of them, or give back. To be called by `call`."""
        for window in windows:
            self._counters.add(window.key, amount, window.item.get_expiry())

    @staticmethod
    def _standing(window: Window, used: int, reset_at: float) -> Standing:
        limit = window.item.amount
        return Standing(window.name, limit, limit - used, reset_at, window.per, window.owner)

    def call(
        self, call: Callable[[], _Result], then: Callable[[_Result], None], otherwise: _Result
    ) -> None:
        """Do this at once, or beside the loop where it has to wait for another machine."""
        if self._beside is None:
            then(call())
            return
        if self._waiting >= _MAX_WAITING:
            then(otherwise)
            return
        loop = asyncio.get_running_loop()
        self._waiting += 1

        def settle(done: Future[_Result]) -> None:
            self._waiting -= 1
            then(done.result())

        self._beside.submit(call).add_done_callback(
            lambda done: loop.call_soon_threadsafe(settle, done)
        )


class Account:
    """The quotas of one session, on behalf of which it takes."""

    def __init__(self, quotas: Quotas, windows: tuple[Window, ...]) -> None:
        self._quotas = quotas
        self._windows = windows
        self._known: dict[Window, Standing] = {}
        self._granted: dict[str, _Grant] = {}
        self._tell: Callable[[QuotaChanged], None] | None = None

    async def request(self) -> Outcome:
        """Take one request, such as the opening of a session."""
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome) -> None:
            if not answered.done():
                answered.set_result(outcome)

        if not self._windows:
            return Outcome(())
        amounts: Amounts = {"requests": 1}
        self._quotas.call(lambda: self._quotas.take(self._windows, amounts), settle, Outcome(()))
        outcome = await answered
        self._learn(outcome.standings)
        return outcome

    def open(self, tell: Callable[[QuotaChanged], None]) -> None:
        """Tell a session where its quotas stand, now and whenever that matters."""
        if self._windows:
            self._tell = tell
            self._quotas.join(self, self._windows)
            if self._known:
                tell(QuotaChanged(self._standings()))
            else:
                self._quotas.call(self._look, self._hear, Outcome(()))

    def close(self) -> None:
        """Tell nothing any more."""
        self._tell = None
        self._quotas.leave(self, self._windows)

    def perform(self, command: TakeQuota | SettleQuota) -> None:
        """Carry out a command of the session."""
        match command:
            case TakeQuota():
                self._quotas.call(
                    lambda: self._take(command),
                    lambda outcome: self._answer(command, outcome),
                    Outcome(()),
                )
            case SettleQuota():
                self._quotas.call(lambda: self._settle(command), self._learn_settled, None)

    def hear(self, news: Mapping[Window, Standing]) -> None:
        """Learn that somebody else took the last of some quotas, or gave some back."""
        self._known |= {each: news[each] for each in self._windows if each in news}
        if self._tell is not None:
            self._tell(QuotaChanged(self._standings()))

    def _look(self) -> Outcome:
        return self._quotas.take(self._windows, {})

    def _hear(self, outcome: Outcome) -> None:
        self._learn(outcome.standings)
        if self._tell is not None:
            self._tell(QuotaChanged(self._standings()))

    # These two run one after the other, wherever quotas are counted; `_granted` is theirs alone.

    def _take(self, command: TakeQuota) -> Outcome:
        amounts: Amounts = {"requests": command.requests, "tokens": command.tokens}
        outcome = self._quotas.take(self._windows, amounts)
        if outcome.refused_s is None and command.tokens:
            resets = tuple(each.reset_at for each in outcome.standings)
            grant = self._granted.setdefault(command.response_id, _Grant(resets))
            grant.tokens += command.tokens
        return outcome

    def _settle(self, command: SettleQuota) -> Outcome:
        grant = self._granted.pop(command.response_id, _Grant(()))
        amount = command.tokens - grant.tokens
        now = self._quotas.now()
        owed = [window for window in self._windows if window.name == "tokens"]
        if amount < 0:
            # Only to the quota that it was taken from: one that has begun since owes nothing.
            lasting = zip(self._windows, grant.resets_at, strict=False)
            owed = [w for w, reset_at in lasting if w.name == "tokens" and now < reset_at]
        if amount:
            self._quotas.add(owed, amount)
        return self._look()

    def _learn_settled(self, outcome: Outcome | None) -> None:
        if outcome is not None:
            self._learn(outcome.standings)
            self._quotas.tell_others(self, self._known)

    def _answer(self, command: TakeQuota, outcome: Outcome) -> None:
        self._learn(outcome.standings)
        if self._tell is not None:
            standings = self._standings()
            self._tell(QuotaChanged(standings, command.response_id, outcome.refused_s))
        self._quotas.tell_others(self, self._known)

    def _learn(self, standings: tuple[Standing, ...]) -> None:
        self._known |= dict(zip(self._windows, standings, strict=False))

    def _standings(self) -> tuple[Standing, ...]:
        return tuple(self._known.values())


@dataclass(slots=True)
class _Grant:
    """What a response holds of the quotas."""

    resets_at: tuple[float, ...]
    """When each of them begins anew."""
    tokens: int = 0


def _items(text: str | None) -> tuple[RateLimitItem, ...]:
    items = tuple(parse_many(text)) if text else ()
    if any(each.amount < 1 for each in items):
        raise ValueError("a limit of nothing lets nobody in")
    return items


def _by_name(limits: Limits) -> tuple[tuple[QuotaName, tuple[RateLimitItem, ...]], ...]:
    return (("requests", limits.requests), ("tokens", limits.tokens))
