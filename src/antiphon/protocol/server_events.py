"""What the server may say: the forty-six events of the GA API.

Some are typed though no GA session says them (`conversation.created`, `conversation.item.created`);
the Preview dialect and clients' parsers know them.
"""

from typing import Literal, TypeAlias

from msgspec import UNSET, UnsetType

from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import Item
from antiphon.protocol.response import (
    LogProb,
    RateLimit,
    Response,
    TranscriptionLanguage,
    TranscriptionUsage,
)
from antiphon.protocol.session import Session
from antiphon.protocol.wire import Tagged, Wire


class _Event(Tagged, frozen=True, kw_only=True):
    event_id: str


# Session


class SessionCreated(_Event, frozen=True, kw_only=True, tag="session.created"):
    """The session is open; always the first event, and alone."""

    session: Session


class SessionUpdated(_Event, frozen=True, kw_only=True, tag="session.updated"):
    """The session has changed; holds its complete configuration."""

    session: Session


class ErrorBody(Wire, frozen=True, kw_only=True):
    """What went wrong. Every key is sent, nulls included."""

    type: str
    code: str | None
    message: str
    param: str | None
    """Dotted path of the field at fault."""

    event_id: str | None
    """The client's id of the event at fault."""

    @classmethod
    def of(cls, error: ClientError) -> "ErrorBody":
        """Return the body that tells a client of this error."""
        return cls(
            type=error.type,
            code=error.code,
            message=error.message,
            param=error.param,
            event_id=error.event_id,
        )


class Error(_Event, frozen=True, kw_only=True, tag="error"):
    """A client event was refused, or the server failed; the session goes on."""

    error: ErrorBody


# Conversation


class Conversation(Wire, frozen=True, kw_only=True):
    """A conversation, by its id."""

    id: str
    object: Literal["realtime.conversation"] = "realtime.conversation"


class ConversationCreated(_Event, frozen=True, kw_only=True, tag="conversation.created"):
    """The conversation is open. Never sent on GA sessions."""

    conversation: Conversation


class ConversationItemCreated(_Event, frozen=True, kw_only=True, tag="conversation.item.created"):
    """An item is in the conversation. Never sent on GA sessions: older clients stop at it."""

    previous_item_id: str | None
    item: Item


class ConversationItemAdded(_Event, frozen=True, kw_only=True, tag="conversation.item.added"):
    """An item is in the conversation; its content may still grow."""

    previous_item_id: str | None
    """Null: it is the first."""

    item: Item


class ConversationItemDone(_Event, frozen=True, kw_only=True, tag="conversation.item.done"):
    """An item is final."""

    previous_item_id: str | None
    item: Item


class ConversationItemRetrieved(
    _Event, frozen=True, kw_only=True, tag="conversation.item.retrieved"
):
    """An item as it is stored, with its audio."""

    item: Item


class ConversationItemTruncated(
    _Event, frozen=True, kw_only=True, tag="conversation.item.truncated"
):
    """The unheard part of a spoken message is forgotten."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDeleted(_Event, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    """An item is gone."""

    item_id: str


# Input transcription


class ConversationItemInputAudioTranscriptionDelta(
    _Event,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.delta",
):
    """The next piece of a transcript."""

    item_id: str
    content_index: int
    delta: str
    logprobs: tuple[LogProb, ...] | UnsetType | None = UNSET


class ConversationItemInputAudioTranscriptionCompleted(
    _Event,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.completed",
):
    """The whole transcript."""

    item_id: str
    content_index: int
    transcript: str
    usage: TranscriptionUsage
    languages: tuple[TranscriptionLanguage, ...] | UnsetType = UNSET
    logprobs: tuple[LogProb, ...] | UnsetType | None = UNSET


class TranscriptionError(Wire, frozen=True, kw_only=True):
    """Why a transcription failed."""

    type: str
    code: str | UnsetType = UNSET
    message: str
    param: str | UnsetType = UNSET


class ConversationItemInputAudioTranscriptionFailed(
    _Event,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.failed",
):
    """There will be no transcript; the turn itself goes on."""

    item_id: str
    content_index: int
    error: TranscriptionError


class ConversationItemInputAudioTranscriptionSegment(
    _Event,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.segment",
):
    """What one speaker said; only from transcribers that tell speakers apart."""

    item_id: str
    content_index: int
    id: str
    text: str
    speaker: str
    start: float
    end: float


# Input audio buffer


class InputAudioBufferCommitted(
    _Event, frozen=True, kw_only=True, tag="input_audio_buffer.committed"
):
    """The input buffer has become an item."""

    previous_item_id: str | None
    """Null: the item is the first."""

    item_id: str


class InputAudioBufferCleared(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """The input buffer is empty."""


class InputAudioBufferSpeechStarted(
    _Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"
):
    """The user speaks."""

    audio_start_ms: int
    """Where the turn starts in all audio of the session, padding included."""

    item_id: str
    """The item that the speech will become."""


class InputAudioBufferSpeechStopped(
    _Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"
):
    """The user has finished."""

    audio_end_ms: int
    """Where the turn ends in all audio of the session, silence included."""

    item_id: str


class InputAudioBufferTimeoutTriggered(
    _Event, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"
):
    """The user has said nothing for the idle timeout."""

    audio_start_ms: int
    audio_end_ms: int
    item_id: str


class InputAudioBufferDtmfEventReceived(
    _Event, frozen=True, kw_only=True, tag="input_audio_buffer.dtmf_event_received"
):
    """A key of the telephone was pressed."""

    event: str
    """One of 0-9, *, #, A-D."""

    received_at: int
    """Unix time in seconds."""


# Output audio buffer


class OutputAudioBufferStarted(
    _Event, frozen=True, kw_only=True, tag="output_audio_buffer.started"
):
    """The server begins to play a response; calls only."""

    response_id: str


class OutputAudioBufferStopped(
    _Event, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"
):
    """The server has played a response to its end; calls only."""

    response_id: str


class OutputAudioBufferCleared(
    _Event, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"
):
    """The server has stopped playing a response; calls only."""

    response_id: str


# Responses


class ResponseCreated(_Event, frozen=True, kw_only=True, tag="response.created"):
    """A response begins."""

    response: Response


class ResponseDone(_Event, frozen=True, kw_only=True, tag="response.done"):
    """A response has ended; exactly one for each `response.created`."""

    response: Response


class ResponseOutputItemAdded(_Event, frozen=True, kw_only=True, tag="response.output_item.added"):
    """A response begins an item."""

    response_id: str
    output_index: int
    item: Item


class ResponseOutputItemDone(_Event, frozen=True, kw_only=True, tag="response.output_item.done"):
    """A response has finished an item."""

    response_id: str
    output_index: int
    item: Item


class TextPart(Tagged, frozen=True, kw_only=True, tag="text"):
    """A written part as content part events tell it; the item says `output_text`."""

    text: str


class AudioPart(Tagged, frozen=True, kw_only=True, tag="audio"):
    """A spoken part as content part events tell it; the item says `output_audio`."""

    transcript: str
    audio: str | UnsetType = UNSET


Part: TypeAlias = TextPart | AudioPart


class ResponseContentPartAdded(
    _Event, frozen=True, kw_only=True, tag="response.content_part.added"
):
    """A response begins a part of a message."""

    part: Part
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseContentPartDone(_Event, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A response has finished a part of a message."""

    part: Part
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseOutputTextDelta(_Event, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """The next piece of a written answer."""

    delta: str
    obfuscation: str | UnsetType = UNSET
    """Random padding that hides the length of the delta."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseOutputTextDone(_Event, frozen=True, kw_only=True, tag="response.output_text.done"):
    """The whole written answer."""

    text: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseOutputAudioTranscriptDelta(
    _Event, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    """The next piece of what is spoken; it runs ahead of the audio."""

    delta: str
    obfuscation: str | UnsetType = UNSET
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseOutputAudioTranscriptDone(
    _Event, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    """All that is spoken."""

    transcript: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseOutputAudioDelta(
    _Event, frozen=True, kw_only=True, tag="response.output_audio.delta"
):
    """The next piece of sound."""

    delta: str
    """Base64 in the response's output format; made by `codec.encode_audio`."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseOutputAudioDone(_Event, frozen=True, kw_only=True, tag="response.output_audio.done"):
    """There is no more sound."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseFunctionCallArgumentsDelta(
    _Event, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """The next piece of a function call's arguments."""

    delta: str
    obfuscation: str | UnsetType = UNSET
    response_id: str
    item_id: str
    output_index: int
    call_id: str


class ResponseFunctionCallArgumentsDone(
    _Event, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """All arguments of a function call."""

    name: str
    arguments: str
    """JSON text."""

    response_id: str
    item_id: str
    output_index: int
    call_id: str


# MCP


class McpListToolsInProgress(_Event, frozen=True, kw_only=True, tag="mcp_list_tools.in_progress"):
    """The server asks an MCP server for its tools."""

    item_id: str


class McpListToolsCompleted(_Event, frozen=True, kw_only=True, tag="mcp_list_tools.completed"):
    """An MCP server has told its tools."""

    item_id: str


class McpListToolsFailed(_Event, frozen=True, kw_only=True, tag="mcp_list_tools.failed"):
    """An MCP server did not tell its tools."""

    item_id: str


class ResponseMcpCallArgumentsDelta(
    _Event, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"
):
    """The next piece of an MCP call's arguments."""

    delta: str
    obfuscation: str | UnsetType = UNSET
    response_id: str
    item_id: str
    output_index: int


class ResponseMcpCallArgumentsDone(
    _Event, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"
):
    """All arguments of an MCP call."""

    arguments: str
    """JSON text."""

    response_id: str
    item_id: str
    output_index: int


class ResponseMcpCallInProgress(
    _Event, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"
):
    """An MCP call is under way."""

    item_id: str
    output_index: int


class ResponseMcpCallCompleted(
    _Event, frozen=True, kw_only=True, tag="response.mcp_call.completed"
):
    """An MCP call has returned."""

    item_id: str
    output_index: int


class ResponseMcpCallFailed(_Event, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    """An MCP call has failed."""

    item_id: str
    output_index: int


class RateLimitsUpdated(_Event, frozen=True, kw_only=True, tag="rate_limits.updated"):
    """What is left of the client's quotas."""

    rate_limits: tuple[RateLimit, ...]


ServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | Error
    | ConversationCreated
    | ConversationItemCreated
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionFailed
    | ConversationItemInputAudioTranscriptionSegment
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | RateLimitsUpdated
)

SERVER_EVENT_TYPES: tuple[str, ...] = (
    "session.created",
    "session.updated",
    "error",
    "conversation.created",
    "conversation.item.created",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "conversation.item.deleted",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "conversation.item.input_audio_transcription.segment",
    "input_audio_buffer.committed",
    "input_audio_buffer.cleared",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.timeout_triggered",
    "input_audio_buffer.dtmf_event_received",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "output_audio_buffer.cleared",
    "response.created",
    "response.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "rate_limits.updated",
)
"""The wire names of all server events."""
