import base64
import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.protocol.client_events import (
    CLIENT_EVENT_TYPES,
    MAX_APPEND_BYTES,
    ClientEvent,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    ResponseCreate,
)
from antiphon.protocol.codec import (
    MAX_DEPTH,
    decode,
    decode_audio,
    encode,
    encode_audio,
    interpret,
    parse,
)
from antiphon.protocol.dialects.ga import Ga
from antiphon.protocol.errors import ClientError
from antiphon.protocol.server_events import (
    ConversationItemDeleted,
    ResponseOutputAudioDelta,
    ResponseOutputTextDelta,
)

CLIENT_EVENTS = get_args(ClientEvent)

VALID_EVENTS: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "event_id": "mine",
        "session": {
            "type": "realtime",
            "model": "gpt-realtime",
            "output_modalities": ["audio"],
            "instructions": "Be brief.",
            "tools": [
                {"type": "function", "name": "f", "description": "d", "parameters": {"a": {}}},
                {
                    "type": "mcp",
                    "server_label": "docs",
                    "server_url": "https://example.com",
                    "headers": {"a": "b"},
                    "allowed_tools": {"tool_names": ["t"], "read_only": True},
                    "require_approval": {"never": {"tool_names": ["t"]}},
                },
            ],
            "tool_choice": {"type": "mcp", "server_label": "docs", "name": "t"},
            "max_output_tokens": 100,
            "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
            "truncation": {
                "type": "retention_ratio",
                "retention_ratio": 0.5,
                "token_limits": {"post_instructions": 1},
            },
            "prompt": {"id": "p", "version": "1", "variables": {"a": "b"}},
            "include": ["item.input_audio_transcription.logprobs"],
            "reasoning": {"effort": "low"},
            "parallel_tool_calls": True,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {
                        "model": "whisper-1",
                        "language": "en",
                        "languages": ["en"],
                        "delay": "low",
                    },
                    "noise_reduction": {"type": "near_field", "strength": 1},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 200,
                        "idle_timeout_ms": 5000,
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "v"}, "speed": 1},
            },
        },
    },
    {"type": "session.update", "session": {"type": "realtime", "turn_detection": None}},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {
            "type": "message",
            "id": "item_1",
            "object": "realtime.item",
            "status": "completed",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Hi"},
                {"type": "input_audio", "audio": "AAAA", "transcript": None},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            ],
        },
    },
    {
        "type": "conversation.item.create",
        "item": {
            "type": "mcp_list_tools",
            "server_label": "docs",
            "tools": [{"name": "t", "description": "d", "input_schema": {}, "annotations": {}}],
        },
    },
    {
        "type": "conversation.item.create",
        "item": {
            "type": "mcp_call",
            "id": "item_1",
            "server_label": "docs",
            "name": "t",
            "arguments": "{}",
            "error": {"type": "http_error", "code": 500, "message": "m"},
        },
    },
    {
        "type": "conversation.item.truncate",
        "item_id": "item_1",
        "content_index": 0,
        "audio_end_ms": 1,
    },
    {
        "type": "response.create",
        "response": {
            "output_modalities": ["text"],
            "conversation": "none",
            "metadata": {"a": "b", "c": 1},
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "audio": {"output": {"format": {"type": "audio/pcma"}, "voice": "marin"}},
            "input": [
                {"type": "item_reference", "id": "item_1"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "x"}],
                },
                {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "1"},
            ],
        },
    },
    {"type": "response.cancel", "response_id": "resp_1"},
]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([*CLIENT_EVENT_TYPES, "realtime", "message", "user", "function", "pcm16"])
    | st.text("x", min_size=500, max_size=600)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "event_id", "session", "item", "response", "input", "audio"])
            | st.text(max_size=70),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    match value:
        case dict():
            inner = [place for key in value for place in places(value[key], (*path, key))]
        case list():
            inner = [place for key, one in enumerate(value) for place in places(one, (*path, key))]
        case _:
            inner = []
    return [path, *inner]


def mutated(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    """Return a copy in which the value at a path is replaced, removed or given another field."""
    if path:
        key, *rest = path
        copy = value.copy()
        if not rest and change == "remove":
            del copy[key]
        else:
            copy[key] = mutated(value[key], tuple(rest), change)
        return copy
    if change == "remove":
        return {}
    replacement, extra_key = change
    return (
        {**value, extra_key: replacement} if isinstance(value, dict) and extra_key else replacement
    )


MUTATIONS = st.sampled_from(VALID_EVENTS).flatmap(
    lambda event: st.builds(
        mutated,
        st.just(event),
        st.sampled_from(places(event)),
        st.just("remove") | st.tuples(JSON, st.none() | st.text(max_size=70)),
    )
)


def understand(frame: str | bytes) -> ClientEvent | ClientError:
    try:
        return Ga().decode(frame)
    except ClientError as error:
        return error


def refused(frame: str | bytes) -> ClientError:
    with pytest.raises(ClientError) as caught:
        decode(frame)
    return caught.value


def assert_sound(outcome: ClientEvent | ClientError) -> None:
    """Whatever is accepted can be sent back, and whatever is refused has its reason."""
    if isinstance(outcome, ClientError):
        assert outcome.code
        assert outcome.message
        assert "documented form" not in outcome.message
        assert len(outcome.message) < 1500
    else:
        assert isinstance(outcome, CLIENT_EVENTS)
        assert json.loads(msgspec.json.encode(outcome))


@pytest.mark.parametrize("event", VALID_EVENTS, ids=lambda event: event["type"])
def test_a_documented_event_is_accepted(event: dict[str, Any]) -> None:
    assert isinstance(understand(json.dumps(event)), CLIENT_EVENTS)


@settings(max_examples=200, deadline=None)
@given(st.binary())
def test_any_bytes_are_an_event_or_a_client_error(frame: bytes) -> None:
    assert_sound(understand(frame))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None)))
def test_any_text_is_an_event_or_a_client_error(frame: str) -> None:
    assert_sound(understand(frame))


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_an_event_or_a_client_error(value: Any) -> None:
    assert_sound(understand(json.dumps(value)))


@settings(max_examples=600, deadline=None)
@given(MUTATIONS)
def test_any_damage_to_an_event_is_explained(event: Any) -> None:
    assert_sound(understand(json.dumps(event)))


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "nope",
        "{",
        '{"type":"input_audio_buffer.clear"} {}',
        '{"type":"input_audio_buffer.clear",}',
        '{"type":NaN}',
        '{"type":"response.create","response":{"metadata":{"a":1e999}}}',
        '{"type":"response.create","response":{"metadata":{"a":' + "9" * 5000 + "}}}",
        '{"type":"\\ud800"}',
        '{"type":"\ud800"}',
        b'{"type":"\xff"}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_a_frame_that_is_no_json_is_told_so(frame: str | bytes) -> None:
    error = refused(frame)

    assert (error.code, error.param, error.event_id) == ("invalid_json", None, None)
    assert error.message.startswith("The frame could not be parsed as JSON: ")


@pytest.mark.parametrize("frame", ["[]", "5", '"type"', "null", "true", "{}"])
def test_json_that_is_no_event_is_told_so(frame: str) -> None:
    assert refused(frame).code == "invalid_event"


def test_an_event_without_a_type_is_answered_by_its_id() -> None:
    error = refused('{"event_id":"mine"}')

    assert (error.code, error.event_id) == ("invalid_event", "mine")
    assert error.message.startswith("The 'type' field is missing.")


def test_too_long_or_mistyped_an_event_id_is_refused_and_not_repeated() -> None:
    error = refused(json.dumps({"type": "input_audio_buffer.clear", "event_id": "x" * 513}))
    assert (error.code, error.param, error.event_id) == (
        "string_above_max_length",
        "event_id",
        None,
    )

    error = refused('{"type":"input_audio_buffer.clear","event_id":5}')
    assert (error.code, error.param, error.event_id) == ("invalid_type", "event_id", None)


def test_the_last_of_two_equal_keys_counts() -> None:
    assert decode(
        '{"type":"input_audio_buffer.append","audio":"AAAA","audio":"BBBB"}'
    ) == InputAudioBufferAppend(audio="BBBB")
    assert isinstance(
        understand('{"type":"response.create","type":"input_audio_buffer.clear"}'),
        InputAudioBufferClear,
    )


def nested(depth: int) -> dict[str, Any]:
    """Return a response.create that nests as deep as that."""
    value: Any = 1
    for _ in range(depth - 4):
        value = [value]
    return {"type": "response.create", "response": {"metadata": {"a": [value]}}}


def test_json_may_nest_only_so_deep() -> None:
    assert isinstance(decode(json.dumps(nested(MAX_DEPTH))), ResponseCreate)

    error = refused(json.dumps({**nested(MAX_DEPTH + 1), "event_id": "mine"}))
    assert (error.code, error.event_id) == ("invalid_json", "mine")
    assert refused(json.dumps(nested(500)).encode()).code == "invalid_json"


def test_many_brackets_are_not_depth() -> None:
    metadata = {"a": [[]] * 100}

    event = decode(json.dumps({"type": "response.create", "response": {"metadata": metadata}}))

    assert isinstance(event, ResponseCreate)


def test_a_frame_may_be_rewritten_between_reading_and_interpreting() -> None:
    event = parse('{"type":"input_audio_buffer.clear","event_id":"mine"}')

    assert interpret(event) == InputAudioBufferClear(event_id="mine")


@pytest.mark.parametrize(
    "audio", [b"", b"\x00", b"\x00\x01", bytes(range(256)) * 20, b"\xff" * 12_000]
)
def test_audio_survives_base64(audio: bytes) -> None:
    assert decode_audio(encode_audio(audio)) == audio
    assert base64.b64decode(encode_audio(audio)) == audio


@pytest.mark.parametrize(
    "text",
    ["A", "AAA", "AAA=A", "AA AA", "AAAA\n", "@@@@", "data:audio/wav;base64,AAAA", "é", "-_=="],
)
def test_audio_that_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ClientError) as caught:
        decode_audio(text)

    assert (caught.value.code, caught.value.param) == ("invalid_value", "audio")
    assert "base64" in caught.value.message


def test_the_field_of_the_audio_is_named() -> None:
    with pytest.raises(ClientError) as caught:
        decode_audio("@", "item.content[0].audio")

    assert caught.value.param == "item.content[0].audio"


def test_fifteen_mebibytes_of_audio_are_accepted_and_no_more() -> None:
    assert len(decode_audio("A" * (MAX_APPEND_BYTES // 3 * 4))) == MAX_APPEND_BYTES

    with pytest.raises(ClientError) as caught:
        decode_audio("A" * (MAX_APPEND_BYTES // 3 * 4 + 4))

    assert (caught.value.code, caught.value.param) == ("invalid_value", "audio")
    assert "15 MiB" in caught.value.message


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.integers(0, 99), st.integers(0, 99), st.binary())
def test_a_spliced_audio_delta_is_what_the_encoder_would_write(
    event_id: str, response_id: str, item_id: str, output: int, content: int, audio: bytes
) -> None:
    event = ResponseOutputAudioDelta(
        event_id=event_id,
        delta=encode_audio(audio),
        response_id=response_id,
        item_id=item_id,
        output_index=output,
        content_index=content,
    )

    assert encode(event) == msgspec.json.encode(event).decode()


def test_half_a_surrogate_pair_from_an_engine_is_replaced() -> None:
    event = ResponseOutputTextDelta(
        event_id="event_1",
        delta="a\ud83dé",
        response_id="resp_1",
        item_id="item_1",
        output_index=0,
        content_index=0,
    )

    told = json.loads(encode(event))

    assert told["delta"] == "a?é"
    assert told["type"] == "response.output_text.delta"
    assert "obfuscation" not in told


def test_text_is_sent_as_it_is() -> None:
    event = ConversationItemDeleted(event_id="event_1", item_id='ö"\\\n')

    assert encode(event) == (
        '{"type":"conversation.item.deleted","event_id":"event_1","item_id":"ö\\"\\\\\\n"}'
    )
