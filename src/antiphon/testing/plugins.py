"""The scripted engines as plug-ins: `create` functions that take plain settings.

Publish them as entry points of a test package, or hand them to whatever builds a pipeline. Unknown
settings are refused by name, as every engine must.
"""

from collections.abc import Mapping
from typing import cast

from antiphon.protocol.errors import EngineError
from antiphon.testing.engines import (
    ScriptedLanguageModel,
    ScriptedResponder,
    ScriptedTranscriber,
    ScriptedTurnPredictor,
    ScriptedVad,
    ToneSynthesizer,
)
from antiphon.testing.noise_reducer import ScriptedNoiseReducer


def create_vad(settings: Mapping[str, object]) -> ScriptedVad:
    """Create a VAD; setting: `probabilities`, a list of numbers."""
    _refuse_unknown(settings, "probabilities")
    return ScriptedVad(cast("list[float] | None", settings.get("probabilities")))


def create_noise_reducer(settings: Mapping[str, object]) -> ScriptedNoiseReducer:
    """Create a noise reducer; setting: `gain`, a number."""
    _refuse_unknown(settings, "gain")
    return ScriptedNoiseReducer(cast("float", settings.get("gain", 0.25)))


def create_turn_predictor(settings: Mapping[str, object]) -> ScriptedTurnPredictor:
    """Create a turn predictor; setting: `probabilities`, a list of numbers."""
    _refuse_unknown(settings, "probabilities")
    return ScriptedTurnPredictor(cast("list[float]", settings.get("probabilities", [0.9])))


def create_transcriber(settings: Mapping[str, object]) -> ScriptedTranscriber:
    """Create a transcriber; settings: `texts` and `languages`, lists, and `word_ms`, an integer."""
    _refuse_unknown(settings, "texts", "word_ms", "languages")
    texts = cast("list[str]", settings.get("texts", ["Hello there."]))
    word_ms = cast("int", settings.get("word_ms", 0))
    return ScriptedTranscriber(texts, word_ms=word_ms, languages=_set(settings, "languages"))


def create_language_model(settings: Mapping[str, object]) -> ScriptedLanguageModel:
    """Create a language model; settings: `answers` (without: it echoes) and `languages`, lists."""
    _refuse_unknown(settings, "answers", "languages")
    answers = cast("list[str]", settings.get("answers", []))
    languages = _set(settings, "languages")
    return ScriptedLanguageModel(answers=[[text] for text in answers], languages=languages)


def create_synthesizer(settings: Mapping[str, object]) -> ToneSynthesizer:
    """Create a synthesizer; settings: `ms_per_character`, `voices` and `languages`, lists."""
    _refuse_unknown(settings, "ms_per_character", "voices", "languages")
    return ToneSynthesizer(
        ms_per_character=cast("int", settings.get("ms_per_character", 30)),
        voices=_set(settings, "voices"),
        languages=_set(settings, "languages"),
    )


def create_responder(settings: Mapping[str, object]) -> ScriptedResponder:
    """Create a responder; setting: `voices`, a list of strings."""
    _refuse_unknown(settings, "voices")
    return ScriptedResponder(voices=_set(settings, "voices"))


def _set(settings: Mapping[str, object], name: str) -> frozenset[str] | None:
    given = cast("list[str] | None", settings.get(name))
    return None if given is None else frozenset(given)


def _refuse_unknown(settings: Mapping[str, object], *known: str) -> None:
    for name in settings:
        if name not in known:
            expected = ", ".join(f"'{each}'" for each in known)
            raise EngineError(
                "engine_unavailable",
                f"The scripted engine has no setting '{name}'. Remove it; it has {expected}.",
            )
