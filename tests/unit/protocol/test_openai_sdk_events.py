"""What the official Python SDK's own types write must be understood, nulls and all."""

from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from antiphon.protocol.client_events import CLIENT_EVENT_TYPES, ClientEvent
from antiphon.protocol.codec import decode

SDK: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)

MESSAGES = [
    {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "x"}]},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "x"},
            {"type": "input_audio", "audio": "AAAA"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
        ],
    },
    {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "x"},
            {"type": "output_audio", "transcript": "x"},
        ],
    },
    {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1"},
    {"type": "function_call_output", "call_id": "call_1", "output": "x"},
    {"type": "mcp_approval_response", "id": "i", "approval_request_id": "r", "approve": True},
]

EVENTS: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime"}},
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "model": "gpt-realtime",
            "tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "d"}],
            "tool_choice": {"type": "function", "name": "f"},
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
            "tracing": {"workflow_name": "w"},
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": "whisper-1"},
                    "turn_detection": {"type": "server_vad"},
                    "noise_reduction": {"type": "far_field"},
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
            },
        },
    },
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}},
        },
    },
    {"type": "session.update", "session": {"type": "transcription", "audio": {"input": {}}}},
    *({"type": "conversation.item.create", "item": item} for item in MESSAGES),
    {"type": "conversation.item.retrieve", "item_id": "i"},
    {"type": "conversation.item.delete", "item_id": "i"},
    {
        "type": "conversation.item.truncate",
        "item_id": "i",
        "content_index": 0,
        "audio_end_ms": 1,
    },
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {"type": "response.create"},
    {
        "type": "response.create",
        "response": {
            "input": MESSAGES,
            "metadata": {"a": "b"},
            "conversation": "none",
            "audio": {"output": {"voice": "marin"}},
            "tools": [{"type": "function", "name": "f"}],
        },
    },
    {"type": "response.cancel"},
]


def test_every_client_event_of_the_sdk_is_tried() -> None:
    assert {event["type"] for event in EVENTS} == {*CLIENT_EVENT_TYPES} - {"session.close"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_an_event_of_the_sdk_is_understood(event: dict[str, Any]) -> None:
    written = SDK.validate_python(event)

    understood = decode(written.model_dump_json(exclude_unset=True))

    assert isinstance(understood, get_args(ClientEvent))
    assert isinstance(decode(written.model_dump_json()), type(understood))


@pytest.mark.parametrize(
    "event",
    [event for event in EVENTS if event["type"] != "session.update"],
    ids=lambda event: event["type"],
)
def test_nulls_of_the_sdk_change_nothing_outside_a_session(event: dict[str, Any]) -> None:
    written = SDK.validate_python(event)

    assert decode(written.model_dump_json()) == decode(written.model_dump_json(exclude_none=True))
