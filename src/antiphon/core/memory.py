"""What the responder reads of a conversation, from turn to turn.

Each item is read and weighed once, not once a turn. When a conversation outgrows the model, its
beginning is left out down to a share of the room, and where it begins now is kept: until the room
is full again each prompt begins like the one before, so that prompt caches stay valid.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from antiphon.core.context import Context, Passage, Room, weigh
from antiphon.core.conversation import Conversation, Entry

_MOST_STARTS = 16


@dataclass(frozen=True, slots=True)
class Reading:
    """What a response is to read, as it stands when the response begins."""

    own: tuple[str, ...] | None = None
    """The items of its own input; None: the conversation."""
    until: str | None = None
    """The last item of the conversation; None: whichever is."""
    unheard: frozenset[str] = frozenset()
    """Spoken items that nobody knew the words of."""


@dataclass(slots=True)
class Memory:
    """What has been read, what is left out, and what nobody has understood yet."""

    as_audio: bool
    """Whether speech is read as sound, not as what was heard."""
    _unheard: set[str] = field(default_factory=set[str])
    _passages: dict[str, tuple[Entry, Passage | None]] = field(
        default_factory=dict[str, tuple[Entry, Passage | None]]
    )
    _starts: dict[Room, str] = field(default_factory=dict[Room, str])
    """Where the conversation begins for those who have so much room."""
    _latest: tuple[object, Context] = (None, Context())

    def awaits(self, entry: Entry) -> bool:
        """Take note of an entry; tell whether its words have to be found out first."""
        is_unheard = not self.as_audio and entry.is_spoken_by_user and entry.heard is None
        if is_unheard:
            self._unheard.add(entry.id)
        return is_unheard

    def resolve(self, item_id: str) -> None:
        """Wait no longer for the words of an item."""
        self._unheard.discard(item_id)

    def reading(self, conversation: Conversation, own: Sequence[Entry] | None) -> Reading:
        """Return what a response that begins now is to read; ``own`` in place of all if given."""
        if own is None:
            unheard = frozenset(each for each in self._unheard if each in conversation)
            return Reading(None, conversation.last_id, unheard)
        ids = tuple(entry.id for entry in own)
        return Reading(ids, None, frozenset(self._unheard.intersection(ids)))

    def is_ready(self, reading: Reading) -> bool:
        """Tell whether everything that is to be read is known."""
        return self._unheard.isdisjoint(reading.unheard)

    def recall(
        self,
        reading: Reading,
        conversation: Conversation,
        find: Callable[[str], Entry | None],
        room: Room,
        ahead: int = 0,
    ) -> Context:
        """Return what is to be read, as far as it fits with so much more after it.

        Raises `ClientError` when it does not fit and nothing may be left out.
        """
        if reading.own is not None:
            own = (find(item_id) for item_id in reading.own)
            return room.fit(self._read(entry for entry in own if entry is not None), ahead)
        until = None if reading.until == conversation.last_id else reading.until
        now = (conversation.version, room, until)
        latest, context = self._latest
        if latest != now:
            start = self._starts.get(room)
            entries = conversation.since(start if start in conversation else None)
            context = self._read(_up_to(until, entries))
            self._forget_deleted(conversation)
        fitting = room.fit(context, ahead)
        if fitting is not context:
            self._begin(room, fitting.passages[0].item_id)
        self._latest = (now, fitting)
        return fitting

    def _begin(self, room: Room, item_id: str) -> None:
        """Leave out what is before an item from now on."""
        self._starts[room] = item_id
        if len(self._starts) > _MOST_STARTS:
            del self._starts[next(iter(self._starts))]

    def _read(self, entries: Iterable[Entry]) -> Context:
        passages = (self._passage(entry) for entry in entries)
        return Context.of([each for each in passages if each is not None])

    def _passage(self, entry: Entry) -> Passage | None:
        known = self._passages.get(entry.id)
        if known is not None and known[0] is entry:
            return known[1]
        passage = weigh(entry, as_audio=self.as_audio)
        self._passages[entry.id] = (entry, passage)
        return passage

    def _forget_deleted(self, conversation: Conversation) -> None:
        if len(self._passages) > 2 * len(conversation) + _MOST_STARTS:
            self._passages = {
                item_id: known
                for item_id, known in self._passages.items()
                if item_id in conversation
            }


def _up_to(item_id: str | None, entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        if entry.id == item_id:
            return
