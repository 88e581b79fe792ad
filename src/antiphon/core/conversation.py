"""The conversation: items in order, their sound, and what of it is known and was heard."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec import structs

from antiphon.audio.pcm import duration_ms
from antiphon.core.output_audio import Clause, cut, words_until
from antiphon.protocol import errors
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import (
    FunctionCallItem,
    InputAudio,
    InputImage,
    Item,
    MessageItem,
    OutputAudio,
)

ROOT = "root"
"""The previous item id that means: insert first."""

MAX_ITEMS = 10_000
MAX_KEPT_BYTES = 512 * 1024 * 1024
"""The most sound and text that one conversation keeps."""
MAX_PICTURE_BYTES = 32 * 1024 * 1024
"""The most that the pictures of one conversation take as text: a model reads all of them again."""


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
    image_tokens: int = 0
    """What the item's pictures take of a model's context."""

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
        return sum(len(sound) for sound in self.audio) + _text_bytes(self.item) + self.picture_bytes

    @property
    def picture_bytes(self) -> int:
        """How much of it is pictures."""
        if not self.image_tokens or not isinstance(self.item, MessageItem):
            return 0
        return sum(
            len(part.image_url) for part in self.item.content if isinstance(part, InputImage)
        )


@dataclass(slots=True)
class _Place:
    """An entry and its neighbours; every change of the order is local, however long it is."""

    entry: Entry
    before: str | None
    after: str | None


class Conversation:
    """Items in the order in which the model reads them."""

    __slots__ = (
        "_calls",
        "_first",
        "_kept_bytes",
        "_last",
        "_picture_bytes",
        "_places",
        "edition",
        "version",
    )

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._first: str | None = None
        self._last: str | None = None
        self._calls: Counter[str] = Counter()
        self._kept_bytes = 0
        self._picture_bytes = 0
        self.version = 0
        """Another number after every change."""
        self.edition = 0
        """Another number after something was taken away that may have been read."""

    def __iter__(self) -> Iterator[Entry]:
        return self.since(None)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._places

    @property
    def last_id(self) -> str | None:
        """The id of the last item, None when there is none."""
        return self._last

    def since(self, item_id: str | None) -> Iterator[Entry]:
        """Yield the entries from this one on; None: all of them."""
        at = self._first if item_id is None else item_id
        while at is not None:
            place = self._places[at]
            yield place.entry
            at = place.after

    def find(self, item_id: str) -> Entry | None:
        """Return an entry, or None when there is none of that id."""
        place = self._places.get(item_id)
        return None if place is None else place.entry

    def require(self, item_id: str, verb: str) -> Entry:
        """Return an entry; raise the `ClientError` of the verb when there is none."""
        entry = self.find(item_id)
        if entry is None:
            raise errors.unknown_item(verb, item_id)
        return entry

    def previous_id(self, item_id: str) -> str | None:
        """Return the id of the item before, None for the first."""
        return self._places[item_id].before

    def check_room(self, entry: Entry, after: str | None) -> None:
        """Raise `ClientError` when a client may not add this entry there."""
        if entry.id in self._places:
            raise errors.item_already_exists(entry.id)
        if after not in (None, ROOT) and after not in self._places:
            raise errors.unknown_previous_item(str(after))
        self.require_room(entry.kept_bytes)
        if self._picture_bytes + entry.picture_bytes > MAX_PICTURE_BYTES:
            raise ClientError(
                "conversation_full",
                f"The conversation's pictures take {MAX_PICTURE_BYTES // (1024 * 1024)} MiB, and "
                "it can hold no more. Delete items with pictures that are not needed.",
            )

    def require_room(self, size_bytes: int) -> None:
        """Raise `ClientError` when a client may not add so much."""
        if len(self._places) >= MAX_ITEMS or self._kept_bytes + size_bytes > MAX_KEPT_BYTES:
            raise ClientError(
                "conversation_full",
                f"The conversation holds {len(self._places)} items and can hold no more. "
                "Delete items that are not needed, or open a new session.",
            )

    def add(self, entry: Entry, after: str | None = None) -> str | None:
        """Insert an entry and return the id of the item before it, None for the first."""
        before = self._last if after is None else None if after == ROOT else after
        following = self._first if before is None else self._places[before].after
        self._places[entry.id] = _Place(entry, before, following)
        self._link(before, entry.id)
        self._link(entry.id, following)
        self._count(entry, 1)
        return before

    def put(self, entry: Entry) -> None:
        """Replace the entry of the same id; an item that was deleted meanwhile stays deleted."""
        place = self._places.get(entry.id)
        if place is not None:
            self._count(place.entry, -1)
            place.entry = entry
            self._count(entry, 1)

    def revise(self, entry: Entry) -> None:
        """Replace the entry of the same id by one that says less."""
        self.edition += 1
        self.put(entry)

    def remove(self, item_id: str) -> None:
        """Delete an item."""
        self.edition += 1
        place = self._places.pop(item_id)
        self._link(place.before, place.after)
        self._count(place.entry, -1)

    def require_call(self, call_id: str) -> None:
        """Raise `ClientError` unless a function call of this id is in the conversation."""
        if not self._calls[call_id]:
            raise errors.unknown_tool_call(call_id)

    def _link(self, before: str | None, after: str | None) -> None:
        """Note that these two are neighbours; None: the beginning, or the end."""
        if before is None:
            self._first = after
        else:
            self._places[before].after = after
        if after is None:
            self._last = before
        else:
            self._places[after].before = before

    def _count(self, entry: Entry, times: int) -> None:
        self.version += 1
        self._kept_bytes += times * entry.kept_bytes
        self._picture_bytes += times * entry.picture_bytes
        if isinstance(entry.item, FunctionCallItem):
            self._calls.update({str(entry.item.call_id): times})
            self._calls += Counter()  # forgets the calls of which none is left


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
