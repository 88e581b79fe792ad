"""The GA spelling, with the flat fields that moderators of the Azure forums recommend."""

from antiphon.protocol import codec
from antiphon.protocol.client_events import ClientEvent
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.shapes import Object, is_object

_FLAT_INPUT_FIELDS = {
    "input_audio_transcription": "transcription",
    "turn_detection": "turn_detection",
}


class Ga:
    """The dialect of the GA API."""

    name = "ga"

    def decode(self, frame: str | bytes) -> ClientEvent:
        """Return what a client said; raise `ClientError`."""
        return codec.decode(frame, nest_flat_fields)

    def encode(self, event: AnyServerEvent) -> tuple[str, ...]:
        """Return the one frame that tells an event."""
        return (codec.encode(event),)


def nest_flat_fields(event: Object) -> Object:
    """Return a `session.update` with its flat input fields where the GA API has them.

    What is also given in its GA place keeps the GA value. Other events, and updates that are not of
    a realtime session, are returned as they are.
    """
    session = event.get("session")
    if event["type"] != "session.update" or not is_object(session):
        return event
    flat = {name: session[key] for key, name in _FLAT_INPUT_FIELDS.items() if key in session}
    audio = session.get("audio", {})
    listening = audio.get("input", {}) if is_object(audio) else None
    if session.get("type") != "realtime" or not flat or not is_object(listening):
        return event
    rest = {key: value for key, value in session.items() if key not in _FLAT_INPUT_FIELDS}
    return {**event, "session": {**rest, "audio": {**audio, "input": {**flat, **listening}}}}
