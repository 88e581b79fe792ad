"""`idle_timeout_ms`: who says nothing after a reply is asked again (case 95).

Shows Turns: idle timeout
"""

from typing import Any

import pytest
from talk import (
    CANCEL,
    COMMIT,
    RESPOND,
    TEXT,
    Talk,
    offer,
    pcm,
    retrieve,
    server_vad,
    session_update,
)

from antiphon.core.output_audio import AudioLedger

TRIGGERED = "input_audio_buffer.timeout_triggered"
AFTER_5_S = session_update(turn_detection=server_vad(idle_timeout_ms=5_000))


@pytest.fixture
def asked(talk: Talk) -> Talk:
    """A talk in which the assistant has just sent two seconds of speech."""
    talk.client(AFTER_5_S).says(640).pauses(500)
    talk.replies("Where do you want to go?", audio_ms=2_000, finish=True)
    talk.expect("response.done")
    return talk


def test_the_timeout_is_echoed(talk: Talk) -> None:
    talk.client(AFTER_5_S)
    heard = talk.expect("session.updated")["session"]["audio"]["input"]
    assert heard["turn_detection"]["idle_timeout_ms"] == 5_000


def test_silence_after_a_reply_is_committed_and_answered(asked: Talk) -> None:
    asked.pauses(6_900)
    assert TRIGGERED not in asked.types
    mark = len(asked.events)
    asked.pauses(200)
    assert asked.since(mark) == [
        TRIGGERED,
        "conversation.item.added",
        "conversation.item.done",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    triggered = asked.expect(TRIGGERED)
    # The reply began after 1.1 s and was played for two.
    assert 3_000 <= triggered["audio_start_ms"] <= 3_200
    assert triggered["audio_end_ms"] - triggered["audio_start_ms"] == pytest.approx(5_000, abs=32)
    assert asked.expect("input_audio_buffer.committed")["item_id"] == triggered["item_id"]
    assert asked.memory[-1] == "(The user has said nothing for a while.)"
    assert asked.memory[-2].startswith("Nobody has been heard to speak for a while.")
    asked.replies("Are you still there?", finish=True).expect("response.done")


def test_the_item_holds_the_silence(asked: Talk) -> None:
    asked.pauses(7_200)
    triggered = asked.expect(TRIGGERED)
    asked.client(retrieve(triggered["item_id"]))
    (part,) = asked.last("conversation.item.retrieved")["item"]["content"]
    assert part["type"] == "input_audio"
    lasting_ms = triggered["audio_end_ms"] - triggered["audio_start_ms"]
    assert len(part["audio"]) * 3 // 4 == pytest.approx(lasting_ms * 48, abs=4)


def test_its_transcript_is_told_and_empty(asked: Talk) -> None:
    asked.client(session_update(transcription={"model": "whisper-1"}))
    asked.transcript = ""
    asked.pauses(7_200)
    item_id = asked.expect(TRIGGERED)["item_id"]
    kind = "conversation.item.input_audio_transcription.completed"
    told = asked.expect(kind, item_id=item_id)
    assert told["transcript"] == ""
    assert told["usage"] == {"type": "duration", "seconds": 0}


def test_it_goes_on_for_as_long_as_nobody_speaks(asked: Talk) -> None:
    for _ in range(3):
        asked.pauses(7_200)
        asked.replies("Hello?", audio_ms=2_000, finish=True)
    assert len(asked.all(TRIGGERED)) == 3


def test_without_any_audio_the_clock_decides(asked: Talk) -> None:
    asked.waits(6.9)
    assert TRIGGERED not in asked.types
    asked.waits(0.2)
    triggered = asked.expect(TRIGGERED)
    assert triggered["audio_start_ms"] == triggered["audio_end_ms"]
    asked.expect("input_audio_buffer.committed", item_id=triggered["item_id"])
    asked.expect("response.created")


def test_audio_that_stops_coming_does_not_stop_the_clock(asked: Talk) -> None:
    asked.pauses(6_500).waits(0.8)
    assert TRIGGERED not in asked.types
    asked.waits(0.2)
    triggered = asked.expect(TRIGGERED)
    assert triggered["audio_end_ms"] - triggered["audio_start_ms"] == pytest.approx(4_500, abs=64)


def test_audio_that_comes_late_is_waited_for(asked: Talk) -> None:
    """Ten seconds by the clock hold five of audio; speech may still be under way."""
    for _ in range(50):
        asked.pauses(100).now += 0.1
    assert asked.now - 1_800_000_000 > 10
    assert TRIGGERED not in asked.types
    asked.says(300)
    asked.expect("input_audio_buffer.speech_started")
    asked.pauses(500)
    assert TRIGGERED not in asked.types


def test_audio_that_comes_ahead_of_the_clock_counts_as_audio(asked: Talk) -> None:
    for _ in range(72):
        asked.append(pcm(100, 0))
    triggered = asked.expect(TRIGGERED)
    assert triggered["audio_end_ms"] - triggered["audio_start_ms"] == pytest.approx(5_000, abs=32)


@pytest.mark.parametrize("speech_ms", [300, 2_000])
def test_speech_begins_the_users_turn(asked: Talk, speech_ms: int) -> None:
    asked.pauses(6_000).says(speech_ms).pauses(1_200)
    assert TRIGGERED not in asked.types
    asked.expect("input_audio_buffer.speech_started")
    asked.waits(20)
    assert TRIGGERED not in asked.types
    asked.replies("I see.", audio_ms=1_000, finish=True)
    asked.waits(6.1)
    asked.expect(TRIGGERED)


def test_nobody_is_asked_before_the_first_reply(talk: Talk) -> None:
    talk.client(AFTER_5_S).pauses(12_000).waits(20)
    assert TRIGGERED not in talk.types


def test_a_reply_that_is_under_way_is_no_silence(asked: Talk) -> None:
    asked.pauses(3_000).client(RESPOND).pauses(12_000).waits(20)
    assert TRIGGERED not in asked.types


def test_a_written_reply_counts_from_its_end(talk: Talk) -> None:
    talk.client(AFTER_5_S).client(TEXT).writes("Hello.")
    talk.waits(4.9)
    assert TRIGGERED not in talk.types
    talk.waits(0.2)
    talk.expect(TRIGGERED)


def test_the_client_may_be_at_work_on_a_call(talk: Talk) -> None:
    talk.client(AFTER_5_S).client(RESPOND).calls("weather", "{}").finishes()
    talk.waits(20)
    assert TRIGGERED not in talk.types


def test_a_failed_reply_is_not_tried_again_and_again(talk: Talk) -> None:
    talk.client(AFTER_5_S).client(RESPOND).fails(talk.ordered.job).waits(20)
    assert talk.all(TRIGGERED) == []


def test_a_reply_that_the_client_stopped_counts_from_then(talk: Talk) -> None:
    talk.client(AFTER_5_S).client(RESPOND).replies(audio_ms=9_000).client(CANCEL)
    talk.waits(5.1)
    talk.expect(TRIGGERED)


def test_a_client_that_stopped_playing_has_heard_the_reply(asked: Talk) -> None:
    item_id = asked.last("response.output_item.done")["item"]["id"]
    asked.waits(0.5)
    asked.client(
        {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": 500,
        }
    )
    asked.waits(5.1)
    asked.expect(TRIGGERED)


@pytest.mark.parametrize(
    "detection",
    [None, {"type": "semantic_vad"}, server_vad(), server_vad(idle_timeout_ms=30_000)],
)
def test_other_settings_apply_at_once(asked: Talk, detection: Any) -> None:
    asked.client(session_update(turn_detection=detection)).waits(20)
    assert TRIGGERED not in asked.types


def test_a_commit_of_the_client_is_a_sign_of_life(asked: Talk) -> None:
    asked.pauses(4_000).client(COMMIT).waits(20)
    assert TRIGGERED not in asked.types


def test_where_turns_get_no_answer_silence_gets_none(talk: Talk) -> None:
    detection = server_vad(idle_timeout_ms=5_000, create_response=False)
    talk.client(session_update(turn_detection=detection)).client(RESPOND).replies(finish=True)
    talk.waits(6)
    talk.expect(TRIGGERED)
    talk.expect("input_audio_buffer.committed")
    assert len(talk.all("response.created")) == 1


def test_a_responder_that_hears_gets_the_silence_itself() -> None:
    talk = Talk(offer(hears="audio"))
    talk.client(AFTER_5_S).client(RESPOND).replies(finish=True).pauses(6_000)
    talk.expect(TRIGGERED)
    assert len(talk.request.context[-1].audio) == pytest.approx(5_000 * 48, abs=32 * 48)


def test_what_is_unplayed_is_what_was_sent_and_not_stopped() -> None:
    assert AudioLedger("r", "completed", sent_samples=48_000, played_samples=24_000).unplayed_s == 1
    assert AudioLedger("r", "cancelled", sent_samples=48_000).unplayed_s == 0
