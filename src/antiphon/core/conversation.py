"""The conversation: items in order, their sound, and what of it is known and was heard."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec import structs

from antiphon.audio.pcm import duration_ms
from antiphon.core.output_audio import Clause, cut, words_until
from antiphon.protocol import errors
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import FunctionCallItem, InputAudio, Item, MessageItem, OutputAudio

ROOT = "root"
"""The previous item id that means: insert first."""

MAX_ITEMS = 10_000
MAX_KEPT_BYTES = 512 * 1024 * 1024
"""The most sound and text that one conversation keeps."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An item and what the session knows of it beyond the wire."""

    id: str
    item: Item
    """As told in events: complete, without audio."""
    audio: tuple[bytes, ...] = ()
    """PCM16 mono 24 kHz, one for each content part; empty for parts without sound."""
    heard: str | None = None
    """User: what the responder knows of the speech, None until it is transcribed.
    Assistant: what the user heard of the speech, None for all of it."""
    clauses: tuple[Clause, ...] = ()
    """The assistant's words and where in the sound they are."""

    @property
    def is_spoken_by_user(self) -> bool:
        """Whether the item holds a user's speech."""
        return isinstance(self.item, MessageItem) and any(
            isinstance(part, InputAudio) for part in self.item.content
        )

    @property
    def is_spoken_by_assistant(self) -> bool:
        """Whether the item holds the assistant's speech."""
        return isinstance(self.item, MessageItem) and any(
            isinstance(part, OutputAudio) for part in self.item.content
        )

    @property
    def kept_bytes(self) -> int:
        """How much memory the entry's content takes, roughly."""
        return sum(len(sound) for sound in self.audio) + _text_bytes(self.item)


class Conversation:
    """Items in the order in which the model reads them."""

    __slots__ = ("_entries", "_kept_bytes", "_order")

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._order: list[str] = []
        self._kept_bytes = 0

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[item_id] for item_id in self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._entries

    def find(self, item_id: str) -> Entry | None:
        """Return an entry, or None when there is none of that id."""
        return self._entries.get(item_id)

    def require(self, item_id: str, verb: str) -> Entry:
        """Return an entry; raise the `ClientError` of the verb when there is none."""
        entry = self._entries.get(item_id)
        if entry is None:
            raise errors.unknown_item(verb, item_id)
        return entry

    def previous_id(self, item_id: str) -> str | None:
        """Return the id of the item before, None for the first."""
        index = self._order.index(item_id)
        return self._order[index - 1] if index else None

    def check_room(self, entry: Entry, after: str | None) -> None:
        """Raise `ClientError` when a client may not add this entry there."""
        if entry.id in self._entries:
            raise errors.item_already_exists(entry.id)
        if after not in (None, ROOT) and after not in self._entries:
            raise errors.unknown_previous_item(str(after))
        self.require_room(entry.kept_bytes)

    def require_room(self, size_bytes: int) -> None:
        """Raise `ClientError` when a client may not add so much."""
        if len(self._order) >= MAX_ITEMS or self._kept_bytes + size_bytes > MAX_KEPT_BYTES:
            raise ClientError(
                "conversation_full",
                f"The conversation holds {len(self._order)} items and can hold no more. "
                "Delete items that are not needed, or open a new session.",
            )

    def add(self, entry: Entry, after: str | None = None) -> str | None:
        """Insert an entry and return the id of the item before it, None for the first."""
        if after is None:
            index = len(self._order)
        elif after == ROOT:
            index = 0
        else:
            index = self._order.index(after) + 1
        self._order.insert(index, entry.id)
        self._entries[entry.id] = entry
        self._kept_bytes += entry.kept_bytes
        return self._order[index - 1] if index else None

    def put(self, entry: Entry) -> None:
        """Replace the entry of the same id; an item that was deleted meanwhile stays deleted."""
        old = self._entries.get(entry.id)
        if old is not None:
            self._entries[entry.id] = entry
            self._kept_bytes += entry.kept_bytes - old.kept_bytes

    def remove(self, item_id: str) -> None:
        """Delete an item."""
        self._kept_bytes -= self._entries.pop(item_id).kept_bytes
        self._order.remove(item_id)

    def require_call(self, call_id: str) -> None:
        """Raise `ClientError` unless a function call of this id is in the conversation."""
        called = (
            entry.item.call_id
            for entry in self._entries.values()
            if isinstance(entry.item, FunctionCallItem)
        )
        if call_id not in called:
            raise errors.unknown_tool_call(call_id)


def with_transcript(entry: Entry, text: str) -> Entry:
    """Return the entry with the transcript of its speech filled in."""
    item = entry.item
    if not isinstance(item, MessageItem):
        return entry
    parts = list(item.content)
    for index, part in enumerate(parts):
        if isinstance(part, InputAudio):
            parts[index] = InputAudio(transcript=text)
            break
    return replace(entry, item=structs.replace(item, content=tuple(parts)))


def truncated(entry: Entry, content_index: int, end_ms: int) -> Entry:
    """Return the entry of a spoken message without the sound and the words after a position.

    Spec: the transcript goes as well, since it would hold what nobody heard. What was heard stays
    known to the model. Raises `ClientError` when there is no such sound.
    """
    item = entry.item
    if not isinstance(item, MessageItem) or not entry.is_spoken_by_assistant:
        raise errors.only_audio_truncatable()
    before, part = item.content[:content_index], item.content[content_index : content_index + 1]
    if not part or not isinstance(part[0], OutputAudio):
        raise errors.unknown_content_part(content_index)
    sound = b"".join(entry.audio[content_index : content_index + 1])
    have_ms = duration_ms(sound)
    if end_ms > have_ms:
        raise errors.audio_already_shorter(have_ms, end_ms)
    return replace(
        entry,
        item=structs.replace(item, content=(*before, OutputAudio())),
        audio=(*entry.audio[:content_index], cut(sound, end_ms)),
        heard=words_until(entry.clauses, end_ms),
    )


def _text_bytes(item: Item) -> int:
    match item:
        case MessageItem():
            return sum(len(getattr(part, "text", "") or "") for part in item.content)
        case FunctionCallItem():
            return len(item.arguments)
        case _:
            return len(getattr(item, "output", "") or "")
