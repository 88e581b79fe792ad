"""What one response is to be: the session's settings, and what `response.create` asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from msgspec import UNSET

from antiphon.core import mcp
from antiphon.core.configuration import (
    SessionOffer,
    check_reasoning,
    check_tool_choice,
    check_tools,
    check_voice,
    functions,
    reserved_tokens,
    voice_name,
)
from antiphon.core.context import Room, text_size
from antiphon.core.prompts import Filled, fill
from antiphon.engines import llm
from antiphon.engines.responder import ResponseRequest, Turn
from antiphon.protocol import errors
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.session import (
    AudioFormat,
    FunctionChoice,
    FunctionTool,
    MaxOutputTokens,
    McpChoice,
    McpTool,
    RealtimeSession,
    Tool,
    ToolChoice,
    Truncation,
)

_FRAME_TOKENS = 16
"""What a chat template adds to the instructions."""
_TOOL_FRAME_TOKENS = 128
"""What tells a model how to call tools."""
_NO_ARGUMENTS: dict[str, object] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class McpTarget:
    """The tool of an MCP server that a name of the model's stands for."""

    server_label: str
    name: str
    needs_approval: bool


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """The settings of one response; they stay as they are when the session changes."""

    modality: Literal["text", "audio"]
    instructions: str
    voice: str
    format: AudioFormat
    speed: float
    tools: tuple[FunctionTool, ...]
    tool_choice: ToolChoice
    parallel_tool_calls: bool
    max_output_tokens: MaxOutputTokens
    truncation: Truncation
    reasoning_effort: llm.Effort | None = None
    in_conversation: bool = True
    metadata: Mapping[str, Any] | None = None
    servers: tuple[McpTool, ...] = ()
    """MCP servers whose tools it may use besides, as far as they are known when it starts."""
    awaited: frozenset[str] = frozenset()
    """Labels of servers that it brought itself, and whose tools it waits for."""
    targets: Mapping[str, McpTarget] = field(default_factory=lambda: MappingProxyType({}))
    """Which of its tools, by the model's name for them, are MCP tools; filled when it starts."""
    shortage: str = ""
    """Why the chosen MCP server has no tools for it, if so."""
    follow_ups: int = 0
    """How many responses in a row the server has begun by itself, this one included."""


def plan(
    session: RealtimeSession,
    asked: ResponseParameters,
    offer: SessionOffer,
    *,
    has_spoken: bool,
) -> ResponsePlan:
    """Combine session and request; raise `ClientError` for what cannot be honoured."""
    prompted = _prompted(session, asked, offer)
    every = _or(asked.tools, prompted.tools)
    tools, choice = _tools(every, session, asked, offer)
    own = () if every is session.tools else mcp.servers(every)
    audio_format, voice = session.audio.output.format, voice_name(session.audio.output.voice)
    if asked.audio is not UNSET and asked.audio.output is not UNSET:
        output = asked.audio.output
        audio_format = audio_format if output.format is UNSET else output.format
        if output.voice is not UNSET:
            path = "response.audio.output.voice"
            wanted = check_voice(output.voice, path, offer)
            if wanted != voice and has_spoken:
                raise errors.cannot_update_voice(path)
            voice = wanted
    modalities = _or(asked.output_modalities, session.output_modalities)
    return ResponsePlan(
        modality=modalities[0],
        instructions=_or(asked.instructions, prompted.instructions),
        voice=voice,
        format=audio_format,
        speed=session.audio.output.speed,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=_or(asked.parallel_tool_calls, _or(session.parallel_tool_calls, True)),
        max_output_tokens=_or(asked.max_output_tokens, session.max_output_tokens),
        truncation=session.truncation,
        reasoning_effort=_effort(session, asked, offer),
        in_conversation=asked.conversation == "auto",
        metadata=_or(asked.metadata, None),
        servers=mcp.servers(every),
        awaited=frozenset(each.server_label for each in own if each.server_url is not UNSET),
    )


def request(
    planned: ResponsePlan, turns: tuple[Turn, ...], session_key: str, edition: int = 0
) -> ResponseRequest:
    """Return what a responder is asked for."""
    most = planned.max_output_tokens
    choice = planned.tool_choice
    return ResponseRequest(
        instructions=planned.instructions,
        context=turns,
        modality=planned.modality,
        voice=planned.voice,
        tools=tuple(_tool(tool) for tool in planned.tools),
        tool_choice=llm.NamedTool(choice.name)
        if isinstance(choice, FunctionChoice)
        else _plain(choice),
        parallel_tool_calls=planned.parallel_tool_calls,
        max_output_tokens=most if isinstance(most, int) else None,
        session_key=session_key,
        edition=edition,
        reasoning_effort=planned.reasoning_effort,
        keeps_all=planned.truncation == "disabled",
    )


def room(planned: ResponsePlan, offer: SessionOffer) -> Room:
    """Return how much of a conversation fits beside instructions, tools and the answer."""
    described = (f"{tool.name}{tool.description}{tool.parameters}" for tool in planned.tools)
    fixed = _FRAME_TOKENS + text_size(planned.instructions)
    if planned.tools:
        fixed += _TOOL_FRAME_TOKENS + sum(text_size(text) for text in described)
    reserved = reserved_tokens(planned.max_output_tokens, offer)
    return Room.of(planned.truncation, max(1, offer.context_tokens - reserved - fixed))


def _prompted(session: RealtimeSession, asked: ResponseParameters, offer: SessionOffer) -> Filled:
    """Return the instructions and tools of a response that names none itself."""
    if asked.prompt is UNSET:
        return Filled(session.instructions, session.tools)
    filled = fill(asked.prompt, "response.prompt", offer.prompts)
    check_tools(filled.tools, "response.prompt", offer)
    return Filled(filled.instructions or session.instructions, filled.tools or session.tools)


def _effort(
    session: RealtimeSession, asked: ResponseParameters, offer: SessionOffer
) -> llm.Effort | None:
    if asked.reasoning is not UNSET:
        check_reasoning("response.reasoning", offer)
        return asked.reasoning.effort
    return None if session.reasoning is UNSET else session.reasoning.effort


def _tools(
    every: tuple[Tool, ...],
    session: RealtimeSession,
    asked: ResponseParameters,
    offer: SessionOffer,
) -> tuple[tuple[FunctionTool, ...], ToolChoice]:
    if asked.tools is not UNSET:
        check_tools(asked.tools, "response.tools", offer)
    if asked.tool_choice is not UNSET:
        check_tool_choice(asked.tool_choice, every, "response.tool_choice")
    tools = functions(every)
    choice = _or(asked.tool_choice, session.tool_choice)
    if isinstance(choice, McpChoice) and asked.tools is not UNSET and asked.tool_choice is UNSET:
        is_there = choice.server_label in {each.server_label for each in mcp.servers(every)}
        return tools, choice if is_there else "auto"
    if isinstance(choice, FunctionChoice) and choice.name not in {tool.name for tool in tools}:
        if asked.tool_choice is UNSET:
            # The session's choice names a tool that this response does not have.
            return tools, "auto"
        raise errors.invalid_value(
            "response.tool_choice.name", choice.name, [tool.name for tool in tools]
        )
    return tools, choice


def _tool(tool: FunctionTool) -> llm.Tool:
    return llm.Tool(
        name=tool.name,
        description=_or(tool.description, ""),
        parameters=_or(tool.parameters, _NO_ARGUMENTS),
    )


def _plain(choice: ToolChoice) -> Literal["auto", "none", "required"]:
    return choice if isinstance(choice, str) else "auto"


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is UNSET else value
