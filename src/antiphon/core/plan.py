"""What one response is to be: the session's settings, and what `response.create` asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import UNSET

from antiphon.core.configuration import (
    SessionOffer,
    check_tool_choice,
    check_tools,
    check_voice,
    functions,
)
from antiphon.core.context import text_tokens
from antiphon.engines import llm
from antiphon.engines.responder import ResponseRequest, Turn
from antiphon.protocol import errors
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.session import (
    AudioFormat,
    FunctionChoice,
    FunctionTool,
    MaxOutputTokens,
    RealtimeSession,
    ToolChoice,
    Truncation,
)

_NO_ARGUMENTS: dict[str, object] = {"type": "object", "properties": {}}


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
    in_conversation: bool = True
    metadata: Mapping[str, Any] | None = None


def plan(
    session: RealtimeSession,
    asked: ResponseParameters,
    offer: SessionOffer,
    *,
    has_spoken: bool,
) -> ResponsePlan:
    """Combine session and request; raise `ClientError` for what cannot be honoured."""
    _refuse_unbuilt(asked)
    tools, choice = _tools(session, asked, offer)
    audio_format, voice = session.audio.output.format, str(session.audio.output.voice)
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
        instructions=_or(asked.instructions, session.instructions),
        voice=voice,
        format=audio_format,
        speed=session.audio.output.speed,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=_or(asked.parallel_tool_calls, _or(session.parallel_tool_calls, True)),
        max_output_tokens=_or(asked.max_output_tokens, session.max_output_tokens),
        truncation=session.truncation,
        in_conversation=asked.conversation == "auto",
        metadata=_or(asked.metadata, None),
    )


def request(planned: ResponsePlan, turns: tuple[Turn, ...], session_key: str) -> ResponseRequest:
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
    )


def fixed_tokens(planned: ResponsePlan) -> int:
    """Estimate what instructions and tools take of the model's context."""
    described = (f"{tool.name}{tool.description}{tool.parameters}" for tool in planned.tools)
    return text_tokens(planned.instructions) + sum(text_tokens(text) for text in described)


def _tools(
    session: RealtimeSession, asked: ResponseParameters, offer: SessionOffer
) -> tuple[tuple[FunctionTool, ...], ToolChoice]:
    if asked.tools is not UNSET:
        check_tools(asked.tools, "response.tools", offer)
    if asked.tool_choice is not UNSET:
        check_tool_choice(asked.tool_choice, "response.tool_choice")
    tools = functions(_or(asked.tools, session.tools))
    choice = _or(asked.tool_choice, session.tool_choice)
    if isinstance(choice, FunctionChoice) and choice.name not in {tool.name for tool in tools}:
        if asked.tool_choice is UNSET:
            # The session's choice names a tool that this response does not have.
            return tools, "auto"
        raise errors.invalid_value(
            "response.tool_choice.name", choice.name, [tool.name for tool in tools]
        )
    return tools, choice


def _refuse_unbuilt(asked: ResponseParameters) -> None:
    if asked.prompt is not UNSET:
        raise errors.not_supported(
            "response.prompt", "A stored prompt", "Send its text as response.instructions."
        )
    if asked.reasoning is not UNSET:
        raise errors.not_supported(
            "response.reasoning",
            "Reasoning effort",
            "Leave it out; the deployment's model decides for itself.",
        )


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
