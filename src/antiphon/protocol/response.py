"""Responses: what a client may ask of one, and what the server tells about it."""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from antiphon.protocol.items import Item, ResponseInputItem
from antiphon.protocol.session import (
    AudioFormat,
    MaxOutputTokens,
    OutputModalities,
    PcmFormat,
    Prompt,
    Reasoning,
    ToolChoice,
    Tools,
    Voice,
)
from antiphon.protocol.wire import Tagged, Wire

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY_CHARACTERS = 64
MAX_METADATA_VALUE_CHARACTERS = 512

Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Meta(max_length=MAX_METADATA_KEY_CHARACTERS)], Any],
    Meta(max_length=MAX_METADATA_PAIRS),
]
"""The client's own notes on a response, sent back with it. Values are strings by the book; others
are let through up to the same length of JSON."""


# What a client asks for


class ResponseAudioOutputParameters(Wire, frozen=True, kw_only=True):
    """How one response speaks."""

    format: AudioFormat | UnsetType = UNSET
    voice: Voice | UnsetType = UNSET


class ResponseAudioParameters(Wire, frozen=True, kw_only=True):
    """How one response speaks; there is no input side."""

    output: ResponseAudioOutputParameters | UnsetType = UNSET


class ResponseParameters(Wire, frozen=True, kw_only=True):
    """What one response does differently from the session. Null means absent in every field."""

    output_modalities: OutputModalities | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    """Replace the session's instructions for this response."""

    audio: ResponseAudioParameters | UnsetType = UNSET
    tools: Tools | UnsetType = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    max_output_tokens: MaxOutputTokens | UnsetType = UNSET
    conversation: Literal["auto", "none"] = "auto"
    """None: out of band, its items do not enter the conversation."""

    metadata: Metadata | UnsetType = UNSET
    prompt: Prompt | UnsetType = UNSET
    input: tuple[ResponseInputItem, ...] | UnsetType = UNSET
    """The whole context of this response; absent: the conversation."""


# What the server tells


class FailureError(Wire, frozen=True, kw_only=True):
    """Why a response failed."""

    type: str
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class StatusDetails(Wire, frozen=True, kw_only=True):
    """Why a response ended other than completed."""

    type: Literal["completed", "cancelled", "incomplete", "failed"]
    """Repeats the status."""

    reason: (
        Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"]
        | UnsetType
    ) = UNSET
    error: FailureError | UnsetType = UNSET


class CachedTokensDetails(Wire, frozen=True, kw_only=True):
    """Cached input tokens by modality."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class InputTokenDetails(Wire, frozen=True, kw_only=True):
    """Input tokens by modality."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: CachedTokensDetails = CachedTokensDetails()


class OutputTokenDetails(Wire, frozen=True, kw_only=True):
    """Output tokens by modality."""

    text_tokens: int = 0
    audio_tokens: int = 0


class Usage(Wire, frozen=True, kw_only=True):
    """What a response consumed. Every key is sent, zeros included."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails = InputTokenDetails()
    output_token_details: OutputTokenDetails = OutputTokenDetails()


class ResponseAudioOutput(Wire, frozen=True, kw_only=True):
    """The format and voice of a response."""

    format: AudioFormat = PcmFormat()
    voice: str = "alloy"
    """The name of a built-in voice, or the id of another."""


class ResponseAudio(Wire, frozen=True, kw_only=True):
    """How a response speaks."""

    output: ResponseAudioOutput = ResponseAudioOutput()


ResponseStatus: TypeAlias = Literal["completed", "cancelled", "failed", "incomplete", "in_progress"]


class Response(Wire, frozen=True, kw_only=True):
    """One generation, at its start or its end."""

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    status: ResponseStatus
    status_details: StatusDetails | None = None
    output: tuple[Item, ...] = ()
    conversation_id: str | None
    """Null: out of band."""

    output_modalities: OutputModalities = ("audio",)
    max_output_tokens: MaxOutputTokens = "inf"
    audio: ResponseAudio = ResponseAudio()
    usage: Usage | None = None
    """Null until the response has ended."""

    metadata: Metadata | None = None


# Transcription and limits


class TranscriptionInputTokenDetails(Wire, frozen=True, kw_only=True):
    """Tokens of a transcription's input by modality."""

    text_tokens: int = 0
    audio_tokens: int = 0


class TranscriptionTokenUsage(Tagged, frozen=True, kw_only=True, tag="tokens"):
    """The cost of a transcription, in tokens."""

    total_tokens: int
    input_tokens: int
    input_token_details: TranscriptionInputTokenDetails
    output_tokens: int


class TranscriptionDurationUsage(Tagged, frozen=True, kw_only=True, tag="duration"):
    """The cost of a transcription, in time."""

    seconds: int | float


TranscriptionUsage: TypeAlias = TranscriptionTokenUsage | TranscriptionDurationUsage


class TranscriptionLanguage(Wire, frozen=True, kw_only=True):
    """A language that was heard."""

    code: str


class LogProb(Wire, frozen=True, kw_only=True):
    """How sure a transcriber was of a token."""

    token: str
    logprob: float
    bytes: tuple[int, ...]


class RateLimit(Wire, frozen=True, kw_only=True):
    """What is left of a quota."""

    name: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_seconds: float
