import pytest

from antiphon.core import conversation
from antiphon.core.conversation import Conversation, Entry, truncated, with_transcript
from antiphon.core.output_audio import Clause
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputText,
    MessageItem,
    OutputAudio,
    OutputText,
)


def text(item_id: str, words: str = "Hi") -> Entry:
    item = MessageItem(id=item_id, role="user", content=(InputText(text=words),))
    return Entry(item_id, item)


def call(item_id: str, call_id: str) -> Entry:
    item = FunctionCallItem(id=item_id, name="f", call_id=call_id, arguments="{}")
    return Entry(item_id, item)


def spoken(*parts: OutputAudio | OutputText, audio: tuple[bytes, ...]) -> Entry:
    item = MessageItem(id="s", role="assistant", content=parts)
    return Entry("s", item, audio=audio, clauses=(Clause(0, 100, "One two"),))


def filled(*names: str) -> Conversation:
    entries = Conversation()
    for name in names:
        entries.add(text(name))
    return entries


def ids(entries: Conversation) -> list[str]:
    return [entry.id for entry in entries]


def test_items_go_last_first_or_after_another() -> None:
    entries = filled("a", "b")
    assert entries.add(text("c")) == "b"
    assert entries.add(text("z"), "root") is None
    assert entries.add(text("m"), "a") == "a"
    assert ids(entries) == ["z", "a", "m", "b", "c"]
    assert len(entries) == 5
    assert [entries.previous_id(each) for each in ids(entries)] == [None, "z", "a", "m", "b"]


def test_entries_are_found_by_id() -> None:
    entries = filled("a")
    assert "a" in entries
    assert entries.find("a") == entries.require("a", "retrieve") == text("a")
    assert entries.find("b") is None
    with pytest.raises(ClientError) as missing:
        entries.require("b", "delete")
    assert missing.value.code == "item_delete_invalid_item_id"


def test_an_entry_is_replaced_unless_it_was_deleted() -> None:
    entries = filled("a")
    entries.put(text("a", "Ho"))
    entries.put(text("b", "Ho"))
    assert [entry.item.content[0].text for entry in entries] == ["Ho"]  # type: ignore[union-attr]
    entries.remove("a")
    entries.put(text("a"))
    assert ids(entries) == []


def test_there_is_no_room_for_a_second_item_of_an_id_or_an_unknown_place() -> None:
    entries = filled("a")
    with pytest.raises(ClientError) as taken:
        entries.check_room(text("a"), None)
    assert taken.value.code == "item_already_exists"
    with pytest.raises(ClientError) as unknown:
        entries.check_room(text("b"), "nowhere")
    assert unknown.value.code == "item_create_invalid_previous_item_id"
    entries.check_room(text("b"), "a")
    entries.check_room(text("b"), "root")


def test_a_conversation_holds_so_much_and_no_more() -> None:
    entries = Conversation()
    # One sound that all entries share, so that the test itself needs little memory.
    sound = b"\0" * (conversation.MAX_KEPT_BYTES // 64)
    for index in range(64):
        entries.add(Entry(f"big{index}", text(f"big{index}").item, audio=(sound,)))
    with pytest.raises(ClientError) as full:
        entries.check_room(text("b"), None)
    assert full.value.code == "conversation_full"
    entries.remove("big0")
    entries.check_room(text("b"), None)
    entries.require_room(len(sound) - 63 * len("Hi"))
    with pytest.raises(ClientError, match="Delete items"):
        entries.require_room(len(sound) - 63 * len("Hi") + 1)


@pytest.mark.parametrize(
    ("entry", "size"),
    [
        (text("a", "four"), 4),
        (call("a", "c"), 2),
        (Entry("a", FunctionCallOutputItem(id="a", call_id="c", output="12345")), 5),
        (spoken(OutputAudio(transcript="Hi"), audio=(b"\0" * 10,)), 10),
    ],
)
def test_an_entry_knows_what_it_takes(entry: Entry, size: int) -> None:
    assert entry.kept_bytes == size


def test_a_call_is_required_by_its_id() -> None:
    entries = filled("a")
    entries.add(call("b", "c1"))
    entries.require_call("c1")
    with pytest.raises(ClientError) as unknown:
        entries.require_call("c2")
    assert (unknown.value.code, unknown.value.param) == ("invalid_tool_call_id", None)


def test_a_transcript_goes_to_the_spoken_part() -> None:
    parts = (InputText(text="See:"), InputAudio(), InputAudio())
    entry = Entry("u", MessageItem(id="u", role="user", content=parts))
    item = with_transcript(entry, "Hello").item
    assert item.content == (  # type: ignore[union-attr]
        InputText(text="See:"),
        InputAudio(transcript="Hello"),
        InputAudio(),
    )
    assert with_transcript(call("a", "c"), "Hello") == call("a", "c")
    assert with_transcript(text("a"), "Hello") == text("a")


SOUND = b"\1\0" * 2400
SAID = OutputAudio(transcript="One two")


def test_truncation_takes_sound_and_transcript_and_keeps_what_was_heard() -> None:
    entry = truncated(spoken(SAID, audio=(SOUND,)), 0, 50)
    assert entry.audio == (SOUND[: 50 * 48],)
    assert entry.item.content == (OutputAudio(),)  # type: ignore[union-attr]
    assert entry.heard == "One"


def test_truncation_keeps_the_parts_before() -> None:
    entry = truncated(spoken(OutputText(text="Hm"), SAID, audio=(b"", SOUND)), 1, 0)
    assert entry.audio == (b"", b"")
    assert entry.item.content == (OutputText(text="Hm"), OutputAudio())  # type: ignore[union-attr]
    assert entry.heard == ""


def test_truncation_knows_one_part_from_the_next() -> None:
    entry = truncated(spoken(SAID, SAID, audio=(SOUND, SOUND)), 0, 100)
    assert entry.audio == (SOUND,)
    assert len(entry.item.content) == 1  # type: ignore[union-attr]
    with pytest.raises(ClientError, match="Audio content of 100ms"):
        truncated(spoken(SAID, SAID, audio=(SOUND, SOUND)), 0, 101)


@pytest.mark.parametrize(
    ("entry", "index", "end_ms", "words"),
    [
        (text("a"), 0, 0, "Only model output audio"),
        (call("a", "c"), 0, 0, "Only model output audio"),
        (spoken(SAID, audio=(SOUND,)), 1, 0, "no audio content at index 1"),
        (spoken(OutputText(text="Hm"), SAID, audio=(b"", SOUND)), 0, 0, "no audio content"),
        (spoken(SAID, audio=(SOUND,)), 0, 101, "Audio content of 100ms"),
        (spoken(SAID, audio=()), 0, 1, "Audio content of 0ms"),
    ],
)
def test_what_cannot_be_truncated_is_refused(
    entry: Entry, index: int, end_ms: int, words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        truncated(entry, index, end_ms)
