import json
from typing import Any

import pytest

from antiphon.protocol.client_events import ConversationItemDelete, SessionUpdate
from antiphon.protocol.codec import encode
from antiphon.protocol.dialects import Dialect
from antiphon.protocol.dialects.ga import Ga, nest_flat_fields
from antiphon.protocol.errors import ClientError
from antiphon.protocol.server_events import InputAudioBufferCleared
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioOutputPatch,
    AudioPatch,
    SessionPatch,
    Transcription,
)

GA: Dialect = Ga()


def update(**session: Any) -> str:
    return json.dumps({"type": "session.update", "event_id": "mine", "session": session})


def test_events_pass_unchanged_in_both_directions() -> None:
    cleared = InputAudioBufferCleared(event_id="event_1")

    assert GA.name == "ga"
    assert GA.encode(cleared) == (encode(cleared),)
    assert GA.decode(
        '{"type":"conversation.item.delete","item_id":"item_1"}'
    ) == ConversationItemDelete(item_id="item_1")


def test_flat_input_fields_of_a_realtime_update_go_where_they_belong() -> None:
    frame = update(
        type="realtime",
        instructions="Be brief.",
        input_audio_transcription={"model": "whisper-1"},
        turn_detection=None,
        audio={"output": {"voice": "marin"}},
    )

    assert GA.decode(frame) == SessionUpdate(
        event_id="mine",
        session=SessionPatch(
            type="realtime",
            instructions="Be brief.",
            audio=AudioPatch(
                input=AudioInputPatch(
                    transcription=Transcription(model="whisper-1"), turn_detection=None
                ),
                output=AudioOutputPatch(voice="marin"),
            ),
        ),
    )


def test_a_field_in_its_ga_place_wins_over_a_flat_one() -> None:
    frame = update(
        type="realtime",
        turn_detection={"type": "server_vad"},
        audio={"input": {"turn_detection": None}},
    )

    assert GA.decode(frame) == SessionUpdate(
        event_id="mine",
        session=SessionPatch(
            type="realtime", audio=AudioPatch(input=AudioInputPatch(turn_detection=None))
        ),
    )


def test_a_fault_in_a_flat_field_is_named_by_its_ga_place() -> None:
    with pytest.raises(ClientError) as caught:
        GA.decode(update(type="realtime", turn_detection={"type": "x"}))

    assert caught.value.param == "session.audio.input.turn_detection.type"
    assert caught.value.event_id == "mine"


def test_other_preview_fields_are_refused_with_their_ga_names() -> None:
    with pytest.raises(ClientError) as caught:
        GA.decode(update(type="realtime", turn_detection=None, voice="alloy"))

    assert caught.value.code == "unknown_parameter"
    assert caught.value.param == "session.voice"
    assert "session.audio.output.voice" in caught.value.message


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": {"turn_detection": None}},
        {"type": "session.update", "session": {"type": "transcription", "turn_detection": None}},
        {"type": "session.update", "session": {"type": "realtime", "instructions": "x"}},
        {
            "type": "session.update",
            "session": {"type": "realtime", "turn_detection": None, "audio": 1},
        },
        {
            "type": "session.update",
            "session": {"type": "realtime", "turn_detection": None, "audio": {"input": 1}},
        },
        {"type": "session.update", "session": 1},
        {"type": "response.create", "session": {"type": "realtime", "turn_detection": None}},
    ],
)
def test_nothing_else_is_moved(event: dict[str, Any]) -> None:
    assert nest_flat_fields(event) == event
