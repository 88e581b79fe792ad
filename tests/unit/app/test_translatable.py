"""Which language pairs a deployment has, and what is said where it has none.

Shows Translation: the pairs of languages that the engines can do, others refused
"""

import pytest

from antiphon.app.deployments import assemble
from antiphon.app.translatable import translatable
from antiphon.config import DeploymentSettings, EnginePlan, EngineSettings, Settings, SettingsError
from antiphon.config import plan as config_plan
from antiphon.config.profiles import PROFILES, TranslationPlan, plan_translations
from antiphon.engines.languages import common, in_words
from antiphon.protocol.translation import OUTPUT_LANGUAGES
from antiphon.testing.engines import (
    ScriptedLanguageModel,
    ScriptedTranscriber,
    ScriptedVad,
    ToneSynthesizer,
)
from antiphon.testing.noise_reducer import ScriptedNoiseReducer

EN = frozenset({"en"})
NOBODY = EngineSettings(engine="none", settings={})


def deployment(language: str | None = None) -> TranslationPlan:
    mine = DeploymentSettings(kind="translation", language=language)  # type: ignore[arg-type]
    (only,) = plan_translations(Settings(deployments={"mine": mine}))
    return only


def engines(
    plan: TranslationPlan,
    stt: frozenset[str] | None = None,
    llm: frozenset[str] | None = None,
    tts: frozenset[str] | None = None,
) -> dict[EnginePlan, object]:
    return {
        plan.vad: ScriptedVad(),
        plan.noise: ScriptedNoiseReducer(),
        plan.stt: ScriptedTranscriber(word_ms=100, languages=stt),
        plan.answer[0]: ScriptedLanguageModel(languages=llm),
        plan.answer[1]: ToneSynthesizer(languages=tts),
    }


def test_engines_that_name_no_languages_translate_any_into_all() -> None:
    plan = deployment()
    pairs = translatable(plan, engines(plan))
    assert (pairs.hears, pairs.speaks, pairs.preferred) == (None, OUTPUT_LANGUAGES, "en")


def test_engines_that_know_english_only_repeat_it() -> None:
    plan = deployment()
    pairs = translatable(plan, engines(plan, EN, EN, EN))
    assert (pairs.hears, pairs.speaks, pairs.preferred) == (EN, ("en",), "en")


def test_the_language_that_is_heard_is_not_preferred() -> None:
    plan = deployment()
    pairs = translatable(plan, engines(plan, EN, None, frozenset({"en", "fr", "es", "xx"})))
    assert pairs.speaks == ("en", "es", "fr")
    assert pairs.preferred == "es"


def test_a_deployment_may_prefer_a_language() -> None:
    plan = deployment("de")
    assert translatable(plan, engines(plan)).preferred == "de"


def test_a_preferred_language_that_nobody_speaks_is_refused_with_those_that_are() -> None:
    plan = deployment("de")
    with pytest.raises(SettingsError) as refused:
        translatable(plan, engines(plan, tts=EN))
    (problem,) = refused.value.problems
    assert problem.place == "deployments.mine.language"
    assert problem.message.endswith("Choose one of: en.")


@pytest.mark.parametrize(
    ("stt", "llm", "tts"),
    [
        (frozenset({"fr"}), EN, EN),
        (EN, EN, frozenset({"es"})),
        (EN, None, frozenset({"xx"})),
    ],
)
def test_engines_without_a_language_in_common_are_refused(
    stt: frozenset[str], llm: frozenset[str] | None, tts: frozenset[str]
) -> None:
    plan = deployment()
    with pytest.raises(SettingsError) as refused:
        translatable(plan, engines(plan, stt, llm, tts))
    (problem,) = refused.value.problems
    assert problem.place == "deployments.mine"
    assert "`languages`" in problem.message
    assert f"`stt` hears {in_words(stt)}" in problem.message


def test_the_embedded_engines_know_english() -> None:
    assert all(stages["tts"].engine in {"hibari", "kokoro"} for stages in PROFILES.values())
    assert in_words(common(EN, None)) == "English"
    assert in_words(common(frozenset({"es", "en"}), frozenset({"de"}))) == "none"
    assert in_words(None) == "any language"


def test_an_assembled_deployment_offers_its_pairs() -> None:
    plan = deployment()
    realtime = config_plan(Settings(deployments={"r": DeploymentSettings(turn=NOBODY)}))
    mine = engines(plan, EN, None, frozenset({"en", "es"}))
    mine[realtime[0].noise] = ScriptedNoiseReducer()
    deployments = assemble([*realtime, plan], mine)
    offer = next(each.offer for asked, each in deployments.items() if asked.kind == "translation")
    assert offer.languages == ("en", "es")  # type: ignore[union-attr]
    assert offer.transcription_models["gpt-realtime-whisper"].streams
    assert offer.transcription_models["gpt-realtime-whisper"].shares_hearing
