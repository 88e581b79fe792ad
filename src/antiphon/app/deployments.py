"""Engines become deployments: what each offers to its sessions, and what they share."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import cast

from antiphon.app.translatable import translatable
from antiphon.config import (
    EnginePlan,
    Problem,
    RealtimePlan,
    Settings,
    SettingsError,
    TranslationPlan,
)
from antiphon.core.configuration import SessionOffer
from antiphon.core.prompts import PromptVersion, StoredPrompt
from antiphon.core.reach import Reach
from antiphon.core.transcription_offer import TranscriptionOffer, TranscriptionSessionOffer
from antiphon.core.translation_settings import TranslationOffer
from antiphon.engines import plugins
from antiphon.engines.llm import LanguageModel
from antiphon.engines.noise import NoiseReducer
from antiphon.engines.responder import Responder, ResponderCapabilities
from antiphon.engines.stt import Transcriber
from antiphon.engines.tts import Synthesizer
from antiphon.engines.turn import TurnPredictor
from antiphon.engines.vad import Vad
from antiphon.runtime.cascade import Cascade
from antiphon.runtime.interpreter import Interpreter
from antiphon.runtime.pipelines import Answering, Pipeline
from antiphon.runtime.speech_scores import SpeechScores
from antiphon.web.catalogue import Asked, Deployment

_STREAMING_TRANSCRIPTION = frozenset({"gpt-realtime-whisper", "gpt-live-transcribe"})
_TELLS_SPEAKERS = frozenset({"gpt-4o-transcribe-diarize"})
_BILLED_BY_DURATION = frozenset({"whisper-1"})


def create(plan: EnginePlan) -> object:
    """Create an engine. Takes seconds for one that loads weights; raises `EngineError`."""
    return plugins.load(plan.kind, plan.name)(plan.settings)


async def close_engines(engines: Iterable[object]) -> None:
    """Let every engine that has a `close`, plain or to be awaited, give back what it holds."""
    async with AsyncExitStack() as closing:
        for engine in engines:
            closing.push_async_callback(_close, engine)


async def _close(engine: object) -> None:
    ending = cast("Callable[[], Awaitable[None] | None] | None", getattr(engine, "close", None))
    if ending is not None and inspect.isawaitable(ended := ending()):
        await ended


def title(plan: EnginePlan) -> str:
    """Return what people call an engine."""
    return f"{plan.kind.replace('_', ' ')} {plan.name}"


def assemble(
    plans: Iterable[RealtimePlan | TranslationPlan],
    engines: Mapping[EnginePlan, object],
    prompts: Mapping[str, StoredPrompt] | None = None,
    reach: Reach | None = None,
) -> dict[Asked, Deployment]:
    """Return the deployments of plans whose engines are loaded."""
    # Sessions of all deployments with the same VAD are scored together.
    speech: dict[EnginePlan, SpeechScores] = {}
    answering: dict[object, Answering] = {}
    deployments: dict[Asked, Deployment] = {}
    for plan in plans:
        if plan.vad not in speech:
            speech[plan.vad] = SpeechScores(cast("Vad", engines[plan.vad]))
        responder = _responder(plan, engines)
        hears = responder.capabilities.hears
        transcriber = cast("Transcriber", engines[plan.stt])
        pipeline = Pipeline(
            speech=speech[plan.vad],
            responder=responder,
            transcriber=transcriber if hears == "transcript" else None,
            transcription_models={
                name: cast("Transcriber", engines[each])
                for name, each in plan.transcription.items()
            },
            noise_reducer=cast("NoiseReducer", engines[plan.noise]),
            answering=answering.setdefault(plan.answer, Answering()),
            turn_predictor=(
                None if plan.turn is None else cast("TurnPredictor", engines[plan.turn])
            ),
            reach=reach or Reach(),
        )
        if isinstance(plan, TranslationPlan):
            offer = _translation_offer(plan, pipeline, engines)
            deployments[Asked(plan.name, "translation")] = Deployment(offer, pipeline)
        else:
            spoken = _offer(plan, pipeline, prompts or {})
            deployments[Asked(plan.name)] = Deployment(spoken, pipeline)
    # A session that only transcribes names no deployment: it listens as the first one does.
    first = next(each for each in deployments.values() if isinstance(each.offer, SessionOffer))
    return {**deployments, Asked("", "transcription"): _transcribing(first)}


def _transcribing(deployment: Deployment) -> Deployment:
    """Return what only transcribes with the engines of a deployment."""
    offer = cast("SessionOffer", deployment.offer)
    models = {
        name: replace(model, shares_hearing=False)
        for name, model in offer.transcription_models.items()
    }
    transcribing = TranscriptionSessionOffer(
        models, predicts_turns=offer.predicts_turns, max_session_s=offer.max_session_s
    )
    return Deployment(transcribing, deployment.pipeline)


def _responder(
    plan: RealtimePlan | TranslationPlan, engines: Mapping[EnginePlan, object]
) -> Responder:
    if isinstance(plan.answer, EnginePlan):
        return cast("Responder", engines[plan.answer])
    model, synthesizer = (engines[each] for each in plan.answer)
    if isinstance(plan, TranslationPlan):
        heard = translatable(plan, engines).hears
        return Interpreter(cast("LanguageModel", model), cast("Synthesizer", synthesizer), heard)
    return Cascade(cast("LanguageModel", model), cast("Synthesizer", synthesizer))


def stored_prompts(settings: Settings) -> dict[str, StoredPrompt]:
    """Return the prompts that clients may name."""
    return {
        name: StoredPrompt(
            {
                version: PromptVersion(each.instructions, dict(each.variables), each.tools)
                for version, each in versions.items()
            }
        )
        for name, versions in settings.prompts.items()
    }


def _offer(
    plan: RealtimePlan, pipeline: Pipeline, prompts: Mapping[str, StoredPrompt]
) -> SessionOffer:
    capabilities = pipeline.responder.capabilities
    return SessionOffer(
        model=plan.name,
        voices=capabilities.voices,
        hears=capabilities.hears,
        transcription_models={
            name: _transcription_offer(plan.likes.get(name, name), transcriber, pipeline)
            for name, transcriber in pipeline.transcription_models.items()
        },
        default_voice=_default_voice(plan, capabilities),
        guards_echo=plan.echo_guard,
        silence_duration_ms=plan.silence_duration_ms,
        tools=capabilities.tools,
        context_tokens=capabilities.context_tokens,
        predicts_turns=pipeline.turn_predictor is not None,
        sees=capabilities.sees,
        reasons=capabilities.reasons,
        prompts=prompts,
        answers_drafts=capabilities.answers_drafts,
        max_session_s=plan.session_minutes * 60,
        reach=pipeline.reach,
    )


def _translation_offer(
    plan: TranslationPlan, pipeline: Pipeline, engines: Mapping[EnginePlan, object]
) -> TranslationOffer:
    pairs = translatable(plan, engines)
    return TranslationOffer(
        model=plan.name,
        languages=pairs.speaks,
        hears=pairs.hears,
        language=pairs.preferred,
        voice=_default_voice(plan, pipeline.responder.capabilities),
        transcription_models={
            name: _transcription_offer(plan.likes.get(name, name), transcriber, pipeline)
            for name, transcriber in pipeline.transcription_models.items()
        },
        max_session_s=plan.session_minutes * 60,
    )


def _transcription_offer(
    like: str, transcriber: Transcriber, pipeline: Pipeline
) -> TranscriptionOffer:
    able = transcriber.capabilities
    return TranscriptionOffer(
        languages=able.languages,
        prompts=able.prompts,
        keywords=able.keywords,
        candidate_languages=able.candidate_languages,
        logprobs=able.logprobs,
        diarizes=like in _TELLS_SPEAKERS,
        speakers=able.speakers,
        # Whoever has to tell voices apart is no quick hearer.
        shares_hearing=transcriber is pipeline.transcriber and like not in _TELLS_SPEAKERS,
        streams=able.streams and like in _STREAMING_TRANSCRIPTION,
        bills="duration" if like in _BILLED_BY_DURATION else "tokens",
    )


def _default_voice(
    plan: RealtimePlan | TranslationPlan, capabilities: ResponderCapabilities
) -> str:
    voices = capabilities.voices
    if plan.voice is not None and voices is not None and plan.voice not in voices:
        known = ", ".join(sorted(voices))
        message = f"The engines have no voice '{plan.voice}'. Choose one of: {known}."
        raise SettingsError([Problem(message, f"deployments.{plan.name}.voice")])
    preferred = plan.voice or plan.preferred_voice
    if voices is None or preferred in voices:
        return preferred
    return min(voices)
