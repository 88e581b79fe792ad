import json
from typing import Any

import pytest

from antiphon.protocol.codec import decode
from antiphon.protocol.diagnosis import diagnose
from antiphon.protocol.errors import ClientError

Fault = tuple[dict[str, Any], str, str]


def refused(event: dict[str, Any]) -> ClientError:
    with pytest.raises(ClientError) as caught:
        decode(json.dumps({**event, "event_id": "mine"}))
    return caught.value


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def listening(**fields: Any) -> dict[str, Any]:
    return session(audio={"input": fields})


def vad(**fields: Any) -> dict[str, Any]:
    return listening(turn_detection={"type": "server_vad", **fields})


def speaking(**fields: Any) -> dict[str, Any]:
    return session(audio={"output": fields})


def tool(**fields: Any) -> dict[str, Any]:
    return session(tools=[{"type": "function", "name": "f"}, {"type": "function", **fields}])


def item(**fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": fields}


def message(role: str, *content: Any, **fields: Any) -> dict[str, Any]:
    return item(type="message", role=role, content=list(content), **fields)


def truncate(**fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.truncate", "item_id": "i", **fields}


def response(**fields: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": fields}


UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"type": "input_audio_buffer.commit", "foo": 1}, "foo"),
    (session(foo=1), "session.foo"),
    (listening(foo=1), "session.audio.input.foo"),
    (vad(foo=1), "session.audio.input.turn_detection.foo"),
    (listening(format={"type": "audio/pcmu", "rate": 8000}), "session.audio.input.format.rate"),
    (tool(name="g", strict=True), "session.tools[1].strict"),
    (message("user", {"type": "input_text", "text": "x", "foo": 1}), "item.content[0].foo"),
    (response(input=[{"type": "item_reference", "id": "i", "foo": 1}]), "response.input[0].foo"),
    (response(audio={"output": {"speed": 1}}), "response.audio.output.speed"),
    (session(**{"k" * 1000: 1}), f"session.{'k' * 64}…"),
]

MISSING: list[tuple[dict[str, Any], str]] = [
    ({"type": "session.update"}, "session"),
    ({"type": "session.update", "session": {"instructions": "x"}}, "session.type"),
    ({"type": "session.update", "session": {"modalities": ["text"]}}, "session.type"),
    ({"type": "input_audio_buffer.append"}, "audio"),
    ({"type": "conversation.item.create"}, "item"),
    ({"type": "conversation.item.delete"}, "item_id"),
    (truncate(audio_end_ms=1), "content_index"),
    (truncate(content_index=0), "audio_end_ms"),
    (item(role="user"), "item.type"),
    (item(type="message", content=[]), "item.role"),
    (item(type="message", role="user"), "item.content"),
    (message("user", {"text": "x"}), "item.content[0].type"),
    (message("user", {"type": "input_text"}), "item.content[0].text"),
    (item(type="function_call", arguments="{}"), "item.name"),
    (item(type="function_call_output", output="x"), "item.call_id"),
    (listening(transcription={}), "session.audio.input.transcription.model"),
    (listening(turn_detection={}), "session.audio.input.turn_detection.type"),
    (session(tools=[{"name": "f"}]), "session.tools[0].type"),
    (tool(), "session.tools[1].name"),
    (session(tool_choice={"type": "function"}), "session.tool_choice.name"),
    (speaking(voice={}), "session.audio.output.voice.id"),
    (response(input=[{"type": "item_reference"}]), "response.input[0].id"),
]

WRONG_TYPE: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "session.update", "session": []}, "session", "an object, but got an array"),
    ({"type": "session.update", "session": None}, "session", "an object, but got null"),
    ({"type": "input_audio_buffer.append", "audio": 1}, "audio", "a string, but got an integer"),
    (truncate(content_index="0", audio_end_ms=1), "content_index", "an integer, but got a string"),
    (truncate(content_index=0, audio_end_ms=1.5), "audio_end_ms", "an integer, but got a decimal"),
    (truncate(content_index=True, audio_end_ms=1), "content_index", "integer, but got a boolean"),
    (session(instructions=5), "session.instructions", "a string, but got an integer"),
    (session(tools={}), "session.tools", "an array, but got an object"),
    (session(output_modalities="audio"), "session.output_modalities", "array, but got a string"),
    (session(parallel_tool_calls="yes"), "session.parallel_tool_calls", "boolean, but got a str"),
    (session(max_output_tokens=1.5), "session.max_output_tokens", "integer or a string, but"),
    (vad(silence_duration_ms="200"), "session.audio.input.turn_detection.silence_duration_ms", ""),
    (vad(threshold="high"), "session.audio.input.turn_detection.threshold", "a decimal, but got"),
    (listening(turn_detection=True), "session.audio.input.turn_detection", "an object or null"),
    (speaking(voice=5), "session.audio.output.voice", "a string or an object"),
    (tool(name=5), "session.tools[1].name", "a string, but got an integer"),
    (tool(name="g", parameters=[]), "session.tools[1].parameters", "an object, but got an array"),
    (message("user", "hello"), "item.content[0]", "an object, but got a string"),
    (response(metadata=[]), "response.metadata", "an object, but got an array"),
    (response(metadata={"a": {"b": [1]}}, input={}), "response.input", "an array, but"),
    (response(input={}), "response.input", "an array, but got an object"),
    (
        session(tools=[{"type": "mcp", "server_label": "d", "headers": {"a": 1}}]),
        "session.tools[0].headers.a",
        "a string, but got an integer",
    ),
]

BAD_VALUE: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "foo.bar"}, "type", "'session.update', 'input_audio_buffer.append',"),
    ({"type": 5}, "type", "Invalid value: 5."),
    ({"type": None}, "type", "Invalid value: null."),
    ({"type": "session.update", "session": {"type": "x"}}, "session.type", "'realtime' and"),
    (session(output_modalities=["text", "audio"]), "session.output_modalities", "combinations"),
    (session(output_modalities=[]), "session.output_modalities", "combinations"),
    (session(output_modalities=["video"]), "session.output_modalities", "combinations"),
    (session(tool_choice="maybe"), "session.tool_choice", "'auto', 'none', and 'required'."),
    (session(tool_choice={"type": "x"}), "session.tool_choice.type", "'function' and 'mcp'."),
    (session(max_output_tokens="x"), "session.max_output_tokens", "It may also be an integer."),
    (session(truncation="x"), "session.truncation", "'auto' and 'disabled'."),
    (session(tracing="x"), "session.tracing", "It may also be an object or null."),
    (session(include=["x"]), "session.include[0]", "'item.input_audio_transcription.logprobs'."),
    (
        listening(turn_detection={"type": "x"}),
        "session.audio.input.turn_detection.type",
        "Supported values are: 'server_vad' and 'semantic_vad'. It may also be null.",
    ),
    (
        listening(turn_detection={"type": "semantic_vad", "eagerness": "x"}),
        "session.audio.input.turn_detection.eagerness",
        "'auto', 'high', 'low', and 'medium'.",
    ),
    (
        listening(format={"type": "audio/pcm", "rate": 16000}),
        "session.audio.input.format.rate",
        "Invalid value: 16000. Supported values are: 24000.",
    ),
    (message("robot"), "item.role", "'assistant', 'system', and 'user'."),
    (item(type="x"), "item.type", "'message', 'function_call',"),
    (item(type="item_reference", id="i"), "item.type", "'message', 'function_call',"),
    (message("user", {"type": "output_text", "text": "x"}), "item.content[0].type", "'input_tex"),
    (message("system", {"type": "input_audio"}), "item.content[0].type", "are: 'input_text'."),
    (message("assistant", {"type": "input_text", "text": "x"}), "item.content[0].type", "'output"),
    (message("user", {"type": "x"}), "item.content[0].type", "'input_text', 'input_audio', and"),
    (
        message("user", {"type": "input_image", "image_url": "https://example.com/a.png"}),
        "item.content[0].image_url",
        "data URI",
    ),
    (
        response(
            input=[{"type": "message", "role": "user", "content": [{"type": "output_audio"}]}]
        ),
        "response.input[0].content[0].type",
        "'input_text', 'input_audio', and 'input_image'.",
    ),
    (response(conversation="x"), "response.conversation", "'auto' and 'none'."),
]

OUT_OF_RANGE: list[Fault] = [
    (session(max_output_tokens=0), "integer_below_min_value", "session.max_output_tokens"),
    (session(max_output_tokens=5000), "integer_above_max_value", "session.max_output_tokens"),
    (session(max_output_tokens=10**4000), "integer_above_max_value", "session.max_output_tokens"),
    (
        vad(prefix_padding_ms=-1),
        "integer_below_min_value",
        "session.audio.input.turn_detection.prefix_padding_ms",
    ),
    (
        vad(idle_timeout_ms=30_001),
        "integer_above_max_value",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    (
        vad(threshold=1.01),
        "decimal_above_max_value",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        vad(threshold=-1),
        "decimal_below_min_value",
        "session.audio.input.turn_detection.threshold",
    ),
    (speaking(speed=2.0), "decimal_above_max_value", "session.audio.output.speed"),
    (speaking(speed=0.2), "decimal_below_min_value", "session.audio.output.speed"),
    (
        session(truncation={"type": "retention_ratio", "retention_ratio": 2}),
        "decimal_above_max_value",
        "session.truncation.retention_ratio",
    ),
    (truncate(content_index=-1, audio_end_ms=0), "integer_below_min_value", "content_index"),
    (truncate(content_index=0, audio_end_ms=2**31), "integer_above_max_value", "audio_end_ms"),
    (message("user", id="x" * 33), "string_above_max_length", "item.id"),
    (message("user", id=""), "string_below_min_length", "item.id"),
    (
        item(type="function_call_output", call_id="x" * 33, output=""),
        "string_above_max_length",
        "item.call_id",
    ),
    (
        item(type="mcp_approval_response", id="x" * 65, approval_request_id="r", approve=True),
        "string_above_max_length",
        "item.id",
    ),
    (tool(name="x" * 65), "string_above_max_length", "session.tools[1].name"),
    (
        session(tools=[{"type": "function", "name": "f"}] * 129),
        "array_above_max_length",
        "session.tools",
    ),
    (
        response(metadata={str(n): "" for n in range(17)}),
        "object_above_max_properties",
        "response.metadata",
    ),
    (response(metadata={"k" * 65: ""}), "string_above_max_length", "response.metadata"),
    (response(metadata={"k": "v" * 513}), "string_above_max_length", "response.metadata.k"),
    (response(metadata={"k": [1] * 300}), "string_above_max_length", "response.metadata.k"),
]

PREVIEW: list[tuple[dict[str, Any], str, str, str]] = [
    (session(modalities=["text"]), "unknown_parameter", "session.modalities", "output_modalities"),
    (session(voice="alloy"), "unknown_parameter", "session.voice", "session.audio.output.voice"),
    (session(speed=1), "unknown_parameter", "session.speed", "session.audio.output.speed"),
    (
        session(input_audio_format="pcm16"),
        "unknown_parameter",
        "session.input_audio_format",
        "'session.audio.input.format'",
    ),
    (
        session(output_audio_format="pcm16"),
        "unknown_parameter",
        "session.output_audio_format",
        "'session.audio.output.format'",
    ),
    (
        session(input_audio_noise_reduction=None, input_audio_transcription=None),
        "unknown_parameter",
        "session.input_audio_noise_reduction",
        "'session.audio.input.noise_reduction'",
    ),
    (
        session(max_response_output_tokens=1),
        "unknown_parameter",
        "session.max_response_output_tokens",
        "'session.max_output_tokens'",
    ),
    (session(temperature=0.8), "unknown_parameter", "session.temperature", "no temperature"),
    (
        response(modalities=["text"]),
        "unknown_parameter",
        "response.modalities",
        "output_modalities",
    ),
    (response(voice="alloy"), "unknown_parameter", "response.voice", "response.audio.output.voice"),
    (response(temperature=0.8), "unknown_parameter", "response.temperature", "no temperature"),
    (
        response(max_response_output_tokens=1),
        "unknown_parameter",
        "response.max_response_output_tokens",
        "'response.max_output_tokens'",
    ),
    (
        listening(format="pcm16"),
        "invalid_type",
        "session.audio.input.format",
        '{"type": "audio/pcm", "rate": 24000}',
    ),
    (
        speaking(format={"type": "g711_ulaw"}),
        "invalid_value",
        "session.audio.output.format.type",
        '{"type": "audio/pcmu"}',
    ),
    (
        message("assistant", {"type": "text", "text": "x"}),
        "invalid_value",
        "item.content[0].type",
        "The GA name of 'text' is 'output_text' here.",
    ),
    (
        message("assistant", {"type": "audio"}),
        "invalid_value",
        "item.content[0].type",
        "The GA name of 'audio' is 'output_audio' here.",
    ),
    (
        message("user", {"type": "text", "text": "x"}),
        "invalid_value",
        "item.content[0].type",
        "The GA name of 'text' is 'input_text' here.",
    ),
    ({"type": "transcription_session.update"}, "invalid_value", "type", "'session.update' with"),
    ({"type": "response.audio.delta"}, "invalid_value", "type", "'response.output_audio.delta'"),
]


@pytest.mark.parametrize(("event", "param"), UNKNOWN)
def test_a_field_that_does_not_exist_is_named(event: dict[str, Any], param: str) -> None:
    error = refused(event)

    assert (error.code, error.param) == ("unknown_parameter", param)
    assert error.message.startswith(f"Unknown parameter: '{param}'.")


@pytest.mark.parametrize(("event", "param"), MISSING)
def test_a_required_field_that_is_absent_is_named(event: dict[str, Any], param: str) -> None:
    error = refused(event)

    assert (error.code, error.param) == ("missing_required_parameter", param)
    assert error.message.startswith(f"Missing required parameter: '{param}'.")


@pytest.mark.parametrize(("event", "param", "words"), WRONG_TYPE)
def test_a_value_of_the_wrong_type_is_told_both_types(
    event: dict[str, Any], param: str, words: str
) -> None:
    error = refused(event)

    assert (error.code, error.param) == ("invalid_type", param)
    assert error.message.startswith(f"Invalid type for '{param}': expected ")
    assert words in error.message


@pytest.mark.parametrize(("event", "param", "words"), BAD_VALUE)
def test_a_value_outside_a_list_is_told_the_list(
    event: dict[str, Any], param: str, words: str
) -> None:
    error = refused(event)

    assert (error.code, error.param) == ("invalid_value", param)
    assert words in error.message


@pytest.mark.parametrize(("event", "code", "param"), OUT_OF_RANGE)
def test_a_value_beyond_a_limit_is_told_the_limit(
    event: dict[str, Any], code: str, param: str
) -> None:
    error = refused(event)

    assert (error.code, error.param) == (code, param)
    assert error.message.startswith(f"Invalid '{param}': ")


@pytest.mark.parametrize(("event", "code", "param", "replacement"), PREVIEW)
def test_a_preview_name_is_refused_with_its_ga_replacement(
    event: dict[str, Any], code: str, param: str, replacement: str
) -> None:
    error = refused(event)

    assert (error.code, error.param) == (code, param)
    assert replacement in error.message


@pytest.mark.parametrize(
    "event",
    [
        *(event for event, *_ in UNKNOWN),
        *(event for event, *_ in MISSING),
        *(event for event, *_ in WRONG_TYPE),
        *(event for event, *_ in BAD_VALUE),
        *(event for event, *_ in OUT_OF_RANGE),
        *(event for event, *_ in PREVIEW),
    ],
)
def test_every_refusal_names_the_event_that_it_answers(event: dict[str, Any]) -> None:
    error = refused(event)

    assert error.event_id == "mine"
    assert error.type == "invalid_request_error"
    assert len(error.message) < 1000


def test_what_is_missing_is_told_before_what_is_unknown_and_before_values() -> None:
    assert refused(truncate(foo=1)).param == "content_index"
    assert refused(truncate(foo=1, content_index="x", audio_end_ms=1)).param == "foo"


def test_an_event_without_a_fault_is_told_to_read_the_reference() -> None:
    error = diagnose({"type": "input_audio_buffer.commit"})

    assert error.code == "invalid_event"
    assert "API reference" in error.message
