"""Responders: whatever answers a turn.

A responder is the cascade (language model and synthesizer), a native speech model, or a relay to
another server. The session cannot tell them apart: it hands over a context and gets pieces back.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from antiphon.engines.llm import (
    NO_TOKENS,
    Effort,
    Phase,
    Picture,
    TokenUsage,
    Tool,
    ToolChoice,
)


@dataclass(frozen=True, slots=True)
class SystemTurn:
    """A message of the application."""

    text: str


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the user wrote and said."""

    text: str
    """Written text and what was heard of the spoken parts, in order."""
    audio: bytes = b""
    """PCM16 mono 24 kHz of the spoken parts; empty for a responder that reads transcripts."""
    pictures: tuple[Picture, ...] = ()
    """What the user showed, in order."""


@dataclass(frozen=True, slots=True)
class AssistantTurn:
    """What the assistant wrote, or said as far as the user heard it."""

    text: str
    phase: Phase | None = None
    """Whether it thought aloud or answered; None: not told apart."""


@dataclass(frozen=True, slots=True)
class CallTurn:
    """A function call that the assistant made."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ResultTurn:
    """What the application returned for a call."""

    call_id: str
    output: str


Turn = SystemTurn | UserTurn | AssistantTurn | CallTurn | ResultTurn


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """Everything a responder may know of the response it makes."""

    instructions: str
    context: tuple[Turn, ...]
    modality: Literal["text", "audio"]
    voice: str
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    max_output_tokens: int | None = None
    session_key: str = ""
    """Equal for all requests of a session."""
    edition: int = 0
    """Another number after something was deleted that the session had read."""
    reasoning_effort: Effort | None = None
    """How long to think; None: as the model pleases."""
    keeps_all: bool = False
    """Whether to fail rather than leave out the beginning of what is too long."""


@dataclass(frozen=True, slots=True)
class TranslationRequest(ResponseRequest):
    """Say in another language what the last turn says; the turns before it were said already."""

    language: str = "en"
    """ISO-639-1 code."""


@dataclass(frozen=True, slots=True)
class WrittenText:
    """The next piece of a written answer (modality "text")."""

    text: str
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class SpokenText:
    """The next piece of a spoken answer's transcript; it runs ahead of the audio."""

    text: str
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class SpokenAudio:
    """The next piece of a spoken answer's sound."""

    pcm: bytes
    """PCM16 mono 24 kHz, any even length."""
    clause: str = ""
    """The words whose sound begins with this piece; empty: those before go on."""


@dataclass(frozen=True, slots=True)
class FunctionCallStarted:
    """A function call begins. Its arguments follow before another call begins."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionCallArguments:
    """The next piece of the running call's arguments."""

    delta: str
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class ResponseFinished:
    """The last piece of every response, after the last sound."""

    reason: Literal["stop", "length", "content_filter"]
    usage: TokenUsage = NO_TOKENS


ResponsePiece = (
    WrittenText
    | SpokenText
    | SpokenAudio
    | FunctionCallStarted
    | FunctionCallArguments
    | ResponseFinished
)


@dataclass(frozen=True, slots=True)
class ResponderCapabilities:
    """What a responder can honour."""

    hears: Literal["transcript", "audio"]
    """Whether spoken turns reach it as text or as sound."""
    voices: frozenset[str] | None
    """Voice names it can speak with; None: not known beforehand."""
    context_tokens: int = 32_768
    tools: bool = True
    answers_drafts: bool = False
    """Whether an answer that nobody needs in the end costs nothing but idle processor time."""
    sees: bool = False
    """Whether it reads pictures."""
    reasons: bool = False
    """Whether it can be told how long to think."""


class Responder(Protocol):
    """Answer a conversation."""

    @property
    def capabilities(self) -> ResponderCapabilities:
        """What this responder can honour."""
        ...

    def respond(self, request: ResponseRequest) -> AsyncIterator[ResponsePiece]:
        """Yield the answer as it is made, `ResponseFinished` last.

        Raises `EngineError`. Closing the iterator stops model and speech at once.
        """
        ...

    async def prepare(self, request: ResponseRequest) -> None:
        """Get ready for a request that will begin like this one; never required."""
        ...
