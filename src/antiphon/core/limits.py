"""The token allowance that `rate_limits.updated` reports: a bucket that refills with time."""

from antiphon.protocol.response import RateLimit

_MINUTE_S = 60


class TokenAllowance:
    """Count the tokens of a session against an allowance a minute."""

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
