"""The words of translation sessions: three client events and seven server events of their own.

Some share their wire names with those of the other sessions (`session.update`) and mean other
objects, which is why they have a module to themselves.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from antiphon.protocol.client_events import EventId, SessionClose
from antiphon.protocol.server_events import Error
from antiphon.protocol.session import NoiseReduction
from antiphon.protocol.wire import Tagged, Wire

SAMPLE_RATE_HZ = 24_000
"""The rate of input and output; the family knows no other."""
FRAME_MS = 200
"""What is translated at once; positions on the wire are multiples of it."""

OUTPUT_LANGUAGES = ("en", "es", "pt", "fr", "ja", "ru", "zh", "de", "ko", "hi", "id", "vi", "it")
"""The languages that a session may ask for, by their ISO-639-1 codes."""

_ModelName: TypeAlias = Annotated[str, Meta(max_length=256)]
_LanguageTag: TypeAlias = Annotated[str, Meta(max_length=35)]


# The session


class Transcription(Wire, frozen=True, kw_only=True):
    """Who writes down what the speaker says."""

    model: _ModelName
    """Name of a transcription deployment."""


class AudioInput(Wire, frozen=True, kw_only=True):
    """How the speaker is heard."""

    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    """Null: the words of the speaker are not told, only those of the translation."""


class AudioOutput(Wire, frozen=True, kw_only=True):
    """How the translation is spoken."""

    language: str


class Audio(Wire, frozen=True, kw_only=True):
    """Both directions."""

    input: AudioInput
    output: AudioOutput


class TranslationSession(Tagged, frozen=True, kw_only=True, tag="translation"):
    """The effective configuration of a translation session."""

    id: str
    model: str
    expires_at: int
    audio: Audio


class AudioInputPatch(Wire, frozen=True, kw_only=True):
    """Changes of how the speaker is heard."""

    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET


class AudioOutputPatch(Wire, frozen=True, kw_only=True):
    """Changes of how the translation is spoken."""

    language: _LanguageTag | UnsetType = UNSET


class AudioPatch(Wire, frozen=True, kw_only=True):
    """Changes of both directions."""

    input: AudioInputPatch | UnsetType = UNSET
    output: AudioOutputPatch | UnsetType = UNSET


class SessionPatch(Wire, frozen=True, kw_only=True):
    """Changes of a session. Type and model are known only to be refused in words."""

    type: str | UnsetType = UNSET
    model: _ModelName | UnsetType = UNSET
    audio: AudioPatch | UnsetType = UNSET


# Client events


class _ClientEvent(Tagged, frozen=True, kw_only=True):
    event_id: EventId | None = None


class SessionUpdate(_ClientEvent, frozen=True, kw_only=True, tag="session.update"):
    """Change the session; answered by the complete `session.updated`, or refused as a whole."""

    session: SessionPatch


class SessionInputAudioBufferAppend(
    _ClientEvent, frozen=True, kw_only=True, tag="session.input_audio_buffer.append"
):
    """Add sound to the stream. Never acknowledged; what comes of it are deltas."""

    audio: str
    """Base64 of PCM16 mono at 24 kHz, of any length."""


ClientEvent: TypeAlias = SessionUpdate | SessionInputAudioBufferAppend | SessionClose


# Server events


class _ServerEvent(Tagged, frozen=True, kw_only=True):
    event_id: str


class SessionCreated(_ServerEvent, frozen=True, kw_only=True, tag="session.created"):
    """The session is open; always the first event, and alone."""

    session: TranslationSession


class SessionUpdated(_ServerEvent, frozen=True, kw_only=True, tag="session.updated"):
    """The session has changed; holds its complete configuration."""

    session: TranslationSession


class SessionInputTranscriptDelta(
    _ServerEvent, frozen=True, kw_only=True, tag="session.input_transcript.delta"
):
    """The next words of the speaker. Deltas put together are the text; they bring their spaces."""

    delta: str
    elapsed_ms: int
    """How much of the stream had been taken when this was told, in frames of 200 ms."""


class SessionOutputTranscriptDelta(
    _ServerEvent, frozen=True, kw_only=True, tag="session.output_transcript.delta"
):
    """The next words of the translation."""

    delta: str
    elapsed_ms: int


class SessionOutputAudioDelta(
    _ServerEvent, frozen=True, kw_only=True, tag="session.output_audio.delta"
):
    """The next sound of the translation."""

    delta: str
    """Base64 of PCM16 mono, of any length."""
    elapsed_ms: int
    sample_rate: Literal[24000] = 24000
    channels: Literal[1] = 1
    format: Literal["pcm16"] = "pcm16"


class SessionClosed(_ServerEvent, frozen=True, kw_only=True, tag="session.closed"):
    """Everything has been told; the last event."""


ServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | SessionInputTranscriptDelta
    | SessionOutputTranscriptDelta
    | SessionOutputAudioDelta
    | SessionClosed
    | Error
)
