"""Spellings of the protocol. The core speaks GA only; a dialect renames at the edge.

A dialect belongs to one connection, since some remember what they have seen.
"""

from typing import Protocol

from antiphon.protocol.families import AnyClientEvent, AnyServerEvent


class Dialect(Protocol):
    """One spelling of the protocol, on one connection."""

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        ...

    def decode(self, frame: str | bytes) -> AnyClientEvent:
        """Return what a client said, in the words of the GA API; raise `ClientError`."""
        ...

    def encode(self, event: AnyServerEvent) -> tuple[str, ...]:
        """Return the frames that tell an event: mostly one, but a spelling may have none or two."""
        ...
