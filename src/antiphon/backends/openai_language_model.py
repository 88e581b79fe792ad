"""The language model behind an OpenAI-compatible endpoint: `/chat/completions`, streamed."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from antiphon.backends.answer_events import AnswerEvents
from antiphon.backends.chat_stream import ChatStream, ReportedError, UnusableChat
from antiphon.backends.endpoint_settings import EndpointSettings, misconfigured, read_settings
from antiphon.backends.http import Endpoint
from antiphon.backends.tool_arguments import is_valid
from antiphon.engines.llm import (
    AssistantMessage,
    CallArguments,
    CallStarted,
    ChatMessage,
    ChatRequest,
    GenerationFinished,
    GenerationPiece,
    LanguageModelCapabilities,
    NamedTool,
    SystemMessage,
    Tool,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from antiphon.protocol.errors import EngineError

KIND = "language model"

_MAX_ANSWER_BYTES = 16_777_216
_OUR_FIELDS = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "parallel_tool_calls",
        "prompt_cache_key",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
    }
)


class LanguageModelSettings(EndpointSettings, frozen=True, kw_only=True):
    """What a language model behind an endpoint is told."""

    context_tokens: Annotated[int, Meta(ge=256)] = 32_768
    """How much the model can read and write in all."""
    languages: frozenset[str] | None = None
    """ISO-639-1 codes that the model writes well; unset: whichever it does."""
    tools: bool = True
    """Whether the model can call tools."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """How the endpoint calls the limit of an answer's length."""
    count_tokens: bool = True
    """Whether to ask for the usage of a streamed answer; some old endpoints refuse."""
    cache_key: bool = False
    """Whether to send `prompt_cache_key`, the same for all requests of a session."""
    prefill: bool = False
    """Whether to send the prompt ahead, for one token, so that the endpoint's cache knows it."""
    vision: bool = False
    """Whether the model reads pictures."""
    reasoning: bool = False
    """Whether the endpoint takes `reasoning_effort`."""
    phases: bool = False
    """Whether the endpoint takes the `phase` of the assistant's messages."""
    extra_body: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """Further fields of the request, such as `temperature`."""


class OpenAILanguageModel:
    """Continue a conversation at an endpoint."""

    def __init__(self, settings: LanguageModelSettings) -> None:
        self.capabilities = LanguageModelCapabilities(
            settings.context_tokens,
            settings.tools,
            sees=settings.vision,
            reasons=settings.reasoning,
            languages=settings.languages,
        )
        self._settings = settings
        self._endpoint = Endpoint(KIND, settings)

    async def generate(self, request: ChatRequest) -> AsyncGenerator[GenerationPiece]:
        """Yield text and calls as they arrive; closing the iterator hangs up."""
        stream = ChatStream()
        rules = _ToolRules(request)
        async with self._endpoint.post_json(
            "/chat/completions", self._fields(request), max_bytes=_MAX_ANSWER_BYTES
        ) as answer:
            answer.require_type("text/event-stream")
            events = AnswerEvents(self._endpoint, answer)
            while not stream.is_complete:
                for event in await events.next():
                    pieces = self._take(event, stream, events)
                    if pieces:
                        answer.progress()
                    for piece in self._admit(pieces, rules):
                        yield piece
            self._take_usage(await events.rest(), stream)
        for piece in self._finish(stream, rules):
            yield piece

    async def prefill(self, request: ChatRequest) -> None:
        """Send the prompt ahead if the settings say so."""
        if not self._settings.prefill:
            return
        ahead = replace(request, max_tokens=1, tool_choice="auto")
        # A prompt that is not ready only makes the answer later.
        with suppress(EngineError):
            async with aclosing(self.generate(ahead)) as pieces:
                async for _ in pieces:
                    pass

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()

    def _take(
        self, event: bytes, stream: ChatStream, events: AnswerEvents
    ) -> list[GenerationPiece]:
        try:
            return stream.take(event)
        except ReportedError as reported:
            raise self._endpoint.broken_off(reported.event) from None
        except UnusableChat as unusable:
            if events.is_ended:
                # The last event has no end, so it is not what the endpoint meant to say.
                raise self._endpoint.interrupted() from None
            raise self._endpoint.invalid_answer(f"{unusable}") from None

    def _take_usage(self, events: list[bytes], stream: ChatStream) -> None:
        """Read what follows the end of the chat; whatever else is wrong with it does not matter."""
        with suppress(ReportedError, UnusableChat):
            for event in events:
                stream.take(event)

    def _admit(self, pieces: list[GenerationPiece], rules: "_ToolRules") -> list[GenerationPiece]:
        try:
            return [piece for piece in pieces if rules.admit(piece)]
        except UnusableChat as unusable:
            raise self._endpoint.invalid_answer(f"{unusable}") from None

    def _finish(self, stream: ChatStream, rules: "_ToolRules") -> list[GenerationPiece]:
        try:
            *rest, finished = stream.finish()
            admitted = [piece for piece in rest if rules.admit(piece)]
            return [*admitted, *rules.release(finished), finished]
        except UnusableChat as unusable:
            raise self._endpoint.invalid_answer(f"{unusable}") from None

    def _fields(self, request: ChatRequest) -> dict[str, object]:
        settings = self._settings
        fields: dict[str, object] = {
            **settings.extra_body,
            "model": settings.model,
            "messages": [_message(each, with_phase=settings.phases) for each in request.messages],
            "stream": True,
        }
        if settings.count_tokens:
            fields["stream_options"] = {"include_usage": True}
        if request.tools:
            fields |= _tool_fields(request)
        if request.max_tokens is not None:
            fields[settings.max_tokens_field] = request.max_tokens
        if request.reasoning_effort is not None:
            fields["reasoning_effort"] = request.reasoning_effort
        if settings.cache_key and request.session_key:
            fields["prompt_cache_key"] = request.session_key
        return fields


def create(settings: Mapping[str, object]) -> OpenAILanguageModel:
    """Create the engine from the settings of a deployment."""
    read = read_settings(KIND, settings, LanguageModelSettings)
    for name in read.extra_body:
        if name in _OUR_FIELDS:
            raise misconfigured(KIND, f"'extra_body.{name}' is set by the server itself")
    return OpenAILanguageModel(read)


class _ToolRules:
    """What the request says about tools, held against what the model does.

    Endpoints do not all enforce it. Calls that must be valid are held back until they are whole.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._is_forced = request.tool_choice not in {"auto", "none"}
        self._calls: list[tuple[str, list[CallArguments]]] = []

    def admit(self, piece: GenerationPiece) -> bool:
        """Tell whether a piece may be given out now. Raises `UnusableChat`."""
        match piece:
            case CallStarted(name):
                if self._request.tool_choice == "none" or not self._request.tools:
                    raise UnusableChat("it calls a tool although it must not")
                self._calls.append((name, []))
            case CallArguments():
                self._calls[-1][1].append(piece)
            case _:
                return True
        return not self._is_forced and (self._request.parallel_tool_calls or len(self._calls) == 1)

    def release(self, finished: GenerationPiece) -> list[GenerationPiece]:
        """Return the calls held back, if they are what was asked for; else raise `UnusableChat`."""
        if not self._is_forced:
            return []
        calls = self._calls if self._request.parallel_tool_calls else self._calls[:1]
        is_whole = isinstance(finished, GenerationFinished) and finished.reason == "stop"
        if is_whole and not calls:
            raise UnusableChat("it does not call a tool although it must")
        for name, arguments in calls:
            if is_whole and not self._is_wanted(name, "".join(each.delta for each in arguments)):
                raise UnusableChat("its tool call does not match the tool that must be called")
        held: list[GenerationPiece] = []
        for name, arguments in calls:
            held += [CallStarted(name), *arguments]
        return held

    def _is_wanted(self, name: str, arguments: str) -> bool:
        choice = self._request.tool_choice
        wanted = [
            tool
            for tool in self._request.tools
            if tool.name == name and (not isinstance(choice, NamedTool) or choice.name == name)
        ]
        return bool(wanted) and is_valid(arguments, wanted[0].parameters)


def _tool_fields(request: ChatRequest) -> dict[str, object]:
    choice: object = request.tool_choice
    if isinstance(choice, NamedTool):
        choice = {"type": "function", "function": {"name": choice.name}}
    fields: dict[str, object] = {
        "tools": [_tool(each) for each in request.tools],
        "tool_choice": choice,
    }
    if not request.parallel_tool_calls:
        # Parallel calls are the default everywhere, and some endpoints do not know the field.
        fields["parallel_tool_calls"] = False
    return fields


def _tool(tool: Tool) -> dict[str, object]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def _message(message: ChatMessage, *, with_phase: bool) -> dict[str, object]:
    match message:
        case SystemMessage(text):
            return {"role": "system", "content": text}
        case UserMessage():
            return {"role": "user", "content": _shown(message)}
        case ToolMessage(call_id, output):
            return {"role": "tool", "tool_call_id": call_id, "content": output}
        case AssistantMessage(text, calls, phase):
            said: dict[str, object] = {"role": "assistant", "content": text}
            if with_phase and phase is not None:
                said["phase"] = phase
            if calls:
                said |= {"content": text or None, "tool_calls": [_call(each) for each in calls]}
            return said


def _shown(message: UserMessage) -> str | list[dict[str, object]]:
    """Return a user's text, or text and pictures in their order."""
    if not message.pictures:
        return message.text
    parts: list[dict[str, object]] = []
    told = 0
    for picture in message.pictures:
        parts += _text_part(message.text[told : picture.position])
        image = {"url": picture.url, "detail": picture.detail}
        parts.append({"type": "image_url", "image_url": image})
        told = picture.position
    return parts + _text_part(message.text[told:])


def _text_part(text: str) -> list[dict[str, object]]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.call_id, "type": "function", "function": function}
