"""What every kind of session has in common: one entry, which routes each input to who knows it.

A kind of session is a subclass with two tables: which method takes an input, and which method tells
what follows from a happening. Both leave out what means nothing to that kind: client events are
refused then, and everything else changes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, get_args

from antiphon.core import inputs
from antiphon.core.commands import CloseConnection, Command
from antiphon.core.happenings import Happening, Told
from antiphon.core.ids import Ids
from antiphon.protocol import client_events as client
from antiphon.protocol import errors
from antiphon.protocol import server_events as server
from antiphon.protocol.errors import ClientError
from antiphon.protocol.families import AnyClientEvent, AnyServerEvent

Input = AnyClientEvent | inputs.ShellInput
Output = AnyServerEvent | Command

_CLIENT_EVENTS: tuple[type, ...] = get_args(client.ClientEvent)
_HAPPENINGS: frozenset[type] = frozenset(get_args(Happening))

_GOING_AWAY = 1001
_NORMAL = 1000


class RoutedSession(ABC):
    """One connection's state, whatever kind of session it is."""

    __slots__ = ("_closing", "_draining", "_ids", "_now")

    _ROUTES: ClassVar[dict[type, Any]]
    """The method that takes each type of input; a subclass adds its own to `SHARED_ROUTES`."""
    _CONSEQUENCES: ClassVar[dict[type, Any]]
    """The method that tells what follows from each type of happening."""
    MEANS: ClassVar[str] = ""
    """What refusals say of events that this kind of session does not have."""

    def __init__(self, ids: Ids, now: float) -> None:
        self._ids = ids
        self._now = now
        self._draining = False
        self._closing = False

    @property
    @abstractmethod
    def id(self) -> str:
        """The session's id."""

    @property
    @abstractmethod
    def expires_at(self) -> int:
        """When the session's time is over, in Unix time."""

    @abstractmethod
    def renew(self, now: float) -> None:
        """Begin the session's time anew."""

    @abstractmethod
    def deadline(self) -> float | None:
        """Return when `handle` wants to be called even if nothing arrives; None: never again."""

    def handle(self, received: Input, now: float) -> list[Output]:
        """Take one input at ``now`` (Unix time, never decreasing) and return what follows."""
        self._now = max(self._now, now)
        if self._closing:
            return []
        try:
            told = self._expand(self._route(received))
        except ClientError as mistake:
            event_id = getattr(received, "event_id", None)
            return [self._error(mistake.answering(event_id))]
        return told + self._expand(self._catch_up())

    def miss_client(self, now: float) -> None:
        """Note that the client has lost its connection and may come back."""
        self._now = max(self._now, now)

    def greet_client(self, now: float) -> None:
        """Note that the client is back."""
        self._now = max(self._now, now)

    @abstractmethod
    def _drop_work(self) -> Iterable[Told]:
        """Stop whatever runs: the session ends."""

    def _catch_up(self) -> list[Told]:
        """Do what had to wait until nothing stands in its way."""
        return []

    def _route(self, received: Input) -> Iterable[Told]:
        route = self._ROUTES.get(type(received))
        if route is not None:
            told: Iterable[Told] = route(self, received)
            return told
        if isinstance(received, _CLIENT_EVENTS):
            known = [_name(each) for each in self._ROUTES if issubclass(each, _CLIENT_EVENTS)]
            raise errors.invalid_value("type", _name(type(received)), known, self.MEANS)
        return []

    def _expand(self, told: Iterable[Told]) -> list[Output]:
        """Replace each happening by what follows from it, in its place."""
        outputs: list[Output] = []
        for each in told:
            follow = self._CONSEQUENCES.get(type(each))
            if follow is not None:
                outputs += self._expand(follow(self, each))
            elif type(each) not in _HAPPENINGS:
                outputs.append(each)  # type: ignore[arg-type]
        return outputs

    def _disconnect(self, _: inputs.Disconnected) -> Iterable[Told]:
        return self._close()

    def _refuse(self, mistake: inputs.ClientMistake) -> Iterable[Told]:
        return [
            self._error(
                ClientError(
                    mistake.code, mistake.message, mistake.param, mistake.event_id, mistake.type
                )
            )
        ]

    def _drain(self, _: inputs.Draining) -> Iterable[Told]:
        self._draining = True
        return []

    def _learn_quota(self, _: inputs.QuotaChanged) -> Iterable[Told]:
        # Quotas are taken by responses; a kind of session without any has nothing to do with them.
        return []

    def _leave(self, _: client.SessionClose) -> Iterable[Told]:
        return [*self._close(), CloseConnection(_NORMAL, "session.close")]

    def _expire(self, max_session_s: float) -> list[Told]:
        expired = errors.session_expired(max_session_s)
        # Observed: an error event, then a close frame with the same words (case 81).
        hang_up = CloseConnection(_GOING_AWAY, expired.message)
        return [self._error(expired), *self._close(), hang_up]

    def _shut_down(self) -> list[Told]:
        return [*self._close(), CloseConnection(_GOING_AWAY, "The server is shutting down.")]

    def _close(self) -> list[Told]:
        self._closing = True
        return list(self._drop_work())

    def _error(self, error: ClientError) -> server.Error:
        return server.Error(event_id=self._ids.event(), error=server.ErrorBody.of(error))

    SHARED_ROUTES: ClassVar[dict[type, Any]] = {
        inputs.Disconnected: _disconnect,
        inputs.ClientMistake: _refuse,
        inputs.Draining: _drain,
        inputs.QuotaChanged: _learn_quota,
        client.SessionClose: _leave,
    }


def _name(event: type) -> str:
    return str(event.__struct_config__.tag)  # type: ignore[attr-defined]
