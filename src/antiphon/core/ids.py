"""Identifiers of everything a session names.

They look like the hosted service's (a prefix and 21 characters of base 62) and follow from a seed
alone, so that a recorded session replays to the same ids.
"""

from hashlib import blake2b

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Every byte becomes a character; 8 of 62 characters are a quarter likelier, which costs the
# 21 characters less than a bit of their 125.
_TO_BASE62 = bytes(ord(_BASE62[byte % 62]) for byte in range(256))
_LENGTH = 21
_CALL_LENGTH = 16


class Ids:
    """Draw ids in a fixed order from a seed."""

    __slots__ = ("_drawn", "_seed")

    def __init__(self, seed: bytes) -> None:
        self._seed = seed[:64]
        self._drawn = 0

    def event(self) -> str:
        """Draw the id of a server event."""
        return "event_" + self._draw()

    def item(self) -> str:
        """Draw the id of a conversation item."""
        return "item_" + self._draw()

    def segment(self) -> str:
        """Draw the id of what one speaker said."""
        return "seg_" + self._draw()

    def response(self) -> str:
        """Draw the id of a response."""
        return "resp_" + self._draw()

    def session(self) -> str:
        """Draw the id of the session."""
        return "sess_" + self._draw()

    def conversation(self) -> str:
        """Draw the id of the default conversation."""
        return "conv_" + self._draw()

    def call(self) -> str:
        """Draw the id of a function call."""
        return "call_" + self._draw()[:_CALL_LENGTH]

    def _draw(self) -> str:
        self._drawn += 1
        digest = blake2b(
            self._drawn.to_bytes(8, "little"), key=self._seed, digest_size=_LENGTH
        ).digest()
        return digest.translate(_TO_BASE62).decode("ascii")
