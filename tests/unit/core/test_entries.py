import base64

import numpy as np
import pytest

from antiphon.core.entries import entry_of, with_sound
from antiphon.core.ids import Ids
from antiphon.core.output_audio import Clause
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import (
    ContentPart,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputText,
    Item,
    McpApprovalRequestItem,
    MessageItem,
    OutputAudio,
    OutputText,
    Role,
)
from antiphon.protocol.session import (
    Audio,
    AudioInput,
    AudioOutput,
    PcmaFormat,
    PcmuFormat,
)

PCM = np.full(2400, 5000, "<i2").tobytes()
CODE = base64.b64encode(PCM).decode()
TELEPHONE = Audio(input=AudioInput(format=PcmuFormat()), output=AudioOutput(format=PcmaFormat()))
IDS = Ids(b"s")


def message(role: Role, *parts: ContentPart) -> MessageItem:
    return MessageItem(role=role, content=parts)


def test_a_message_gets_an_id_and_is_completed() -> None:
    entry = entry_of(message("user", InputText(text="Hi")), "item", Audio(), IDS)
    assert entry.id.startswith("item_")
    assert entry.item.id == entry.id
    assert entry.item.status == "completed"  # type: ignore[union-attr]
    assert (entry.audio, entry.heard, entry.clauses) == ((b"",), None, ())


def test_a_chosen_id_is_kept() -> None:
    for item in (
        MessageItem(id="mine", role="user", content=()),
        FunctionCallItem(id="mine", name="f", arguments="{}"),
        FunctionCallOutputItem(id="mine", call_id="c", output=""),
    ):
        assert entry_of(item, "item", Audio(), IDS).id == "mine"


def test_function_items_are_completed_or_have_no_status() -> None:
    call = entry_of(FunctionCallItem(name="f", arguments="{}"), "item", Audio(), IDS).item
    assert call.status == "completed"  # type: ignore[union-attr]
    assert str(call.call_id).startswith("call_")  # type: ignore[union-attr]
    named = FunctionCallItem(name="f", arguments="{}", call_id="mine")
    assert entry_of(named, "item", Audio(), IDS).item.call_id == "mine"  # type: ignore[union-attr]
    output = FunctionCallOutputItem(call_id="c", output="42", status="completed")
    assert not entry_of(output, "item", Audio(), IDS).item.status  # type: ignore[union-attr]


def test_sound_is_kept_beside_the_item() -> None:
    entry = entry_of(message("user", InputAudio(audio=CODE)), "item", Audio(), IDS)
    assert entry.audio == (PCM,)
    assert entry.item.content == (InputAudio(),)  # type: ignore[union-attr]
    assert entry.heard is None
    assert with_sound(entry, Audio()).content[0].audio == CODE  # type: ignore[union-attr]


def test_speech_of_the_assistant_has_its_words_spread_over_it() -> None:
    parts = (OutputText(text="Hm"), OutputAudio(audio=CODE, transcript="One two"))
    entry = entry_of(message("assistant", *parts), "item", Audio(), IDS)
    assert entry.audio == (b"", PCM)
    assert entry.clauses == (Clause(0, 100, "One two"),)
    sounded = with_sound(entry, Audio()).content[1]  # type: ignore[union-attr]
    assert sounded == OutputAudio(audio=CODE, transcript="One two")
    wordless = entry_of(message("assistant", OutputAudio(audio=CODE)), "item", Audio(), IDS)
    assert wordless.clauses == ()


def test_sound_comes_and_goes_in_the_formats_of_the_session() -> None:
    ulaw = base64.b64encode(b"\x8f" * 800).decode()
    entry = entry_of(message("user", InputAudio(audio=ulaw)), "item", TELEPHONE, IDS)
    assert len(entry.audio[0]) == 100 * 48
    again = with_sound(entry, TELEPHONE).content[0]  # type: ignore[union-attr]
    assert len(base64.b64decode(again.audio)) == 800  # type: ignore[union-attr]
    spoken = entry_of(message("assistant", OutputAudio(audio=CODE)), "item", Audio(), IDS)
    alaw = with_sound(spoken, TELEPHONE).content[0]  # type: ignore[union-attr]
    assert len(base64.b64decode(alaw.audio)) == 800  # type: ignore[union-attr]


def test_items_without_sound_are_told_as_they_are() -> None:
    for item in (
        FunctionCallItem(name="f", arguments="{}"),
        message("assistant", OutputAudio(transcript="Hi"), OutputText(text="Ho")),
        message("user", InputAudio(transcript="Hi"), InputText(text="Ho")),
    ):
        entry = entry_of(item, "item", Audio(), IDS)
        assert with_sound(entry, Audio()) == entry.item


def test_a_transcript_alone_is_all_that_is_known() -> None:
    parts = (InputAudio(transcript="One"), InputAudio(), InputAudio(transcript="two"))
    assert entry_of(message("user", *parts), "item", Audio(), IDS).heard == "One  two"
    silent = message("user", InputAudio(audio=""))
    assert entry_of(silent, "item", Audio(), IDS).heard == ""


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (message("user", InputText(text="a"), InputAudio(audio="!")), "item.content[1].audio"),
        (message("user", InputAudio(audio="AA==")), "item.content[0].audio"),
        (message("assistant", OutputAudio(audio="AA==")), "item.content[0].audio"),
        (message("user", InputImage(image_url="data:image/png;base64,")), "item.content[0].type"),
        (
            McpApprovalRequestItem(id="q", server_label="s", name="f", arguments="{}"),
            "item.type",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_place(item: Item, param: str) -> None:
    with pytest.raises(ClientError) as refused:
        entry_of(item, "item", Audio(), IDS)
    assert refused.value.param == param
