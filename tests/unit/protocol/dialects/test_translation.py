"""The words of translation sessions at the edge."""

import json

import msgspec
import pytest
from openai.types.realtime import RealtimeTranslationClientEvent, RealtimeTranslationServerEvent
from pydantic import TypeAdapter

from antiphon.protocol import translation
from antiphon.protocol.client_events import SessionClose
from antiphon.protocol.dialects.translation import Translation
from antiphon.protocol.errors import ClientError
from antiphon.protocol.server_events import Error, ErrorBody
from antiphon.protocol.translation import (
    Audio,
    AudioInput,
    AudioOutput,
    SessionClosed,
    SessionCreated,
    SessionInputAudioBufferAppend,
    SessionInputTranscriptDelta,
    SessionOutputAudioDelta,
    SessionOutputTranscriptDelta,
    SessionUpdated,
    Transcription,
    TranslationSession,
)

SPEAKER = TypeAdapter(RealtimeTranslationServerEvent)
SESSION = TranslationSession(
    id="sess_1",
    model="gpt-realtime-translate",
    expires_at=1_800_000_000,
    audio=Audio(
        input=AudioInput(transcription=Transcription(model="whisper-1")),
        output=AudioOutput(language="es"),
    ),
)
EVENTS: list[translation.ServerEvent] = [
    SessionCreated(event_id="e", session=SESSION),
    SessionUpdated(event_id="e", session=SESSION),
    SessionInputTranscriptDelta(event_id="e", delta="Hello", elapsed_ms=200),
    SessionOutputTranscriptDelta(event_id="e", delta="Hola", elapsed_ms=400),
    SessionOutputAudioDelta(event_id="e", delta="AAAA", elapsed_ms=400),
    SessionClosed(event_id="e"),
    Error(event_id="e", error=ErrorBody.of(ClientError("code", "Words.", "session"))),
]


def decode(event: object) -> object:
    return Translation().decode(json.dumps(event))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_the_sdk_reads_every_event_with_all_its_keys(event: translation.ServerEvent) -> None:
    (frame,) = Translation().encode(event)
    parsed = SPEAKER.validate_json(frame)
    assert parsed.type == json.loads(frame)["type"]
    assert type(parsed).model_fields.keys() >= json.loads(frame).keys()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.close"},
        {"type": "session.close", "event_id": "mine"},
        {"type": "session.input_audio_buffer.append", "audio": "AAAA", "event_id": "mine"},
        {"type": "session.update", "session": {}},
        {
            "type": "session.update",
            "session": {
                "audio": {
                    "input": {
                        "noise_reduction": {"type": "near_field", "strength": 0.5},
                        "transcription": {"model": "whisper-1"},
                    },
                    "output": {"language": "es"},
                }
            },
        },
        {"type": "session.update", "session": {"audio": {"input": {"transcription": None}}}},
    ],
)
def test_everything_that_the_sdk_sends_is_understood(event: dict[str, object]) -> None:
    TypeAdapter(RealtimeTranslationClientEvent).validate_python(event)
    assert msgspec.to_builtins(decode(event))["type"] == event["type"]


def test_an_absent_field_is_not_a_null_one() -> None:
    absent = decode({"type": "session.update", "session": {"audio": {"input": {}}}})
    null = decode(
        {"type": "session.update", "session": {"audio": {"input": {"transcription": None}}}}
    )
    assert isinstance(absent, translation.SessionUpdate)
    assert absent != null


def test_what_means_nothing_is_forgiven() -> None:
    event = {"type": "session.close", "event_id": None, "timestamp": 3}
    assert decode(event) == SessionClose()
    audio = {"type": "session.input_audio_buffer.append", "audio": "", "event_id": None}
    assert decode(audio) == SessionInputAudioBufferAppend(audio="")


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "input_audio_buffer.append", "audio": ""}, "invalid_value", "type"),
        ({"type": "response.create"}, "invalid_value", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (
            {"type": "session.update", "session": {"voice": "alloy"}},
            "unknown_parameter",
            "session.voice",
        ),
        (
            {"type": "session.update", "session": {"audio": {"output": {"language": 7}}}},
            "invalid_type",
            "session.audio.output.language",
        ),
        (
            {
                "type": "session.update",
                "session": {"audio": {"input": {"noise_reduction": {"type": "no_field"}}}},
            },
            "invalid_value",
            "session.audio.input.noise_reduction.type",
        ),
        ({"type": "session.close", "event_id": "x" * 513}, "string_above_max_length", "event_id"),
        ({}, "invalid_event", None),
    ],
)
def test_a_mistake_is_told_with_its_place(
    event: dict[str, object], code: str, param: str | None
) -> None:
    with pytest.raises(ClientError) as refused:
        decode(event)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_an_unknown_event_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ClientError) as refused:
        decode({"type": "response.create"})
    for name in ("session.update", "session.input_audio_buffer.append", "session.close"):
        assert f"'{name}'" in refused.value.message
