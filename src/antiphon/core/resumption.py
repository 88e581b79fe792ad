"""A session whose client may lose its connection and come back to it.

It stands around a session of any kind and hands on what it does not decide itself. While the client
is away the session lives on: engines finish what they are at, deadlines pass, and what is said is
kept. The client comes back on another connection, is told first how things stand, then what it
missed, then whatever follows. Of tokens it knows nothing; the shell gives them out and checks them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from antiphon.core import inputs
from antiphon.core.commands import CloseConnection, ParkSession
from antiphon.core.ids import Ids
from antiphon.core.kept_events import KeptEvents
from antiphon.core.outline import Outline
from antiphon.core.routing import Input, Output, RoutedSession
from antiphon.protocol import errors, translation
from antiphon.protocol import server_events as server
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.resumption import (
    AntiphonSessionExpiring,
    AntiphonSessionResumable,
    AntiphonSessionResumed,
)
from antiphon.protocol.wire import Wire

_GOING_AWAY = 1001


@dataclass(frozen=True, slots=True)
class ResumptionTerms:
    """How long a session waits for its client, and how much it keeps for it."""

    wait_s: int = 120
    """How long after its connection has ended a client may come back."""
    warning_s: float = 60
    """How long before the session's end the client is warned; half its time, if that is less."""
    kept_bytes: int = 8 * 1024 * 1024
    """How much of what was said is kept: two minutes of speech."""


@dataclass(frozen=True, slots=True)
class Present:
    """The client is connected."""

    is_warned: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    """The client has lost its connection."""

    until: float
    absent_since: int
    """Number of the first event that it cannot have heard."""
    is_renewed: bool
    """Whether the session has reached its end and begins anew when the client comes back."""


@dataclass(frozen=True, slots=True)
class Over:
    """The session has ended."""


class ResumableSession:
    """A session that outlives its connections."""

    __slots__ = (
        "_draining",
        "_ids",
        "_kept",
        "_lasts_s",
        "_outline",
        "_session",
        "_state",
        "_terms",
    )

    def __init__(
        self, session: RoutedSession, ids: Ids, now: float, terms: ResumptionTerms
    ) -> None:
        self._session = session
        self._ids = ids
        self._terms = terms
        self._kept = KeptEvents(terms.kept_bytes)
        self._outline = Outline()
        self._state: Present | Away | Over = Present()
        self._lasts_s = session.expires_at - int(now)
        self._draining = False

    @property
    def id(self) -> str:
        """The session's id."""
        return self._session.id

    def deadline(self) -> float | None:
        """Return when `handle` wants to be called even if nothing arrives; None: never again."""
        inner = self._session.deadline()
        match self._state:
            case Present(is_warned):
                own = None if is_warned else self._warns_at
            case Away(until):
                own = until
            case Over():
                return None
            case _:
                assert_never(self._state)
        moments = [each for each in (inner, own) if each is not None]
        return min(moments) if moments else None

    def handle(self, received: Input, now: float) -> list[Output]:
        """Take one input at ``now`` (Unix time, never decreasing) and return what follows."""
        match received:
            case inputs.Connected():
                outputs = [*self._session.handle(received, now), self._offer_return()]
            case inputs.Interrupted():
                outputs = self._lose_client(now)
            case inputs.Resumed(after):
                return self._welcome(after, now)
            case inputs.DeadlineReached():
                outputs = self._pass_time(now)
            case inputs.Draining():
                outputs = self._drain(now)
            case inputs.Disconnected():
                outputs = self._say(self._session.handle(received, now), now)
                self._state = Over()
                return outputs
            case _:
                outputs = self._session.handle(received, now)
        return self._say(outputs, now)

    @property
    def _is_away(self) -> bool:
        return isinstance(self._state, Away)

    @property
    def _warns_at(self) -> float:
        return self._session.expires_at - min(self._terms.warning_s, self._lasts_s / 2)

    def _lose_client(self, now: float) -> list[Output]:
        match self._state:
            case Present() if self._draining:
                return self._end(now)
            case Present():
                self._park(now, is_renewed=False)
                return []
            case Away() | Over():
                return []  # a connection that was already given up

    def _park(self, now: float, *, is_renewed: bool) -> None:
        self._session.miss_client(now)
        until = now + self._terms.wait_s
        self._state = Away(until, self._kept.next_number, is_renewed)

    def _welcome(self, after: str | None, now: float) -> list[Output]:
        """Tell a client that is back how things stand, what it missed, and how to come again."""
        match self._state:
            case Over():
                return []
            case Away(_, absent_since, is_renewed):
                self._session.greet_client(now)
                if is_renewed:
                    self._session.renew(now)
            case Present():
                # The client has noticed before us that its connection is dead.
                absent_since = self._kept.next_number
        missed, are_lost = self._kept.take_missed(after, absent_since)
        self._state = Present()
        resumed = AntiphonSessionResumed(
            event_id=self._ids.event(),
            session=self._outline.session(self._session.expires_at),
            item_ids=self._outline.item_ids,
            response_ids=self._outline.response_ids,
            redelivered=len(missed),
            events_lost=are_lost,
        )
        told = [resumed, self._offer_return(), *missed]
        for event in told:
            self._keep(event, now)
        return list(told)

    def _offer_return(self) -> AntiphonSessionResumable:
        return AntiphonSessionResumable(
            event_id=self._ids.event(), token="", seconds=self._terms.wait_s
        )

    def _pass_time(self, now: float) -> list[Output]:
        if isinstance(self._state, Away) and now >= self._state.until:
            return self._end(now)
        if now >= self._session.expires_at:
            return self._expire(now)
        told: list[Output] = []
        if self._state == Present() and now >= self._warns_at:
            self._state = Present(is_warned=True)
            told.append(self._warn(now))
        return told + self._session.handle(inputs.DeadlineReached(), now)

    def _warn(self, now: float) -> AntiphonSessionExpiring:
        expires_at = self._session.expires_at
        return AntiphonSessionExpiring(
            event_id=self._ids.event(),
            seconds_left=max(0, round(expires_at - now)),
            expires_at=expires_at,
        )

    def _expire(self, now: float) -> list[Output]:
        """Hang up on the client, and keep the session in case it comes back."""
        self._session.renew(now)
        if isinstance(self._state, Away):
            self._state = Away(self._state.until, self._state.absent_since, is_renewed=True)
            return []
        if self._draining:
            return self._end(now)
        expired = errors.session_expired(self._lasts_s)
        error = server.Error(event_id=self._ids.event(), error=server.ErrorBody.of(expired))
        return [error, ParkSession(_GOING_AWAY, expired.message)]

    def _drain(self, now: float) -> list[Output]:
        """Wait for nobody any more: a server that ends cannot be come back to."""
        self._draining = True
        return self._end(now) if self._is_away else self._session.handle(inputs.Draining(), now)

    def _end(self, now: float) -> list[Output]:
        ended = self._session.handle(inputs.Disconnected(), now)
        return [*ended, CloseConnection(_GOING_AWAY, "The client did not come back.")]

    def _say(self, outputs: Iterable[Output], now: float) -> list[Output]:
        """Keep what is said; return what can be said now, and all that is to be done."""
        said: list[Output] = []
        for output in outputs:
            if isinstance(output, Wire):
                self._outline.observe(output)
                self._keep(output, now)
                if self._is_away:
                    continue
            elif isinstance(output, CloseConnection):
                self._state = Over()
            elif isinstance(output, ParkSession):
                self._park(now, is_renewed=True)
            said.append(output)
        return said

    def _keep(self, event: AnyServerEvent, now: float) -> None:
        self._kept.add(event, now, is_repeatable=is_repeatable(event))
        if not self._is_away:
            self._kept.forget_heard(now)


def is_repeatable(event: AnyServerEvent) -> bool:
    """Tell whether an event still means the same on another connection."""
    match event:
        case AntiphonSessionResumable() | AntiphonSessionExpiring() | AntiphonSessionResumed():
            return False
        case server.SessionCreated() | translation.SessionCreated():
            return False
        case server.Error(error=body):
            return body.code != "session_expired"
        case _:
            return True
