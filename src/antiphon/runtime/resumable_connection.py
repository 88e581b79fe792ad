"""The connection of a session that outlives its sockets.

Each socket is seated, and has a task of its own, `attend`, which brings the client's events and
closes the socket in the end. The session's task sees one connection, which tells it when the client
is lost and when it is back.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, cast

from msgspec import structs

from antiphon.core.inputs import Disconnected, Interrupted, Resumed
from antiphon.core.resumption import ResumptionTerms
from antiphon.protocol.dialects import Dialect
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.resumption import AntiphonSessionResumable, AntiphonSessionResumed
from antiphon.runtime.connection import Connection, ConnectionLost, Received
from antiphon.runtime.inbox import Inbox

if TYPE_CHECKING:
    from antiphon.runtime.parking import Parking

Farewell = tuple[int, str]

_REPLACED: Farewell = (4001, "The session goes on on another connection.")


class PartingConnection(Connection, Protocol):
    """A connection that tells how its client has left."""

    @property
    def has_said_goodbye(self) -> bool:
        """Whether the client has closed the connection on purpose."""
        ...


class Place:
    """A socket while it belongs to the session."""

    def __init__(self, connection: PartingConnection) -> None:
        self.connection = connection
        self.is_closed = asyncio.Event()
        self._released: asyncio.Future[Farewell | None] = asyncio.get_running_loop().create_future()

    def release(self, farewell: Farewell | None) -> None:
        """Let the socket go: with these words, or without where the client has left."""
        if not self._released.done():
            self._released.set_result(farewell)

    async def wait_for_release(self) -> Farewell | None:
        """Return the words with which to hang up."""
        return await self._released


class ResumableConnection:
    """A client that may come back. Satisfies `runtime.connection.Connection`."""

    def __init__(
        self,
        parking: "Parking",
        keys: frozenset[bytes],
        model: str,
        dialect: Callable[[], Dialect],
    ) -> None:
        self.model = model
        self.dialect = dialect
        """Makes the dialect of each of its sockets."""
        self.ending: Literal["client", "server", "lost"] = "lost"
        """Who ends the session; final once it has ended."""
        self._parking = parking
        self._keys = keys
        self.model = model
        self._inbox = Inbox()
        self._has_begun = False
        self._is_over = False
        self._place: Place | None = None
        """The socket whose client is heard."""
        self._told: Place | None = None
        """The socket that is told what the session says; not before it has been welcomed."""

    @property
    def terms(self) -> ResumptionTerms:
        """How long the session waits for its client."""
        return self._parking.terms

    # The sockets' end

    def is_open_to(self, keys: frozenset[bytes], model: str) -> bool:
        """Tell whether a client with these keys, asking for this model or none, may come back."""
        return bool(self._keys & keys) and model in ("", self.model) and not self._is_over

    def seat(self, connection: PartingConnection, after: str | None = None) -> Place:
        """Take a socket in place of the one before; ``after`` is the last event its client has."""
        place = Place(connection)
        replaced, self._place = self._place, place
        self._parking.welcome(self)
        if self._is_over:
            place.release(None)
        elif self._has_begun:
            self._told = None
            self._inbox.put_at_once(Resumed(after))
        else:
            self._has_begun = True
            self._told = place
        if replaced is not None:
            replaced.release(_REPLACED)
        return place

    async def attend(self, place: Place) -> None:
        """Serve a socket until its client leaves, comes on another, or the session hangs up."""
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(place))
                farewell = await place.wait_for_release()
                reading.cancel()
            if farewell is not None:
                await place.connection.close(*farewell)
        finally:
            place.is_closed.set()

    def give_up(self) -> None:
        """End the session: its client is waited for no longer."""
        self._inbox.put_at_once(Disconnected())

    async def _read(self, place: Place) -> None:
        while (event := await place.connection.receive()) is not None:
            await self._inbox.put(event)
        if self._place is place:
            self._leave(is_on_purpose=place.connection.has_said_goodbye)
        place.release(None)

    def _leave(self, *, is_on_purpose: bool) -> None:
        self._vacate()
        if is_on_purpose:
            self.ending = "client"
            self.give_up()
        else:
            self._inbox.put_at_once(Interrupted())

    def _vacate(self) -> None:
        self._place = self._told = None
        self._parking.park(self)

    # The session's end

    async def receive(self) -> Received | None:
        """Wait for the next client event, or for the client to be lost or back; None: it left."""
        received = await self._inbox.take(None)
        return None if isinstance(received, Disconnected) else cast("Received", received)

    def send(self, events: Sequence[AnyServerEvent]) -> None:
        """Queue events in order for the client, if it is there. The session keeps them besides."""
        if isinstance(events[0], AntiphonSessionResumed):
            self._told = self._place
        if self._told is not None:
            try:
                self._told.connection.send([self._complete(event) for event in events])
            except ConnectionLost:
                self._told = None  # whoever reads this socket finds out as well, and tells

    def park(self, code: int, reason: str) -> None:
        """Hang up on the client, who may come back."""
        place = self._place
        if place is not None:
            self._vacate()
            place.release((code, reason))

    async def close(self, code: int, reason: str) -> None:
        """Send what is queued, within a bounded time, then hang up for good."""
        self._is_over = True
        self._parking.forget(self)
        self.give_up()
        place = self._place
        if place is not None:
            self.ending = "server"
            place.release((code, reason))
            await place.is_closed.wait()

    def _complete(self, event: AnyServerEvent) -> AnyServerEvent:
        # The token is filled in on its way out, so that neither core nor trace ever holds one.
        if isinstance(event, AntiphonSessionResumable):
            return structs.replace(event, token=self._parking.issue(self))
        return event
