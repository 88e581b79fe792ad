"""What is read from turn to turn.

Shows Context: long sessions that keep their speed
"""

from collections.abc import Iterable

import pytest

from antiphon.core.context import Context, Room
from antiphon.core.conversation import Conversation, Entry
from antiphon.core.memory import Memory, Reading
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import InputAudio, InputText, MessageItem

ROOM = Room(150, 112)
ALL = Reading()


def written(item_id: str, text: str = "x" * 22) -> Entry:
    """Return an entry of 15 tokens."""
    return Entry(item_id, MessageItem(id=item_id, role="user", content=(InputText(text=text),)))


def spoken(item_id: str, heard: str | None = None) -> Entry:
    item = MessageItem(id=item_id, role="user", content=(InputAudio(),))
    return Entry(item_id, item, audio=(b"\1\0" * 2400,), heard=heard)


def conversation(names: Iterable[str]) -> Conversation:
    made = Conversation()
    for name in names:
        made.add(written(name))
    return made


class Reader:
    """A memory and the conversation it is of."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.memory = Memory(as_audio=False)
        self.conversation = conversation(names)

    def context(self, reading: Reading = ALL, room: Room = ROOM, ahead: int = 0) -> Context:
        return self.memory.recall(reading, self.conversation, self.conversation.find, room, ahead)

    def ids(self, reading: Reading = ALL, room: Room = ROOM, ahead: int = 0) -> str:
        return "".join(each.item_id for each in self.context(reading, room, ahead).passages)


def test_what_was_left_out_stays_out_until_the_room_is_full_again() -> None:
    reader = Reader("abcdefghij")
    assert reader.ids() == "abcdefghij"
    begins = ""
    for name in "klmnopqrst":
        reader.conversation.add(written(name))
        begins += reader.ids()[0]
    assert begins == "eeeeiiiimm"


def test_each_prompt_begins_like_the_one_before_while_there_is_room() -> None:
    reader = Reader("abcdefghijk")
    first = reader.context().turns
    reader.conversation.add(written("l"))
    assert reader.context().turns[:-1] == first


def test_items_are_read_once() -> None:
    reader = Reader("abc")
    before = reader.context()
    assert reader.context() is before
    reader.conversation.add(written("d"))
    after = reader.context()
    assert all(x is y for x, y in zip(before.passages, after.passages, strict=False))
    reader.conversation.put(written("b", "other"))
    assert [turn.text for turn in reader.context().turns if hasattr(turn, "text")][1] == "other"


def test_another_room_begins_elsewhere() -> None:
    reader = Reader("abcdefghijkl")
    assert reader.ids() == "fghijkl"
    assert reader.ids(room=Room(1000, 700)) == "abcdefghijkl"
    assert reader.ids(room=Room(30, 30)) == "kl"
    assert reader.ids() == "fghijkl"


def test_room_for_the_next_turn_is_made_ahead() -> None:
    reader = Reader("abcdefghij")
    assert reader.ids(ahead=15) == "efghij"
    reader.conversation.add(written("k"))
    assert reader.ids() == "efghijk"


def test_the_beginning_may_be_deleted() -> None:
    reader = Reader("abcdefghijkl")
    assert reader.ids() == "fghijkl"
    reader.conversation.remove("f")
    assert reader.ids() == "eghijkl"
    for name in "bcdegh":
        reader.conversation.remove(name)
    assert reader.ids() == "aijkl"


def test_a_response_reads_up_to_where_the_conversation_was() -> None:
    reader = Reader("abc")
    reading = reader.memory.reading(reader.conversation, None)
    assert reading == Reading(None, "c")
    reader.conversation.add(written("d"))
    assert reader.ids(reading) == "abc"
    assert reader.ids() == "abcd"


def test_a_response_may_have_input_of_its_own() -> None:
    reader = Reader("abc")
    own = [written("x"), written("b")]
    reading = reader.memory.reading(reader.conversation, own)
    assert reading.own == ("x", "b")
    assert reader.ids(reading) == "b"
    assert reader.ids(Reading(())) == ""
    with pytest.raises(ClientError):
        reader.ids(Reading(("a", "b")), Room(29, None))


def test_words_are_awaited_until_they_are_known() -> None:
    reader = Reader()
    memory = reader.memory
    assert memory.awaits(spoken("s"))
    assert not memory.awaits(spoken("t", "Hi"))
    assert not memory.awaits(written("w"))
    reader.conversation.add(spoken("s"))
    reading = memory.reading(reader.conversation, None)
    assert not memory.is_ready(reading)
    assert memory.is_ready(memory.reading(reader.conversation, [written("w")]))
    memory.resolve("s")
    assert memory.is_ready(reading)


def test_who_hears_sound_awaits_no_words() -> None:
    assert not Memory(as_audio=True).awaits(spoken("s"))


def test_deleted_items_are_forgotten() -> None:
    reader = Reader()
    for number in range(1000):
        reader.conversation.add(written(str(number), "x"))
        reader.context(room=Room(100_000, 100_000))
        reader.conversation.remove(str(number))
    assert len(reader.context().passages) == 0
