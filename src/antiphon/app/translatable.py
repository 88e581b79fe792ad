"""From which languages into which a deployment translates: what all of its stages know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from antiphon.config import EnginePlan, Problem, SettingsError, TranslationPlan
from antiphon.engines.languages import Languages, common, in_words
from antiphon.engines.llm import LanguageModel
from antiphon.engines.stt import Transcriber
from antiphon.engines.tts import Synthesizer
from antiphon.protocol.translation import OUTPUT_LANGUAGES


@dataclass(frozen=True, slots=True)
class Translatable:
    """The language pairs of a deployment."""

    hears: Languages
    """From these it translates; None: from whichever its transcriber understands."""
    speaks: tuple[str, ...]
    """Into these, of those that a session can ask for."""
    preferred: str
    """Into this one unless a session asks for another."""


def translatable(plan: TranslationPlan, engines: Mapping[EnginePlan, object]) -> Translatable:
    """Return the language pairs of a deployment; raise `SettingsError` when there are none."""
    transcriber = cast("Transcriber", engines[plan.stt]).capabilities.languages
    model = cast("LanguageModel", engines[plan.answer[0]]).capabilities.languages
    voices = cast("Synthesizer", engines[plan.answer[1]]).capabilities.languages
    hears = common(transcriber, model)
    known = common(model, voices)
    speaks = tuple(each for each in OUTPUT_LANGUAGES if known is None or each in known)
    if not speaks or hears == frozenset():
        message = (
            f"The engines have no language in common: `stt` hears {in_words(transcriber)}, `llm` "
            f"writes {in_words(model)}, `tts` speaks {in_words(voices)}. Choose engines that fit, "
            "or tell what they know by their setting `languages`."
        )
        raise SettingsError([Problem(message, f"deployments.{plan.name}")])
    if plan.language is not None and plan.language not in speaks:
        message = f"The engines cannot speak '{plan.language}'. Choose one of: {', '.join(speaks)}."
        raise SettingsError([Problem(message, f"deployments.{plan.name}.language")])
    foreign = [each for each in speaks if hears != frozenset({each})]
    return Translatable(hears, speaks, plan.language or (foreign or speaks)[0])
