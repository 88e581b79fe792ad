"""What a session needs of the client it talks to, whichever transport carries the events."""

from collections.abc import Sequence
from typing import Protocol

from antiphon.core.inputs import ClientMistake, Interrupted, Resumed
from antiphon.protocol.families import AnyClientEvent, AnyServerEvent


class ConnectionLost(Exception):  # noqa: N818
    """The client is gone, or reads too slowly to be served; the session ends."""


Received = AnyClientEvent | ClientMistake | Interrupted | Resumed
"""What comes from a client; only one that may come back is ever interrupted."""


class Connection(Protocol):
    """One client, speaking one dialect."""

    async def receive(self) -> Received | None:
        """Wait for the next client event; None: the client has left.

        A frame that is no valid event comes as a `ClientMistake`, once for each frame.
        """
        ...

    def send(self, events: Sequence[AnyServerEvent]) -> None:
        """Queue events in order. Never waits.

        Raises `ConnectionLost` when the client has left or its bounded queue is full.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Send what is queued, within a bounded time, then hang up."""
        ...
