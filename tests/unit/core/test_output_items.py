import base64

import numpy as np
import pytest

from antiphon.core.happenings import ItemClosed, ItemOpened
from antiphon.core.ids import Ids
from antiphon.core.output_audio import Clause, OutputAudio
from antiphon.core.output_items import FunctionCall, SpokenMessage, WrittenMessage
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import OutputAudio as SpokenPart
from antiphon.protocol.items import OutputText

PCM = np.full(130 * 24, 5000, "<i2").tobytes()


def names(told: list[object]) -> list[str]:
    return [type(each).__name__ for each in told]


def spoken() -> SpokenMessage:
    return SpokenMessage(Ids(b"s"), "resp", 2, OutputAudio("audio/pcm", 1.0))


def closed(told: list[object]) -> ItemClosed:
    last = told[-1]
    assert isinstance(last, ItemClosed)
    return last


def test_every_event_says_where_it_belongs() -> None:
    message = spoken()
    told = [*message.open(), *message.say("Hi"), *message.sound(PCM, "Hi", 0.0)]
    told += message.close("completed", 0.0)
    assert isinstance(told[0], ItemOpened)
    assert (told[0].response_id, told[0].output_index) == ("resp", 2)
    for event in told[1:-1]:
        assert (event.response_id, event.output_index) == ("resp", 2)  # type: ignore[union-attr]
        assert (event.item_id, event.content_index) == (message.item_id, 0)  # type: ignore[union-attr]
    assert (closed(told).response_id, closed(told).output_index) == ("resp", 2)


def test_a_written_message_from_open_to_closed() -> None:
    message = WrittenMessage(Ids(b"s"), "resp", 0)
    told = [*message.open(), *message.write("Hel"), *message.write("lo")]
    told += message.close("incomplete", 0.0)
    assert names(told) == [
        "ItemOpened",
        "ResponseContentPartAdded",
        "ResponseOutputTextDelta",
        "ResponseOutputTextDelta",
        "ResponseOutputTextDone",
        "ResponseContentPartDone",
        "ItemClosed",
    ]
    item = closed(told).item
    assert (item.id, item.status) == (message.item_id, "incomplete")  # type: ignore[union-attr]
    assert item.content == (OutputText(text="Hello"),)  # type: ignore[union-attr]


def test_a_spoken_message_sends_the_rest_before_it_closes() -> None:
    message = spoken()
    message.open()
    assert len(message.sound(PCM, "Hi", 0.0)) == 1
    told = message.close("completed", 0.0)
    assert names(told) == [
        "ResponseOutputAudioDelta",
        "ResponseOutputAudioDone",
        "ResponseOutputAudioTranscriptDone",
        "ResponseContentPartDone",
        "ItemClosed",
    ]
    assert len(base64.b64decode(told[0].delta)) == 30 * 48  # type: ignore[union-attr]
    assert closed(told).audio == PCM
    assert closed(told).heard_ms is None


def test_a_message_that_is_cut_off_was_heard_as_far_as_it_was_played() -> None:
    message = spoken()
    message.say("Hi")
    message.sound(PCM, "Hi", 0.0)
    message.cut_off()
    told = message.close("incomplete", 0.05)
    assert "ResponseOutputAudioDelta" not in names(told)
    assert closed(told).audio == PCM[: 100 * 48]
    assert closed(told).heard_ms == pytest.approx(50, abs=1)


def test_a_message_that_is_incomplete_was_heard_as_far_as_there_is_sound() -> None:
    message = spoken()
    message.sound(PCM, "Hi", 0.0)
    assert closed(message.close("incomplete", 0.0)).heard_ms == 130


def test_truncating_a_message_in_the_making_only_shortens_it() -> None:
    message = spoken()
    message.say("Hi there")
    message.sound(PCM, "Hi there", 0.0)
    with pytest.raises(ClientError, match="already shorter than 131ms"):
        message.truncate(0, 131)
    with pytest.raises(ClientError, match="no audio content at index 1"):
        message.truncate(1, 0)
    message.truncate(0, 100)
    message.truncate(0, 60)
    with pytest.raises(ClientError, match="Audio content of 60ms"):
        message.truncate(0, 61)
    end = closed(message.close("completed", 0.0))
    assert end.audio == PCM[: 60 * 48]
    assert end.heard_ms == 60
    assert end.item.content == (SpokenPart(),)  # type: ignore[union-attr]


def test_words_without_marks_are_spread_over_the_sound() -> None:
    message = spoken()
    message.say("Hi there")
    message.sound(PCM, "", 0.0)
    assert closed(message.close("completed", 0.0)).clauses == (Clause(0, 130, "Hi there"),)


@pytest.mark.parametrize(("status", "is_done"), [("completed", True), ("incomplete", False)])
def test_only_a_whole_call_says_that_its_arguments_are_done(status: str, *, is_done: bool) -> None:
    call = FunctionCall(Ids(b"s"), "resp", 1, "weather")
    (opened,) = call.open()
    told = [*call.write('{"a"'), *call.write(":1}")]
    end = call.close(status, 0.0)  # type: ignore[arg-type]
    assert ("ResponseFunctionCallArgumentsDone" in names(end)) is is_done
    item = closed(end).item
    assert (item.name, item.arguments, item.status) == ("weather", '{"a":1}', status)  # type: ignore[union-attr]
    assert isinstance(opened, ItemOpened)
    assert opened.item.call_id == item.call_id == told[0].call_id  # type: ignore[union-attr]
