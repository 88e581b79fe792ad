"""`semantic_vad`: what was said decides how long to wait.

Shows Turns: turn detection by meaning (`semantic_vad`)
"""

import pytest
from talk import COMMIT, Talk, offer, pcm, session_update

from antiphon.core.commands import SettleTranscription
from antiphon.engines.vad import FRAME_MS

SEMANTIC = {"type": "semantic_vad"}


def test_semantic_vad_is_echoed_with_its_defaults(talk: Talk) -> None:
    talk.client(session_update(turn_detection=SEMANTIC | {"eagerness": "high"}))
    session = talk.expect("session.updated")["session"]
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "high",
        "create_response": True,
        "interrupt_response": True,
    }


@pytest.mark.parametrize(
    ("text", "eagerness", "silence_ms"),
    [
        ("What time is it?", "high", 350),
        ("What time is it?", "auto", 1_300),
        ("What time is it?", "low", 2_100),
        ("Tell me a story", "high", 350),
        ("Tell me a story", "medium", 4_200),
        ("I would like to", "high", 2_200),
        ("I would like to", "auto", 4_200),
        ("I would like to", "low", 8_200),
        ("It was red, and.", "auto", 4_200),
        ("", "auto", 4_200),
    ],
)
def test_a_turn_ends_sooner_when_its_words_sound_finished(
    talk: Talk, text: str, eagerness: str, silence_ms: int
) -> None:
    talk.transcript = text
    ends_within(talk, eagerness, silence_ms)


def ends_within(talk: Talk, eagerness: str, silence_ms: int) -> None:
    """Require that a turn ends after so much silence, and not after three quarters of it."""
    talk.client(session_update(turn_detection=SEMANTIC | {"eagerness": eagerness}))
    talk.says(640)
    talk.pauses(silence_ms * 3 // 4)
    assert "input_audio_buffer.speech_stopped" not in talk.types
    talk.pauses(silence_ms // 4 + 100)
    talk.expect("input_audio_buffer.speech_stopped")
    talk.expect("response.created")


HEARS_VOICES = offer(predicts_turns=True)


@pytest.mark.parametrize(
    ("text", "probability", "eagerness", "silence_ms"),
    [
        ("What time is it?", 0.9, "high", 350),
        ("What time is it?", 0.9, "auto", 1_300),
        ("What time is it?", 0.9, "low", 2_100),
        ("What time is it?", 0.1, "high", 1_100),
        ("What time is it?", 0.1, "auto", 2_100),
        ("What time is it?", 0.1, "low", 4_100),
        ("I would like to", 0.9, "high", 1_100),
        ("I would like to", 0.9, "auto", 2_100),
        ("I would like to", 0.1, "high", 2_100),
        ("I would like to", 0.1, "auto", 4_100),
        ("I would like to", 0.1, "low", 8_200),
        ("What time is it?", 0.3, "high", 350),
        ("What time is it?", 0.3, "auto", 2_100),
        ("What time is it?", 0.5, "low", 4_100),
    ],
)
def test_words_and_voice_decide_together(
    text: str, probability: float, eagerness: str, silence_ms: int
) -> None:
    talk = Talk(HEARS_VOICES, transcript=text, probability=probability)
    ends_within(talk, eagerness, silence_ms)


def test_without_words_the_voice_decides() -> None:
    talk = Talk(offer(hears="audio", predicts_turns=True), probability=0.9)
    ends_within(talk, "auto", 1_300)
    talk = Talk(offer(hears="audio", predicts_turns=True), probability=0.1)
    ends_within(talk, "auto", 4_100)


def test_a_pause_hands_over_the_end_of_the_turn() -> None:
    talk = Talk(HEARS_VOICES)
    talk.client(session_update(turn_detection=SEMANTIC))
    talk.pauses(1_000).says(1_000).pauses(200)
    (first,) = talk.listened
    # 300 ms of padding, the speech, and the silence of the pause, in whole frames.
    assert 1_300 <= len(first.samples) / 16 <= 1_450
    talk.says(9_000).pauses(200)
    _, second = talk.listened
    assert 7_900 <= len(second.samples) / 16 <= 8_000


def test_words_are_asked_for_at_the_first_silent_frame_and_the_voice_at_the_second() -> None:
    talk = Talk(HEARS_VOICES, transcript="What time is it?")
    talk.client(session_update(turn_detection=SEMANTIC))
    talk.append(pcm(640))
    while not any(isinstance(each, SettleTranscription) for each in talk.commands):
        talk.append(pcm(FRAME_MS, 0))
    assert talk.listened == []
    talk.append(pcm(FRAME_MS, 0))
    assert len(talk.listened) == 1


def test_who_goes_on_is_not_predicted_any_more() -> None:
    talk = Talk(HEARS_VOICES, transcript="What time is it?", probability=None)
    talk.client(session_update(turn_detection=SEMANTIC | {"eagerness": "high"}))
    talk.says(640).pauses(100).says(640)
    (first,) = talk.listened
    assert first.job in talk.cancelled()
    talk.transcript = "What time is it in"
    talk.pauses(600).predicts(0.9, job=first.job)
    talk.pauses(300)
    assert "input_audio_buffer.speech_stopped" not in talk.types


def test_a_prediction_for_a_turn_that_is_over_changes_nothing() -> None:
    talk = Talk(HEARS_VOICES, probability=None)
    talk.client(session_update(turn_detection=SEMANTIC))
    talk.says(640).pauses(100).client(COMMIT)
    (asked,) = talk.listened
    assert asked.job in talk.cancelled()
    mark = len(talk.events)
    talk.predicts(0.9)
    assert talk.since(mark) == []


def test_silence_that_came_before_the_prediction_counts() -> None:
    talk = Talk(HEARS_VOICES, transcript="What time is it?", probability=None)
    talk.client(session_update(turn_detection=SEMANTIC | {"eagerness": "high"}))
    talk.says(640).pauses(900)
    assert "input_audio_buffer.speech_stopped" not in talk.types
    talk.predicts(0.9)
    stopped = talk.expect("input_audio_buffer.speech_stopped")
    assert 950 <= stopped["audio_end_ms"] <= 1_000
    talk.expect("response.created")


def test_where_the_predictor_fails_the_words_decide() -> None:
    talk = Talk(HEARS_VOICES, transcript="What time is it?", probability=None)
    talk.client(session_update(turn_detection=SEMANTIC | {"eagerness": "high"}))
    talk.says(640).pauses(600)
    talk.fails(talk.listened[-1].job)
    talk.expect("input_audio_buffer.speech_stopped")
    talk.expect("response.created")
    assert talk.all("error") == []


def test_silence_alone_asks_nobody() -> None:
    talk = Talk(HEARS_VOICES)
    talk.says(640).pauses(500)
    assert talk.listened == []


def test_speech_that_goes_on_after_a_finished_sentence_is_one_turn(talk: Talk) -> None:
    talk.client(session_update(turn_detection=SEMANTIC))
    talk.says(640).pauses(200).says(640).pauses(1_400)
    assert talk.types.count("input_audio_buffer.speech_stopped") == 1


def test_silence_that_came_before_the_words_were_known_counts(talk: Talk) -> None:
    talk.client(session_update(turn_detection=SEMANTIC | {"eagerness": "high"}))
    talk.hears_at_once = False
    talk.says(640).pauses(1_000)
    assert "input_audio_buffer.speech_stopped" not in talk.types
    talk.hears("What time is it?")
    stopped = talk.expect("input_audio_buffer.speech_stopped")
    assert 900 <= stopped["audio_end_ms"] <= 1_100
    talk.expect("response.created")


def test_where_neither_words_nor_voice_are_known_it_is_refused_in_words() -> None:
    talk = Talk(offer(hears="audio"))
    talk.client(session_update(turn_detection=SEMANTIC))
    talk.expect_error("invalid_parameter", "session.audio.input.turn_detection.type")
