"""Frames to client events, server events to frames; base64 to audio and back.

Nothing else in Antiphon decodes or encodes JSON of the wire.
"""

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
import pybase64
from msgspec import inspect

from antiphon.protocol import errors
from antiphon.protocol.checks import check
from antiphon.protocol.client_events import (
    MAX_APPEND_BYTES,
    MAX_EVENT_ID_CHARACTERS,
    ClientEvent,
    ConversationItemCreate,
    ResponseCreate,
    SessionUpdate,
)
from antiphon.protocol.diagnosis import diagnose
from antiphon.protocol.errors import ClientError
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.leniency import forgive
from antiphon.protocol.server_events import ResponseOutputAudioDelta
from antiphon.protocol.shapes import Object, is_array, is_object

MAX_DEPTH = 64
"""How deep JSON may nest. What is accepted must also be encodable, from any depth of our stack."""

_MAX_APPEND_CHARACTERS = (MAX_APPEND_BYTES + 2) // 3 * 4

_any_json = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What msgspec raises for a frame that it cannot decode."""

_NESTING = (SessionUpdate, ConversationItemCreate, ResponseCreate)
"""The events with fields that hold any JSON."""


_Event = TypeVar("_Event", bound=msgspec.Struct)


class Vocabulary(Generic[_Event]):
    """The client events of one family of sessions: what a frame may say there."""

    def __init__(self, events: Any) -> None:
        """Prepare to decode a union of tagged structs."""
        self._events = events
        self._decoder: msgspec.json.Decoder[_Event] = msgspec.json.Decoder(events)
        self._shape = inspect.type_info(events)

    def decode(
        self, frame: str | bytes, respell: Callable[[Object], Object] = lambda event: event
    ) -> _Event:
        """Return the client event of a frame.

        A frame that is not in the documented form is respelt, forgiven what is harmless, and tried
        once more. Raises `ClientError`, and nothing else, whatever the frame holds.
        """
        try:
            event = self._decoder.decode(frame)
        except _UNREADABLE:
            return self.interpret(respell(parse(frame)))
        if isinstance(event, _NESTING) and _brackets(frame) > MAX_DEPTH:
            parse(frame)
        try:
            check(event)
        except ClientError as error:
            raise error.answering(getattr(event, "event_id", None)) from None
        return event

    def interpret(self, event: Object) -> _Event:
        """Return the client event that a JSON object means."""
        try:
            typed = self._typed(forgive(event, self._shape))
            check(typed)
        except ClientError as error:
            raise error.answering(_event_id(event)) from None
        return typed

    def _typed(self, event: Object) -> _Event:
        try:
            typed: _Event = msgspec.convert(event, self._events)
        except _UNREADABLE:
            raise diagnose(event, self._shape) from None
        return typed


_conversation: Vocabulary[ClientEvent] = Vocabulary(ClientEvent)


def decode(
    frame: str | bytes, respell: Callable[[Object], Object] = lambda event: event
) -> ClientEvent:
    """Return what a frame of a realtime or transcription session says, or raise `ClientError`."""
    return _conversation.decode(frame, respell)


def interpret(event: Object) -> ClientEvent:
    """Return what a JSON object means in a realtime or transcription session."""
    return _conversation.interpret(event)


def parse(frame: str | bytes) -> Object:
    """Return the JSON object of a frame, which has a `type` but is not yet an event."""
    try:
        value = _any_json.decode(frame)
    except _UNREADABLE as error:
        raise errors.invalid_json(_unreadable_because(error)) from None
    if not is_object(value):
        raise errors.invalid_event("The frame is not a JSON object. Send one object per event.")
    if "type" not in value:
        fault = errors.invalid_event("The 'type' field is missing. Add the name of the event.")
        raise fault.answering(_event_id(value))
    if _is_too_deep(value):
        fault = errors.invalid_json(f"it is nested more than {MAX_DEPTH} levels deep")
        raise fault.answering(_event_id(value))
    return value


def encode(event: AnyServerEvent) -> str:
    """Return the text frame of a server event."""
    if isinstance(event, ResponseOutputAudioDelta):
        return _encode_audio_delta(event)
    try:
        return _encoder.encode(event).decode()
    except UnicodeEncodeError:
        # An engine's text can hold half of a surrogate pair, which no frame can.
        text = json.dumps(msgspec.to_builtins(event), ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace").decode()


def decode_audio(text: str, param: str = "audio") -> bytes:
    """Return the bytes of base64 audio, or raise `ClientError` that names the field."""
    if len(text) > _MAX_APPEND_CHARACTERS:
        raise errors.audio_too_large(MAX_APPEND_BYTES, param)
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        raise errors.invalid_base64(param) from None


def encode_audio(audio: bytes) -> str:
    """Return audio as base64."""
    return pybase64.b64encode_as_string(audio)


def _encode_audio_delta(event: ResponseOutputAudioDelta) -> str:
    # Splicing is several times faster than an encoder, which looks for characters to escape in
    # every kilobyte of base64.
    return (
        '{"type":"response.output_audio.delta",'
        f'"event_id":{_quote(event.event_id)},'
        f'"delta":"{event.delta}",'
        f'"response_id":{_quote(event.response_id)},'
        f'"item_id":{_quote(event.item_id)},'
        f'"output_index":{event.output_index},'
        f'"content_index":{event.content_index}}}'
    )


def _quote(text: str) -> str:
    return _encoder.encode(text).decode()


def _event_id(event: Object) -> str | None:
    """Return the client's name for an event that is otherwise invalid."""
    event_id = event.get("event_id")
    readable = isinstance(event_id, str) and len(event_id) <= MAX_EVENT_ID_CHARACTERS
    return event_id if readable else None


def _unreadable_because(error: Exception) -> str:
    match error:
        case UnicodeError():
            return "it is not valid UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            words = str(error).removeprefix("JSON is malformed: ")
            return f"{words[:1].lower()}{words[1:]}"


def _brackets(frame: str | bytes) -> int:
    """Return a bound on the depth of a frame that costs next to nothing."""
    if isinstance(frame, str):
        return frame.count("[") + frame.count("{")
    return frame.count(b"[") + frame.count(b"{")


def _is_too_deep(value: Object) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if is_object(value):
        return list(value.values())
    return value if is_array(value) else []
