"""Translation sessions: continuous, in order, and closed only when everything has been told."""

import base64

import numpy as np
import pytest
from interpreting import CLOSE, Interpreting, append, offer, show, update
from talk import START, pcm

from antiphon.audio.formats import PCM
from antiphon.core.commands import (
    CancelJob,
    CloseConnection,
    FeedTranscription,
    PrepareResponse,
    RecordAudio,
    ReduceNoise,
    ScoreSpeech,
    StartResponse,
)
from antiphon.core.inputs import (
    AudioReduced,
    Disconnected,
    Draining,
    JobFailed,
    SpeechScored,
    TranscriptDrafted,
    TranscriptGrew,
)
from antiphon.core.rendering import MAX_PASSAGE_AUDIO_MS, PASSAGE_CHARACTERS
from antiphon.core.source_transcripts import MAX_WAITING
from antiphon.engines.responder import (
    AssistantTurn,
    ResponseFinished,
    SpokenAudio,
    SpokenText,
    UserTurn,
    WrittenText,
)


@pytest.fixture
def talk() -> Interpreting:
    return Interpreting()


# The session


@pytest.mark.parametrize("language", ["es", "ja"])
def test_the_first_event_tells_the_whole_configuration(language: str) -> None:
    talk = Interpreting(offer(language=language))
    (created,) = talk.events
    assert created["type"] == "session.created"
    session = created["session"]
    assert session["id"].startswith("sess_")
    assert session == {
        "id": talk.session.id,
        "type": "translation",
        "model": "gpt-realtime-translate",
        "expires_at": int(START + 3600),
        "audio": {
            "input": {"noise_reduction": None, "transcription": None},
            "output": {"language": language},
        },
    }


def test_engines_get_ready_for_the_language_that_is_asked_for(talk: Interpreting) -> None:
    talk.client(update(output={"language": "de"})).client(show("whisper-1"))
    prepared = [each.request for each in talk.commands if isinstance(each, PrepareResponse)]
    assert [each.language for each in prepared] == ["es", "de"]


def test_an_update_changes_what_it_names_and_nothing_else(talk: Interpreting) -> None:
    talk.client(show("whisper-1")).client(update(output={"language": "de"}))
    session = talk.events[-1]["session"]
    assert talk.events[-1]["type"] == "session.updated"
    assert session["audio"]["output"] == {"language": "de"}
    assert session["audio"]["input"]["transcription"] == {"model": "whisper-1"}
    talk.client(show(None))
    assert talk.events[-1]["session"]["audio"]["input"]["transcription"] is None
    talk.client({"type": "session.update", "session": {"type": "translation"}})
    assert talk.events[-1]["type"] == "session.updated"


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"model": "another"}, "invalid_parameter", "session.model"),
        ({"model": "gpt-realtime-translate"}, "invalid_parameter", "session.model"),
        ({"type": "realtime"}, "invalid_parameter", "session.type"),
        (
            {"audio": {"output": {"language": "fr"}}},
            "invalid_value",
            "session.audio.output.language",
        ),
        (
            {"audio": {"output": {"language": 7}}},
            "invalid_type",
            "session.audio.output.language",
        ),
        (
            {"audio": {"output": {"voice": "alloy"}}},
            "unknown_parameter",
            "session.audio.output.voice",
        ),
        (
            {"audio": {"input": {"transcription": {"model": "nobody"}}}},
            "invalid_value",
            "session.audio.input.transcription.model",
        ),
        ({"instructions": "Be rude."}, "unknown_parameter", "session.instructions"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name_and_changes_nothing(
    talk: Interpreting, session: dict[str, object], code: str, param: str
) -> None:
    before = talk.session.configuration
    talk.client({"type": "session.update", "event_id": "mine", "session": session})
    error = talk.error()
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
    assert talk.session.configuration == before


def test_a_refused_language_is_told_with_those_that_work(talk: Interpreting) -> None:
    talk.client(update(output={"language": "fr"}))
    message = talk.error()["message"]
    assert "'en', 'es', 'de', and 'ja'" in message
    assert "translate.md" in message


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        '{"type":"input_audio_buffer.append","audio":""}',
        '{"type":"response.create"}',
        '{"type":"session.input_audio_buffer.append"}',
        '{"type":"session.input_audio_buffer.append","audio":"not base64"}',
        '{"type":"session.input_audio_buffer.append","audio":"AAAA"}',
    ],
)
def test_a_bad_event_is_answered_and_the_session_goes_on(talk: Interpreting, frame: str) -> None:
    talk.client(frame)
    assert talk.error()["type"] == "invalid_request_error"
    talk.translates_at_once, talk.transcript = True, "Good morning."
    talk.says(600).pauses()
    assert talk.text() == "GOOD MORNING."


def test_noise_is_reduced_as_far_as_the_client_says(talk: Interpreting) -> None:
    def reduce(reduction: object) -> None:
        talk.client(update(input={"noise_reduction": reduction}))

    reduce({"type": "near_field"})
    reduce({"type": "far_field", "strength": 0.5})
    reduce({"type": "near_field"})
    reduce({"type": "near_field"})
    assert talk.events[-1]["session"]["audio"]["input"]["noise_reduction"] == {
        "type": "near_field",
        "strength": 0.5,
    }
    reduce(None)
    assert [each for each in talk.commands if isinstance(each, ReduceNoise)] == [
        ReduceNoise(PCM, "near_field", 1.0),
        ReduceNoise(PCM, "far_field", 0.5),
        ReduceNoise(PCM, "near_field", 0.5),
        ReduceNoise(PCM, None),
    ]


def test_sound_without_its_noise_is_heard_like_any_other(talk: Interpreting) -> None:
    talk.give(AudioReduced(pcm(800)))
    talk.pauses().hears("Good morning.").translates("Buenos días.")
    assert talk.text() == "Buenos días."


# What is heard


def test_speech_is_translated_when_the_speaker_pauses(talk: Interpreting) -> None:
    talk.says(800).pauses()
    talk.hears("Good morning.")
    assert talk.sources == ["Good morning."]
    assert talk.passages[0].request.language == "es"
    talk.translates("Buenos días.", audio_ms=730)
    assert talk.text() == "Buenos días."
    assert talk.sound() == pcm(730)


def test_every_delta_says_how_much_of_the_stream_was_taken(talk: Interpreting) -> None:
    talk.client(show("whisper-1")).says(800).pauses(600)
    talk.hears("Good morning.").translates("Buenos días.")
    deltas = [each for each in talk.events if "elapsed_ms" in each]
    assert {each["elapsed_ms"] for each in deltas} == {1400}
    sound = talk.all("session.output_audio.delta")[0]
    assert (sound["sample_rate"], sound["channels"], sound["format"]) == (24_000, 1, "pcm16")


def test_a_translation_begins_while_the_speaker_goes_on(talk: Interpreting) -> None:
    talk.says(2000)
    talk.understands("When the sun rose, everybody")
    assert talk.sources == ["When the sun rose,"]
    talk.translates("Cuando salió el sol,")
    talk.says(1000).understands("When the sun rose, everybody went home. Then")
    assert talk.sources[1:] == ["everybody went home."]
    talk.translates("todos se fueron a casa.")
    assert talk.text() == "Cuando salió el sol, todos se fueron a casa."


def test_what_was_translated_from_a_beginning_is_not_translated_again(talk: Interpreting) -> None:
    talk.says(2000).understands("When the sun rose, everybody").translates("Cuando salió el sol,")
    talk.pauses().hears("When the sun rose, everybody slept.")
    assert talk.sources == ["When the sun rose,", "everybody slept."]


def test_a_transcript_that_changes_its_mind_goes_on_after_the_words_that_were_told(
    talk: Interpreting,
) -> None:
    talk.says(2000).understands("When the son rose, everybody").translates("Cuando salió,")
    talk.pauses().hears("When the sun rose, everybody slept.")
    assert talk.sources[1:] == ["everybody slept."]


def test_the_next_utterance_waits_for_the_end_of_the_one_before(talk: Interpreting) -> None:
    talk.says(800).pauses().says(800)
    first, second = talk.opened()
    talk.understands("Then we ate, and afterwards", second)
    assert talk.passages == []
    talk.hears("We came home.", first)
    assert talk.sources == ["We came home. Then we ate,"]


def test_what_waits_is_translated_together(talk: Interpreting) -> None:
    for number in range(4):
        talk.says(400).pauses().hears(f"This is sentence {number}.")
    assert len(talk.passages) == 1
    talk.translates("Una.")
    assert talk.sources[1:] == [
        "This is sentence 1. This is sentence 2. This is sentence 3.",
    ]


def test_a_passage_has_a_longest_length(talk: Interpreting) -> None:
    sentence = "word " * 45 + "end."
    for _ in range(9):
        talk.says(400).pauses().hears(sentence)
    talk.translates("x").translates("y")
    assert all(len(each) <= PASSAGE_CHARACTERS for each in talk.sources)
    assert len(talk.sources[1].split("end.")) == 3


def test_earlier_passages_go_along(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("Anna came.").translates("Vino Anna.")
    talk.says(400).pauses().hears("She laughed.")
    assert talk.passages[1].request.context == (
        UserTurn("Anna came."),
        AssistantTurn("Vino Anna."),
        UserTurn("She laughed."),
    )


def test_noise_without_words_is_not_translated(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("").says(400).pauses().hears("...")
    assert talk.passages == []
    talk.client(CLOSE)
    assert talk.types[-1] == "session.closed"


def test_silence_is_not_transcribed(talk: Interpreting) -> None:
    talk.pauses(5000)
    assert talk.opened() == []
    assert len(talk.scored()) == pytest.approx(5000 * 16, abs=1024)


def test_speech_without_a_pause_is_cut(talk: Interpreting) -> None:
    talk.says(45_000)
    assert len(talk.opened()) == 3
    assert len(talk.fed()) == len(talk.scored())


def test_long_speech_is_cut_at_a_short_pause(talk: Interpreting) -> None:
    talk.says(5000).pauses(200).says(7000)
    assert len(talk.opened()) == 1
    talk.pauses(200).says(1000)
    assert len(talk.opened()) == 2


def test_sound_is_taken_in_frames_of_200_ms(talk: Interpreting) -> None:
    talk.client(append(pcm(150)))
    assert not [each for each in talk.commands if isinstance(each, ScoreSpeech)]
    talk.client(append(pcm(50)))
    assert len(talk.scored()) == 6 * 512


def test_drafts_are_never_translated(talk: Interpreting) -> None:
    talk.says(2000)
    talk.give(TranscriptDrafted(talk.opened()[0], "When the sun rose, everybody went home."))
    assert talk.passages == []


# The words of the speaker


def test_source_words_come_only_where_they_are_asked_for(talk: Interpreting) -> None:
    talk.says(800).pauses().hears("Good morning.")
    assert talk.text("input") == ""


def test_a_streaming_model_shows_the_words_while_one_speaks(talk: Interpreting) -> None:
    talk.client(show("gpt-realtime-whisper")).says(1000).understands("Good morning")
    assert talk.text("input") == "Good morning"
    talk.pauses().hears("Good morning everybody.")
    talk.says(400).pauses().hears("Sit down.")
    assert talk.text("input") == "Good morning everybody. Sit down."
    assert talk.opened("gpt-realtime-whisper") == []


def test_another_model_shows_the_words_of_an_utterance_at_once(talk: Interpreting) -> None:
    talk.client(show("whisper-1")).says(1000).understands("Good morning")
    assert talk.text("input") == ""
    talk.pauses().hears("Good morning everybody.")
    deltas = talk.all("session.input_transcript.delta")
    assert [each["delta"] for each in deltas] == ["Good morning everybody."]


def test_a_model_of_another_engine_hears_the_same_beside_the_translation(
    talk: Interpreting,
) -> None:
    talk.client(show("other-engine")).says(1000).pauses()
    (shown,) = talk.opened("other-engine")
    (heard,) = talk.opened()
    assert np.array_equal(talk.fed(shown), talk.fed(heard))
    talk.hears("Good morning.", heard).hears("good mourning", shown)
    assert talk.sources == ["Good morning."]
    assert talk.text("input") == "good mourning"


def test_a_model_that_shows_words_may_fail_without_harm(talk: Interpreting) -> None:
    talk.client(show("other-engine")).says(1000)
    talk.fails(talk.opened("other-engine")[0])
    assert talk.error()["code"] == "engine_unreachable"
    talk.pauses().hears("Good morning.").translates("Buenos días.")
    assert talk.text() == "Buenos días."
    fed = [each.job for each in talk.commands if isinstance(each, FeedTranscription)]
    assert fed[-1] == talk.opened()[0]


def test_an_utterance_keeps_the_model_it_began_with(talk: Interpreting) -> None:
    talk.client(show("gpt-realtime-whisper")).says(600).client(show(None)).pauses()
    talk.hears("Good morning.")
    talk.says(600).pauses().hears("Sit down.")
    assert talk.text("input") == "Good morning."


# What is said


def test_words_that_need_no_space_get_none() -> None:
    talk = Interpreting(offer(language="ja"))
    for source, translation in (("One.", "一つ。"), ("Two.", "二つ。")):
        talk.says(400).pauses().hears(source).translates(translation)
    assert talk.text() == "一つ。二つ。"


def test_what_a_model_writes_around_its_translation_is_not_told(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("One.")
    talk.produces(SpokenText("\n"), SpokenText(" Uno."), WrittenText("?"), ResponseFinished("stop"))
    talk.says(400).pauses().hears("Two.").translates(" Dos.")
    assert talk.text() == "Uno. Dos."


def test_sound_is_told_as_it_is_made_and_counted(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("One.")
    talk.produces(SpokenText("Uno."), SpokenAudio(pcm(250), "Uno."))
    assert len(talk.sound()) == len(pcm(250))
    talk.produces(SpokenAudio(pcm(30)), ResponseFinished("stop"))
    assert talk.sound() == pcm(280)
    (account,) = [each.ledger for each in talk.commands if isinstance(each, RecordAudio)]
    assert (account.status, account.made_samples) == ("completed", account.sent_samples)
    assert all(
        len(base64.b64decode(each["delta"])) <= 12_000
        for each in talk.all("session.output_audio.delta")
    )


def test_a_language_changed_in_the_middle_counts_from_the_next_passage(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("One.").client(update(output={"language": "de"}))
    talk.translates("Uno.")
    talk.says(400).pauses().hears("Two.")
    assert [each.request.language for each in talk.passages] == ["es", "de"]


# Failures


def test_a_passage_that_fails_is_told_and_the_next_one_follows(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("One.")
    talk.says(400).pauses().hears("Two.")
    talk.produces(SpokenText("Uno"), SpokenAudio(pcm(30), "Uno")).fails(talk.passages[0].job)
    assert talk.sound() == pcm(30)
    assert talk.error() == {
        "type": "server_error",
        "code": "engine_unreachable",
        "message": "The engine cannot be reached. Start it.",
        "param": None,
        "event_id": None,
    }
    talk.translates("Dos.")
    assert talk.text() == "Uno Dos."
    assert talk.passages[1].request.context == (UserTurn("Two."),)


def test_a_transcription_that_fails_loses_its_utterance_alone(talk: Interpreting) -> None:
    talk.says(2000).understands("When the sun rose, everybody").fails(talk.opened()[0])
    assert talk.error()["code"] == "engine_unreachable"
    talk.says(400).pauses().translates("Cuando salió el sol,").translates("todos")
    talk.says(400).pauses().hears("Two.")
    assert talk.sources == ["When the sun rose,", "everybody", "Two."]


def test_a_vad_that_fails_counts_as_silence(talk: Interpreting) -> None:
    talk.scores_at_once = False
    talk.says(200)
    (ordered,) = [each for each in talk.commands if isinstance(each, ScoreSpeech)]
    talk.fails(ordered.job)
    assert talk.error()["code"] == "server_error"
    talk.client(CLOSE)
    for each in [each for each in talk.commands if isinstance(each, ScoreSpeech)][1:]:
        talk.give(SpeechScored(each.job, ()))
    assert talk.types[-1] == "session.closed"


def test_a_transcriber_that_does_not_answer_is_given_up(talk: Interpreting) -> None:
    talk.says(600).pauses().waits(29)
    assert "error" not in talk.types
    talk.waits(2)
    assert talk.error()["code"] == "engine_timeout"
    assert CancelJob(talk.opened()[0]) in talk.commands
    talk.hears("Too late.")
    assert talk.passages == []


def test_a_translation_that_stops_is_given_up_and_the_next_one_follows(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("One.")
    talk.says(400).pauses().hears("Two.")
    talk.waits(58).produces(SpokenText("Uno")).waits(59)
    assert "error" not in talk.types
    talk.waits(2)
    assert talk.all("error")[-1]["error"]["code"] == "engine_timeout"
    assert CancelJob(talk.passages[0].job) in talk.commands
    assert talk.sources[1:] == ["Two."]
    talk.produces(SpokenText(" too late"), job=talk.passages[0].job)
    assert talk.text() == "Uno"


def test_a_translation_without_end_is_stopped(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("One.").produces(SpokenText("Uno"))
    for _ in range(MAX_PASSAGE_AUDIO_MS // 60_000 + 1):
        talk.produces(SpokenAudio(pcm(60_000)))
    assert talk.error()["code"] == "engine_invalid_answer"
    assert CancelJob(talk.passages[0].job) in talk.commands


def test_a_speaker_who_is_too_far_ahead_is_told_to_wait() -> None:
    talk = Interpreting(offer(transcription_patience_s=600))
    for _ in range(MAX_WAITING):
        talk.says(400).pauses()
    assert "error" not in talk.types
    talk.says(200)
    assert (talk.error()["code"], talk.error()["param"]) == ("input_audio_buffer_full", "audio")
    for job in talk.opened():
        talk.hears("One.", job)
    talk.says(200)
    assert talk.types.count("error") == 1


def test_sound_that_nobody_scores_stops_the_speaker(talk: Interpreting) -> None:
    talk.scores_at_once = False
    minute = append(bytes(60_000 * 48))
    for _ in range(12):
        talk.client(minute)
    assert talk.error()["code"] == "input_audio_buffer_full"
    assert 10 * 60 * 16_000 <= len(talk.scored()) <= 11 * 60 * 16_000


def test_text_that_nobody_translates_stops_the_speaker(talk: Interpreting) -> None:
    for _ in range(40):
        talk.says(400).pauses().hears("word " * 40 + "end.")
        if "error" in talk.types:
            break
    assert talk.error()["code"] == "input_audio_buffer_full"


# The end


def test_closing_brings_everything_to_its_end_first(talk: Interpreting) -> None:
    talk.client(show("whisper-1")).says(700).client(append(pcm(50))).client(CLOSE)
    assert talk.closed() == []
    talk.hears("Good morning.")
    assert talk.closed() == []
    talk.translates("Buenos días.", audio_ms=130)
    assert talk.text("input") == "Good morning."
    assert talk.text() == "Buenos días."
    assert talk.sound() == pcm(130)
    assert talk.types[-1] == "session.closed"
    assert talk.closed() == [CloseConnection(1000, "session.close")]
    assert talk.session.deadline() is None


def test_the_last_samples_are_heard(talk: Interpreting) -> None:
    talk.client(append(pcm(730))).client(CLOSE)
    loud = np.flatnonzero(np.abs(talk.scored()) > 0.01)
    assert loud[-1] - loud[0] == pytest.approx(730 * 16, abs=64)


def test_a_session_in_which_nothing_was_said_closes_at_once(talk: Interpreting) -> None:
    talk.client(CLOSE)
    assert talk.types == ["session.created", "session.closed"]
    assert talk.closed() == [CloseConnection(1000, "session.close")]


def test_a_closing_session_takes_no_more_sound_and_closes_once(talk: Interpreting) -> None:
    talk.says(700).client(CLOSE).client(CLOSE).says(200)
    assert talk.error()["code"] == "session_closing"
    talk.hears("Good morning.").translates("Buenos días.").client(CLOSE)
    assert talk.types.count("session.closed") == 1
    assert len(talk.closed()) == 1


def test_a_closing_session_does_not_wait_for_ever(talk: Interpreting) -> None:
    talk.says(700).client(CLOSE).waits(31)
    assert talk.types[-2:] == ["error", "session.closed"]


def test_a_server_that_shuts_down_lets_the_translation_end(talk: Interpreting) -> None:
    talk.says(700)
    talk.give(Draining())
    talk.hears("Good morning.").translates("Buenos días.")
    assert talk.types[-1] == "session.closed"
    assert [each.code for each in talk.closed()] == [1001]


def test_a_session_ends_when_its_time_is_up() -> None:
    talk = Interpreting(offer(max_session_s=60))
    talk.says(700).waits(61)
    assert talk.types[-2:] == ["error", "session.closed"]
    assert talk.events[-2]["error"]["code"] == "session_expired"
    assert [each.code for each in talk.closed()] == [1001]
    assert CancelJob(talk.opened()[0]) in talk.commands


def test_a_client_that_leaves_stops_everything(talk: Interpreting) -> None:
    talk.says(400).pauses().hears("One.").says(400)
    talk.give(Disconnected())
    stopped = {each.job for each in talk.commands if isinstance(each, CancelJob)}
    assert stopped == {talk.passages[0].job, talk.opened()[-1]}
    assert talk.session.deadline() is None
    assert talk.give(Disconnected()) == []


def test_results_of_jobs_that_nobody_ordered_change_nothing(talk: Interpreting) -> None:
    for stale in (TranscriptGrew(99, "x"), SpeechScored(99, (1.0,)), JobFailed(99, "x", "y")):
        assert talk.give(stale) == []
    assert not [each for each in talk.commands if isinstance(each, StartResponse)]
