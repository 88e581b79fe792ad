"""Sessions as the server describes them, and the patches with which clients change them.

In a patch every field may be absent (unchanged) and some may be null (cleared). Objects that hold
settings merge; leaf objects such as `TurnDetection` are replaced whole, their gaps filled with the
defaults below.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from antiphon.protocol.wire import Tagged, Wire

SAMPLE_RATE_HZ = 24_000
"""The rate of `audio/pcm`; the wire knows no other."""

MAX_OUTPUT_TOKENS = 4096
MAX_TOOLS = 128
MAX_TOOL_NAME_CHARACTERS = 64
MAX_PREFIX_PADDING_MS = 10_000
MAX_SILENCE_DURATION_MS = 60_000

Modality: TypeAlias = Literal["text", "audio"]
OutputModalities: TypeAlias = tuple[Modality]
"""One modality: audio brings its transcript along."""

Include: TypeAlias = tuple[Literal["item.input_audio_transcription.logprobs"], ...]
MaxOutputTokens: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_OUTPUT_TOKENS)] | Literal["inf"]
Speed: TypeAlias = Annotated[float, Meta(ge=0.25, le=1.5)]


# Audio


class PcmFormat(Tagged, frozen=True, kw_only=True, tag="audio/pcm"):
    """16-bit little-endian mono samples."""

    rate: Literal[24000] = 24000


class PcmuFormat(Tagged, frozen=True, kw_only=True, tag="audio/pcmu"):
    """G.711 mu-law: 8 kHz, one byte a sample."""


class PcmaFormat(Tagged, frozen=True, kw_only=True, tag="audio/pcma"):
    """G.711 A-law: 8 kHz, one byte a sample."""


AudioFormat: TypeAlias = PcmFormat | PcmuFormat | PcmaFormat


class Transcription(Wire, frozen=True, kw_only=True):
    """How the user's speech is transcribed."""

    model: str
    """Name of a transcription deployment."""

    language: str | None = None
    """ISO 639-1; null: the transcriber finds out."""

    prompt: str | None = None
    """Words to expect."""

    languages: tuple[str, ...] | UnsetType = UNSET
    """Candidates, for models that choose among several languages."""

    keywords: tuple[str, ...] | UnsetType = UNSET
    """Phrases to favour."""

    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | UnsetType = UNSET
    """Latency against accuracy, for models that transcribe while the user speaks."""


class NoiseReduction(Wire, frozen=True, kw_only=True):
    """What kind of microphone the noise reduction should expect."""

    type: Literal["near_field", "far_field"]
    strength: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET


Threshold: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
PrefixPaddingMs: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_PREFIX_PADDING_MS)]
SilenceDurationMs: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_SILENCE_DURATION_MS)]
IdleTimeoutMs: TypeAlias = Annotated[int, Meta(ge=5_000, le=30_000)]
Eagerness: TypeAlias = Literal["low", "medium", "high", "auto"]


class ServerVad(Tagged, frozen=True, kw_only=True, tag="server_vad"):
    """Turns end with silence."""

    threshold: Threshold = 0.5
    """Speech probability from which a frame counts as speech."""

    prefix_padding_ms: PrefixPaddingMs = 300
    """Audio kept from before the first frame of speech."""

    silence_duration_ms: SilenceDurationMs = 200
    """Silence that ends a turn."""

    idle_timeout_ms: IdleTimeoutMs | None = None
    """Silence after a reply that makes the assistant speak again; null: it waits for ever."""

    create_response: bool = True
    """Whether the end of a turn starts a response."""

    interrupt_response: bool = True
    """Whether the start of a turn cancels a response."""


class SemanticVad(Tagged, frozen=True, kw_only=True, tag="semantic_vad"):
    """Turns end when the user seems to have finished."""

    eagerness: Eagerness = "auto"
    """How soon to take the turn; auto is medium."""

    create_response: bool = True
    """Whether the end of a turn starts a response."""

    interrupt_response: bool = True
    """Whether the start of a turn cancels a response."""


TurnDetection: TypeAlias = ServerVad | SemanticVad


class CustomVoice(Wire, frozen=True, kw_only=True):
    """A voice that is not built in."""

    id: str


Voice: TypeAlias = str | CustomVoice


# Tools


class FunctionTool(Tagged, frozen=True, kw_only=True, tag="function"):
    """A function of the client."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_TOOL_NAME_CHARACTERS)]
    description: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    """JSON Schema of the arguments."""


class ToolFilter(Wire, frozen=True, kw_only=True):
    """Some of an MCP server's tools."""

    tool_names: tuple[str, ...] | UnsetType = UNSET
    read_only: bool | UnsetType = UNSET


class ApprovalFilter(Wire, frozen=True, kw_only=True):
    """Which tools need the client's approval."""

    always: ToolFilter | UnsetType = UNSET
    never: ToolFilter | UnsetType = UNSET


class McpTool(Tagged, frozen=True, kw_only=True, tag="mcp"):
    """The tools of an MCP server, which our server calls itself."""

    server_label: Annotated[str, Meta(min_length=1, max_length=MAX_TOOL_NAME_CHARACTERS)]
    server_url: str | UnsetType = UNSET
    connector_id: (
        Literal[
            "connector_dropbox",
            "connector_gmail",
            "connector_googlecalendar",
            "connector_googledrive",
            "connector_microsoftteams",
            "connector_outlookcalendar",
            "connector_outlookemail",
            "connector_sharepoint",
        ]
        | UnsetType
    ) = UNSET
    tunnel_id: str | UnsetType = UNSET
    authorization: str | UnsetType = UNSET
    """A secret: never sent back."""

    headers: dict[str, str] | UnsetType = UNSET
    """May hold secrets: never sent back."""

    server_description: str | UnsetType = UNSET
    allowed_tools: tuple[str, ...] | ToolFilter | UnsetType = UNSET
    require_approval: Literal["always", "never"] | ApprovalFilter | UnsetType = UNSET
    defer_loading: bool | UnsetType = UNSET
    allowed_callers: tuple[Literal["direct", "programmatic"], ...] | UnsetType = UNSET


Tool: TypeAlias = FunctionTool | McpTool
Tools: TypeAlias = Annotated[tuple[Tool, ...], Meta(max_length=MAX_TOOLS)]


class FunctionChoice(Tagged, frozen=True, kw_only=True, tag="function"):
    """Force one function."""

    name: str


class McpChoice(Tagged, frozen=True, kw_only=True, tag="mcp"):
    """Force an MCP server, or one of its tools."""

    server_label: str
    name: str | UnsetType = UNSET


ToolChoice: TypeAlias = Literal["none", "auto", "required"] | FunctionChoice | McpChoice


# Other settings


MAX_TRACE_NAME_CHARACTERS = 256

TraceName: TypeAlias = Annotated[str, Meta(max_length=MAX_TRACE_NAME_CHARACTERS)]


class TracingConfiguration(Wire, frozen=True, kw_only=True):
    """Names under which a session is traced."""

    workflow_name: TraceName | UnsetType = UNSET
    group_id: TraceName | UnsetType = UNSET
    metadata: Any = UNSET


Tracing: TypeAlias = Literal["auto"] | TracingConfiguration


class TokenLimits(Wire, frozen=True, kw_only=True):
    """Limits that apply when the conversation is truncated."""

    post_instructions: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    """Tokens of the conversation after instructions and tools."""


class RetentionRatio(Tagged, frozen=True, kw_only=True, tag="retention_ratio"):
    """Truncate to a share of the context, so that the next turns need no truncation."""

    retention_ratio: Annotated[float, Meta(ge=0, le=1)]
    token_limits: TokenLimits | UnsetType = UNSET


Truncation: TypeAlias = Literal["auto", "disabled"] | RetentionRatio


class Prompt(Wire, frozen=True, kw_only=True):
    """A stored prompt."""

    id: str
    version: str | None = None
    variables: dict[str, Any] | None = None


class Reasoning(Wire, frozen=True, kw_only=True):
    """How long a reasoning model thinks."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"]


# The effective session


class AudioInput(Wire, frozen=True, kw_only=True):
    """How the session listens."""

    format: AudioFormat = PcmFormat()
    transcription: Transcription | None = None
    """Null: the user's speech is not transcribed for the client."""

    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = ServerVad()
    """Null: the client commits the turns."""


class AudioOutput(Wire, frozen=True, kw_only=True):
    """How the session speaks."""

    format: AudioFormat = PcmFormat()
    voice: Voice = "alloy"
    speed: Speed = 1.0


class Audio(Wire, frozen=True, kw_only=True):
    """How the session listens and speaks."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class RealtimeSession(Tagged, frozen=True, kw_only=True, tag="realtime"):
    """The complete configuration of a spoken conversation, as the server tells it."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str
    """The deployment named when connecting; an update never changes it."""

    output_modalities: OutputModalities = ("audio",)
    instructions: str = ""
    tools: Tools = ()
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxOutputTokens = "inf"
    tracing: Tracing | None = None
    truncation: Truncation = "auto"
    prompt: Prompt | None = None
    expires_at: int
    """Unix time in seconds."""

    audio: Audio = Audio()
    include: Include | None = None
    reasoning: Reasoning | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET


class TranscriptionServerVad(Tagged, frozen=True, kw_only=True, tag="server_vad"):
    """`ServerVad` as a session without responses tells it."""

    threshold: Threshold = 0.5
    prefix_padding_ms: PrefixPaddingMs = 300
    silence_duration_ms: SilenceDurationMs = 200
    idle_timeout_ms: IdleTimeoutMs | None = None


class TranscriptionSemanticVad(Tagged, frozen=True, kw_only=True, tag="semantic_vad"):
    """`SemanticVad` as a session without responses tells it."""

    eagerness: Eagerness = "auto"


class TranscriptionAudioInput(Wire, frozen=True, kw_only=True):
    """How a transcription session listens."""

    format: AudioFormat = PcmFormat()
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TranscriptionServerVad | TranscriptionSemanticVad | None = (
        TranscriptionServerVad()
    )


class TranscriptionAudio(Wire, frozen=True, kw_only=True):
    """How a transcription session listens; it does not speak."""

    input: TranscriptionAudioInput = TranscriptionAudioInput()


class TranscriptionSession(Tagged, frozen=True, kw_only=True, tag="transcription"):
    """The complete configuration of a session that only transcribes."""

    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str
    expires_at: int
    """Unix time in seconds."""

    audio: TranscriptionAudio = TranscriptionAudio()
    include: Include | None = None


Session: TypeAlias = RealtimeSession | TranscriptionSession


# Patches


class AudioInputPatch(Wire, frozen=True, kw_only=True):
    """Changes to how the session listens."""

    format: AudioFormat | UnsetType = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class AudioOutputPatch(Wire, frozen=True, kw_only=True):
    """Changes to how the session speaks."""

    format: AudioFormat | UnsetType = UNSET
    voice: Voice | UnsetType = UNSET
    speed: Speed | UnsetType = UNSET


class AudioPatch(Wire, frozen=True, kw_only=True):
    """Changes to how the session listens and speaks."""

    input: AudioInputPatch | UnsetType = UNSET
    output: AudioOutputPatch | UnsetType = UNSET


class SessionPatch(Wire, frozen=True, kw_only=True):
    """Changes to a session; whatever is absent stays as it is."""

    type: Literal["realtime", "transcription"]
    """The session's own type; another one is refused."""

    model: str | UnsetType = UNSET
    """Accepted whatever it says, and without effect: clients repeat the model they connected to."""

    output_modalities: OutputModalities | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    tools: Tools | UnsetType = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET
    max_output_tokens: MaxOutputTokens | UnsetType = UNSET
    tracing: Tracing | UnsetType | None = UNSET
    truncation: Truncation | UnsetType = UNSET
    prompt: Prompt | UnsetType | None = UNSET
    audio: AudioPatch | UnsetType = UNSET
    include: Include | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
