"""Deployments: the well-known model names, and what fills the stages that are left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import msgspec

from antiphon.config.schema import (
    ENGINE_KINDS,
    NO_ENGINE,
    DeploymentSettings,
    EngineSettings,
    ProfileName,
    Settings,
    Stage,
    TranscriptionModel,
)
from antiphon.config.voices import with_voices
from antiphon.engines.plugins import EngineKind

REALTIME_MODELS = (
    "gpt-realtime",
    "gpt-realtime-1.5",
    "gpt-realtime-2",
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
    "gpt-realtime-2025-08-28",
    "gpt-realtime-mini",
    "gpt-realtime-mini-2025-10-06",
    "gpt-realtime-mini-2025-12-15",
    "gpt-4o-realtime-preview",
    "gpt-4o-realtime-preview-2024-10-01",
    "gpt-4o-realtime-preview-2024-12-17",
    "gpt-4o-realtime-preview-2025-06-03",
    "gpt-4o-mini-realtime-preview",
    "gpt-4o-mini-realtime-preview-2024-12-17",
    "gpt-audio-1.5",
    "gpt-audio-mini",
    "gpt-audio-mini-2025-10-06",
    "gpt-audio-mini-2025-12-15",
)
"""Names that clients connect to out of the box."""

TRANSCRIPTION_MODELS: tuple[TranscriptionModel, ...] = get_args(TranscriptionModel)
"""Names that clients ask for as input transcription out of the box."""


TRANSLATION_MODELS = ("gpt-realtime-translate",)
"""Names that clients connect to for a translation out of the box."""


def _engine(name: str, **settings: object) -> EngineSettings:
    return EngineSettings(engine=name, settings=MappingProxyType(settings))


PROFILES: Mapping[ProfileName, Mapping[Stage, EngineSettings]] = {
    "test": {
        "vad": _engine("silero"),
        "turn": _engine("smart-turn"),
        "noise": _engine("spectral"),
        "stt": _engine("moonshine-tiny"),
        "llm": _engine("llama", artifact="smollm2-135m"),
        "tts": _engine("hibari", all_voices=True),
    },
    "small": {
        "vad": _engine("silero"),
        "turn": _engine("smart-turn"),
        "noise": _engine("spectral"),
        "stt": _engine("moonshine-tiny"),
        "llm": _engine("llama", artifact="qwen2.5-coder-0.5b"),
        "tts": _engine("hibari", all_voices=True),
    },
    "default": {
        "vad": _engine("silero"),
        "turn": _engine("smart-turn"),
        "noise": _engine("spectral"),
        "stt": _engine("moonshine-base"),
        "llm": _engine("llama", artifact="qwen2.5-coder-1.5b"),
        "tts": _engine("kokoro", fast_marin=True),
    },
}
"""The engines of each profile, by stage."""


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """An engine to create. Equal plans are one engine, however many deployments use it."""

    kind: EngineKind
    name: str
    settings_json: bytes = b"{}"
    """The engine's settings as JSON with sorted keys: plain, immutable and comparable."""

    @property
    def settings(self) -> dict[str, object]:
        """The engine's settings as it takes them."""
        return msgspec.json.decode(self.settings_json, type=dict[str, object])


@dataclass(frozen=True, slots=True)
class RealtimePlan:
    """A deployment that clients connect to."""

    name: str
    vad: EnginePlan
    turn: EnginePlan | None
    """What hears whether a turn is over; None: nothing does."""
    noise: EnginePlan
    stt: EnginePlan
    answer: EnginePlan | tuple[EnginePlan, EnginePlan]
    """A responder, or a language model and a synthesizer."""
    transcription: Mapping[str, EnginePlan]
    """Transcribers by the name that a session may ask for."""
    likes: Mapping[str, TranscriptionModel]
    """The models that they behave like, where their names do not say."""
    voice: str | None
    """The voice that the settings name, which must exist."""
    preferred_voice: str
    """The voice to take otherwise, if the engines have it."""
    echo_guard: bool
    silence_duration_ms: int
    session_minutes: int


@dataclass(frozen=True, slots=True)
class TranslationPlan:
    """A deployment whose sessions translate."""

    name: str
    vad: EnginePlan
    noise: EnginePlan
    stt: EnginePlan
    answer: tuple[EnginePlan, EnginePlan]
    """A language model and a synthesizer."""
    transcription: Mapping[str, EnginePlan]
    """Transcribers by the name that a session may ask for."""
    likes: Mapping[str, TranscriptionModel]
    """The models that they behave like, where their names do not say."""
    voice: str | None
    """The voice that the settings name, which must exist."""
    preferred_voice: str
    """The voice to take otherwise, if the engines have it."""
    language: str | None
    """Into which to translate unless another is asked for."""
    session_minutes: int
    turn: None = None
    """Nobody takes turns."""


def plan(settings: Settings) -> list[RealtimePlan]:
    """Return every deployment that clients can connect to, with all its stages filled.

    The well-known realtime names stand until the settings define a realtime deployment; from then
    on only defined names exist. The well-known transcription names always stand: they mean the
    deployment's own speech-to-text until the settings define them.
    """
    stages = PROFILES[settings.server.profile]
    defined = {
        name: each for name, each in settings.deployments.items() if each.kind == "transcription"
    }
    transcription = {name: _fill("stt", each, stages) for name, each in defined.items()}
    realtime = {
        name: each for name, each in settings.deployments.items() if each.kind == "realtime"
    }
    if not realtime:
        well_known = [name for name in REALTIME_MODELS if name not in settings.deployments]
        realtime = dict.fromkeys(well_known, DeploymentSettings())
    return [
        _realtime(name, each, stages, transcription, settings) for name, each in realtime.items()
    ]


def plan_translations(settings: Settings) -> list[TranslationPlan]:
    """Return every deployment whose sessions translate.

    The well-known name stands until the settings define a deployment that can be connected to:
    whoever names engines of their own need not load the embedded ones.
    """
    stages = PROFILES[settings.server.profile]
    transcription = {
        name: _fill("stt", each, stages)
        for name, each in settings.deployments.items()
        if each.kind == "transcription"
    }
    defined = {
        name: each for name, each in settings.deployments.items() if each.kind == "translation"
    }
    if all(each.kind == "transcription" for each in settings.deployments.values()):
        well_known = [name for name in TRANSLATION_MODELS if name not in settings.deployments]
        defined = dict.fromkeys(well_known, DeploymentSettings(kind="translation"))
    return [
        _translation(name, each, stages, transcription, settings) for name, each in defined.items()
    ]


def transcription_names(settings: Settings) -> tuple[str, ...]:
    """Return the names that only transcribe: nobody can connect to them."""
    defined = [name for name, each in settings.deployments.items() if each.kind == "transcription"]
    realtime = [name for name in settings.deployments if name not in defined]
    well_known = [name for name in TRANSCRIPTION_MODELS if name not in realtime]
    return tuple(dict.fromkeys([*well_known, *defined]))


def engines(plans: Iterable[RealtimePlan | TranslationPlan]) -> tuple[EnginePlan, ...]:
    """Return each engine of the deployments once, in the order of first use."""
    found: dict[EnginePlan, None] = {}
    for each in plans:
        found[each.vad] = None
        if each.turn is not None:
            found[each.turn] = None
        found[each.noise] = None
        found[each.stt] = None
        found.update(dict.fromkeys(each.transcription.values()))
        answer = each.answer if isinstance(each.answer, tuple) else (each.answer,)
        found.update(dict.fromkeys(answer))
    return tuple(found)


def _realtime(
    name: str,
    deployment: DeploymentSettings,
    stages: Mapping[Stage, EngineSettings],
    transcription: Mapping[str, EnginePlan],
    settings: Settings,
) -> RealtimePlan:
    stt = _fill("stt", deployment, stages)
    turn = _fill("turn", deployment, stages)
    answer: EnginePlan | tuple[EnginePlan, EnginePlan]
    if deployment.responder is None:
        synthesizer = with_voices(deployment.tts or stages["tts"], settings.voices)
        answer = (_fill("llm", deployment, stages), _as_plan("tts", synthesizer))
    else:
        answer = _as_plan("responder", deployment.responder)
    return RealtimePlan(
        name=name,
        vad=_fill("vad", deployment, stages),
        turn=None if turn.name == NO_ENGINE else turn,
        noise=_fill("noise", deployment, stages),
        stt=stt,
        answer=answer,
        transcription={**dict.fromkeys(TRANSCRIPTION_MODELS, stt), **transcription},
        likes=_likes(settings),
        voice=deployment.voice,
        preferred_voice="marin" if _is_second_generation(name) else "alloy",
        echo_guard=deployment.echo_guard,
        silence_duration_ms=(
            _default_silence_ms(name)
            if deployment.silence_duration_ms is None
            else deployment.silence_duration_ms
        ),
        session_minutes=deployment.session_minutes or settings.server.session_minutes,
    )


def _translation(
    name: str,
    deployment: DeploymentSettings,
    stages: Mapping[Stage, EngineSettings],
    transcription: Mapping[str, EnginePlan],
    settings: Settings,
) -> TranslationPlan:
    stt = _fill("stt", deployment, stages)
    return TranslationPlan(
        name=name,
        vad=_fill("vad", deployment, stages),
        noise=_fill("noise", deployment, stages),
        stt=stt,
        answer=(_fill("llm", deployment, stages), _fill("tts", deployment, stages)),
        transcription={**dict.fromkeys(TRANSCRIPTION_MODELS, stt), **transcription},
        likes=_likes(settings),
        voice=deployment.voice,
        preferred_voice="marin",
        language=deployment.language,
        session_minutes=deployment.session_minutes or settings.server.session_minutes,
    )


def _likes(settings: Settings) -> dict[str, TranscriptionModel]:
    named = settings.deployments.items()
    return {name: each.like for name, each in named if each.like is not None}


def _is_second_generation(name: str) -> bool:
    return name == "gpt-realtime-2" or name.startswith("gpt-realtime-2.")


def _default_silence_ms(name: str) -> int:
    # Observed: the reference server's default differs by model.
    return 500 if name.startswith("gpt-realtime-2.1") else 200


def _fill(
    stage: Stage, deployment: DeploymentSettings, stages: Mapping[Stage, EngineSettings]
) -> EnginePlan:
    chosen: EngineSettings | None = getattr(deployment, stage)
    return _as_plan(stage, chosen or stages[stage])


def _as_plan(stage: Stage, engine: EngineSettings) -> EnginePlan:
    encoded = msgspec.json.encode(dict(engine.settings), order="deterministic")
    return EnginePlan(ENGINE_KINDS[stage], engine.engine, encoded)
