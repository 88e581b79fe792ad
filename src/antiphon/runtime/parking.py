"""The sessions to which a client may come back: who may, by which token, and how many wait."""

import hashlib
import secrets
from collections.abc import Callable

from antiphon.core.resumption import ResumptionTerms
from antiphon.protocol.dialects import Dialect
from antiphon.runtime.resumable_connection import ResumableConnection

TOKEN_PREFIX = "resume_"  # noqa: S105 - what every token begins with
_TOKEN_BYTES = 32
MAX_PARKED = 32
"""How many sessions may wait for their clients, unless the settings say otherwise."""


class Parking:
    """Gives out tokens and redeems them. Each is known by its hash alone, and opens one socket."""

    def __init__(self, terms: ResumptionTerms, limit: int = MAX_PARKED) -> None:
        self.terms = terms
        self.redeemed = 0
        """How often a client has come back."""
        self._limit = limit
        self._tokens: dict[bytes, ResumableConnection] = {}
        self._parked: dict[ResumableConnection, None] = {}

    def __len__(self) -> int:
        """Return how many sessions wait for their clients."""
        return len(self._parked)

    def open(
        self, keys: frozenset[bytes], model: str, dialect: Callable[[], Dialect]
    ) -> ResumableConnection:
        """Return the connection of a new session to which holders of these keys may come back."""
        return ResumableConnection(self, keys, model, dialect)

    def issue(self, connection: ResumableConnection) -> str:
        """Return a new token for a session; the one before it is void."""
        self._void(connection)
        token = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        self._tokens[_digest(token)] = connection
        return token

    def redeem(self, token: str, keys: frozenset[bytes], model: str) -> ResumableConnection | None:
        """Return the session that a token is for, and use the token up; None: it is for none.

        Whoever shows a token without the key it was given to learns nothing and changes nothing.
        """
        digest = _digest(token)
        found = self._tokens.get(digest)
        if found is None or not found.is_open_to(keys, model):
            return None
        del self._tokens[digest]
        self.redeemed += 1
        return found

    def park(self, connection: ResumableConnection) -> None:
        """Let a session wait for its client; the one that has waited longest makes room."""
        self._parked[connection] = None
        while len(self._parked) > self._limit:
            oldest = next(iter(self._parked))
            self.forget(oldest)
            oldest.give_up()

    def welcome(self, connection: ResumableConnection) -> None:
        """Note that a client is back."""
        self._parked.pop(connection, None)

    def forget(self, connection: ResumableConnection) -> None:
        """Let nobody come back to a session any more."""
        self._parked.pop(connection, None)
        self._void(connection)

    def _void(self, connection: ResumableConnection) -> None:
        void = [digest for digest, each in self._tokens.items() if each is connection]
        for digest in void:
            del self._tokens[digest]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
