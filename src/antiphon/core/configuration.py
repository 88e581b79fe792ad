"""The effective configuration of a session: what a deployment offers and what the client chose.

An update is checked as a whole before any of it applies. Whatever this deployment cannot honour is
refused with the name of the field and the way that works; nothing is accepted and ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from msgspec import UNSET, Struct, structs

from antiphon.core import mcp
from antiphon.core.prompts import Filled, StoredPrompt, fill
from antiphon.core.reach import Reach
from antiphon.core.tracing import check_tracing
from antiphon.core.transcription_offer import TranscriptionOffer, TranscriptionSessionOffer
from antiphon.core.transcription_settings import check_include, check_transcription
from antiphon.protocol import errors
from antiphon.protocol.session import (
    Audio,
    AudioInput,
    AudioInputPatch,
    AudioOutput,
    AudioOutputPatch,
    AudioPatch,
    FunctionTool,
    MaxOutputTokens,
    McpChoice,
    Prompt,
    RealtimeSession,
    RetentionRatio,
    SemanticVad,
    ServerVad,
    SessionPatch,
    Tool,
    ToolChoice,
    Truncation,
    TurnDetection,
    Voice,
)

DEFAULT_INSTRUCTIONS = (
    "You are a helpful, friendly voice assistant. Your answers are spoken aloud, so keep them "
    "short: one or two plain sentences, without lists, markup or emoji, unless you are asked for "
    "more. Use only English unless the user asks for another language. If you did not understand, "
    "say so and ask. Do not mention these rules."
)

_RESERVED_TOKENS = 1_024
"""What a context leaves free for the answer when no maximum is asked for."""
_LARGEST_RESERVED_SHARE = 4
"""Of the context, at most a quarter is left free for the answer."""


@dataclass(frozen=True, slots=True)
class SessionOffer:
    """What a deployment offers to each of its sessions, and the limits it sets."""

    model: str
    voices: frozenset[str] | None
    """None: not known beforehand; any name is handed on."""
    hears: Literal["transcript", "audio"] = "transcript"
    """How spoken turns reach the responder."""
    transcription_models: Mapping[str, TranscriptionOffer] = field(
        default_factory=lambda: MappingProxyType[str, TranscriptionOffer]({})
    )
    default_voice: str = "alloy"
    silence_duration_ms: int = 200
    instructions: str = DEFAULT_INSTRUCTIONS
    tools: bool = True
    context_tokens: int = 32_768
    predicts_turns: bool = False
    """Whether somebody hears from the voice that a turn is over."""
    guards_echo: bool = False
    """Whether the assistant's own voice in the input begins no turn."""
    sees: bool = False
    """Whether pictures can be shown."""
    reasons: bool = False
    """Whether the model can be told how long to think."""
    prompts: Mapping[str, StoredPrompt] = field(
        default_factory=lambda: MappingProxyType[str, StoredPrompt]({})
    )
    answers_drafts: bool = False
    """Whether to begin an answer while the user still speaks, and to drop it if more is said."""
    tokens_per_minute: int = 1_000_000
    max_session_s: float = 3_600
    response_patience_s: float = 60
    """Longest wait for the next piece of a response before it fails."""
    reach: Reach = field(default_factory=Reach)
    """Which MCP servers a client may name."""
    list_patience_s: float = 30
    """Longest wait for the tools of an MCP server."""
    call_patience_s: float = 60
    """Longest wait for the answer of an MCP tool."""
    transcription_patience_s: float = 30
    """Longest wait for the transcript of a complete turn before it fails."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What, besides the configuration itself, decides whether an update is possible."""

    has_spoken: bool
    """Whether the assistant has produced audio."""
    is_buffering: bool
    """Whether input audio waits for its commit."""


def initial_session(offer: SessionOffer, session_id: str, now: float) -> RealtimeSession:
    """Return the configuration with which a session starts."""
    return RealtimeSession(
        id=session_id,
        model=offer.model,
        instructions=offer.instructions,
        expires_at=int(now + offer.max_session_s),
        audio=Audio(
            input=AudioInput(
                turn_detection=ServerVad(silence_duration_ms=offer.silence_duration_ms)
            ),
            output=AudioOutput(voice=offer.default_voice),
        ),
    )


def update(
    session: RealtimeSession, patch: SessionPatch, offer: SessionOffer, around: Circumstances
) -> RealtimeSession:
    """Return the session changed by a patch; raise `ClientError` and change nothing if refused.

    Spec: absent fields stay, null clears, objects of settings merge, leaf objects are replaced.
    """
    if patch.type != "realtime":
        raise errors.wrong_session_type(patch.type, "realtime")
    if patch.tracing is not UNSET:
        check_tracing(session.tracing, patch.tracing)
    if patch.reasoning is not UNSET:
        check_reasoning("session.reasoning", offer)
    if patch.truncation is not UNSET:
        _check_truncation(patch.truncation, session, patch, offer)
    if patch.tools is not UNSET:
        check_tools(patch.tools, "session.tools", offer)
    if patch.tool_choice is not UNSET:
        tools = session.tools if patch.tools is UNSET else patch.tools
        check_tool_choice(patch.tool_choice, tools, "session.tool_choice")
    changes = {
        name: value
        for name, value in _present(patch).items()
        if name not in ("type", "model", "audio")
    } | _prompted(session, patch, offer)
    if patch.audio is not UNSET:
        changes["audio"] = _hear_and_speak(session.audio, patch.audio, offer, around)
    changed = structs.replace(session, **changes)
    check_include(changed.include, changed.audio.input.transcription, offer.transcription_models)
    return changed


def voice_name(voice: Voice) -> str:
    """Return the name of a built-in voice, or the id of another."""
    return voice if isinstance(voice, str) else voice.id


def check_voice(voice: Voice, path: str, offer: SessionOffer) -> str:
    """Return the name of a voice that this deployment speaks with."""
    name = voice_name(voice)
    if offer.voices is not None and name not in offer.voices:
        place = path if isinstance(voice, str) else f"{path}.id"
        raise errors.invalid_value(place, name, sorted(offer.voices))
    return name


def check_reasoning(path: str, offer: SessionOffer) -> None:
    """Refuse to tell a model how long to think that cannot be told."""
    if not offer.reasons:
        raise errors.not_supported(
            path,
            f"Reasoning effort with the model '{offer.model}'",
            "Leave it out, or connect to a deployment whose model takes it.",
        )


def reserved_tokens(most: MaxOutputTokens, offer: SessionOffer) -> int:
    """Return what a context leaves free for the answer."""
    wanted = most if isinstance(most, int) else _RESERVED_TOKENS
    return min(wanted, offer.context_tokens // _LARGEST_RESERVED_SHARE)


def check_tools(tools: tuple[Tool, ...], path: str, offer: SessionOffer) -> None:
    """Refuse tools that this server or this deployment cannot call."""
    if tools and not offer.tools:
        raise errors.not_supported(
            path, f"Tool calling with the model '{offer.model}'", "Connect to another deployment."
        )
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, FunctionTool):
            continue
        if tool.name in names:
            raise errors.unusable_value(
                f"{path}[{index}].name",
                f"Duplicate function name '{tool.name}'. Give every function a name of its own.",
            )
        names.add(tool.name)


def check_tool_choice(choice: ToolChoice, tools: tuple[Tool, ...], path: str) -> None:
    """Refuse the choice of an MCP server that is not among the tools."""
    labels = [each.server_label for each in mcp.servers(tools)]
    if isinstance(choice, McpChoice) and choice.server_label not in labels:
        raise errors.invalid_value(
            f"{path}.server_label",
            choice.server_label,
            labels,
            "Choose a server that stands in `tools`.",
        )


def functions(tools: tuple[Tool, ...]) -> tuple[FunctionTool, ...]:
    """Return the functions among tools that have been checked."""
    return tuple(tool for tool in tools if isinstance(tool, FunctionTool))


def _prompted(
    session: RealtimeSession, patch: SessionPatch, offer: SessionOffer
) -> dict[str, object]:
    """Return what follows from the prompt for instructions and tools that the client leaves open.

    What equals the prompt's, or the stock instructions, is what the client left open before.
    """
    before = _base(session.prompt, offer)
    after = before
    changes: dict[str, object] = {}
    if patch.prompt is not UNSET:
        after = _base(patch.prompt, offer)
        check_tools(after.tools, "session.prompt", offer)
        if session.instructions == before.instructions:
            changes["instructions"] = after.instructions
        if session.tools == before.tools:
            changes["tools"] = after.tools
    if patch.instructions is not UNSET:
        # Observed: an empty string brings the stock instructions back.
        changes["instructions"] = patch.instructions or after.instructions
    if patch.tools is not UNSET:
        changes["tools"] = patch.tools
    return changes


def _base(prompt: Prompt | None, offer: SessionOffer) -> Filled:
    if prompt is None:
        return Filled(offer.instructions)
    filled = fill(prompt, "session.prompt", offer.prompts)
    return replace(filled, instructions=filled.instructions or offer.instructions)


def _check_truncation(
    truncation: Truncation, session: RealtimeSession, patch: SessionPatch, offer: SessionOffer
) -> None:
    if not isinstance(truncation, RetentionRatio) or truncation.token_limits is UNSET:
        return
    most = truncation.token_limits.post_instructions
    answer = session.max_output_tokens
    answer = answer if patch.max_output_tokens is UNSET else patch.max_output_tokens
    highest = offer.context_tokens - reserved_tokens(answer, offer)
    if most is not UNSET and most > highest:
        # Spec: no higher than the model's context without the longest answer.
        raise errors.integer_above_max_value(
            "session.truncation.token_limits.post_instructions", highest, most
        )


def _hear_and_speak(
    current: Audio, patch: AudioPatch, offer: SessionOffer, around: Circumstances
) -> Audio:
    if patch.input is not UNSET:
        current = structs.replace(current, input=listen(current.input, patch.input, offer, around))
    if patch.output is not UNSET:
        output = _speak(current.output, patch.output, offer, around)
        current = structs.replace(current, output=output)
    return current


def listen(
    current: AudioInput,
    patch: AudioInputPatch,
    offer: SessionOffer | TranscriptionSessionOffer,
    around: Circumstances,
) -> AudioInput:
    """Return how a session listens, changed by a patch; raise `ClientError` if refused."""
    path = "session.audio.input"
    if patch.format is not UNSET and patch.format != current.format and around.is_buffering:
        raise errors.unusable_value(
            f"{path}.format",
            "Cannot change the input format while audio is buffered. "
            "Commit or clear the input buffer first.",
        )
    if patch.turn_detection is not UNSET:
        _check_turn_detection(patch.turn_detection, f"{path}.turn_detection", offer)
    if patch.transcription is not UNSET and patch.transcription is not None:
        check_transcription(
            patch.transcription, f"{path}.transcription", offer.transcription_models
        )
    return structs.replace(current, **_present(patch))


def _speak(
    current: AudioOutput, patch: AudioOutputPatch, offer: SessionOffer, around: Circumstances
) -> AudioOutput:
    if patch.voice is not UNSET:
        check_voice(patch.voice, "session.audio.output.voice", offer)
        is_other = voice_name(patch.voice) != voice_name(current.voice)
        if is_other and around.has_spoken:
            raise errors.cannot_update_voice()
    return structs.replace(current, **_present(patch))


def _check_turn_detection(
    detection: TurnDetection | None, path: str, offer: SessionOffer | TranscriptionSessionOffer
) -> None:
    means = isinstance(detection, SemanticVad) and not offer.predicts_turns
    if means and isinstance(offer, SessionOffer) and offer.hears != "transcript":
        raise errors.not_supported(
            f"{path}.type",
            f"Turn detection by meaning (semantic_vad) with the model '{offer.model}'",
            'Use type "server_vad".',
        )


def _present(patch: Struct) -> dict[str, object]:
    fields = {name: getattr(patch, name) for name in patch.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not UNSET}
