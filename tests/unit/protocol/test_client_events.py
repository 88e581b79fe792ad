import json
from typing import Any, get_args

import pytest
from msgspec import UNSET

from antiphon.protocol.client_events import (
    CLIENT_EVENT_TYPES,
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionClose,
    SessionUpdate,
)
from antiphon.protocol.codec import decode
from antiphon.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputText,
    ItemReference,
    McpApprovalResponseItem,
    MessageItem,
    OutputAudio,
    OutputText,
)
from antiphon.protocol.response import (
    ResponseAudioOutputParameters,
    ResponseAudioParameters,
    ResponseParameters,
)
from antiphon.protocol.session import FunctionTool, PcmuFormat, SessionPatch


def decoded(**event: Any) -> ClientEvent:
    return decode(json.dumps(event))


def created(**item: Any) -> object:
    event = decoded(type="conversation.item.create", item=item)
    assert isinstance(event, ConversationItemCreate)
    return event.item


def parameters(**response: Any) -> ResponseParameters:
    event = decoded(type="response.create", response=response)
    assert isinstance(event, ResponseCreate)
    assert event.response is not None
    return event.response


EVENTS: list[tuple[dict[str, Any], ClientEvent]] = [
    (
        {"type": "session.update", "session": {"type": "realtime"}},
        SessionUpdate(session=SessionPatch(type="realtime")),
    ),
    ({"type": "input_audio_buffer.append", "audio": "AAAA"}, InputAudioBufferAppend(audio="AAAA")),
    ({"type": "input_audio_buffer.commit"}, InputAudioBufferCommit()),
    ({"type": "input_audio_buffer.clear"}, InputAudioBufferClear()),
    ({"type": "output_audio_buffer.clear"}, OutputAudioBufferClear()),
    (
        {
            "type": "conversation.item.create",
            "previous_item_id": "root",
            "item": {"type": "message", "role": "user", "content": []},
        },
        ConversationItemCreate(previous_item_id="root", item=MessageItem(role="user", content=())),
    ),
    (
        {"type": "conversation.item.retrieve", "item_id": "item_1"},
        ConversationItemRetrieve(item_id="item_1"),
    ),
    (
        {"type": "conversation.item.delete", "item_id": "item_1"},
        ConversationItemDelete(item_id="item_1"),
    ),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "item_1",
            "content_index": 0,
            "audio_end_ms": 0,
        },
        ConversationItemTruncate(item_id="item_1", content_index=0, audio_end_ms=0),
    ),
    ({"type": "response.create"}, ResponseCreate()),
    ({"type": "response.cancel", "response_id": "resp_1"}, ResponseCancel(response_id="resp_1")),
    ({"type": "session.close"}, SessionClose()),
]


def test_every_event_of_the_api_has_a_type_and_an_example() -> None:
    tags = tuple(one.__struct_config__.tag for one in get_args(ClientEvent))

    assert tags == CLIENT_EVENT_TYPES
    assert tuple(event["type"] for event, _ in EVENTS) == CLIENT_EVENT_TYPES


@pytest.mark.parametrize(("written", "meant"), EVENTS, ids=CLIENT_EVENT_TYPES)
def test_an_event_is_understood(written: dict[str, Any], meant: ClientEvent) -> None:
    assert decoded(**written) == meant
    assert decode(json.dumps(written).encode()) == meant


@pytest.mark.parametrize(("written", "meant"), EVENTS, ids=CLIENT_EVENT_TYPES)
def test_an_event_may_carry_an_id_of_up_to_512_characters(
    written: dict[str, Any], meant: ClientEvent
) -> None:
    assert meant.event_id is None
    assert decoded(**written, event_id=None) == meant
    assert decoded(**written, event_id="é" * 512).event_id == "é" * 512


def test_messages_of_every_role_are_understood() -> None:
    assert created(
        type="message", role="system", content=[{"type": "input_text", "text": "Be kind."}]
    ) == MessageItem(role="system", content=(InputText(text="Be kind."),))
    assert created(
        type="message",
        role="user",
        id="item_u",
        object="realtime.item",
        status="completed",
        content=[
            {"type": "input_text", "text": "Hi"},
            {"type": "input_audio", "audio": "AAAA"},
            {"type": "input_image", "image_url": "data:image/jpeg;base64,AA==", "detail": "low"},
        ],
    ) == MessageItem(
        id="item_u",
        status="completed",
        role="user",
        content=(
            InputText(text="Hi"),
            InputAudio(audio="AAAA", transcript=None),
            InputImage(image_url="data:image/jpeg;base64,AA==", detail="low"),
        ),
    )
    assert created(
        type="message",
        role="assistant",
        content=[
            {"type": "output_text", "text": "Hello"},
            {"type": "output_audio", "transcript": "Hello"},
        ],
    ) == MessageItem(
        role="assistant", content=(OutputText(text="Hello"), OutputAudio(transcript="Hello"))
    )


def test_function_calls_and_their_outputs_are_understood() -> None:
    assert created(
        type="function_call", name="look-up", call_id="call_1", arguments="{}"
    ) == FunctionCallItem(name="look-up", call_id="call_1", arguments="{}")
    assert created(
        type="function_call_output", call_id="call_1", output="1", status="completed"
    ) == FunctionCallOutputItem(call_id="call_1", output="1", status="completed")


def test_an_approval_may_have_an_id_of_64_characters() -> None:
    assert created(
        type="mcp_approval_response", id="x" * 64, approval_request_id="r", approve=False
    ) == McpApprovalResponseItem(id="x" * 64, approval_request_id="r", approve=False)


def test_a_response_without_wishes_has_none() -> None:
    assert parameters() == ResponseParameters()
    assert parameters().conversation == "auto"
    assert parameters().input is UNSET


def test_every_wish_for_a_response_is_understood() -> None:
    assert parameters(
        output_modalities=["text"],
        instructions="Be brief.",
        audio={"output": {"format": {"type": "audio/pcmu"}, "voice": "marin"}},
        tools=[{"type": "function", "name": "look-up"}],
        tool_choice="required",
        max_output_tokens=10,
        conversation="none",
        metadata={"client_event_id": "1"},
        input=[{"type": "item_reference", "id": "item_1"}],
    ) == ResponseParameters(
        output_modalities=("text",),
        instructions="Be brief.",
        audio=ResponseAudioParameters(
            output=ResponseAudioOutputParameters(format=PcmuFormat(), voice="marin")
        ),
        tools=(FunctionTool(name="look-up"),),
        tool_choice="required",
        max_output_tokens=10,
        conversation="none",
        metadata={"client_event_id": "1"},
        input=(ItemReference(id="item_1"),),
    )


def test_an_empty_input_is_not_an_absent_one() -> None:
    assert parameters(input=[]).input == ()


def test_metadata_of_any_json_within_the_limits_is_kept() -> None:
    metadata = {
        "k" * 64: "v" * 512,
        "number": 1.5,
        "nothing": None,
        "list": [1, {"a": True}],
    }

    assert parameters(metadata=metadata).metadata == metadata
