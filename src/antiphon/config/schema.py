"""What may be set: every key with its type, its limits, its default and one sentence.

`docs/reference/settings.md` is generated from this module.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.engines.plugins import EngineKind
from antiphon.protocol.session import Tool

ProfileName = Literal["test", "small", "default"]
TranscriptionModel = Literal[
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
    "gpt-transcribe",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
]
"""Names that clients ask for as input transcription out of the box."""
DeploymentKind = Literal["realtime", "transcription", "translation"]
Language = Literal["en", "es", "pt", "fr", "ja", "ru", "zh", "de", "ko", "hi", "id", "vi", "it"]
Stage = Literal["vad", "noise", "turn", "stt", "llm", "tts", "responder"]

Port = Annotated[int, Meta(ge=0, le=65_535)]
Name = Annotated[str, Meta(min_length=1)]
Milliseconds = Annotated[int, Meta(ge=0, le=10_000)]
Minutes = Annotated[int, Meta(ge=1, le=1440)]
Rate = Annotated[str, Meta(min_length=1)]
Key = Annotated[str, Meta(pattern=r"\A([A-Za-z0-9_.-]{1,64}=)?sha256:[0-9a-f]{64}\Z")]

ENGINE_KINDS: Mapping[Stage, EngineKind] = {
    "vad": "vad",
    "noise": "noise_reducer",
    "turn": "turn",
    "stt": "transcriber",
    "llm": "language_model",
    "tts": "synthesizer",
    "responder": "responder",
}
"""Which kind of engine fills a stage of a deployment."""


BUILT_IN_VOICES = frozenset(
    {"alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"}
)


class ServerSettings(Struct, frozen=True, kw_only=True):
    """The section `[server]`."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port for http and ws; 0 takes a free one.")] = 8080
    tls: Annotated[bool, Meta(description="Whether to listen for https and wss as well.")] = True
    tls_port: Annotated[Port, Meta(description="Port for https and wss; 0 takes a free one.")] = (
        8443
    )
    tls_certificate: Annotated[
        str | None,
        Meta(
            description="PEM file with a certificate and its chain; unset: the local authority's."
        ),
    ] = None
    tls_key: Annotated[
        str | None, Meta(description="PEM file with the private key of `tls_certificate`.")
    ] = None
    profile: Annotated[
        ProfileName,
        Meta(description="Which embedded engines fill the stages that a deployment leaves out."),
    ] = "default"
    max_sessions: Annotated[
        Annotated[int, Meta(ge=1)] | Literal["auto"],
        Meta(
            description="Sessions at once; one more is refused with 429. `auto`: 1000, and fewer "
            "while the server lags."
        ),
    ] = "auto"
    session_minutes: Annotated[Minutes, Meta(description="How long a session may last.")] = 60
    resume_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="How long a session waits for a client that asked to be able to come back "
            "and has lost its connection; 0: no session can be resumed.",
        ),
    ] = 120
    max_parked_sessions: Annotated[
        int,
        Meta(
            ge=1,
            description="How many sessions may wait for their clients; with one more, the one that "
            "has waited longest ends.",
        ),
    ] = 32
    drain_seconds: Annotated[
        float,
        Meta(ge=0, le=3600, description="How long running responses may go on at shutdown."),
    ] = 30.0
    trace_dir: Annotated[
        str | None, Meta(description="Directory in which each session is recorded; unset: none is.")
    ] = None
    weights_dir: Annotated[
        str | None, Meta(description="Directory to look for weights in before any download.")
    ] = None
    offline: Annotated[bool, Meta(description="Whether to use only weights that are here.")] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severity to log.")
    ] = "info"


class AuthSettings(Struct, frozen=True, kw_only=True):
    """The section `[auth]`."""

    keys: Annotated[
        tuple[Key, ...],
        Meta(
            description="SHA-256 of each API key as `sha256:` and 64 hexadecimal digits, or "
            "`NAME=sha256:…`; those of `antiphon keys create` count as well. None at all: any key "
            "is accepted, on loopback."
        ),
    ] = ()


class QuotaSettings(Struct, frozen=True, kw_only=True):
    """What one key or one deployment may use; unset: whatever it likes."""

    requests: Annotated[
        Rate | None,
        Meta(
            description="Openings of sessions, responses and calls over HTTP, in a time or in "
            'several: `"60/minute"`, `"20/second; 5000/day"`.'
        ),
    ] = None
    tokens: Annotated[
        Rate | None,
        Meta(description="Tokens of responses, read and said, text and sound: `100000/minute`."),
    ] = None
    sessions: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Sessions at once.")
    ] = None


class LimitsSettings(QuotaSettings, frozen=True, kw_only=True):
    """The section `[limits]`: what each key may use, and where that is counted."""

    storage: Annotated[
        str,
        Meta(
            description="Where quotas are counted. `memory`: in this process. The address of a "
            "Redis or Valkey server, `redis://HOST:6379`: for all servers that name it."
        ),
    ] = "memory"
    keys: Mapping[str, QuotaSettings] = {}


class McpSettings(Struct, frozen=True, kw_only=True):
    """The section `[mcp]`."""

    allow: Annotated[
        tuple[Name, ...],
        Meta(
            description="MCP servers that clients may have this server call: hosts "
            "(`mcp.example.com`, `*.example.com`, `*` for all), by https at public addresses "
            "only, and origins (`http://10.0.0.5:9000`), wherever they lead. A server that "
            "listens on loopback alone also calls loopback under `*`. `[]`: none."
        ),
    ] = ("*",)


class UsageSettings(Struct, frozen=True, kw_only=True):
    """The section `[usage]`: the ledger of what keys use of deployments."""

    ledger: Annotated[bool, Meta(description="Whether to keep it.")] = True
    directory: Annotated[
        str | None,
        Meta(description="Where its file is; unset: the user's data directory."),
    ] = None
    keep_days: Annotated[int, Meta(ge=1, le=36_500, description="How long its rows are kept.")] = (
        400
    )


class EngineSettings(Struct, frozen=True, kw_only=True):
    """One engine of a deployment: a name, and whatever settings that engine knows."""

    engine: Annotated[str, Meta(min_length=1)]
    settings: Mapping[str, object]


class DeploymentSettings(Struct, frozen=True, kw_only=True):
    """A section `[deployments.NAME]`."""

    kind: Annotated[
        DeploymentKind,
        Meta(
            description="`realtime`: converses. `transcription`: transcribes input. `translation`: "
            "says in another language what it hears."
        ),
    ] = "realtime"
    vad: Annotated[EngineSettings | None, Meta(description="Voice activity detection.")] = None
    noise: Annotated[
        EngineSettings | None,
        Meta(description="Noise reduction, for sessions that ask for it."),
    ] = None
    turn: Annotated[
        EngineSettings | None,
        Meta(
            description="Turn predictor, which hears for `semantic_vad` whether somebody has "
            'finished; `"none"`: the words alone decide.'
        ),
    ] = None
    stt: Annotated[EngineSettings | None, Meta(description="Speech to text.")] = None
    like: Annotated[
        TranscriptionModel | None,
        Meta(
            description="Which transcription model a deployment of kind `transcription` behaves "
            "like: when deltas come, whether speakers are told, how it bills; unset: its name says."
        ),
    ] = None
    llm: Annotated[EngineSettings | None, Meta(description="Language model.")] = None
    tts: Annotated[EngineSettings | None, Meta(description="Text to speech.")] = None
    responder: Annotated[
        EngineSettings | None,
        Meta(description="One engine that answers by itself, instead of `llm` and `tts`."),
    ] = None
    voice: Annotated[Name | None, Meta(description="Voice of a session that asks for none.")] = None
    language: Annotated[
        Language | None,
        Meta(
            description="Into which language a translation session translates unless it is asked "
            "for another; unset: one that its `tts` and `llm` know and its `stt` does not hear."
        ),
    ] = None
    echo_guard: Annotated[
        bool,
        Meta(
            description="Whether the assistant's own voice, coming back through the client's "
            "microphone, begins no turn. For clients that play through a loudspeaker without "
            "cancelling its echo; others would lose the first second spoken over the first reply."
        ),
    ] = False
    silence_duration_ms: Annotated[
        Milliseconds | None,
        Meta(description="Silence that ends a turn in a session that sets nothing."),
    ] = None
    session_minutes: Annotated[
        Minutes | None,
        Meta(description="How long its sessions may last; unset: `session_minutes` of `[server]`."),
    ] = None
    limits: QuotaSettings = QuotaSettings()


class PromptVersionSettings(Struct, frozen=True, kw_only=True):
    """A section `[prompts.ID.VERSION]`."""

    instructions: Annotated[
        str, Meta(description="Text with a place such as `{{name}}` for each variable.")
    ] = ""
    variables: Annotated[
        Mapping[str, str],
        Meta(description="What stands in the places that a client does not fill."),
    ] = {}
    tools: Annotated[
        tuple[Tool, ...], Meta(description="Tools, written as in `session.tools`.")
    ] = ()


class VoiceSettings(Struct, frozen=True, kw_only=True):
    """A section `[voices.ID]`."""

    mix: Annotated[
        Mapping[str, float] | None,
        Meta(
            description="Kokoro: built-in voices, or voice packs by name, and their shares: "
            "`{ alloy = 0.6, echo = 0.4 }`."
        ),
    ] = None
    style: Annotated[
        str | None, Meta(description="Kokoro: a file with a voice pack of your own.")
    ] = None
    accent: Annotated[
        Literal["american", "british"] | None,
        Meta(description="Kokoro: by which rules it reads; unset: those of its largest share."),
    ] = None
    gain: Annotated[
        Annotated[float, Meta(ge=0.1, le=4)] | None,
        Meta(description="Kokoro: brings the voice to the loudness of the others."),
    ] = None
    endpoint_voice: Annotated[
        Name | None, Meta(description="Engine `openai`: what the endpoint calls the voice.")
    ] = None


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that can be set."""

    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitsSettings = LimitsSettings()
    mcp: McpSettings = McpSettings()
    usage: UsageSettings = UsageSettings()
    deployments: Mapping[str, DeploymentSettings] = {}
    prompts: Mapping[str, Mapping[str, PromptVersionSettings]] = {}
    voices: Mapping[str, VoiceSettings] = {}


NO_ENGINE = "none"
"""The name that leaves a stage empty which may be."""

STAGES: tuple[Stage, ...] = ("vad", "noise", "turn", "stt", "llm", "tts", "responder")
