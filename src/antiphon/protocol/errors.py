"""What can go wrong, and the words in which a client is told.

The recorded words of the reference server come first; where they do not say what to do, one short
sentence of cure follows.
"""

from collections.abc import Sequence

from antiphon.protocol.words import show, supported_values


class AntiphonError(Exception):
    """Root of every exception that Antiphon raises on purpose.

    ::

        AntiphonError
        ├── ClientError                     the client's fault; becomes one `error` event
        ├── EngineError                     an engine's fault; fails one job
        │   └── EngineTimeout               the engine did not answer in time
        ├── SettingsError                   the settings do not make sense (`config`)
        └── WeightsError                    an artifact cannot be had (`weights`)
            ├── UnknownWeightsError         the manifest does not have it
            ├── MissingWeightsError         it is not here, and fetching is not allowed
            ├── WrongBytesError             its bytes are not those of the manifest
            ├── SourceError                 one source failed
            │   └── SourceUnreachableError  it could not be reached at all
            ├── WeightsUnavailableError     all sources failed
            ├── NoSpaceError                the disk is full
            └── FetchStoppedError           the user or the server stopped it
    """


class ClientError(AntiphonError):
    """A client asked for something it cannot have; its message tells what to do instead."""

    def __init__(
        self,
        code: str | None,
        message: str,
        param: str | None = None,
        event_id: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002 - the wire's word
    ) -> None:
        super().__init__(code, message, param, event_id, type)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id
        self.type = type

    def __str__(self) -> str:
        return self.message

    def answering(self, event_id: str | None) -> "ClientError":
        """Return the same error as the answer to the client event with this id."""
        return ClientError(self.code, self.message, self.param, event_id, self.type)


class EngineError(AntiphonError):
    """An engine failed. Code and message may be shown to the client, so neither holds a secret."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class EngineTimeout(EngineError):  # noqa: N818 - says more than EngineTimeoutError
    """An engine did not answer in time."""

    def __init__(self, message: str) -> None:
        super().__init__("server_error", message)

    def __reduce__(self) -> tuple[type["EngineTimeout"], tuple[str]]:
        return type(self), (self.message,)


# Frames and events


def invalid_json(detail: str) -> ClientError:
    """Report a frame that cannot be read as JSON."""
    return ClientError(
        "invalid_json",
        f"The frame could not be parsed as JSON: {detail}. "
        "Send one UTF-8 JSON object in each text frame.",
    )


def invalid_event(message: str) -> ClientError:
    """Report a frame that is JSON but no event."""
    return ClientError("invalid_event", message)


def unknown_parameter(path: str, cure: str = "Remove it, or check its spelling.") -> ClientError:
    """Report a field that the event does not have."""
    return ClientError("unknown_parameter", f"Unknown parameter: '{path}'. {cure}", path)


def missing_parameter(path: str, cure: str = "Add it to the event.") -> ClientError:
    """Report a required field that is absent."""
    return ClientError(
        "missing_required_parameter", f"Missing required parameter: '{path}'. {cure}", path
    )


def invalid_type(path: str, expected: str, got: str, cure: str = "") -> ClientError:
    """Report a value of the wrong JSON type; both types with their article."""
    message = f"Invalid type for '{path}': expected {expected}, but got {got} instead."
    return ClientError("invalid_type", f"{message} {cure}".rstrip(), path)


def invalid_value(
    path: str, value: object, supported: Sequence[object], cure: str = ""
) -> ClientError:
    """Report a value outside a closed list."""
    message = f"Invalid value: {show(value)}. {supported_values(supported)}"
    return ClientError("invalid_value", f"{message} {cure}".rstrip(), path)


def unusable_value(path: str, message: str) -> ClientError:
    """Report a value that is wrong for a reason that a list of values cannot tell."""
    return ClientError("invalid_value", message, path)


def invalid_modalities(path: str, value: object) -> ClientError:
    """Report output modalities other than exactly one."""
    return unusable_value(
        path,
        f"Invalid modalities: {show(value)}. Supported combinations are: ['text'] and ['audio']. "
        "Audio comes with its transcript, so ask for ['audio'] to get both.",
    )


def integer_below_min_value(path: str, minimum: int, got: int) -> ClientError:
    """Report an integer that is too small."""
    return _out_of_range("integer_below_min_value", path, f">= {minimum}", got)


def integer_above_max_value(path: str, maximum: int, got: int) -> ClientError:
    """Report an integer that is too large."""
    return _out_of_range("integer_above_max_value", path, f"<= {maximum}", got)


def decimal_below_min_value(path: str, minimum: float, got: float) -> ClientError:
    """Report a number that is too small."""
    return _out_of_range("decimal_below_min_value", path, f">= {minimum}", got)


def decimal_above_max_value(path: str, maximum: float, got: float) -> ClientError:
    """Report a number that is too large."""
    return _out_of_range("decimal_above_max_value", path, f"<= {maximum}", got)


def _out_of_range(code: str, path: str, bound: str, got: float) -> ClientError:
    fault = code.replace("_", " ").replace("min ", "minimum ").replace("max ", "maximum ")
    message = f"Invalid '{path}': {fault}. Expected a value {bound}, but got {show(got)} instead."
    return ClientError(code, message, path)


def string_above_max_length(path: str, maximum: int, got: int) -> ClientError:
    """Report a string that is too long."""
    return ClientError(
        "string_above_max_length",
        f"Invalid '{path}': string too long. Expected a string with maximum length {maximum}, "
        f"but got a string with length {got} instead.",
        path,
    )


def string_below_min_length(path: str, minimum: int, got: int) -> ClientError:
    """Report a string that is too short."""
    return ClientError(
        "string_below_min_length",
        f"Invalid '{path}': string too short. Expected a string with minimum length {minimum}, "
        f"but got a string with length {got} instead.",
        path,
    )


def array_above_max_length(path: str, maximum: int, got: int) -> ClientError:
    """Report an array that is too long."""
    return ClientError(
        "array_above_max_length",
        f"Invalid '{path}': array too long. Expected an array with maximum length {maximum}, "
        f"but got an array with length {got} instead.",
        path,
    )


def object_above_max_properties(path: str, maximum: int, got: int) -> ClientError:
    """Report an object with too many keys."""
    return ClientError(
        "object_above_max_properties",
        f"Invalid '{path}': too many properties. Expected an object with at most {maximum} "
        f"properties, but got an object with {got} properties instead.",
        path,
    )


def property_name_above_max_length(path: str, maximum: int, got: int) -> ClientError:
    """Report an object with too long a key."""
    return ClientError(
        "string_above_max_length",
        f"Invalid '{path}': property name too long. Expected a name with maximum length {maximum}, "
        f"but got a name with length {got} instead.",
        path,
    )


def not_supported(path: str | None, feature: str, cure: str) -> ClientError:
    """Refuse a feature of the API that this server does not have."""
    return ClientError("invalid_parameter", f"{feature} is not supported here. {cure}", path)


# Sessions

MODEL_OF_TRANSCRIPTION_SESSION = (
    "You must not provide a model parameter for transcription sessions. "
    "Name the model in session.audio.input.transcription.model."
)


def wrong_session_type(asked: str, actual: str) -> ClientError:
    """Refuse an update for another type of session."""
    return ClientError(
        "invalid_parameter",
        f"Passing a {asked} session update event to a {actual} session is not allowed. "  # noqa: S608
        f'Set "session.type" to "{actual}", or open a {asked} session.',
        "session.type",
    )


def model_of_transcription_session(path: str = "model") -> ClientError:
    """Refuse a model for a session that has none of its own."""
    return ClientError("invalid_parameter", MODEL_OF_TRANSCRIPTION_SESSION, path)


def turn_detection_not_supported(path: str) -> ClientError:
    """Refuse turn detection beside a model that transcribes while one speaks."""
    return ClientError(
        "invalid_parameter",
        "Turn detection is not supported for this transcription model. Send turn_detection null, "
        "and commit the input buffer yourself; or connect with ?model= and transcribe there.",
        path,
    )


def cannot_update_voice(param: str = "session.audio.output.voice") -> ClientError:
    """Refuse another voice once the assistant has spoken."""
    return ClientError(
        "cannot_update_voice",
        "Cannot update a conversation's voice if assistant audio is present. "
        "Set the voice before the first spoken response, or open a new session.",
        param,
    )


def session_expired(lasted_s: float) -> ClientError:
    """Tell that the session has reached its maximum duration."""
    minutes, seconds = divmod(round(lasted_s), 60)
    number, unit = (minutes, "minute") if seconds == 0 else (round(lasted_s), "second")
    duration = f"{number} {unit}{'' if number == 1 else 's'}"
    return ClientError(
        "session_expired",
        f"Your session hit the maximum duration of {duration}. Connect again to go on.",
    )


def server_fault() -> ClientError:
    """Tell that the server itself failed while it processed an event."""
    return ClientError(
        "server_error",
        "The server had an error while processing your request. Try again, or reconnect.",
        type="server_error",
    )


# Input audio


def invalid_base64(param: str = "audio") -> ClientError:
    """Report audio that is no base64."""
    return unusable_value(
        param,
        f"Invalid '{param}': the value is not valid base64. Send standard base64 with padding "
        "and without line breaks or a 'data:' prefix.",
    )


def audio_too_large(maximum_bytes: int, param: str = "audio") -> ClientError:
    """Report more audio in one event than is allowed."""
    mebibytes = maximum_bytes // (1024 * 1024)
    return unusable_value(
        param,
        f"Invalid '{param}': audio too large. Expected at most {mebibytes} MiB of audio in one "
        "event. Send it in smaller chunks, about 100 ms each.",
    )


def incomplete_sample(size_bytes: int, param: str = "audio") -> ClientError:
    """Report PCM16 audio with an odd number of bytes."""
    return unusable_value(
        param,
        f"Invalid '{param}': {size_bytes} bytes of 16-bit audio end inside a sample. "
        "Send whole samples of two bytes.",
    )


def buffer_too_small(buffered_ms: float) -> ClientError:
    """Refuse to commit less audio than makes an utterance."""
    return ClientError(
        "input_audio_buffer_commit_empty",
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
        f"but buffer only has {buffered_ms:.2f}ms of audio. Append more audio before you commit.",
    )


# Conversation


def unknown_item(verb: str, item_id: str) -> ClientError:
    """Report an item id that the conversation lacks; verb: truncate, delete or retrieve."""
    return ClientError(
        f"item_{verb}_invalid_item_id",
        f"Error {verb.removesuffix('e')}ing item: the item with id {show(item_id)} does not exist. "
        "Use the id of an item that conversation.item.added announced.",
        "item_id",
    )


def unknown_previous_item(item_id: str) -> ClientError:
    """Report a place in the conversation that does not exist."""
    return ClientError(
        "item_create_invalid_previous_item_id",
        f"Error adding item: the previous item with id {show(item_id)} does not exist. "
        "Use the id of an existing item, 'root' for the beginning, or leave it out.",
        "previous_item_id",
    )


def unknown_referenced_item(path: str, item_id: str) -> ClientError:
    """Report an item reference in a response's input that leads nowhere."""
    return unusable_value(
        path,
        f"Error creating response: the item with id {show(item_id)} does not exist. "
        "Refer to an item of this conversation, or send the item itself.",
    )


def item_already_exists(item_id: str) -> ClientError:
    """Refuse an item id that is taken."""
    return ClientError(
        "item_already_exists",
        f"Error adding item: an item with id {show(item_id)} already exists. "
        "Choose another id, or leave it out.",
        "item.id",
    )


def unknown_tool_call(call_id: str) -> ClientError:
    """Report the output of a function call that nobody made."""
    return ClientError(
        "invalid_tool_call_id",
        f"Tool call ID {show(call_id)} not found in conversation. "
        "Use the call_id of a function_call item.",
    )


def audio_already_shorter(have_ms: int, asked_ms: int) -> ClientError:
    """Refuse to truncate audio after its end."""
    return unusable_value(
        "audio_end_ms",
        f"Audio content of {have_ms}ms is already shorter than {asked_ms}ms. "
        "Truncate at or before the end of the audio.",
    )


def only_audio_truncatable() -> ClientError:
    """Refuse to truncate what the assistant has not spoken."""
    return ClientError(
        None,
        "Only model output audio messages can be truncated. "
        "Use conversation.item.delete for other items.",
        "item_id",
    )


def unknown_content_part(content_index: int) -> ClientError:
    """Report a content index at which the item has no audio."""
    return unusable_value(
        "content_index",
        f"The item has no audio content at index {content_index}. "
        "Use the index of its audio part, which is 0 for a spoken message.",
    )


# Responses


def already_has_active_response(response_id: str) -> ClientError:
    """Refuse a second response in the conversation."""
    return ClientError(
        "conversation_already_has_active_response",
        "Conversation already has an active response in progress: "
        f"{response_id}. Wait until the response is finished before creating a new one.",
    )


def no_active_response() -> ClientError:
    """Report a cancellation with nothing to cancel."""
    return ClientError(
        "response_cancel_not_active",
        "Cancellation failed: no active response found. Nothing needs to be done.",
    )
