"""One queue through which everything reaches a session, in the order in which it happened."""

import asyncio
from collections import deque

from antiphon.core.routing import Input

MAX_WAITING = 256
"""Client events and engine results that may wait; whoever brings more waits itself."""


class Inbox:
    """A bounded queue with one reader.

    Frame scores may always enter: there are never more of them than frames were ordered.
    """

    def __init__(self) -> None:
        self._items: deque[Input] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put_at_once(self, item: Input) -> None:
        """Add an input that is bounded by what was ordered."""
        self._items.append(item)
        self._arrived.set()

    async def put(self, item: Input) -> None:
        """Add an input, waiting for room."""
        while len(self._items) >= MAX_WAITING:
            self._room.clear()
            await self._room.wait()
        self.put_at_once(item)

    async def take(self, timeout_s: float | None) -> Input | None:
        """Return the next input, or None when none came in time."""
        if self._items:
            # Others have their turn in between, however much one client sends at once.
            await asyncio.sleep(0)
        else:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        item = self._items.popleft()
        self._room.set()
        return item
