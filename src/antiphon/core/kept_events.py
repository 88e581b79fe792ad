"""The latest events of a session, so that a client that comes back can be told what it missed."""

from collections import deque
from dataclasses import dataclass

from antiphon.protocol.codec import encode
from antiphon.protocol.families import AnyServerEvent

SURELY_HEARD_S = 120
"""How long an event is kept while its client is there: longer than a dead connection stays
unnoticed."""


@dataclass(frozen=True, slots=True)
class _Kept:
    number: int
    event: AnyServerEvent
    size_bytes: int
    said_at: float
    is_repeatable: bool


class KeptEvents:
    """Events in the order in which they were said, oldest dropped first."""

    __slots__ = ("_bytes", "_dropped_id", "_events", "_limit_bytes", "_next")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._events: deque[_Kept] = deque()
        self._bytes = 0
        self._next = 0
        self._dropped_id: str | None = None

    @property
    def next_number(self) -> int:
        """The number that the next event gets."""
        return self._next

    def add(self, event: AnyServerEvent, now: float, *, is_repeatable: bool = True) -> None:
        """Keep an event; one that is not repeatable only marks a place."""
        size = len(encode(event)) if is_repeatable else 0
        self._events.append(_Kept(self._next, event, size, now, is_repeatable))
        self._next += 1
        self._bytes += size
        while self._bytes > self._limit_bytes:
            self._drop()

    def forget_heard(self, now: float) -> None:
        """Drop what a client that is there has heard long ago."""
        while self._events and self._events[0].said_at < now - SURELY_HEARD_S:
            self._drop()

    def take_missed(
        self, after: str | None, absent_since: int
    ) -> tuple[list[AnyServerEvent], bool]:
        """Remove and return what has to be said again, and tell whether some of it is lost.

        ``after`` is the id of the last event that the client has; without it, or with one that is
        no longer kept, that is what was said since it was gone, from the event of the number
        ``absent_since`` on. What is said again is to be kept again, in its new place.
        """
        known = None if after is None else self._place_after(after)
        begin = absent_since if known is None else known
        is_lost = begin < self._oldest or (after is not None and known is None)
        missed: list[AnyServerEvent] = []
        while self._events and self._events[-1].number >= begin:
            last = self._events.pop()
            self._bytes -= last.size_bytes
            if last.is_repeatable:
                missed.append(last.event)
        missed.reverse()
        return missed, is_lost

    @property
    def _oldest(self) -> int:
        return self._events[0].number if self._events else self._next

    def _place_after(self, event_id: str) -> int | None:
        for each in reversed(self._events):
            if each.event.event_id == event_id:
                return each.number + 1
        return self._oldest if event_id == self._dropped_id else None

    def _drop(self) -> None:
        dropped = self._events.popleft()
        self._bytes -= dropped.size_bytes
        self._dropped_id = dropped.event.event_id
