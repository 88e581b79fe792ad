"""Names of the Preview API that the GA API has replaced, for messages that help to migrate."""

from collections.abc import Collection

_SESSION_FIELDS = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "input_audio_format": "audio.input.format",
    "output_audio_format": "audio.output.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "max_response_output_tokens": "max_output_tokens",
}

_RESPONSE_FIELDS = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "output_audio_format": "audio.output.format",
    "max_response_output_tokens": "max_output_tokens",
}

_FORMATS = {
    "pcm16": '{"type": "audio/pcm", "rate": 24000}',
    "g711_ulaw": '{"type": "audio/pcmu"}',
    "g711_alaw": '{"type": "audio/pcma"}',
}

_TRANSCRIPTION_UPDATE = "transcription_session.update"

_SERVER_EVENTS = {
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
    "conversation.item.created": "conversation.item.added",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
}


def cure_for_field(path: str) -> str:
    """Return what replaces a Preview field; nothing for any other path."""
    owner, _, field = path.partition(".")
    if owner in {"session", "response"} and field == "temperature":
        return "The GA API has no temperature: remove it."
    fields = {"session": _SESSION_FIELDS, "response": _RESPONSE_FIELDS}.get(owner, {})
    return f"Its GA name is '{owner}.{fields[field]}'." if field in fields else ""


def cure_for_format(name: object) -> str:
    """Return what replaces a Preview audio format; nothing for any other value."""
    if not isinstance(name, str) or name not in _FORMATS:
        return ""
    return f"The GA API writes '{name}' as {_FORMATS[name]}."


def cure_for_event(name: str) -> str:
    """Return what replaces a Preview event; nothing for any other type."""
    if name == _TRANSCRIPTION_UPDATE:
        return 'Its GA form is \'session.update\' with "type": "transcription" in the session.'
    if name in _SERVER_EVENTS:
        return f"It is a server event, and its GA name is '{_SERVER_EVENTS[name]}'."
    return ""


def cure_for_content(name: str, allowed: Collection[str]) -> str:
    """Return which allowed content type replaces a Preview one; nothing for any other."""
    names = [
        f"'{prefix}_{name}'" for prefix in ("input", "output") if f"{prefix}_{name}" in allowed
    ]
    return f"The GA name of '{name}' is {names[0]} here." if names else ""
