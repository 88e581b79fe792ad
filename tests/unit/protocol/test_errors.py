import copy
import pickle

import pytest

from antiphon.protocol import errors
from antiphon.protocol.errors import AntiphonError, ClientError, EngineError, EngineTimeout

DOCUMENTED: list[tuple[ClientError, str | None, str | None, str]] = [
    (
        errors.invalid_event("The 'type' field is missing."),
        "invalid_event",
        None,
        "The 'type' field is missing.",
    ),
    (
        errors.invalid_value("type", "x", ("a", "b", "c")),
        "invalid_value",
        "type",
        "Invalid value: 'x'. Supported values are: 'a', 'b', and 'c'.",
    ),
    (
        errors.unknown_parameter("session.x"),
        "unknown_parameter",
        "session.x",
        "Unknown parameter: 'session.x'.",
    ),
    (
        errors.missing_parameter("session.type"),
        "missing_required_parameter",
        "session.type",
        "Missing required parameter: 'session.type'.",
    ),
    (
        errors.invalid_type("x", "an integer", "a string"),
        "invalid_type",
        "x",
        "Invalid type for 'x': expected an integer, but got a string instead.",
    ),
    (
        errors.string_above_max_length("item.id", 32, 33),
        "string_above_max_length",
        "item.id",
        (
            "Invalid 'item.id': string too long. Expected a string with maximum length 32, "
            "but got a string with length 33 instead."
        ),
    ),
    (
        errors.wrong_session_type("transcription", "realtime"),
        "invalid_parameter",
        "session.type",
        "Passing a transcription session update event to a realtime session is not allowed.",
    ),
    (
        errors.wrong_session_type("realtime", "transcription"),
        "invalid_parameter",
        "session.type",
        "Passing a realtime session update event to a transcription session is not allowed.",
    ),
    (
        errors.cannot_update_voice(),
        "cannot_update_voice",
        "session.audio.output.voice",
        "Cannot update a conversation's voice if assistant audio is present.",
    ),
    (
        errors.buffer_too_small(0),
        "input_audio_buffer_commit_empty",
        None,
        (
            "Error committing input audio buffer: buffer too small. Expected at least 100ms of "
            "audio, but buffer only has 0.00ms of audio."
        ),
    ),
    (
        errors.already_has_active_response("resp_X"),
        "conversation_already_has_active_response",
        None,
        (
            "Conversation already has an active response in progress: resp_X. "
            "Wait until the response is finished before creating a new one."
        ),
    ),
    (
        errors.no_active_response(),
        "response_cancel_not_active",
        None,
        "Cancellation failed: no active response found",
    ),
    (
        errors.unknown_item("truncate", "x"),
        "item_truncate_invalid_item_id",
        "item_id",
        "Error truncating item: the item with id 'x' does not exist.",
    ),
    (
        errors.unknown_item("delete", "x"),
        "item_delete_invalid_item_id",
        "item_id",
        "Error deleting item: the item with id 'x' does not exist.",
    ),
    (
        errors.unknown_item("retrieve", "x"),
        "item_retrieve_invalid_item_id",
        "item_id",
        "Error retrieving item: the item with id 'x' does not exist.",
    ),
    (
        errors.audio_already_shorter(6350, 8160),
        "invalid_value",
        "audio_end_ms",
        "Audio content of 6350ms is already shorter than 8160ms",
    ),
    (
        errors.only_audio_truncatable(),
        None,
        "item_id",
        "Only model output audio messages can be truncated",
    ),
    (
        errors.unknown_previous_item("x"),
        "item_create_invalid_previous_item_id",
        "previous_item_id",
        "Error adding item: the previous item with id 'x' does not exist.",
    ),
    (
        errors.unknown_tool_call("call_X"),
        "invalid_tool_call_id",
        None,
        "Tool call ID 'call_X' not found in conversation.",
    ),
    (
        errors.session_expired(3600),
        "session_expired",
        None,
        "Your session hit the maximum duration of 60 minutes.",
    ),
    (
        errors.session_expired(60),
        "session_expired",
        None,
        "Your session hit the maximum duration of 1 minute.",
    ),
    (
        errors.session_expired(7.0),
        "session_expired",
        None,
        "Your session hit the maximum duration of 7 seconds.",
    ),
    (
        errors.session_expired(90),
        "session_expired",
        None,
        "Your session hit the maximum duration of 90 seconds.",
    ),
    (
        errors.server_fault(),
        "server_error",
        None,
        "The server had an error while processing your request.",
    ),
]

OURS: list[tuple[ClientError, str, str | None, str]] = [
    (
        errors.not_supported("session.tools[0]", "MCP", "Use function tools."),
        "invalid_parameter",
        "session.tools[0]",
        "MCP is not supported here. Use function tools.",
    ),
    (errors.incomplete_sample(3), "invalid_value", "audio", "3 bytes of 16-bit audio end inside"),
    (errors.item_already_exists("x"), "item_already_exists", "item.id", "already exists"),
    (errors.unknown_content_part(1), "invalid_value", "content_index", "no audio content at"),
    (
        errors.unknown_referenced_item("response.input[0].id", "x"),
        "invalid_value",
        "response.input[0].id",
        "the item with id 'x' does not exist",
    ),
    (errors.invalid_json("it is empty"), "invalid_json", None, "parsed as JSON: it is empty."),
]


@pytest.mark.parametrize(("error", "code", "param", "words"), DOCUMENTED)
def test_the_recorded_words_come_first(
    error: ClientError, code: str | None, param: str | None, words: str
) -> None:
    assert (error.code, error.param) == (code, param)
    assert error.message.startswith(words)


@pytest.mark.parametrize(("error", "code", "param", "words"), OURS)
def test_errors_without_a_record_name_field_and_cure(
    error: ClientError, code: str, param: str | None, words: str
) -> None:
    assert (error.code, error.param) == (code, param)
    assert words in error.message
    assert error.message.endswith(".")


def test_an_error_can_answer_an_event_and_stays_otherwise_the_same() -> None:
    error = errors.no_active_response()
    answer = error.answering("mine")

    assert error.event_id is None
    assert answer.event_id == "mine"
    assert (answer.code, answer.message, answer.type) == (error.code, error.message, error.type)


@pytest.mark.parametrize(
    "error",
    [
        errors.unknown_item("delete", "x").answering("mine"),
        EngineError("engine_failed", "It failed."),
        EngineTimeout("It took too long."),
    ],
)
def test_errors_survive_copying_between_processes(error: AntiphonError) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert type(twin) is type(error)
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)


def test_a_timeout_is_an_engine_error_that_the_client_may_see() -> None:
    error = EngineTimeout("It took too long.")

    assert isinstance(error, EngineError)
    assert (error.code, str(error)) == ("server_error", "It took too long.")


def test_everything_raised_on_purpose_has_one_root() -> None:
    assert issubclass(ClientError, AntiphonError)
    assert issubclass(EngineError, AntiphonError)
