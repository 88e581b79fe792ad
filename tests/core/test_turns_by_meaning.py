"""`semantic_vad`: what was said decides how long to wait."""

import pytest
from talk import Talk, offer, session_update

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
        ("What time is it?", "auto", 400),
        ("What time is it?", "low", 800),
        ("Tell me a story", "high", 300),
        ("Tell me a story", "medium", 4_200),
        ("I would like to", "high", 2_200),
        ("I would like to", "auto", 4_200),
        ("I would like to", "low", 8_200),
        ("It was red, and.", "auto", 4_200),
        ("", "auto", 4_200),
    ],
)
def test_a_turn_ends_sooner_when_it_sounds_finished(
    talk: Talk, text: str, eagerness: str, silence_ms: int
) -> None:
    talk.transcript = text
    talk.client(session_update(turn_detection=SEMANTIC | {"eagerness": eagerness}))
    talk.says(640)
    talk.pauses(silence_ms // 2)
    assert "input_audio_buffer.speech_stopped" not in talk.types
    talk.pauses(silence_ms // 2 + 100)
    talk.expect("input_audio_buffer.speech_stopped")
    talk.expect("response.created")


def test_speech_that_goes_on_after_a_finished_sentence_is_one_turn(talk: Talk) -> None:
    talk.client(session_update(turn_detection=SEMANTIC))
    talk.says(640).pauses(200).says(640).pauses(500)
    assert talk.types.count("input_audio_buffer.speech_stopped") == 1


def test_silence_that_came_before_the_words_were_known_counts(talk: Talk) -> None:
    talk.client(session_update(turn_detection=SEMANTIC))
    talk.hears_at_once = False
    talk.says(640).pauses(1_000)
    assert "input_audio_buffer.speech_stopped" not in talk.types
    talk.hears("What time is it?")
    stopped = talk.expect("input_audio_buffer.speech_stopped")
    assert 900 <= stopped["audio_end_ms"] <= 1_100
    talk.expect("response.created")


def test_a_responder_without_transcripts_refuses_it_in_words() -> None:
    talk = Talk(offer(hears="audio"))
    talk.client(session_update(turn_detection=SEMANTIC))
    talk.expect_error("invalid_parameter", "session.audio.input.turn_detection.type")
