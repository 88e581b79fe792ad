"""Who may use which slot of the language model, and when.

A session gets the slot in which its last prompt was evaluated, if it can be had: most of the next
prompt is there already. Replies come first: reading a prompt ahead of its reply waits until no
reply is being made, and makes way for one at once.

Leases are asked for on event loops and given back on worker threads, hence the lock. It is never
held while anything waits.
"""

import asyncio
import threading
from dataclasses import dataclass, field
from itertools import count


@dataclass(slots=True, eq=False)
class Lease:
    """The right to use a slot until it is given back with `SlotPool.leave`."""

    slot: int
    session: str
    ahead: bool
    """For reading ahead, not for a reply."""
    edition: int = 0
    is_own: bool = False
    """Whether the slot holds a prompt of the same session in the same edition."""
    has_read: bool = False
    """Whether a prompt was read in the slot; what it held before is gone then."""
    stopped: bool = False
    """Whoever uses the slot must stop within one step."""
    superseded: bool = False
    """The work need not be taken up again."""


@dataclass(slots=True, eq=False)
class _Slot:
    index: int
    session: str = ""
    """Who used it last."""
    holds: tuple[str, int] = ("", 0)
    """Whose prompt is in it, and of which edition."""
    used: int = -1
    lease: Lease | None = None


@dataclass(slots=True, eq=False)
class _Waiter:
    session: str
    ahead: bool
    edition: int
    loop: asyncio.AbstractEventLoop
    granted: asyncio.Future[Lease | None]
    lease: Lease | None = field(default=None)


class SlotPool:
    """Lend slots: first come, first served, but sessions without a running reply before others."""

    def __init__(self, slots: int) -> None:
        self._slots = [_Slot(index) for index in range(slots)]
        self._waiting: list[_Waiter] = []
        self._uses = count()
        self._lock = threading.Lock()

    async def enter_reply(self, session: str, edition: int = 0) -> Lease:
        """Wait for a slot to make a reply in."""
        lease = await self._enter(session, edition, ahead=False)
        if lease is None:
            raise AssertionError("Only reading ahead can be superseded.")
        return lease

    async def enter_ahead(self, session: str, edition: int = 0) -> Lease | None:
        """Wait for a slot to read a prompt in; None: something newer of the session came."""
        return await self._enter(session, edition, ahead=True)

    def leave(self, lease: Lease) -> None:
        """Give a slot back. May be called on any thread, once for each lease."""
        with self._lock:
            slot = self._slots[lease.slot]
            slot.lease = None
            if lease.has_read:
                slot.holds = (lease.session, lease.edition)
            granted = self._match()
        self._notify(granted)

    def stop_all(self) -> None:
        """Tell every holder of a slot to stop."""
        with self._lock:
            for slot in self._slots:
                if slot.lease is not None:
                    slot.lease.stopped = slot.lease.superseded = True

    async def _enter(self, session: str, edition: int, *, ahead: bool) -> Lease | None:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(session, ahead, edition, loop, loop.create_future())
        with self._lock:
            dropped = self._make_way(waiter)
            self._waiting.append(waiter)
            granted = self._match()
        self._notify([*dropped, *granted])
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise

    def _withdraw(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            lease = waiter.lease
        if lease is not None:
            self.leave(lease)

    def _make_way(self, newcomer: _Waiter) -> list[_Waiter]:
        """Stop reading ahead where the newcomer goes before it; return who no longer waits."""
        for slot in self._slots:
            lease = slot.lease
            if lease is None or not lease.ahead:
                continue
            same = bool(newcomer.session) and lease.session == newcomer.session
            lease.superseded = lease.superseded or same
            lease.stopped = lease.stopped or same or not newcomer.ahead
        dropped = [
            waiter
            for waiter in self._waiting
            if waiter.ahead and newcomer.session and waiter.session == newcomer.session
        ]
        self._waiting = [waiter for waiter in self._waiting if waiter not in dropped]
        return dropped

    def _match(self) -> list[_Waiter]:
        """Hand out slots as far as possible; return who got one."""
        granted: list[_Waiter] = []
        while (pair := self._next_pair()) is not None:
            waiter, slot = pair
            self._waiting.remove(waiter)
            is_own = bool(waiter.session) and slot.holds == (waiter.session, waiter.edition)
            waiter.lease = slot.lease = Lease(
                slot.index, waiter.session, waiter.ahead, waiter.edition, is_own
            )
            slot.session = waiter.session
            slot.used = next(self._uses)
            granted.append(waiter)
        return granted

    def _next_pair(self) -> tuple[_Waiter, _Slot] | None:
        leases = [slot.lease for slot in self._slots if slot.lease is not None]
        replying = {lease.session for lease in leases if not lease.ahead}
        replies = [waiter for waiter in self._waiting if not waiter.ahead]
        for waiter in sorted(replies, key=lambda waiter: waiter.session in replying):
            if (slot := self._slot_for(waiter.session)) is not None:
                return waiter, slot
        # Reading ahead needs the processor for itself, one prompt at a time.
        if replies or leases or not self._waiting:
            return None
        waiter = self._waiting[0]
        slot = self._slot_for(waiter.session)
        return None if slot is None else (waiter, slot)

    def _slot_for(self, session: str) -> _Slot | None:
        own = [slot for slot in self._slots if session and slot.session == session]
        if own:
            latest = max(own, key=lambda slot: slot.used)
            if latest.lease is None:
                return latest
            if latest.lease.stopped:
                # About to be free, and what was read there so far counts.
                return None
        free = [slot for slot in self._slots if slot.lease is None]
        return min(free, key=lambda slot: slot.used, default=None)

    def _notify(self, waiters: list[_Waiter]) -> None:
        for waiter in waiters:
            try:
                waiter.loop.call_soon_threadsafe(_grant, waiter)
            except RuntimeError:
                # The loop has been closed, and whoever waited there is gone.
                if waiter.lease is not None:
                    self.leave(waiter.lease)


def _grant(waiter: _Waiter) -> None:
    if not waiter.granted.done():
        waiter.granted.set_result(waiter.lease)
