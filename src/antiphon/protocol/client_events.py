"""What a client may say: eleven events of the GA API, and a wish to close."""

from typing import Annotated, TypeAlias

from msgspec import Meta

from antiphon.protocol.items import Item
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.session import SessionPatch
from antiphon.protocol.wire import Tagged

MAX_EVENT_ID_CHARACTERS = 512
MAX_APPEND_BYTES = 15 * 1024 * 1024
"""The most decoded audio in one `input_audio_buffer.append`."""

MAX_POSITION = 2**31 - 1
"""The largest index or offset that an event may name; no session is that long."""

EventId: TypeAlias = Annotated[str, Meta(max_length=MAX_EVENT_ID_CHARACTERS)]


class _Event(Tagged, frozen=True, kw_only=True):
    event_id: EventId | None = None
    """The client's own name for this event; an error that answers it repeats the name."""


class SessionUpdate(_Event, frozen=True, kw_only=True, tag="session.update"):
    """Change the session; answered by the complete `session.updated`, or refused as a whole."""

    session: SessionPatch


class InputAudioBufferAppend(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """Add audio to the input buffer. The only client event that is never acknowledged."""

    audio: str
    """Base64 of samples in the session's input format; `codec.decode_audio` gives the bytes."""


class InputAudioBufferCommit(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """Make a user message of the input buffer; starts no response."""


class InputAudioBufferClear(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Throw the input buffer away."""


class OutputAudioBufferClear(_Event, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """Stop playing; for calls, where the server plays."""


class ConversationItemCreate(_Event, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Add an item to the conversation."""

    previous_item_id: str | None = None
    """Where to insert: after this item, first with "root", last when absent or null."""

    item: Item


class ConversationItemRetrieve(_Event, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """Read an item back, with its audio."""

    item_id: str


class ConversationItemDelete(_Event, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Remove an item."""

    item_id: str


class ConversationItemTruncate(_Event, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Forget the part of a spoken message that the user did not hear."""

    item_id: str
    content_index: Annotated[int, Meta(ge=0, le=MAX_POSITION)]
    """Where the audio part is; 0 for a spoken message."""

    audio_end_ms: Annotated[int, Meta(ge=0, le=MAX_POSITION)]
    """How much of the audio was heard."""


class ResponseCreate(_Event, frozen=True, kw_only=True, tag="response.create"):
    """Start a response."""

    response: ResponseParameters | None = None


class ResponseCancel(_Event, frozen=True, kw_only=True, tag="response.cancel"):
    """Stop a response."""

    response_id: str | None = None
    """Which one; absent or null: the active response of the conversation."""


class SessionClose(_Event, frozen=True, kw_only=True, tag="session.close"):
    """Ask the server to finish and close the connection."""


ClientEvent: TypeAlias = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemDelete
    | ConversationItemTruncate
    | ResponseCreate
    | ResponseCancel
    | SessionClose
)

CLIENT_EVENT_TYPES: tuple[str, ...] = (
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "output_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.retrieve",
    "conversation.item.delete",
    "conversation.item.truncate",
    "response.create",
    "response.cancel",
    "session.close",
)
"""The wire names of all client events."""
