"""Input audio: turns by hand and by the VAD, positions, clearing, formats and bad audio."""

import base64

import numpy as np
import pytest
from talk import (
    CLEAR,
    COMMIT,
    LOUD,
    MANUAL,
    RESPOND,
    Talk,
    offer,
    pcm,
    server_vad,
    session_update,
    sound_of,
)

from antiphon.audio.formats import OutputEncoder
from antiphon.core.commands import FeedTranscription, ScoreSpeech
from antiphon.core.inputs import JobFailed, SpeechScored


def fed_ms(talk: Talk) -> float:
    """How much audio transcriptions were given."""
    return sum(len(c.samples) for c in talk.commands if isinstance(c, FeedTranscription)) / 16


def append(audio: str) -> dict[str, str]:
    return {"type": "input_audio_buffer.append", "audio": audio, "event_id": "e"}


# By hand


def test_a_manual_turn_is_committed_by_the_client_and_answered_on_request(talk: Talk) -> None:
    talk.client(MANUAL)
    mark = len(talk.events)
    talk.says(500)
    assert talk.since(mark) == []
    talk.client(COMMIT)
    assert talk.since(mark) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    committed = talk.expect("input_audio_buffer.committed")
    item = talk.expect("conversation.item.done")["item"]
    assert committed["item_id"] == item["id"]
    assert committed["previous_item_id"] is None
    assert item["content"] == [{"type": "input_audio", "transcript": None}]
    assert (item["role"], item["status"]) == ("user", "completed")
    assert not talk.started
    talk.client(RESPOND)
    assert talk.memory == ["What the user said."]


def test_manual_turns_follow_each_other(talk: Talk) -> None:
    talk.client(MANUAL)
    for index in range(3):
        talk.transcript = f"turn {index}"
        talk.says(300).client(COMMIT)
    ids = [event["item_id"] for event in talk.all("input_audio_buffer.committed")]
    assert [e["previous_item_id"] for e in talk.all("input_audio_buffer.committed")] == [
        None,
        *ids[:2],
    ]
    assert [sound_of(talk.item(each)["content"][0]) for each in ids] == [pcm(300)] * 3
    talk.client(RESPOND)
    assert talk.memory == ["turn 0", "turn 1", "turn 2"]


@pytest.mark.parametrize(("ms", "told"), [(0, "0.00ms"), (99, "99.00ms")])
def test_too_little_audio_makes_no_turn(talk: Talk, ms: int, told: str) -> None:
    talk.client(MANUAL).append(pcm(ms)).client(COMMIT)
    error = talk.expect_error("input_audio_buffer_commit_empty", None)
    assert f"Expected at least 100ms of audio, but buffer only has {told}" in error["message"]
    talk.append(pcm(100)).client(COMMIT)
    item = talk.expect("conversation.item.done")["item"]
    assert sound_of(talk.item(item["id"])["content"][0]) == pcm(ms + 100)


def test_clearing_drops_the_buffer(talk: Talk) -> None:
    talk.client(MANUAL).says(500).client(CLEAR)
    talk.expect("input_audio_buffer.cleared")
    talk.client(COMMIT)
    talk.expect_error("input_audio_buffer_commit_empty", None)
    talk.client(CLEAR)
    talk.expect("input_audio_buffer.cleared")


def test_a_manual_turn_is_transcribed_while_it_is_spoken(talk: Talk) -> None:
    talk.client(MANUAL).says(1000)
    assert fed_ms(talk) == pytest.approx(1000, abs=40)
    talk.says(100).client(COMMIT)
    assert fed_ms(talk) == pytest.approx(1100, abs=2)


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_g711_is_committed_to_its_last_sample(talk: Talk, name: str) -> None:
    wave = (LOUD * np.sin(np.arange(24_000) / 24_000 * 2 * np.pi * 400)).astype("<i2").tobytes()
    encoder = OutputEncoder(name)
    code = encoder.push(wave) + encoder.flush()
    assert len(code) == 8000
    talk.client(session_update(turn_detection=None, input_format={"type": name}))
    for start in range(0, 8000, 800):
        talk.append(code[start : start + 800])
    talk.client(COMMIT)
    stored = sound_of(talk.item(talk.last("conversation.item.done")["item"]["id"])["content"][0])
    assert len(stored) == 8000
    assert np.mean(np.abs(np.frombuffer(stored, "u1") ^ np.frombuffer(code, "u1")) < 3) > 0.5
    assert fed_ms(talk) == pytest.approx(1000, abs=2)
    talk.append(code[:800]).client(COMMIT)
    assert not talk.all("error")


def test_a_turn_in_g711_is_found_by_the_vad(talk: Talk) -> None:
    talk.client(session_update(input_format={"type": "audio/pcmu"}))
    encoder = OutputEncoder("audio/pcmu")
    for level, count in ((0, 5), (LOUD, 6), (0, 5)):
        for _ in range(count):
            noise = np.resize(np.array([level, -level], "<i2"), 2400).repeat(8)[:2400]
            talk.append(encoder.push(noise.tobytes()))
    started = talk.expect("input_audio_buffer.speech_started")
    stopped = talk.expect("input_audio_buffer.speech_stopped")
    assert started["audio_start_ms"] == pytest.approx(200, abs=40)
    assert stopped["audio_end_ms"] == pytest.approx(1100 + 224, abs=40)


# Bad audio


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ("not base64!", "not valid base64"),
        ("AAAA\n", "not valid base64"),
        (base64.b64encode(b"\0" * 481).decode(), "whole samples"),
        ("A" * (4 * ((15 * 1024 * 1024 + 2) // 3) + 4), "at most 15 MiB"),
    ],
)
def test_bad_audio_is_one_error_and_leaves_the_buffer(talk: Talk, audio: str, words: str) -> None:
    talk.client(MANUAL).append(pcm(100))
    talk.client(append(audio))
    error = talk.expect_error("invalid_value", "audio")
    assert words in error["message"]
    assert error["event_id"] == "e"
    talk.client(COMMIT)
    item = talk.expect("conversation.item.done")["item"]
    assert sound_of(talk.item(item["id"])["content"][0]) == pcm(100)


def test_no_audio_at_all_is_fine(talk: Talk) -> None:
    talk.client(append(""))
    assert talk.types == ["session.created"]


# Found by the VAD


def test_three_turns_in_one_stream_are_three_items(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(create_response=False)))
    for _ in range(3):
        talk.says(600).pauses(640)
    starts = [e["audio_start_ms"] for e in talk.all("input_audio_buffer.speech_started")]
    ends = [e["audio_end_ms"] for e in talk.all("input_audio_buffer.speech_stopped")]
    assert starts == pytest.approx([0, 1240 - 300, 2480 - 300], abs=32)
    assert ends == pytest.approx([824, 1240 + 824, 2480 + 824], abs=32)
    items = [e["item"]["id"] for e in talk.all("conversation.item.done")]
    lengths = [len(sound_of(talk.item(each)["content"][0])) / 48 for each in items]
    assert lengths == [end - start for start, end in zip(starts, ends, strict=True)]


def test_the_settings_of_the_vad_count(talk: Talk) -> None:
    vad = server_vad(prefix_padding_ms=0, silence_duration_ms=1000)
    talk.client(session_update(turn_detection=vad)).pauses(640).says(640).pauses(900)
    started = talk.expect("input_audio_buffer.speech_started")
    assert started["audio_start_ms"] == pytest.approx(640, abs=32)
    assert "input_audio_buffer.speech_stopped" not in talk.types
    talk.pauses(200)
    stopped = talk.expect("input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == pytest.approx(640 + 640 + 1000, abs=64)


def test_padding_does_not_reach_into_the_turn_before(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(prefix_padding_ms=1000)))
    talk.says(600).pauses(300).says(600).pauses(300)
    (first_end, _) = [e["audio_end_ms"] for e in talk.all("input_audio_buffer.speech_stopped")]
    (_, second_start) = [e["audio_start_ms"] for e in talk.all("input_audio_buffer.speech_started")]
    assert second_start == first_end


def test_a_threshold_of_one_hears_nothing(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(threshold=1.0))).says(600)
    assert "input_audio_buffer.speech_started" not in talk.types


def test_a_turn_may_be_committed_before_the_vad_ends_it(talk: Talk) -> None:
    talk.says(600).client(COMMIT)
    item_id = talk.expect("input_audio_buffer.speech_started")["item_id"]
    assert talk.expect("input_audio_buffer.committed")["item_id"] == item_id
    assert "response.created" not in talk.types
    assert fed_ms(talk) == pytest.approx(600, abs=2)
    talk.pauses(600)
    assert talk.types.count("input_audio_buffer.committed") == 1


def test_whoever_speaks_on_after_a_commit_begins_another_turn(talk: Talk) -> None:
    talk.says(600).client(COMMIT).says(600).pauses(300)
    first, second = (e["item_id"] for e in talk.all("input_audio_buffer.committed"))
    assert first != second
    sounds = [sound_of(talk.item(each)["content"][0]) for each in (first, second)]
    assert sounds[0] == pcm(600)
    assert len(sounds[1]) / 48 == pytest.approx(824, abs=32)
    assert talk.all("input_audio_buffer.speech_started")[1]["audio_start_ms"] == 600


def test_silence_may_be_committed(talk: Talk) -> None:
    talk.pauses(500).client(COMMIT)
    item = talk.expect("conversation.item.done")["item"]
    assert sound_of(talk.item(item["id"])["content"][0]) == pcm(500, 0)


def test_long_silence_is_not_kept_for_ever(talk: Talk) -> None:
    for _ in range(35):
        talk.append(pcm(1000, 0))
    talk.client(COMMIT)
    item = talk.expect("conversation.item.done")["item"]
    assert len(sound_of(talk.item(item["id"])["content"][0])) / 48 == pytest.approx(30_000, abs=32)


def test_clearing_in_mid_turn_forgets_the_turn(talk: Talk) -> None:
    talk.says(600).client(CLEAR)
    mark = len(talk.events)
    talk.pauses(600)
    assert talk.since(mark) == []
    talk.says(300).pauses(300)
    started = talk.all("input_audio_buffer.speech_started")[1]
    assert started["audio_start_ms"] == pytest.approx(1200 - 300, abs=32)


def test_positions_go_on_after_a_clear(talk: Talk) -> None:
    talk.pauses(1000).client(CLEAR).pauses(640).says(300)
    assert talk.expect("input_audio_buffer.speech_started")["audio_start_ms"] == pytest.approx(
        1640 - 300, abs=32
    )


def test_turn_detection_may_be_switched_off_in_mid_turn(talk: Talk) -> None:
    talk.says(600).client(MANUAL).says(600).pauses(600)
    assert "input_audio_buffer.speech_stopped" not in talk.types
    before = fed_ms(talk)
    talk.client(COMMIT)
    item = talk.expect("conversation.item.done")["item"]
    stored = sound_of(talk.item(item["id"])["content"][0])
    assert stored == pcm(1200) + pcm(600, 0)
    # The new transcription had everything from the beginning of the buffer.
    assert fed_ms(talk) - 600 == pytest.approx(1800, abs=40)
    assert before < fed_ms(talk)


def test_turn_detection_may_be_switched_on_again(talk: Talk) -> None:
    talk.client(MANUAL).says(600).client(session_update(turn_detection=server_vad()))
    talk.says(300).pauses(400)
    talk.expect("input_audio_buffer.speech_started")
    talk.expect("input_audio_buffer.committed")
    talk.expect("response.created")


def test_frames_that_could_not_be_scored_count_as_silence() -> None:
    talk = Talk(offer())
    talk.scores_at_once = False
    talk.says(320)
    orders = [c for c in talk.commands if isinstance(c, ScoreSpeech)]
    for order in orders[1:]:
        talk.give(SpeechScored(order.job, (0.9,) * len(order.frames)))
    assert "input_audio_buffer.speech_started" not in talk.types
    talk.give(JobFailed(orders[0].job, "server_error", "broken"))
    assert talk.types[1] == "error"
    started = talk.expect("input_audio_buffer.speech_started")
    assert started["audio_start_ms"] == 0
    talk.give(JobFailed(orders[0].job, "server_error", "broken"))
    assert talk.types.count("error") == 1


def test_scores_count_in_the_order_of_their_frames(talk: Talk) -> None:
    talk.scores_at_once = False
    talk.says(320).pauses(500)
    orders = [c for c in talk.commands if isinstance(c, ScoreSpeech)]
    for order in reversed(orders):
        loud = np.abs(order.frames).max(axis=1) > 0.05
        talk.give(SpeechScored(order.job, tuple(0.9 if each else 0.0 for each in loud)))
    stopped = talk.expect("input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == pytest.approx(320 + 224, abs=32)


def test_scores_that_are_missing_count_as_silence(talk: Talk) -> None:
    talk.scores_at_once = False
    talk.says(320)
    for order in [c for c in talk.commands if isinstance(c, ScoreSpeech)]:
        talk.give(SpeechScored(order.job, ()))
    assert talk.types == ["session.created"]
