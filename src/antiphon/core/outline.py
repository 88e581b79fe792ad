"""What a client needs to find its way about a session again, gathered from what it was told."""

from msgspec import structs

from antiphon.protocol import server_events as server
from antiphon.protocol import translation
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.resumption import AnySessionObject


class Outline:
    """A session as its events have told it: configuration, items, running responses."""

    __slots__ = ("_items", "_responses", "_session")

    def __init__(self) -> None:
        self._session: AnySessionObject | None = None
        self._items: list[str] = []
        self._responses: list[str] = []

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The items of the conversation, in order."""
        return tuple(self._items)

    @property
    def response_ids(self) -> tuple[str, ...]:
        """The responses that have not ended."""
        return tuple(self._responses)

    def session(self, expires_at: int) -> AnySessionObject:
        """Return the configuration as it was told last, with the time at which it ends now."""
        # session.created is the first event of every session.
        assert self._session is not None  # noqa: S101 - our own invariant
        return structs.replace(self._session, expires_at=expires_at)

    def observe(self, event: AnyServerEvent) -> None:
        """Take an event that the session says."""
        match event:
            case (
                server.SessionCreated()
                | server.SessionUpdated()
                | translation.SessionCreated()
                | translation.SessionUpdated()
            ):
                self._session = event.session
            case server.ConversationItemAdded(previous_item_id=previous, item=item):
                place = 0 if previous is None else self._items.index(previous) + 1
                self._items.insert(place, str(item.id))
            case server.ConversationItemDeleted(item_id=item_id):
                self._items.remove(item_id)
            case server.ResponseCreated(response=response):
                self._responses.append(response.id)
            case server.ResponseDone(response=response):
                self._responses.remove(response.id)
            case _:
                pass  # changes nothing of the outline
