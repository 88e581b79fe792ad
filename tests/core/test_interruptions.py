"""Speech over a reply: a person who speaks interrupts it, a cough does not.

Shows Turns: coughs and clicks that do not end a reply
"""

import pytest
from talk import RESPOND, Talk, offer, pcm, server_vad, session_update

from antiphon.core.commands import ScoreSpeech
from antiphon.core.inputs import SpeechScored
from antiphon.core.turns import SUSTAINED_MS

STARTED = "input_audio_buffer.speech_started"
COUGH = (0.5, 0.85, 0.8, 0.6, 0.4)
"""What the VAD makes of a cough, frame by frame."""
VOICE = (0.6, 0.9, 0.98, 0.99, 0.99, 0.99, 0.99)


@pytest.fixture
def replying() -> Talk:
    """A talk in the middle of a reply of four seconds."""
    talk = Talk(scores_at_once=False)
    talk.client(RESPOND).replies(audio_ms=4_000)
    return talk


def hears(talk: Talk, *probabilities: float) -> Talk:
    """Append as many frames and have the VAD score them like this."""
    left = list(probabilities)
    while left:
        before = len(talk.commands)
        talk.append(pcm(32))
        talk.now += 0.032
        for order in talk.commands[before:]:
            if isinstance(order, ScoreSpeech):
                talk.give(SpeechScored(order.job, (left.pop(0),)))
    return talk


def test_a_cough_does_not_end_a_reply(replying: Talk) -> None:
    hears(replying, 0.02, *COUGH, 0.02, 0.02, 0.02, *COUGH, *[0.02] * 20)
    assert STARTED not in replying.types
    replying.finishes().expect("response.done", status="completed")


def test_clicks_do_not_add_up(replying: Talk) -> None:
    hears(replying, *[0.99, 0.1, 0.1, 0.1] * 30)
    assert STARTED not in replying.types


def test_a_voice_ends_it_within_a_fifth_of_a_second(replying: Talk) -> None:
    hears(replying, *[0.02] * 20, *VOICE)
    started = replying.expect(STARTED)
    replying.expect("response.done", status="cancelled", reason="turn_detected")
    # The turn begins where the voice did, less the padding, whenever that became certain.
    assert started["audio_start_ms"] == 640 - 300
    hears(replying, *[0.99] * 10, *[0.02] * 10)
    committed = replying.expect("input_audio_buffer.speech_stopped")
    assert committed["audio_end_ms"] == (20 + 7 + 10 + 7) * 32


def test_a_voice_with_a_stop_in_it_is_one_voice(replying: Talk) -> None:
    hears(replying, 0.9, 0.95, 0.1, 0.1, 0.95, 0.98, 0.98)
    replying.expect(STARTED)


def test_while_a_reply_is_played_it_is_not_over() -> None:
    talk = Talk(scores_at_once=False)
    talk.client(RESPOND).replies(audio_ms=4_000, finish=True)
    hears(talk, *COUGH, *[0.02] * 40)
    assert STARTED not in talk.types
    talk.waits(4)
    hears(talk, *COUGH)
    talk.expect(STARTED)


def coughed(talk: Talk, transcript: str) -> Talk:
    talk.transcript = transcript
    return hears(talk, *[0.02] * 10, *COUGH, *[0.02] * 20)


def test_a_cough_while_nobody_speaks_is_an_item_without_an_answer(talk: Talk) -> None:
    talk.scores_at_once = False
    coughed(talk, "")
    talk.expect("input_audio_buffer.speech_stopped")
    talk.expect("input_audio_buffer.committed")
    talk.expect("conversation.item.done")
    assert talk.all("response.created") == []
    hears(talk, *VOICE, *[0.02] * 10)
    talk.expect("response.created")


@pytest.mark.parametrize("transcript", ["Yes.", "Hm"])
def test_a_short_word_is_answered(talk: Talk, transcript: str) -> None:
    talk.scores_at_once = False
    coughed(talk, transcript).expect("response.created")


def test_a_voice_without_words_is_answered(talk: Talk) -> None:
    talk.scores_at_once = False
    talk.transcript = ""
    hears(talk, *VOICE, *[0.02] * 10)
    talk.expect("response.created")


def test_what_nobody_has_understood_yet_is_answered(talk: Talk) -> None:
    talk.scores_at_once = talk.hears_at_once = False
    coughed(talk, "").expect("response.created")


def test_a_responder_that_hears_decides_about_coughs_itself() -> None:
    talk = Talk(offer(hears="audio"), scores_at_once=False)
    coughed(talk, "").expect("response.created")


def test_a_cough_makes_the_idle_timeout_begin_anew() -> None:
    talk = Talk(scores_at_once=False)
    talk.client(session_update(turn_detection=server_vad(idle_timeout_ms=5_000)))
    talk.client(RESPOND).replies(audio_ms=100, finish=True)
    hears(talk, *[0.02] * 100)
    coughed(talk, "")
    hears(talk, *[0.02] * 100)
    assert "input_audio_buffer.timeout_triggered" not in talk.types
    hears(talk, *[0.02] * 60)
    talk.expect("input_audio_buffer.timeout_triggered")


def test_before_the_first_reply_a_cough_begins_no_timeout(talk: Talk) -> None:
    talk.scores_at_once = False
    talk.client(session_update(turn_detection=server_vad(idle_timeout_ms=5_000)))
    coughed(talk, "").waits(20)
    assert "input_audio_buffer.timeout_triggered" not in talk.types


def test_when_nobody_speaks_the_first_frame_counts() -> None:
    talk = Talk(scores_at_once=False)
    hears(talk, 0.5)
    talk.expect(STARTED)


def test_an_onset_over_a_reply_goes_on_after_its_end(replying: Talk) -> None:
    hears(replying, 0.6, 0.9)
    replying.client({"type": "response.cancel"})
    hears(replying, 0.9)
    replying.expect(STARTED)


def test_also_a_reply_that_is_not_to_be_interrupted_is_not_coughed_at(replying: Talk) -> None:
    replying.client(session_update(turn_detection=server_vad(interrupt_response=False)))
    hears(replying, *COUGH, *[0.02] * 10)
    assert STARTED not in replying.types
    hears(replying, *VOICE)
    replying.expect(STARTED)
    assert replying.all("response.done") == []


def test_a_quiet_voice_is_heard_where_the_threshold_is_low(replying: Talk) -> None:
    replying.client(session_update(turn_detection=server_vad(threshold=0.2)))
    hears(replying, *[0.4] * 8)
    replying.expect(STARTED)


def test_meaning_makes_no_difference() -> None:
    talk = Talk(offer(predicts_turns=True), scores_at_once=False)
    talk.client(session_update(turn_detection={"type": "semantic_vad"}))
    talk.client(RESPOND).replies(audio_ms=4_000)
    hears(talk, *COUGH, *[0.02] * 10)
    assert STARTED not in talk.types
    hears(talk, *VOICE)
    talk.expect("response.done", status="cancelled", reason="turn_detected")


def test_certain_speech_needs_no_more_than_five_frames(replying: Talk) -> None:
    assert SUSTAINED_MS < 5 * 32
    hears(replying, *[0.99] * 4)
    assert STARTED not in replying.types
    hears(replying, 0.99)
    replying.expect(STARTED)
