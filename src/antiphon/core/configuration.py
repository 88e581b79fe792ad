"""The effective configuration of a session: what a deployment offers and what the client chose.

An update is checked as a whole before any of it applies. Whatever this deployment cannot honour is
refused with the name of the field and the way that works; nothing is accepted and ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from msgspec import UNSET, Struct, structs

from antiphon.core.transcription_offer import TranscriptionOffer, TranscriptionSessionOffer
from antiphon.protocol import errors
from antiphon.protocol.session import (
    Audio,
    AudioInput,
    AudioInputPatch,
    AudioOutput,
    AudioOutputPatch,
    AudioPatch,
    FunctionTool,
    McpChoice,
    McpTool,
    RealtimeSession,
    SemanticVad,
    ServerVad,
    SessionPatch,
    Tool,
    ToolChoice,
    Transcription,
    TurnDetection,
    Voice,
)

DEFAULT_INSTRUCTIONS = (
    "You are a helpful, friendly voice assistant. Your answers are spoken aloud, so keep them "
    "short: one or two plain sentences, without lists, markup or emoji, unless you are asked for "
    "more. Use only English unless the user asks for another language. If you did not understand, "
    "say so and ask. Do not mention these rules."
)


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
    answers_drafts: bool = False
    """Whether to begin an answer while the user still speaks, and to drop it if more is said."""
    tokens_per_minute: int = 1_000_000
    max_session_s: float = 3_600
    response_patience_s: float = 60
    """Longest wait for the next piece of a response before it fails."""
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
    _refuse_unbuilt(patch)
    if patch.tools is not UNSET:
        check_tools(patch.tools, "session.tools", offer)
    if patch.tool_choice is not UNSET:
        check_tool_choice(patch.tool_choice, "session.tool_choice")
    changes = {
        name: value
        for name, value in _present(patch).items()
        if name not in ("type", "model", "audio")
    }
    if patch.instructions is not UNSET and not patch.instructions:
        # Observed: an empty string brings the stock instructions back.
        changes["instructions"] = offer.instructions
    if patch.audio is not UNSET:
        changes["audio"] = _hear_and_speak(session.audio, patch.audio, offer, around)
    return structs.replace(session, **changes)


def check_voice(voice: Voice, path: str, offer: SessionOffer) -> str:
    """Return the name of a voice that this deployment speaks with."""
    if not isinstance(voice, str):
        raise errors.not_supported(
            path,
            "A custom voice",
            f"Use one of the built-in voices: {', '.join(sorted(offer.voices or ()))}.",
        )
    if offer.voices is not None and voice not in offer.voices:
        raise errors.invalid_value(path, voice, sorted(offer.voices))
    return voice


def check_tools(tools: tuple[Tool, ...], path: str, offer: SessionOffer) -> None:
    """Refuse tools that this server or this deployment cannot call."""
    if tools and not offer.tools:
        raise errors.not_supported(
            path, f"Tool calling with the model '{offer.model}'", "Connect to another deployment."
        )
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if isinstance(tool, McpTool):
            raise errors.not_supported(
                f"{path}[{index}].type",
                "An MCP tool",
                "Call the MCP server in your application and offer its tools as functions.",
            )
        if tool.name in names:
            raise errors.unusable_value(
                f"{path}[{index}].name",
                f"Duplicate function name '{tool.name}'. Give every function a name of its own.",
            )
        names.add(tool.name)


def check_tool_choice(choice: ToolChoice, path: str) -> None:
    """Refuse a choice of tools that this server cannot honour."""
    if isinstance(choice, McpChoice):
        raise errors.not_supported(
            path, "Choosing an MCP server", 'Use "auto", "required" or a function by name.'
        )


def functions(tools: tuple[Tool, ...]) -> tuple[FunctionTool, ...]:
    """Return the functions among tools that have been checked."""
    return tuple(tool for tool in tools if isinstance(tool, FunctionTool))


def _refuse_unbuilt(patch: SessionPatch) -> None:
    if patch.prompt is not UNSET and patch.prompt is not None:
        raise errors.not_supported(
            "session.prompt", "A stored prompt", "Send its text as session.instructions."
        )
    if patch.reasoning is not UNSET:
        raise errors.not_supported(
            "session.reasoning",
            "Reasoning effort",
            "Leave it out; the deployment's model decides for itself.",
        )
    if patch.include is not UNSET and patch.include:
        raise errors.not_supported(
            "session.include",
            "Including log-probabilities of transcripts",
            "Send null, or leave it out.",
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
    if patch.noise_reduction is not UNSET and patch.noise_reduction is not None:
        raise errors.not_supported(
            f"{path}.noise_reduction",
            "Noise reduction",
            "Send null, and reduce noise in the client if it is needed.",
        )
    if patch.turn_detection is not UNSET:
        _check_turn_detection(patch.turn_detection, f"{path}.turn_detection", offer)
    if patch.transcription is not UNSET and patch.transcription is not None:
        _check_transcription(patch.transcription, f"{path}.transcription", offer)
    return structs.replace(current, **_present(patch))


def _speak(
    current: AudioOutput, patch: AudioOutputPatch, offer: SessionOffer, around: Circumstances
) -> AudioOutput:
    if patch.voice is not UNSET:
        check_voice(patch.voice, "session.audio.output.voice", offer)
        if patch.voice != current.voice and around.has_spoken:
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
    if isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None:
        raise errors.not_supported(
            f"{path}.idle_timeout_ms",
            "An idle timeout",
            "Send null, and send response.create when the user has been silent too long.",
        )


def _check_transcription(
    wanted: Transcription, path: str, offer: SessionOffer | TranscriptionSessionOffer
) -> None:
    for name in ("languages", "keywords", "delay"):
        if getattr(wanted, name) is not UNSET:
            raise errors.not_supported(
                f"{path}.{name}", f"The transcription setting '{name}'", "Leave it out."
            )
    known = offer.transcription_models.get(wanted.model)
    if known is None:
        return
    if wanted.language and known.languages is not None and wanted.language not in known.languages:
        raise errors.invalid_value(f"{path}.language", wanted.language, sorted(known.languages))
    if wanted.prompt and not known.prompts:
        raise errors.not_supported(
            f"{path}.prompt",
            f"A prompt for the transcriber behind '{wanted.model}'",
            "Leave it out, or name a deployment whose transcriber takes one.",
        )


def _present(patch: Struct) -> dict[str, object]:
    fields = {name: getattr(patch, name) for name in patch.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not UNSET}
