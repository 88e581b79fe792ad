"""What may be asked of a transcription model."""

import pytest

from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.core.transcription_settings import (
    MAX_KEYWORD_CHARACTERS,
    MAX_KEYWORDS,
    MAX_PROMPT_CHARACTERS,
    check_include,
    check_transcription,
    options_of,
)
from antiphon.engines.stt import TranscriptionOptions
from antiphon.protocol.errors import ClientError
from antiphon.protocol.session import Include, Transcription

ABLE = TranscriptionOffer(
    prompts=True, keywords=True, candidate_languages=True, logprobs=True, streams=True
)
MODELS = {"able": ABLE, "plain": TranscriptionOffer(frozenset({"en", "de"}))}
LOGPROBS: Include = ("item.input_audio_transcription.logprobs",)


def asked(model: str, **fields: object) -> Transcription:
    return Transcription(model=model, **fields)  # type: ignore[arg-type]


GRANTED = [
    asked("able", language="sw", prompt="Ada", keywords=("Antiphon",), delay="minimal"),
    asked("able", languages=("en", "sw")),
    asked("plain", language="de"),
    asked("plain", languages=("en",)),
    asked("plain", languages=(), keywords=()),
    asked("unknown", language="sw", prompt="x", keywords=("y",), delay="high"),
]


@pytest.mark.parametrize("wanted", GRANTED, ids=str)
def test_what_can_be_honoured_is_granted(wanted: Transcription) -> None:
    check_transcription(wanted, "t", MODELS)


REFUSED = [
    (asked("plain", language="sw"), "invalid_value", "t.language"),
    (asked("plain", languages=("en", "sw")), "invalid_value", "t.languages[1]"),
    (asked("plain", languages=("en", "de")), "invalid_parameter", "t.languages"),
    (asked("able", language="en", languages=("en",)), "invalid_value", "t.languages"),
    (asked("plain", prompt="Ada"), "invalid_parameter", "t.prompt"),
    (asked("plain", keywords=("Ada",)), "invalid_parameter", "t.keywords"),
    (asked("plain", delay="low"), "invalid_parameter", "t.delay"),
    (asked("able", prompt="x" * (MAX_PROMPT_CHARACTERS + 1)), "invalid_value", "t.prompt"),
    (asked("able", keywords=("x",) * (MAX_KEYWORDS + 1)), "invalid_value", "t.keywords"),
    (asked("able", keywords=("x" * (MAX_KEYWORD_CHARACTERS + 1),)), "invalid_value", "t.keywords"),
]


@pytest.mark.parametrize(("wanted", "code", "param"), REFUSED)
def test_what_cannot_be_honoured_is_refused(wanted: Transcription, code: str, param: str) -> None:
    with pytest.raises(ClientError) as refused:
        check_transcription(wanted, "t", MODELS)
    assert (refused.value.code, refused.value.param) == (code, param)


@pytest.mark.parametrize("model", ["able", "unknown", None])
def test_log_probabilities_are_granted_where_nothing_stands_against_them(
    model: str | None,
) -> None:
    check_include(LOGPROBS, asked(model) if model else None, MODELS)


def test_log_probabilities_are_refused_where_the_transcriber_tells_none() -> None:
    check_include(None, asked("plain"), MODELS)
    with pytest.raises(ClientError) as refused:
        check_include(LOGPROBS, asked("plain"), MODELS)
    assert refused.value.param == "session.include"


def test_the_engine_is_asked_for_what_the_client_wants() -> None:
    wanted = asked("able", prompt="Ada", keywords=("Antiphon",), languages=("en", "de"))
    assert options_of(wanted, ABLE, logprobs=True) == TranscriptionOptions(
        None, "Ada", ("en", "de"), ("Antiphon",), "low", logprobs=True
    )
    wanted = asked("plain", languages=("de",))
    assert options_of(wanted, MODELS["plain"], logprobs=False) == TranscriptionOptions("de")
