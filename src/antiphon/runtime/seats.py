"""How many sessions a key and a deployment have at once, over all processes that count together.

A session that a crashed process held must not be counted for ever, and the shared counters can only
be added to. So time is cut into slots of half a minute, each with counters of its own: a session is
counted in the slot that is and in the next one, and as a slot begins every process counts its own
sessions into the one after. What a process held is forgotten two slots after its end.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from antiphon.runtime.counters import Counters
from antiphon.runtime.quotas import Owner, Quotas

_SLOT_S = 30


@dataclass(frozen=True, slots=True)
class Room:
    """How many sessions one owner may have."""

    owner: Owner
    owner_id: str
    limit: int

    def key(self, slot: int) -> str:
        """Return under which they are counted in a slot."""
        return f"antiphon/{self.owner}/{self.owner_id}/sessions/{slot}"


class Seats:
    """The sessions that keys and deployments have now."""

    def __init__(self, quotas: Quotas, counters: Counters) -> None:
        self._quotas = quotas
        self._counters = counters
        self._taken: Counter[Room] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def rooms(self, key_id: str, deployment: str) -> tuple[Room, ...]:
        """Return where a session of a key on a deployment needs a seat."""
        return tuple(
            Room(owner, owner_id, limits.sessions)
            for owner, owner_id, limits in self._quotas.policy.of(key_id, deployment)
            if limits.sessions is not None
        )

    async def take(self, rooms: tuple[Room, ...]) -> Room | None:
        """Take a seat in each of these; None: done. Else none was taken, for lack of one there."""
        full = next((each for each in rooms if self._taken[each] >= each.limit), None)
        if full is not None:
            return full
        # Before anything is awaited, so that a rush cannot exceed the limit.
        self._taken.update(rooms)
        if not self._counters.is_shared or not rooms:
            return None
        answered: asyncio.Future[Room | None] = asyncio.get_running_loop().create_future()

        def settle(found: Room | None) -> None:
            if not answered.done():
                answered.set_result(found)

        slot = self._slot()
        self._quotas.call(lambda: self._sit(rooms, slot), settle, None)
        try:
            full = await answered
        except asyncio.CancelledError:
            self.leave(rooms)
            raise
        if full is not None:
            self._taken.subtract(rooms)
        return full

    def leave(self, rooms: Iterable[Room]) -> None:
        """Free the seats of a session."""
        freed = tuple(rooms)
        self._taken.subtract(freed)
        if self._counters.is_shared:
            slot, seats = self._slot(), dict.fromkeys(freed, -1)
            self._quotas.call(lambda: self._count(seats, slot, slot + 1), _nothing, None)

    def open(self) -> None:
        """Count the sessions of this process into each slot to come, until it is closed."""
        if self._counters.is_shared:
            wait_s = _SLOT_S - self._quotas.now() % _SLOT_S
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._turn)

    def close(self) -> None:
        """Stop counting ahead."""
        if self._timer is not None:
            self._timer.cancel()

    def renew(self) -> None:
        """Count the sessions of this process into the slot after the one that begins."""
        taken = {room: seats for room, seats in self._taken.items() if seats > 0}
        self._taken = Counter(taken)
        slot = self._slot()
        self._quotas.call(lambda: self._count(taken, slot + 1), _nothing, None)

    def _turn(self) -> None:
        self.renew()
        self.open()

    def _sit(self, rooms: tuple[Room, ...], slot: int) -> Room | None:
        seated: list[Room] = []
        for room in rooms:
            if self._counters.add(room.key(slot), 1, 3 * _SLOT_S).total > room.limit:
                self._count(dict.fromkeys([*seated, room], -1), slot)
                return room
            seated.append(room)
        self._count(dict.fromkeys(rooms, 1), slot + 1)
        return None

    def _count(self, seats: dict[Room, int], *slots: int) -> None:
        for room, amount in seats.items():
            for slot in slots:
                self._counters.add(room.key(slot), amount, 3 * _SLOT_S)

    def _slot(self) -> int:
        return int(self._quotas.now() // _SLOT_S)


def _nothing(_: None) -> None:
    pass
