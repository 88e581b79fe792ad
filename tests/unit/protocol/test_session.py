import json
from typing import Any

import pytest
from msgspec import UNSET

from antiphon.protocol.client_events import SessionUpdate
from antiphon.protocol.codec import decode, encode
from antiphon.protocol.server_events import SessionCreated
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioPatch,
    CustomVoice,
    FunctionChoice,
    FunctionTool,
    McpChoice,
    McpTool,
    PcmaFormat,
    PcmFormat,
    PcmuFormat,
    RealtimeSession,
    RetentionRatio,
    SemanticVad,
    ServerVad,
    SessionPatch,
    TokenLimits,
    TracingConfiguration,
    Transcription,
    TranscriptionSession,
)


def patch(**fields: Any) -> SessionPatch:
    event = decode(
        json.dumps({"type": "session.update", "session": {"type": "realtime", **fields}})
    )
    assert isinstance(event, SessionUpdate)
    return event.session


def listening(**fields: Any) -> AudioInputPatch:
    audio = patch(audio={"input": fields}).audio
    assert isinstance(audio, AudioPatch)
    assert isinstance(audio.input, AudioInputPatch)
    return audio.input


def test_a_new_session_tells_the_complete_configuration_in_the_recorded_order() -> None:
    session = RealtimeSession(
        id="sess_1", model="gpt-realtime", instructions="…", expires_at=1_785_500_000
    )

    assert encode(SessionCreated(event_id="event_1", session=session)) == (
        '{"type":"session.created","event_id":"event_1","session":{"type":"realtime",'
        '"object":"realtime.session","id":"sess_1","model":"gpt-realtime",'
        '"output_modalities":["audio"],"instructions":"…","tools":[],"tool_choice":"auto",'
        '"max_output_tokens":"inf","tracing":null,"truncation":"auto","prompt":null,'
        '"expires_at":1785500000,"audio":{"input":{"format":{"type":"audio/pcm","rate":24000},'
        '"transcription":null,"noise_reduction":null,"turn_detection":{"type":"server_vad",'
        '"threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":200,'
        '"idle_timeout_ms":null,"create_response":true,"interrupt_response":true}},'
        '"output":{"format":{"type":"audio/pcm","rate":24000},"voice":"alloy","speed":1.0}},'
        '"include":null}}'
    )


def test_a_transcription_session_tells_nothing_of_responses() -> None:
    session = TranscriptionSession(id="sess_1", expires_at=0)

    told = json.loads(encode(SessionCreated(event_id="event_1", session=session)))["session"]

    assert told == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_1",
        "expires_at": 0,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                    "idle_timeout_ms": None,
                },
            }
        },
        "include": None,
    }


def test_a_patch_with_nothing_changes_nothing() -> None:
    assert patch() == SessionPatch(type="realtime")
    assert patch().audio is UNSET


@pytest.mark.parametrize("field", ["transcription", "noise_reduction", "turn_detection"])
def test_null_clears_an_input_setting_and_absence_keeps_it(field: str) -> None:
    assert getattr(listening(**{field: None}), field) is None
    assert getattr(listening(), field) is UNSET


@pytest.mark.parametrize("field", ["tracing", "prompt", "include"])
def test_null_clears_a_session_setting_and_absence_keeps_it(field: str) -> None:
    assert getattr(patch(**{field: None}), field) is None
    assert getattr(patch(), field) is UNSET


@pytest.mark.parametrize("field", ["instructions", "tools", "output_modalities", "audio"])
def test_null_of_a_setting_that_cannot_be_null_keeps_it(field: str) -> None:
    assert getattr(patch(**{field: None}), field) is UNSET


def test_empty_instructions_and_tools_are_not_absent() -> None:
    changed = patch(instructions="", tools=[])

    assert changed.instructions == ""
    assert changed.tools == ()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": "audio/pcm", "rate": 24000}, PcmFormat()),
        ({"type": "audio/pcm"}, PcmFormat()),
        ({"type": "audio/pcmu"}, PcmuFormat()),
        ({"type": "audio/pcma"}, PcmaFormat()),
    ],
)
def test_each_audio_format_is_understood(written: dict[str, Any], meant: object) -> None:
    assert listening(format=written).format == meant


def test_gaps_of_turn_detection_are_filled_with_defaults() -> None:
    assert listening(turn_detection={"type": "server_vad"}).turn_detection == ServerVad(
        threshold=0.5,
        prefix_padding_ms=300,
        silence_duration_ms=200,
        idle_timeout_ms=None,
        create_response=True,
        interrupt_response=True,
    )
    assert listening(
        turn_detection={"type": "semantic_vad", "eagerness": "high"}
    ).turn_detection == SemanticVad(eagerness="high", create_response=True, interrupt_response=True)


def test_the_bounds_of_numbers_are_inclusive() -> None:
    for tokens in (1, 4096, "inf"):
        assert patch(max_output_tokens=tokens).max_output_tokens == tokens
    for speed in (0.25, 1, 1.5):
        audio = patch(audio={"output": {"speed": speed}}).audio
        assert audio != UNSET
    for threshold in (0, 1):
        detection = listening(turn_detection={"type": "server_vad", "threshold": threshold})
        assert detection.turn_detection == ServerVad(threshold=threshold)


def test_a_voice_is_a_name_or_an_id() -> None:
    for written, meant in [("marin", "marin"), ({"id": "voice_1"}, CustomVoice(id="voice_1"))]:
        audio = patch(audio={"output": {"voice": written}}).audio
        assert isinstance(audio, AudioPatch)
        assert audio.output != UNSET
        assert getattr(audio.output, "voice", None) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "name": "look-up"}, FunctionChoice(name="look-up")),
        ({"type": "function", "function": {"name": "look-up"}}, FunctionChoice(name="look-up")),
        ({"type": "mcp", "server_label": "docs"}, McpChoice(server_label="docs")),
    ],
)
def test_each_tool_choice_is_understood(written: object, meant: object) -> None:
    assert patch(tool_choice=written).tool_choice == meant


def test_tools_of_both_kinds_are_understood() -> None:
    tools = [
        {"type": "function", "name": "look-up", "parameters": {"type": "object"}},
        {"type": "mcp", "server_label": "docs", "require_approval": "never"},
    ]

    assert patch(tools=tools).tools == (
        FunctionTool(name="look-up", parameters={"type": "object"}),
        McpTool(server_label="docs", require_approval="never"),
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("auto", "auto"),
        ("disabled", "disabled"),
        (
            {
                "type": "retention_ratio",
                "retention_ratio": 0.8,
                "token_limits": {"post_instructions": 8000},
            },
            RetentionRatio(retention_ratio=0.8, token_limits=TokenLimits(post_instructions=8000)),
        ),
    ],
)
def test_each_truncation_is_understood(written: object, meant: object) -> None:
    assert patch(truncation=written).truncation == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, None),
        ("auto", "auto"),
        ({}, TracingConfiguration()),
        ({"workflow_name": "w"}, TracingConfiguration(workflow_name="w")),
    ],
)
def test_each_form_of_tracing_is_understood(written: object, meant: object) -> None:
    assert patch(tracing=written).tracing == meant


def test_transcription_needs_only_a_model() -> None:
    assert listening(transcription={"model": "whisper-1"}).transcription == Transcription(
        model="whisper-1", language=None, prompt=None
    )


def test_an_update_may_name_any_model() -> None:
    assert patch(model="another-deployment").model == "another-deployment"


def test_an_update_for_a_transcription_session_is_understood() -> None:
    frame = json.dumps(
        {
            "type": "session.update",
            "session": {
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            },
        }
    )
    event = decode(frame)

    assert isinstance(event, SessionUpdate)
    assert event.session.type == "transcription"
