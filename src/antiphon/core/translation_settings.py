"""The configuration of a translation session: what a deployment offers and what the client chose.

An update is checked as a whole before any of it applies. What the engines behind the deployment do
not know is refused with the field's name and the way that works.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from msgspec import UNSET, structs

from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.protocol import errors
from antiphon.protocol.errors import ClientError
from antiphon.protocol.session import NoiseReduction
from antiphon.protocol.translation import (
    Audio,
    AudioInput,
    AudioInputPatch,
    AudioOutput,
    SessionPatch,
    Transcription,
    TranslationSession,
)

_HOW_TO_SPEAK_MORE = (
    "The engines behind this deployment speak no other language; one whose `tts` and `llm` do "
    "lifts this (docs/how-to/translate.md)."
)


@dataclass(frozen=True, slots=True)
class TranslationOffer:
    """What a deployment offers to each of its translation sessions, and the limits it sets."""

    model: str
    languages: tuple[str, ...]
    """What it can translate into."""
    hears: frozenset[str] | None = None
    """What it understands; None: whichever language its transcriber does."""
    language: str = "en"
    """What it translates into unless it is asked for another."""
    voice: str = "alloy"
    transcription_models: Mapping[str, TranscriptionOffer] = field(
        default_factory=lambda: MappingProxyType[str, TranscriptionOffer]({})
    )
    max_session_s: float = 3_600
    transcription_patience_s: float = 30
    """Longest wait for the transcript of a complete utterance before it is given up."""
    translation_patience_s: float = 60
    """Longest wait for the next piece of a translation before it is given up."""


def initial_session(offer: TranslationOffer, session_id: str, now: float) -> TranslationSession:
    """Return the configuration with which a session starts."""
    return TranslationSession(
        id=session_id,
        model=offer.model,
        expires_at=int(now + offer.max_session_s),
        audio=Audio(input=AudioInput(), output=AudioOutput(language=offer.language)),
    )


def update(
    session: TranslationSession, patch: SessionPatch, offer: TranslationOffer
) -> TranslationSession:
    """Return the session changed by a patch; raise `ClientError` and change nothing if refused."""
    if patch.type is not UNSET and patch.type != "translation":
        raise errors.wrong_session_type(patch.type, "translation")
    if patch.model is not UNSET:
        raise _model_is_fixed(session.model)
    audio = session.audio
    if patch.audio is UNSET:
        return session
    if patch.audio.input is not UNSET:
        audio = structs.replace(audio, input=_listen(audio.input, patch.audio.input, offer))
    if patch.audio.output is not UNSET and patch.audio.output.language is not UNSET:
        language = _check_language(patch.audio.output.language, offer)
        audio = structs.replace(audio, output=AudioOutput(language=language))
    return structs.replace(session, audio=audio)


def _listen(current: AudioInput, patch: AudioInputPatch, offer: TranslationOffer) -> AudioInput:
    if patch.noise_reduction is not UNSET:
        reduction = _reduction(current.noise_reduction, patch.noise_reduction)
        current = structs.replace(current, noise_reduction=reduction)
    if patch.transcription is UNSET:
        return current
    if patch.transcription is not None:
        _check_transcription(patch.transcription, "session.audio.input.transcription.model", offer)
    return structs.replace(current, transcription=patch.transcription)


def _reduction(
    current: NoiseReduction | None, wanted: NoiseReduction | None
) -> NoiseReduction | None:
    if wanted is None or wanted.strength is not UNSET:
        return wanted
    # Spec: all there is at first; an update that names no strength leaves it as it is.
    return structs.replace(wanted, strength=1.0 if current is None else current.strength)


def _check_transcription(wanted: Transcription, path: str, offer: TranslationOffer) -> None:
    known = sorted(offer.transcription_models)
    if wanted.model not in known:
        cure = "Name a transcription deployment, or send null for the translation alone."
        raise errors.invalid_value(path, wanted.model, known, cure)


def _check_language(language: str, offer: TranslationOffer) -> str:
    if language not in offer.languages:
        path = "session.audio.output.language"
        raise errors.invalid_value(path, language, offer.languages, _HOW_TO_SPEAK_MORE)
    return language


def _model_is_fixed(model: str) -> ClientError:
    return ClientError(
        "invalid_parameter",
        f"The model of a translation session is set when it is created and stays '{model}'. Leave "
        "session.model out, or open another session with ?model=.",
        "session.model",
    )
