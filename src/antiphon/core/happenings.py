"""What the parts of the core tell the session, besides server events and commands.

Parts do not know each other: what concerns more than one of them is a happening, and
`Session` decides what follows from it.
"""

from dataclasses import dataclass
from typing import Literal

from antiphon.core.commands import Command
from antiphon.core.output_audio import AudioLedger, Clause
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.items import Item, McpApprovalRequestItem


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """The user began to speak."""


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The user speaks again after a pause."""


@dataclass(frozen=True, slots=True)
class TurnCommitted:
    """A user's turn is complete and becomes an item."""

    item_id: str
    audio: bytes
    """PCM16 mono 24 kHz."""
    by: Literal["vad", "client", "timeout"]
    """Who ended it; "timeout": nobody said anything."""
    is_noise: bool = False
    """Whether it is known to hold no words and hardly sounded like speech."""


Certainty = Literal["stable", "draft", "settled"]


@dataclass(frozen=True, slots=True)
class Guessed:
    """What the user has said so far, while the turn goes on or pauses."""

    text: str
    certainty: Certainty
    """Whether it is a beginning that stays, all of it as it stands while the user speaks, or all
    of it before a silence."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the responder knows of a spoken item."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class HearingFailed:
    """A spoken item will never be known to the responder."""

    item_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Transcribed:
    """A spoken item's transcript was told to the client and belongs into the item."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class SpeechArrived:
    """A client added an item with speech, which the responder can read only as a transcript."""

    item_id: str
    audio: bytes
    """PCM16 mono 24 kHz."""


@dataclass(frozen=True, slots=True)
class ItemDropped:
    """An item is gone; nothing needs to be known of it any more."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ItemOpened:
    """A response began an item."""

    response_id: str
    output_index: int
    item: Item


@dataclass(frozen=True, slots=True)
class ItemClosed:
    """A response's item is complete, or will not become more complete."""

    response_id: str
    output_index: int
    item: Item
    audio: bytes = b""
    """PCM16 mono 24 kHz, as far as it was sent."""
    clauses: tuple[Clause, ...] = ()
    """The words of the sound and where they are."""
    heard_ms: int | None = None
    """How much of the sound the user heard; None: all of it."""


@dataclass(frozen=True, slots=True)
class McpCallReady:
    """A response has the whole of a call that the server makes itself."""

    response_id: str
    item_id: str
    server_label: str
    name: str
    arguments: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """A response asks the client whether a call may be made."""

    response_id: str
    request: McpApprovalRequestItem
    item_id: str
    """What the call's own item is called if it is made."""
    output_index: int


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """A response has told its `response.done`."""

    response_id: str
    ledger: AudioLedger
    tokens: int
    """What it cost in all."""
    awaits_client: bool = False
    """Whether it called functions, which the client answers."""


@dataclass(frozen=True, slots=True)
class TranslationFailed:
    """A part of what was said will not be translated; the session goes on."""

    code: str
    message: str


Happening = (
    TurnBegan
    | TurnResumed
    | TurnCommitted
    | Guessed
    | Heard
    | HearingFailed
    | Transcribed
    | SpeechArrived
    | ItemDropped
    | ItemOpened
    | ItemClosed
    | McpCallReady
    | ApprovalAsked
    | ResponseEnded
    | TranslationFailed
)

Told = AnyServerEvent | Command | Happening
