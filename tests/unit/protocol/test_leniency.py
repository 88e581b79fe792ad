import json
from typing import Any

import pytest
from msgspec import UNSET

from antiphon.protocol.client_events import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
    SessionUpdate,
)
from antiphon.protocol.codec import decode
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import InputAudio, InputText, MessageItem
from antiphon.protocol.leniency import forgive
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.session import FunctionTool, ServerVad


def test_a_timestamp_on_an_event_is_ignored() -> None:
    frame = '{"type":"input_audio_buffer.append","audio":"AAAA","timestamp":"2026-01-01"}'

    assert decode(frame) == InputAudioBufferAppend(audio="AAAA")


def test_nulls_in_a_response_mean_absent() -> None:
    fields = list(ResponseParameters.__struct_fields__)

    event = decode(json.dumps({"type": "response.create", "response": dict.fromkeys(fields)}))

    assert event == ResponseCreate(response=ResponseParameters())


def test_null_metadata_values_are_kept() -> None:
    event = decode('{"type":"response.create","response":{"tools":null,"metadata":{"a":null}}}')

    assert event == ResponseCreate(response=ResponseParameters(metadata={"a": None}))


def test_nulls_in_an_item_mean_absent() -> None:
    item = {
        "type": "message",
        "id": None,
        "status": None,
        "role": "user",
        "content": [
            {"type": "input_text", "text": "Hi", "audio": None, "transcript": None},
            {"type": "input_audio", "audio": None, "transcript": None, "image_url": None},
        ],
    }

    assert decode(
        json.dumps({"type": "conversation.item.create", "item": item})
    ) == ConversationItemCreate(
        item=MessageItem(role="user", content=(InputText(text="Hi"), InputAudio()))
    )


def test_nulls_in_a_tool_and_in_turn_detection_mean_absent() -> None:
    session = {
        "type": "realtime",
        "instructions": None,
        "tools": [{"type": "function", "name": "f", "description": None, "parameters": None}],
        "audio": {
            "input": {
                "turn_detection": {"type": "server_vad", "threshold": None, "eagerness": None}
            }
        },
    }
    event = decode(json.dumps({"type": "session.update", "session": session}))

    assert isinstance(event, SessionUpdate)
    assert event.session.instructions is UNSET
    assert event.session.tools == (FunctionTool(name="f"),)
    audio: Any = event.session.audio
    assert audio.input.turn_detection == ServerVad()


@pytest.mark.parametrize(
    "session", [{"type": "realtime", "foo": None}, {"type": None}, {"type": "realtime", "foo": 1}]
)
def test_what_means_something_or_nothing_known_is_not_forgiven(session: dict[str, Any]) -> None:
    with pytest.raises(ClientError):
        decode(json.dumps({"type": "session.update", "session": session}))


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": {"tool_choice": {"type": "function"}}},
        {"type": "session.update", "session": {"tool_choice": {"function": {"name": "f"}}}},
        {"type": "session.update", "session": {"tool_choice": {"type": "function", "function": 1}}},
        {"type": "response.create", "response": {"input": [None, 1, {"type": "message"}]}},
        {"type": "no.such.event", "session": None},
        {"type": []},
        {"type": "session.update", "session": [None]},
    ],
)
def test_what_is_beyond_forgiveness_stays_as_it_is(event: dict[str, Any]) -> None:
    assert forgive(event) == event
