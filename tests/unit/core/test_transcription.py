"""Runs of transcriptions: when a text counts, for whom, and what becomes of failures."""

from itertools import count

import numpy as np
import pytest

from antiphon.core.commands import (
    CancelJob,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    SettleTranscription,
)
from antiphon.core.configuration import SessionOffer
from antiphon.core.happenings import Guessed, Heard, HearingFailed, Transcribed
from antiphon.core.ids import Ids
from antiphon.core.transcription import Transcriptions
from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.engines.stt import FinalTranscript, TranscriptionOptions
from antiphon.protocol.server_events import (
    ConversationItemInputAudioTranscriptionCompleted as Completed,
)
from antiphon.protocol.server_events import (
    ConversationItemInputAudioTranscriptionDelta as Delta,
)
from antiphon.protocol.server_events import (
    ConversationItemInputAudioTranscriptionFailed as Failed,
)
from antiphon.protocol.session import Transcription

MODELS = {
    "shared": TranscriptionOffer(shares_hearing=True),
    "whisper": TranscriptionOffer(shares_hearing=True, bills="duration"),
    "streaming": TranscriptionOffer(shares_hearing=True, streams=True),
    "streaming-whisper": TranscriptionOffer(shares_hearing=True, streams=True, bills="duration"),
    "separate": TranscriptionOffer(prompts=True),
}
ASKED = TranscriptionOptions("en", "Ada")
EMPTY, DIGITS = FinalTranscript(""), FinalTranscript("12345")
SOUND = np.zeros(512, np.float32)


def transcriptions(hears: str = "transcript") -> Transcriptions:
    offer = SessionOffer("m", None, hears=hears, transcription_models=MODELS)  # type: ignore[arg-type]
    return Transcriptions(offer, Ids(b"s"), count(1))


def wanted(model: str) -> Transcription:
    return Transcription(model=model, language="en", prompt="Ada")


def kinds(told: list[object]) -> list[type]:
    return [type(each) for each in told]


def deltas(told: list[object]) -> list[str]:
    return [str(each.delta) for each in told if isinstance(each, Delta)]


@pytest.mark.parametrize(
    ("hears", "model", "opened"),
    [
        ("transcript", None, [OpenTranscription(1, None)]),
        ("transcript", "shared", [OpenTranscription(1, None, ASKED)]),
        (
            "transcript",
            "separate",
            [
                OpenTranscription(1, None),
                OpenTranscription(2, "separate", ASKED),
            ],
        ),
        ("transcript", "unknown", [OpenTranscription(1, None)]),
        ("audio", None, []),
        ("audio", "shared", [OpenTranscription(1, "shared", ASKED)]),
        ("audio", "unknown", []),
    ],
)
def test_an_item_is_transcribed_for_whoever_needs_it(
    hears: str, model: str | None, opened: list[object]
) -> None:
    assert transcriptions(hears).open("i", wanted(model) if model else None) == opened


def test_audio_goes_to_every_run_of_its_item() -> None:
    runs = transcriptions()
    runs.open("i", wanted("separate"))
    runs.open("j", None)
    told = runs.feed("i", SOUND)
    assert [each.job for each in told] == [1, 2]  # type: ignore[union-attr]
    assert kinds(told) == [FeedTranscription] * 2
    assert runs.feed("i", SOUND[:0]) == []
    assert runs.feed("k", SOUND) == []
    assert runs.settle("i") == [SettleTranscription(1), SettleTranscription(2)]


def test_a_text_of_a_pause_is_a_guess_and_at_the_end_the_whole() -> None:
    runs = transcriptions()
    runs.open("i", wanted("whisper"))
    runs.feed("i", SOUND)
    runs.settle("i")
    assert runs.settled(1, FinalTranscript("All.")) == [Guessed("All.", "settled")]
    told = runs.end("i", 1200, 5.0)
    assert kinds(told) == [EndTranscription, Heard, Delta, Completed, Transcribed]
    assert runs.settled(1, FinalTranscript("All.")) == []


def test_a_text_from_before_the_last_audio_is_neither() -> None:
    runs = transcriptions()
    runs.open("i", None)
    runs.feed("i", SOUND)
    runs.settle("i")
    runs.feed("i", SOUND)
    assert runs.settled(1, FinalTranscript("Half")) == []
    runs.settle("i")
    runs.settle("i")
    assert runs.settled(1, FinalTranscript("Whole")) == []
    assert kinds(runs.end("i", 100, 5.0)) == [EndTranscription]
    assert runs.settled(1, FinalTranscript("Whole")) == [Heard("i", "Whole")]


def test_the_end_is_asked_for_when_audio_came_after_the_pause() -> None:
    runs = transcriptions()
    runs.open("i", None)
    runs.feed("i", SOUND)
    runs.settle("i")
    assert runs.settled(1, FinalTranscript("Half")) == [Guessed("Half", "settled")]
    runs.feed("i", SOUND)
    assert kinds(runs.end("i", 100, 5.0)) == [EndTranscription]
    assert runs.settled(1, FinalTranscript("Whole")) == [Heard("i", "Whole")]


def test_an_item_without_audio_ends_too() -> None:
    runs = transcriptions()
    runs.open("i", None)
    assert kinds(runs.end("i", 0, 5.0)) == [EndTranscription]
    assert runs.settled(1, FinalTranscript("")) == [Heard("i", "")]


def test_words_that_grow_are_prepared_for_and_told_where_they_stream() -> None:
    runs = transcriptions()
    runs.open("i", wanted("streaming"))
    assert deltas(runs.grow(1, "One")) == ["One"]
    told = runs.grow(1, "One two")
    assert told[0] == Guessed("One two", "stable")
    assert deltas(told) == [" two"]
    assert deltas(runs.grow(1, "One two")) == []
    assert deltas(runs.grow(1, "Won")) == []
    runs.end("i", 100, 5.0)
    assert kinds(runs.grow(1, "One two three")) == [Delta]
    told = runs.settled(1, FinalTranscript("One two three four"))
    assert deltas(told) == [" four"]


def test_a_draft_is_a_guess_while_the_speaker_goes_on() -> None:
    runs = transcriptions()
    runs.open("i", wanted("streaming"))
    runs.feed("i", SOUND)
    # What may still change is not told to the client.
    assert runs.draft(1, "Is it all?") == [Guessed("Is it all?", "draft")]
    assert runs.draft(99, "Whose?") == []


def test_a_draft_that_comes_after_the_whole_text_says_nothing_new() -> None:
    runs = transcriptions()
    runs.open("i", None)
    runs.feed("i", SOUND)
    runs.settle("i")
    runs.settled(1, FinalTranscript("It is all."))
    assert runs.draft(1, "Is it all?") == []
    runs.feed("i", SOUND)
    assert runs.draft(1, "It is all. Or") == [Guessed("It is all. Or", "draft")]
    runs.end("i", 100, 5.0)
    assert runs.draft(1, "It is all. Or not.") == []


def test_words_that_do_not_stream_are_told_at_the_end() -> None:
    runs = transcriptions("audio")
    runs.open("i", wanted("shared"))
    assert runs.grow(1, "One") == []
    assert runs.grow(9, "One") == []
    runs.end("i", 100, 5.0)
    assert deltas(runs.settled(1, FinalTranscript("One two"))) == ["One", " two"]


@pytest.mark.parametrize(
    ("model", "pieces"),
    [
        ("whisper", ["One two"]),
        ("shared", ["One", " two"]),
        ("streaming", ["One", " two"]),
        ("streaming-whisper", ["One", " two"]),
    ],
)
def test_each_model_tells_its_text_in_its_own_pieces(model: str, pieces: list[str]) -> None:
    runs = transcriptions()
    runs.open("i", wanted(model))
    runs.end("i", 100, 5.0)
    assert deltas(runs.settled(1, FinalTranscript("One two"))) == pieces


def test_a_transcript_bills_time_or_tokens() -> None:
    runs = transcriptions()
    runs.open("i", wanted("whisper"))
    runs.open("j", wanted("shared"))
    runs.end("i", 1001, 5.0)
    runs.end("j", 1001, 5.0)
    (by_time,) = [each for each in runs.settled(1, EMPTY) if isinstance(each, Completed)]
    (by_tokens,) = [each for each in runs.settled(2, DIGITS) if isinstance(each, Completed)]
    assert by_time.usage.seconds == 2  # type: ignore[union-attr]
    usage = by_tokens.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 2, 14)  # type: ignore[union-attr]


def test_a_failure_is_told_when_the_turn_has_ended() -> None:
    runs = transcriptions()
    runs.open("i", wanted("shared"))
    assert runs.fail(1, "broken", "Broken.") == []
    assert runs.fail(1, "broken", "Broken.") is None
    assert runs.feed("i", SOUND) == runs.settle("i") == []
    assert runs.settled(1, FinalTranscript("Hm")) == runs.grow(1, "Hm") == []
    assert runs.deadline is None
    told = runs.end("i", 100, 5.0)
    assert kinds(told) == [Failed, HearingFailed]
    assert told[0].error.code == "broken"  # type: ignore[union-attr]
    assert runs.end("i", 100, 5.0) == []


def test_a_failure_after_the_end_is_told_at_once() -> None:
    runs = transcriptions("audio")
    runs.open("i", wanted("separate"))
    runs.end("i", 100, 5.0)
    assert kinds(runs.fail(1, "broken", "Broken.") or []) == [Failed]
    assert runs.fail(1, "broken", "Broken.") is None
    silent = transcriptions()
    silent.open("i", None)
    silent.end("i", 100, 5.0)
    assert silent.fail(1, "broken", "Broken.") == [HearingFailed("i", "broken", "Broken.")]


def test_an_unknown_model_fails_at_the_end_and_names_those_that_are_known() -> None:
    runs = transcriptions("audio")
    runs.open("i", wanted("unknown"))
    (failed,) = runs.end("i", 100, 5.0)
    assert isinstance(failed, Failed)
    assert failed.error.code == "DeploymentNotFound"
    assert "separate, shared" in str(failed.error.message)
    nobody = Transcriptions(SessionOffer("m", None, hears="audio"), Ids(b"s"), count(1))
    nobody.open("i", wanted("unknown"))
    (failed,) = nobody.end("i", 100, 5.0)
    assert "Use one of: none." in str(failed.error.message)  # type: ignore[union-attr]


def test_patience_counts_from_the_end_of_the_turn() -> None:
    runs = transcriptions()
    runs.open("i", None)
    assert runs.deadline is None
    runs.end("i", 100, 5.0)
    assert runs.deadline == 35.0
    assert runs.expire(34.9) == []
    told = runs.expire(35.0)
    assert kinds(told) == [CancelJob, HearingFailed]
    assert told[1].code == "engine_timeout"  # type: ignore[union-attr]
    assert runs.deadline is None


def test_dropping_stops_what_still_runs() -> None:
    runs = transcriptions()
    runs.open("i", wanted("separate"))
    runs.open("j", wanted("unknown"))
    runs.fail(1, "broken", "Broken.")
    assert runs.drop("i") == [CancelJob(2)]
    assert runs.drop("i") == []
    runs.open("k", None)
    runs.end("k", 100, 5.0)
    assert runs.drop_all() == [CancelJob(3), CancelJob(5)]
    assert runs.drop_all() == []
