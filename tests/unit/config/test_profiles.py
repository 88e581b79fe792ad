"""Which deployments there are, and what they are made of."""

import pytest

from antiphon.config import DeploymentSettings, EngineSettings, ServerSettings, Settings
from antiphon.config.profiles import (
    PROFILES,
    REALTIME_MODELS,
    TRANSCRIPTION_MODELS,
    TRANSLATION_MODELS,
    EnginePlan,
    engines,
    plan,
    plan_translations,
    transcription_names,
)

MINE = EngineSettings(engine="openai", settings={"model": "m", "base_url": "http://h/v1"})


def test_without_deployments_all_well_known_names_are_there() -> None:
    assert [each.name for each in plan(Settings())] == list(REALTIME_MODELS)
    assert transcription_names(Settings()) == TRANSCRIPTION_MODELS


@pytest.mark.parametrize("profile", PROFILES)
def test_all_names_of_a_profile_share_its_engines(profile) -> None:
    settings = Settings(server=ServerSettings(profile=profile))
    kinds = [each.kind for each in engines(plan(settings))]
    assert kinds == ["vad", "turn", "noise_reducer", "transcriber", "language_model", "synthesizer"]


def test_a_defined_realtime_deployment_replaces_the_well_known_ones() -> None:
    settings = Settings(deployments={"mine": DeploymentSettings(llm=MINE)})
    (only,) = plan(settings)
    assert only.name == "mine"
    assert isinstance(only.answer, tuple)
    assert only.answer[0] == EnginePlan(
        "language_model", "openai", b'{"base_url":"http://h/v1","model":"m"}'
    )
    assert only.answer[1].name == PROFILES["default"]["tts"].engine
    assert set(only.transcription) == set(TRANSCRIPTION_MODELS)
    assert set(only.transcription.values()) == {only.stt}


def test_a_defined_transcription_deployment_stands_beside_the_well_known_ones() -> None:
    mine = DeploymentSettings(kind="transcription", stt=MINE)
    settings = Settings(deployments={"whisper-1": mine, "notes": mine})
    plans = plan(settings)
    assert [each.name for each in plans] == list(REALTIME_MODELS)
    for name in ("whisper-1", "notes"):
        assert plans[0].transcription[name].name == "openai"
    assert plans[0].transcription["gpt-4o-transcribe"] == plans[0].stt
    assert transcription_names(settings) == (*TRANSCRIPTION_MODELS, "notes")
    assert len(engines(plans)) == 7


def test_a_deployment_can_do_without_a_turn_predictor() -> None:
    nobody = EngineSettings(engine="none", settings={})
    (only,) = plan(Settings(deployments={"mine": DeploymentSettings(turn=nobody)}))
    assert only.turn is None
    assert "turn" not in [each.kind for each in engines([only])]


def test_a_responder_stands_for_model_and_synthesizer() -> None:
    native = EngineSettings(engine="scripted", settings={})
    (only,) = plan(Settings(deployments={"mine": DeploymentSettings(responder=native)}))
    assert only.answer == EnginePlan("responder", "scripted")


def test_equal_settings_in_another_order_are_one_engine() -> None:
    turned = EngineSettings(engine="openai", settings=dict(reversed(MINE.settings.items())))
    settings = Settings(
        deployments={"a": DeploymentSettings(llm=MINE), "b": DeploymentSettings(llm=turned)}
    )
    assert sum(each.kind == "language_model" for each in engines(plan(settings))) == 1


@pytest.mark.parametrize(
    ("name", "silence_ms", "voice"),
    [
        ("gpt-realtime", 200, "alloy"),
        ("gpt-realtime-2025-08-28", 200, "alloy"),
        ("gpt-realtime-2", 200, "marin"),
        ("gpt-realtime-2.1", 500, "marin"),
        ("gpt-realtime-2.1-mini", 500, "marin"),
        ("mine", 200, "alloy"),
    ],
)
def test_defaults_differ_by_model_as_they_do_on_the_reference_server(
    name, silence_ms, voice
) -> None:
    (only,) = plan(Settings(deployments={name: DeploymentSettings()}))
    assert (only.silence_duration_ms, only.preferred_voice) == (silence_ms, voice)


def test_what_a_deployment_sets_is_kept() -> None:
    deployment = DeploymentSettings(voice="ash", silence_duration_ms=0)
    settings = Settings(server=ServerSettings(session_minutes=5), deployments={"x": deployment})
    (only,) = plan(settings)
    assert (only.voice, only.silence_duration_ms, only.session_minutes) == ("ash", 0, 5)


def test_a_deployment_may_have_a_session_length_of_its_own() -> None:
    deployments = {"brief": DeploymentSettings(session_minutes=2), "usual": DeploymentSettings()}
    assert [each.session_minutes for each in plan(Settings(deployments=deployments))] == [2, 60]


def test_without_deployments_the_well_known_translation_name_is_there() -> None:
    (only,) = plan_translations(Settings())
    assert (only.name,) == TRANSLATION_MODELS
    assert engines([*plan(Settings()), only]) == engines(plan(Settings()))


def test_whoever_defines_a_realtime_deployment_translates_only_if_told_to() -> None:
    settings = Settings(deployments={"mine": DeploymentSettings(llm=MINE)})
    assert plan_translations(settings) == []


def test_a_defined_translation_deployment_leaves_the_well_known_realtime_names() -> None:
    mine = DeploymentSettings(kind="translation", tts=MINE, language="es")
    settings = Settings(deployments={"mine": mine})
    (only,) = plan_translations(settings)
    assert (only.name, only.language) == ("mine", "es")
    assert [each.name for each in only.answer] == ["llama", "openai"]
    assert set(only.transcription.values()) == {only.stt}
    assert [each.name for each in plan(settings)] == list(REALTIME_MODELS)


def test_a_translation_deployment_takes_defined_transcription_models() -> None:
    mine = DeploymentSettings(kind="transcription", stt=MINE)
    (only,) = plan_translations(Settings(deployments={"whisper-1": mine}))
    assert only.transcription["whisper-1"].name == "openai"
