"""What was heard is remembered; what was not heard is not.

Shows Conversation: truncate: what was not heard is not remembered
"""

import pytest
from talk import (
    CANCEL,
    RESPOND,
    TEXT,
    Talk,
    assistant_text,
    delete,
    offer,
    pcm,
    response_create,
    session_update,
    sound_of,
    truncate,
    user_text,
)

from antiphon.engines.responder import SpokenAudio, SpokenText

STORY = (
    ("One two three four. ", 1000),
    ("Five six seven eight. ", 1000),
    ("Nine ten eleven twelve.", 1000),
)


def tell(talk: Talk, *, finish: bool = True) -> str:
    """Let the assistant tell a story of three seconds; return its item's id."""
    talk.client(RESPOND)
    for text, _ in STORY:
        talk.produces(SpokenText(text))
    for text, ms in STORY:
        talk.produces(SpokenAudio(pcm(ms), text))
    if finish:
        talk.finishes()
    item_id: str = talk.last("response.output_item.added")["item"]["id"]
    return item_id


def remembered(talk: Talk) -> list[str]:
    talk.client(user_text("?")).client(RESPOND)
    return talk.memory[:-1]


def test_a_whole_answer_is_remembered_whole(talk: Talk) -> None:
    tell(talk)
    assert remembered(talk) == ["One two three four. Five six seven eight. Nine ten eleven twelve."]


@pytest.mark.parametrize(
    ("heard_ms", "words"),
    [
        (0, []),
        (500, ["One two"]),
        (1000, ["One two three four."]),
        (1500, ["One two three four. Five six"]),
        (3000, ["One two three four. Five six seven eight. Nine ten eleven twelve."]),
    ],
)
def test_truncating_forgets_what_was_not_heard(talk: Talk, heard_ms: int, words: list[str]) -> None:
    item_id = tell(talk)
    talk.client(truncate(item_id, heard_ms))
    told = talk.expect("conversation.item.truncated")
    assert (told["item_id"], told["content_index"], told["audio_end_ms"]) == (
        item_id,
        0,
        heard_ms,
    )
    (part,) = talk.item(item_id)["content"]
    assert sound_of(part if heard_ms else {"audio": ""}) == pcm(heard_ms)
    assert "transcript" not in part
    assert remembered(talk) == words


def test_truncating_past_the_end_changes_nothing(talk: Talk) -> None:
    item_id = tell(talk)
    talk.client(truncate(item_id, 3001) | {"event_id": "e"})
    error = talk.expect_error("invalid_value", "audio_end_ms")
    assert error["message"].startswith("Audio content of 3000ms is already shorter than 3001ms")
    assert error["event_id"] == "e"
    assert talk.item(item_id)["content"][0]["transcript"].endswith("twelve.")


def test_truncating_again_only_shortens(talk: Talk) -> None:
    item_id = tell(talk)
    talk.client(truncate(item_id, 1000)).client(truncate(item_id, 2000))
    talk.expect_error("invalid_value", "audio_end_ms")
    talk.client(truncate(item_id, 500))
    assert remembered(talk) == ["One two"]


def test_there_is_no_other_part_to_truncate(talk: Talk) -> None:
    item_id = tell(talk)
    talk.client(truncate(item_id, 500, content_index=1))
    talk.expect_error("invalid_value", "content_index")


def test_an_item_may_be_truncated_while_it_is_spoken_and_before_the_cancel(talk: Talk) -> None:
    item_id = tell(talk, finish=False)
    talk.client(truncate(item_id, 500))
    talk.expect("conversation.item.truncated", item_id=item_id)
    talk.client(truncate(item_id, 1, content_index=1))
    talk.expect_error("invalid_value", "content_index")
    talk.client(truncate(item_id, 501))
    talk.expect_error("invalid_value", "audio_end_ms")
    talk.client(CANCEL)
    talk.expect("response.done", status="cancelled")
    (part,) = talk.item(item_id)["content"]
    assert sound_of(part) == pcm(500)
    assert "transcript" not in part
    assert remembered(talk) == ["One two"]


def test_an_item_may_be_truncated_before_it_has_sound(talk: Talk) -> None:
    talk.client(RESPOND).produces(SpokenText("One two"))
    item_id = talk.last("response.output_item.added")["item"]["id"]
    talk.client(truncate(item_id, 1))
    talk.expect_error("invalid_value", "audio_end_ms")
    talk.client(truncate(item_id, 0))
    talk.expect("conversation.item.truncated")
    talk.client(CANCEL)
    assert remembered(talk) == []


def test_an_item_truncated_in_the_middle_may_still_complete(talk: Talk) -> None:
    item_id = tell(talk, finish=False)
    talk.client(truncate(item_id, 1000)).finishes()
    talk.expect("response.done", status="completed")
    assert remembered(talk) == ["One two three four."]


def test_a_written_message_in_the_making_cannot_be_truncated(talk: Talk) -> None:
    talk.client(response_create(output_modalities=["text"])).writes("Hi", finish=False)
    talk.client(truncate(talk.last("response.output_item.added")["item"]["id"], 0))
    talk.expect_error(None, "item_id")


def test_an_interrupted_answer_is_remembered_as_far_as_it_can_have_been_played(talk: Talk) -> None:
    item_id = tell(talk, finish=False)
    talk.waits(1.2).says(200)
    talk.expect("response.done", reason="turn_detected")
    # Everything was sent at once; played were the 1.2 s that passed, and 0.2 s of sustained speech.
    part = talk.item(item_id)["content"][0]
    assert part["transcript"].endswith("twelve.")
    talk.pauses(400)
    assert talk.memory == ["One two three four. Five", "What the user said."]


def test_the_client_knows_better_what_was_played(talk: Talk) -> None:
    item_id = tell(talk, finish=False)
    talk.waits(1.3).says(200).client(truncate(item_id, 500))
    talk.pauses(400)
    assert talk.memory == ["One two", "What the user said."]


def test_sound_that_was_never_sent_is_not_kept(talk: Talk) -> None:
    talk.client(RESPOND).produces(SpokenText("Hum."), SpokenAudio(pcm(490), "Hum."))
    item_id = talk.last("response.output_item.added")["item"]["id"]
    talk.client(CANCEL)
    assert sound_of(talk.item(item_id)["content"][0]) == talk.sound() == pcm(250)
    talk.client(truncate(item_id, 251))
    talk.expect_error("invalid_value", "audio_end_ms")


def test_without_marks_words_are_taken_to_be_spread_evenly(talk: Talk) -> None:
    talk.client(RESPOND).produces(SpokenText("One two three four."), SpokenAudio(pcm(1000)))
    talk.finishes()
    talk.client(truncate(talk.last("response.output_item.added")["item"]["id"], 500))
    assert remembered(talk) == ["One two"]


def test_speed_moves_the_words_with_the_sound(talk: Talk) -> None:
    talk.client(session_update(speed=0.5))
    item_id = tell(talk)
    talk.client(truncate(item_id, 3000))
    assert remembered(talk)[0].startswith("One two three four. Five")


def test_out_of_tokens_everything_sent_is_heard(talk: Talk) -> None:
    talk.client(response_create(max_output_tokens=30))
    talk.produces(SpokenText("One two three four. "), SpokenAudio(pcm(2000), "One two three four."))
    talk.expect("response.done", status="incomplete")
    assert talk.sound() == pcm(2000)
    assert remembered(talk) == ["One two three four."]


# What does not fit


def small(truncation: object, tokens: int = 150) -> Talk:
    """Talk with a model that holds so many tokens beside its instructions and the answer."""
    instructions = "x" * int(3.2 * (4096 - 1024 - 17 - tokens))
    talk = Talk(offer(context_tokens=4096, instructions=instructions))
    talk.client(session_update(truncation=truncation))
    return talk


def numbered(talk: Talk, count: int) -> None:
    for index in range(count):
        talk.client(user_text(f"{index:064}", id=f"i{index}"))


def test_auto_drops_the_oldest_from_the_prompt_and_from_nowhere_else() -> None:
    talk = small("auto")
    numbered(talk, 9)
    talk.client(RESPOND)
    assert [int(text) for text in talk.memory] == [6, 7, 8]
    talk.replies(finish=True)
    talk.expect("response.done", status="completed")
    assert talk.item("i0")["content"][0]["text"] == "0" * 64


def test_disabled_fails_the_response_that_does_not_fit() -> None:
    talk = small("disabled")
    numbered(talk, 9)
    talk.client(RESPOND)
    response = talk.expect("response.done", status="failed")["response"]
    assert response["status_details"]["error"]["code"] == "context_length_exceeded"
    assert not talk.started
    for index in range(4):
        talk.client(delete(f"i{index}"))
    talk.client(RESPOND)
    assert len(talk.memory) == 5


def test_a_retention_ratio_drops_more_at_once() -> None:
    talk = small({"type": "retention_ratio", "retention_ratio": 0.5})
    numbered(talk, 9)
    talk.client(RESPOND)
    assert [int(text) for text in talk.memory] == [7, 8]


def test_a_limit_after_the_instructions_counts_too() -> None:
    limits = {"post_instructions": 60}
    talk = small({"type": "retention_ratio", "retention_ratio": 1.0, "token_limits": limits})
    numbered(talk, 9)
    talk.client(RESPOND)
    assert [int(text) for text in talk.memory] == [7, 8]


def test_what_was_said_last_is_always_read() -> None:
    talk = small("auto", tokens=1)
    talk.client(assistant_text("x" * 1000)).client(user_text("y" * 1000)).client(RESPOND)
    assert talk.memory == ["y" * 1000]


def test_a_turn_that_does_not_fit_is_told_after_it_not_guessed_at() -> None:
    talk = small("disabled", tokens=8)
    talk.transcript = "Too many words for so small a model. " * 5
    talk.says(600).pauses(130)
    assert not talk.started
    talk.pauses(300)
    talk.expect("response.created")
    talk.expect("response.done", status="failed")


def test_what_was_dropped_stays_dropped_so_that_prompts_begin_alike() -> None:
    talk = small("auto")
    first: list[str] = []
    for index in range(20):
        talk.client(user_text(f"{index:064}")).client(TEXT).writes("Yes.")
        first.append(talk.memory[0])
    assert len(set(first)) < 10
    assert len(talk.memory) <= 6


def test_room_for_the_next_turn_is_made_while_nobody_waits() -> None:
    talk = small("auto", tokens=400)
    for index in range(60):
        talk.client(user_text(f"{index:032}")).client(TEXT)
        asked = talk.request
        talk.writes("Yes.")
        before = asked.context
        prepared = talk.prepared()[-1].context
        talk.client(user_text("And?")).client(TEXT)
        assert talk.request.context[: len(prepared)] == prepared
        assert len(talk.request.context) <= len(before) + 3
        talk.writes("No.")


def test_the_responder_is_told_when_something_was_taken_away(talk: Talk) -> None:
    item_id = tell(talk)
    talk.client(user_text("a", id="a")).client(TEXT)
    before = talk.request.edition
    talk.writes("Yes.").client(user_text("b")).client(TEXT)
    assert talk.request.edition == before
    talk.writes("Yes.").client(delete("a")).client(TEXT)
    deleted = talk.request.edition
    assert deleted != before
    talk.writes("Yes.").client(truncate(item_id, 500)).client(TEXT)
    assert talk.request.edition not in (before, deleted)
