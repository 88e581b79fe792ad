"""What the server says of coming back, to clients that asked to be told.

An extension of the API: no session says any of this unless its client asked for it.
"""

from typing import TypeAlias

from antiphon.protocol.session import Session
from antiphon.protocol.translation import TranslationSession
from antiphon.protocol.wire import Tagged

AnySessionObject: TypeAlias = Session | TranslationSession


class AntiphonSessionResumable(Tagged, frozen=True, kw_only=True, tag="antiphon.session.resumable"):
    """The client may come back to this session. Each of these replaces the one before."""

    event_id: str
    token: str
    """Opens one connection to the session, for the key that opened the session."""

    seconds: int
    """How long after its connection has ended the client may come back."""


class AntiphonSessionExpiring(Tagged, frozen=True, kw_only=True, tag="antiphon.session.expiring"):
    """The session's time is nearly over."""

    event_id: str
    seconds_left: int
    expires_at: int


class AntiphonSessionResumed(Tagged, frozen=True, kw_only=True, tag="antiphon.session.resumed"):
    """The client is back. The first event of the new connection, in place of `session.created`."""

    event_id: str
    session: AnySessionObject
    """The complete configuration, as it was; `expires_at` may be another."""

    item_ids: tuple[str, ...]
    """The items of the conversation, in order."""

    response_ids: tuple[str, ...]
    """The responses that were running when what follows had been said."""

    redelivered: int
    """How many of the events that follow were meant for the connection before."""

    events_lost: bool
    """Whether some are missing among them: more was said than is kept."""


ResumptionEvent = AntiphonSessionResumable | AntiphonSessionExpiring | AntiphonSessionResumed

RESUMPTION_EVENT_TYPES: tuple[str, ...] = (
    "antiphon.session.resumable",
    "antiphon.session.expiring",
    "antiphon.session.resumed",
)
"""The wire names of these events."""
