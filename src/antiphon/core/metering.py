"""Responses and the quotas they take from: what may begin, and what has to end.

A response that finds a quota used up fails with `rate_limit_exceeded` and says for how long. So
does one that uses up a quota on its way; what it has said until then stays in the conversation.
"""

from antiphon.core.commands import SettleQuota, TakeQuota
from antiphon.core.configuration import SessionOffer
from antiphon.core.context import Context, text_tokens
from antiphon.core.happenings import ResponseEnded, Told
from antiphon.core.inputs import QuotaChanged
from antiphon.core.limits import Allowance
from antiphon.core.response import Ending, Response, failure
from antiphon.core.responses import Responses
from antiphon.engines.responder import ResponseRequest
from antiphon.protocol.response import RateLimit


class Metering:
    """Keeps the responses of a session within its allowance."""

    __slots__ = ("_allowance", "_responses")

    def __init__(self, offer: SessionOffer, responses: Responses) -> None:
        self._allowance = Allowance(offer.model, offer.tokens_per_minute)
        self._responses = responses

    def start(
        self, response: Response, request: ResponseRequest, context: Context, now: float
    ) -> list[Told]:
        """Have a response made if the allowance has something left for it."""
        refusal = self._allowance.refusal(now)
        if refusal is not None:
            given_up = self._responses.discard_guess() if response.plan.in_conversation else []
            # Others may have given back what they did not need: the next one is to know.
            asked = TakeQuota(response.id, 0, 0)
            return [*given_up, asked, *response.end(_used_up(refusal), now)]
        read = text_tokens(response.plan.instructions) + context.text_tokens
        read += context.audio_tokens - context.spoken_text_tokens
        taken = self._allowance.begin(response.id, read, now)
        started = self._responses.start(response, request, context, now)
        return [*taken, *started, *self.keep_within(now)]

    def keep_within(self, now: float) -> list[Told]:
        """Take more for the responses that need it, and end those for which there is no more."""
        told: list[Told] = []
        if not self._allowance.is_limited:
            return told
        for response in self._responses:
            if response.job is None or response.has_ended:
                continue
            taken = self._allowance.go_on(response.id, response.spent_tokens, now)
            told += self._cut(response, now) if taken is None else taken
        return told

    def learn(self, changed: QuotaChanged, now: float) -> list[Told]:
        """Take news of the quotas; a response that was refused ends."""
        self._allowance.learn(changed.standings)
        if changed.refused_s is None:
            return []
        refused = next((each for each in self._responses if each.id == changed.response_id), None)
        if refused is None or refused.has_ended:
            return []
        words = self._allowance.lose(refused.id, changed.refused_s)
        return self._stop(refused, self._allowance.refusal(now) or words, now)

    def end(
        self, ended: ResponseEnded, now: float
    ) -> tuple[tuple[RateLimit, ...], list[SettleQuota]]:
        """Settle what a response has cost; return what is left, for the client."""
        spent = ended.tokens
        if not spent and self._allowance.is_limited:
            # One that failed is told to cost nothing. It has taken what it has taken.
            spent = sum(
                each.spent_tokens for each in self._responses if each.id == ended.response_id
            )
        return self._allowance.end(ended.response_id, spent, now)

    def _cut(self, response: Response, now: float) -> list[Told]:
        refusal = self._allowance.refusal(now, "tokens")
        assert refusal is not None  # noqa: S101 - that is why it is cut
        return self._stop(response, refusal, now)

    def _stop(self, response: Response, refusal: str, now: float) -> list[Told]:
        return self._responses.stop(response, _used_up(refusal), now)


def _used_up(refusal: str) -> Ending:
    return failure("rate_limit_exceeded", refusal)
