"""What a session may still use: the quotas that apply to it, as far as it knows them.

The quotas themselves are counted outside, where other sessions and other servers take from them as
well. A session is told where they stand, takes from them as a response begins and as it goes on,
and gives back at its end what it did not need. It never waits for an answer: it goes by what it was
told last, and a refusal that comes later ends the response then.
"""

from dataclasses import dataclass, replace
from typing import Literal

from antiphon.core.commands import SettleQuota, TakeQuota
from antiphon.protocol.response import RateLimit

QuotaName = Literal["requests", "tokens"]

_MINUTE_S = 60
_STEP_TOKENS = 256
"""How many tokens of an answer are taken at once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one quota stood when it was last looked at."""

    name: QuotaName
    limit: int
    remaining: int
    reset_at: float
    """Unix time at which all of it is there again."""
    per: str = "minute"
    of: str = "key"
    """Whose quota it is."""

    def at(self, now: float) -> "Standing":
        """Return where it stands at a later moment, if nobody took anything meanwhile."""
        return self if now < self.reset_at else replace(self, remaining=self.limit, reset_at=now)

    def less(self, amount: int) -> "Standing":
        """Return where it stands after something was taken, or given back."""
        return replace(self, remaining=min(self.limit, self.remaining - amount))

    def reported(self, now: float) -> RateLimit:
        """Return it as clients are told."""
        return RateLimit(
            name=self.name,
            limit=self.limit,
            remaining=max(0, self.remaining),
            reset_seconds=round(max(0.0, self.reset_at - now), 3),
        )


class Allowance:
    """The quotas of one session, and what its responses hold of them."""

    __slots__ = ("_held", "_model", "_nominal", "_standings")

    def __init__(self, model: str, nominal_tokens_per_minute: int) -> None:
        self._model = model
        self._standings: tuple[Standing, ...] = ()
        self._nominal = NominalAllowance(nominal_tokens_per_minute)
        self._held: dict[str, int] = {}

    @property
    def is_limited(self) -> bool:
        """Whether any quota applies."""
        return bool(self._standings)

    def learn(self, standings: tuple[Standing, ...]) -> None:
        """Take what is known of the quotas now."""
        self._standings = standings

    def refusal(self, now: float, *names: QuotaName) -> str | None:
        """Return why these quotas give nothing more, in words; None: they do. None named: all."""
        self._pass_time(now)
        asked = [each for each in self._standings if not names or each.name in names]
        spent = [each for each in asked if each.remaining <= 0]
        if not spent:
            return None
        # The one that keeps the client waiting longest.
        return exhausted(self._model, max(spent, key=lambda each: each.reset_at), now)

    def begin(self, response_id: str, input_tokens: int, now: float) -> list[TakeQuota]:
        """Take a request, what a response reads, and the beginning of what it will say."""
        return self._take(response_id, 1, input_tokens, now)

    def go_on(self, response_id: str, spent_tokens: int, now: float) -> list[TakeQuota] | None:
        """Take more where a response has used up what it holds; None: there is no more."""
        held = self._held.get(response_id)
        if held is None or spent_tokens <= held:
            return []
        if self.refusal(now, "tokens") is not None:
            return None
        return self._take(response_id, 0, spent_tokens - held, now)

    def lose(self, response_id: str, wait_s: float) -> str:
        """Note that a response was refused; return that in words."""
        self._held[response_id] = 0
        return f"Rate limit reached for {self._model}. Please try again in {wait_s:.1f}s."

    def end(
        self, response_id: str, tokens: int, now: float
    ) -> tuple[tuple[RateLimit, ...], list[SettleQuota]]:
        """Settle what a response has cost; return what is left of each kind of quota."""
        held = self._held.pop(response_id, None)
        self._pass_time(now)
        self._subtract("tokens", tokens - (held or 0))
        settling = [] if held is None else [SettleQuota(response_id, tokens)]
        return self._left(tokens, now), settling

    def _take(self, response_id: str, requests: int, tokens: int, now: float) -> list[TakeQuota]:
        if not self.is_limited:
            return []
        self._pass_time(now)
        left = [each.remaining for each in self._standings if each.name == "tokens"]
        # No more than there is, so that a small quota is used to its end and not far beyond.
        tokens += max(1, min(_STEP_TOKENS, min(left, default=_STEP_TOKENS) - tokens))
        self._held[response_id] = self._held.get(response_id, 0) + tokens
        self._subtract("requests", requests)
        self._subtract("tokens", tokens)
        return [TakeQuota(response_id, requests, tokens)]

    def _subtract(self, name: QuotaName, amount: int) -> None:
        self._standings = tuple(
            each.less(amount) if each.name == name else each for each in self._standings
        )

    def _pass_time(self, now: float) -> None:
        self._standings = tuple(each.at(now) for each in self._standings)

    def _left(self, tokens: int, now: float) -> tuple[RateLimit, ...]:
        """Return the tightest quota of each kind."""
        tightest: dict[str, Standing] = {}
        for each in self._standings:
            known = tightest.get(each.name)
            if known is None or each.remaining < known.remaining:
                tightest[each.name] = each
        told = tuple(tightest[name].reported(now) for name in sorted(tightest))
        return told if "tokens" in tightest else (*told, *self._nominal.use(tokens, now))


def exhausted(model: str, standing: Standing, now: float) -> str:
    """Say that a quota is used up, in words from which clients read how long to wait."""
    wait_s = max(0.1, standing.reset_at - now)
    return (
        f"Rate limit reached for {model} on {standing.name} per {standing.per} of this "
        f"{standing.of}: Limit {standing.limit}, Used {standing.limit - standing.remaining}"
        f". Please try again in {wait_s:.1f}s."
    )


class NominalAllowance:
    """An allowance that is reported and never refused, for clients that wait for the report."""

    __slots__ = ("_counted_at", "_per_minute", "_used")

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._used = 0.0
        self._counted_at = 0.0

    def use(self, tokens: int, now: float) -> tuple[RateLimit, ...]:
        """Take tokens and return what is left."""
        refilled = max(0.0, now - self._counted_at) * self._per_minute / _MINUTE_S
        self._used = max(0.0, self._used - refilled) + tokens
        self._counted_at = now
        reset_s = self._used / self._per_minute * _MINUTE_S
        return (
            RateLimit(
                name="tokens",
                limit=self._per_minute,
                remaining=max(0, self._per_minute - int(self._used)),
                reset_seconds=round(reset_s, 3),
            ),
        )
