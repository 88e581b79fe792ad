"""What transcription models offer to sessions, by their names and by their engines."""

from dataclasses import replace
from typing import cast

import pytest

from antiphon import config
from antiphon.app.deployments import assemble
from antiphon.config import EnginePlan
from antiphon.config.schema import DeploymentSettings, EngineSettings, Settings
from antiphon.core.configuration import SessionOffer
from antiphon.core.transcription_offer import TranscriptionOffer, TranscriptionSessionOffer
from antiphon.testing.engines import (
    ScriptedLanguageModel,
    ScriptedTranscriber,
    ScriptedTurnPredictor,
    ScriptedVad,
    ToneSynthesizer,
)
from antiphon.testing.noise_reducer import ScriptedNoiseReducer
from antiphon.web.catalogue import Asked

MINE = EngineSettings(engine="openai", settings={"base_url": "http://h/v1", "model": "m"})
STREAMING, WHOLE = ScriptedTranscriber(word_ms=100), ScriptedTranscriber()
TRANSCRIBING = Asked("", "transcription")


def models(asked: Asked, **deployments: DeploymentSettings) -> dict[str, TranscriptionOffer]:
    """Return what sessions are offered: the embedded engine streams, the endpoint does not."""
    plans = config.plan(Settings(deployments=deployments))
    made = {
        "noise_reducer": ScriptedNoiseReducer(),
        "vad": ScriptedVad(),
        "turn": ScriptedTurnPredictor(),
        "language_model": ScriptedLanguageModel(),
        "synthesizer": ToneSynthesizer(),
    }

    def engine(plan: EnginePlan) -> object:
        if plan.kind == "transcriber":
            return WHOLE if plan.name == "openai" else STREAMING
        return made[plan.kind]

    engines = {plan: engine(plan) for plan in config.engines(plans)}
    offer = assemble(plans, engines)[asked].offer
    known = cast("SessionOffer | TranscriptionSessionOffer", offer).transcription_models
    return dict(known)


@pytest.mark.parametrize(
    ("name", "streams", "diarizes", "bills", "shares"),
    [
        ("whisper-1", False, False, "duration", True),
        ("gpt-4o-transcribe", False, False, "tokens", True),
        ("gpt-realtime-whisper", True, False, "tokens", True),
        ("gpt-live-transcribe", True, False, "tokens", True),
        ("gpt-4o-transcribe-diarize", False, True, "tokens", False),
    ],
)
def test_a_well_known_name_says_how_a_model_behaves(
    name: str, streams: bool, diarizes: bool, bills: str, shares: bool
) -> None:
    offer = models(Asked("gpt-realtime"))[name]
    behaviour = (offer.streams, offer.diarizes, offer.bills, offer.shares_hearing)
    assert behaviour == (streams, diarizes, bills, shares)


def test_a_name_of_ones_own_behaves_like_the_model_that_it_names() -> None:
    plain = DeploymentSettings(kind="transcription")
    live = DeploymentSettings(kind="transcription", like="gpt-realtime-whisper")
    who = DeploymentSettings(kind="transcription", like="gpt-4o-transcribe-diarize")
    known = models(Asked("gpt-realtime"), plain=plain, live=live, who=who)
    assert [known[name].streams for name in ("plain", "live", "who")] == [False, True, False]
    assert [known[name].diarizes for name in ("plain", "live", "who")] == [False, False, True]


def test_an_engine_that_does_not_stream_makes_a_model_that_does_not() -> None:
    mine = DeploymentSettings(kind="transcription", stt=MINE)
    named = {"gpt-realtime-whisper": mine}
    assert not models(Asked("gpt-realtime"), **named)["gpt-realtime-whisper"].streams


def test_sessions_that_only_transcribe_have_the_same_models_for_themselves() -> None:
    spoken, alone = models(Asked("gpt-realtime")), models(TRANSCRIBING)
    assert alone == {name: replace(each, shares_hearing=False) for name, each in spoken.items()}
