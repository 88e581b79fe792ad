"""Language models: a written conversation in, text and tool calls out, piece by piece."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model made earlier."""

    call_id: str
    name: str
    arguments: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class SystemMessage:
    """Instructions, or a message of the application."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in what the user wrote or said."""

    url: str
    """Data URI with a PNG or JPEG picture."""
    detail: Literal["auto", "low", "high"] = "auto"
    """How closely the model is to look."""
    position: int = 0
    """How many characters of the message's text stand before it."""


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What the user wrote, said or showed."""

    text: str
    pictures: tuple[Picture, ...] = ()
    """In order; empty for a model that does not see."""


Phase = Literal["commentary", "final_answer"]
"""Whether the assistant thinks aloud or answers."""

Effort = Literal["minimal", "low", "medium", "high", "xhigh"]
"""How long a reasoning model thinks."""


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said and which tools it called, as far as the user heard it."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    phase: Phase | None = None
    """None: not told apart."""


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """The result of a call."""

    call_id: str
    output: str


ChatMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str
    parameters: Mapping[str, object]
    """JSON Schema of the arguments, an object schema."""


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The one tool that must be called."""

    name: str


ToolChoice = Literal["auto", "none", "required"] | NamedTool


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One generation."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    max_tokens: int | None = None
    """Tokens of text and arguments; None: whatever the model's context allows."""
    session_key: str = ""
    """Equal for all requests of a session: where a prompt cache may find its prefix again."""
    edition: int = 0
    """Another number after something was deleted that the session had read: nothing of what was
    evaluated before may be used except an equal beginning."""
    reasoning_effort: Effort | None = None
    """None: as the model pleases."""
    keeps_all: bool = False
    """Whether to fail rather than leave out the beginning of what is too long."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens as the model counted them."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


NO_TOKENS = TokenUsage()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of text."""

    text: str
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A tool call begins; its arguments follow before any other call begins."""

    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The next piece of the JSON text of the running call's arguments."""

    delta: str
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class GenerationFinished:
    """The last piece of every generation."""

    reason: Literal["stop", "length", "content_filter"]
    usage: TokenUsage = NO_TOKENS


GenerationPiece = TextDelta | CallStarted | CallArguments | GenerationFinished


@dataclass(frozen=True, slots=True)
class LanguageModelCapabilities:
    """What a language model can honour."""

    context_tokens: int
    tools: bool = True
    is_embedded: bool = False
    """Whether its work costs nothing but this machine's processor time."""
    sees: bool = False
    """Whether it reads pictures."""
    reasons: bool = False
    """Whether it can be told how long to think."""
    languages: frozenset[str] | None = None
    """ISO-639-1 codes that it reads and writes well; None: not known beforehand."""


class LanguageModel(Protocol):
    """Continue a conversation."""

    @property
    def capabilities(self) -> LanguageModelCapabilities:
        """What this model can honour."""
        ...

    def generate(self, request: ChatRequest) -> AsyncIterator[GenerationPiece]:
        """Yield text and calls as they are made, `GenerationFinished` last.

        With `tool_choice` "required" or a `NamedTool` every call's arguments are valid against the
        tool's schema. Raises `EngineError`. Closing the iterator stops the model within one token.
        """
        ...

    async def prefill(self, request: ChatRequest) -> None:
        """Prepare for a request that will begin like this one; never required for correctness."""
        ...
