"""A streamed chat completion, turned into the pieces of a generation.

Endpoints differ most in how they stream tool calls: with or without index and id, whole or in
fragments, one after the other or mixed. What leaves here is always one call after the other.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from antiphon.backends.tool_arguments import parse_object
from antiphon.engines.llm import (
    CallArguments,
    CallStarted,
    GenerationFinished,
    GenerationPiece,
    TextDelta,
    TokenUsage,
)

_DONE = b"[DONE]"
_LENGTH_REASONS = frozenset({"length", "max_tokens"})


class ReportedError(Exception):
    """The endpoint reports an error in the middle of its answer."""

    def __init__(self, event: bytes) -> None:
        super().__init__(event)
        self.event = event


class UnusableChat(Exception):  # noqa: N818 - says what happened
    """The answer is no piece of a chat, or not one that was asked for."""


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _CallDelta(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallDelta] | None = None


class _Choice(msgspec.Struct, frozen=True):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class ChatStream:
    """Take the data of events and give out pieces of the generation."""

    def __init__(self) -> None:
        self.is_complete = False
        """Whether the endpoint has said that the generation is over."""
        self._has_begun = False
        self._reason: str | None = None
        self._usage: _Usage | None = None
        self._calls = CallSequence()
        self._tokens = 0

    def take(self, event: bytes) -> list[GenerationPiece]:
        """Read the data of one event.

        Raises `ReportedError` and `UnusableChat`.
        """
        if event.strip() == _DONE:
            self.is_complete = True
            return []
        try:
            chunk = msgspec.json.decode(event, type=_Chunk)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise UnusableChat("it is no streamed chat completion") from None
        if chunk.error is not None:
            raise ReportedError(event)
        self._has_begun = True
        self._usage = chunk.usage or self._usage
        if self.is_complete:
            return []
        pieces = [each for choice in chunk.choices or () for each in self._read(choice)]
        self._tokens += sum(not isinstance(each, CallStarted) for each in pieces)
        return pieces

    def finish(self) -> list[GenerationPiece]:
        """End the generation: return what was held back, `GenerationFinished` last.

        Raises `UnusableChat`.
        """
        if not self._has_begun:
            raise UnusableChat("it is empty")
        return [*self._calls.finish(), GenerationFinished(self._finish_reason(), self._counted())]

    def _read(self, choice: _Choice) -> Iterator[GenerationPiece]:
        if choice.index != 0:
            return
        delta = choice.delta or _Delta()
        for text in (delta.content, delta.refusal):
            if text:
                yield TextDelta(text)
        for call in delta.tool_calls or ():
            yield from self._calls.take(call)
        if choice.finish_reason is not None:
            self._reason = choice.finish_reason
            self.is_complete = True

    def _finish_reason(self) -> Literal["stop", "length", "content_filter"]:
        if self._reason in _LENGTH_REASONS:
            return "length"
        return "content_filter" if self._reason == "content_filter" else "stop"

    def _counted(self) -> TokenUsage:
        if self._usage is None:
            # Most endpoints send a token at a time.
            return TokenUsage(completion=self._tokens)
        details = self._usage.prompt_tokens_details or _PromptDetails()
        return TokenUsage(
            self._usage.prompt_tokens or 0,
            details.cached_tokens or 0,
            self._usage.completion_tokens or 0,
        )


class _Call:
    """One call as far as it has come."""

    def __init__(self, delta: _CallDelta) -> None:
        self.index = delta.index
        self.id = delta.id
        self.name = ""
        self.pending: list[str] = []
        """Arguments that have not been given out."""
        self.is_started = False
        self._arguments: list[str] = []
        self._is_whole: tuple[int, bool] = (0, False)

    @property
    def has_arguments(self) -> bool:
        return bool(self._arguments)

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are complete JSON, so that no more can follow."""
        known_length, is_whole = self._is_whole
        if known_length != len(self._arguments):
            is_whole = parse_object("".join(self._arguments)) is not None
            self._is_whole = (len(self._arguments), is_whole)
        return is_whole

    def take(self, delta: _CallDelta) -> None:
        function = delta.function or _Function()
        self.id = self.id or delta.id
        self.name = self.name or function.name or ""
        if text := _argument_text(function):
            self._arguments.append(text)
            self.pending.append(text)


class CallSequence:
    """Put the fragments of tool calls in order: each call whole before the next begins."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._given = 0
        """How many calls have been given out whole."""

    def take(self, delta: _CallDelta) -> Iterator[GenerationPiece]:
        """Read a fragment; yield what can be given out by now."""
        call = self._find(delta)
        if call is None or _begins_anew(call, delta):
            call = _Call(delta)
            self._calls.append(call)
        call.take(delta)
        while self._given < len(self._calls):
            current = self._calls[self._given]
            yield from _give_out(current)
            # A later call has begun, but endpoints that mix calls may still add to this one.
            if self._given == len(self._calls) - 1 or not current.is_whole:
                return
            self._given += 1

    def finish(self) -> Iterator[GenerationPiece]:
        """Yield the rest. Raises `UnusableChat` if a call has no name."""
        for call in self._calls[self._given :]:
            if not call.name:
                raise UnusableChat("it calls a tool without naming it")
            yield from _give_out(call)
            if not call.has_arguments:
                # A call without parameters, which some endpoints send without an object.
                yield CallArguments("{}")
        self._given = len(self._calls)

    def _find(self, delta: _CallDelta) -> _Call | None:
        """Return the call that a fragment belongs to, by its index, its id, or its place."""
        for call in reversed(self._calls):
            if delta.index is not None and call.index == delta.index:
                return call
            if delta.index is None and (delta.id is None or delta.id == call.id):
                return call
        is_unnamed = not (delta.function and delta.function.name)
        return self._calls[-1] if self._calls and is_unnamed else None


def _begins_anew(call: _Call, delta: _CallDelta) -> bool:
    """Tell whether a fragment begins another call although its index or place is taken."""
    function = delta.function or _Function()
    if not function.name or not call.name:
        return False
    if (delta.id and call.id and delta.id != call.id) or function.name != call.name:
        return True
    # The same function once more; a mere repetition of its name adds nothing to a whole call.
    return call.is_whole and (delta.index is None or bool(_argument_text(function)))


def _give_out(call: _Call) -> Iterator[GenerationPiece]:
    if not call.is_started and call.name:
        call.is_started = True
        yield CallStarted(call.name)
    if call.is_started:
        yield from map(CallArguments, call.pending)
        call.pending.clear()


def _argument_text(function: _Function) -> str:
    match function.arguments:
        case None:
            return ""
        case str(text):
            return text
        case arguments:
            return msgspec.json.encode(arguments).decode()
