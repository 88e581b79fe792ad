"""Responses outside the conversation: their own input, tools, instructions and metadata.

Shows Responses: several at once
"""

from talk import (
    CANCEL,
    RESPOND,
    Talk,
    delete,
    function,
    pairs,
    pcm,
    response_create,
    user_audio,
    user_text,
)

from antiphon.core.commands import OpenTranscription
from antiphon.engines.responder import ResponseFinished, WrittenText

FINISHED = ResponseFinished("stop")


def aside(**fields: object) -> dict[str, object]:
    return response_create(conversation="none", output_modalities=["text"], **fields)


def test_its_output_stays_outside_the_conversation(talk: Talk) -> None:
    talk.client(user_text("Hi")).client(aside(metadata={"topic": "mood"}))
    created = talk.expect("response.created")["response"]
    assert created["conversation_id"] is None
    assert created["metadata"] == {"topic": "mood"}
    mark = len(talk.events)
    talk.writes("cheerful")
    assert not [kind for kind in talk.since(mark) if kind.startswith("conversation.item")]
    talk.expect("response.output_item.done")
    assert talk.expect("response.done")["response"]["metadata"] == {"topic": "mood"}
    talk.client(RESPOND)
    assert talk.memory == ["Hi"]


def test_it_reads_the_conversation_unless_it_brings_its_own_input(talk: Talk) -> None:
    talk.client(user_text("Hi", id="a")).client(user_text("Ho", id="b"))
    talk.client(aside())
    assert talk.memory == ["Hi", "Ho"]
    talk.client(aside(input=[]))
    assert talk.memory == []
    reference = {"type": "item_reference", "id": "b"}
    talk.client(aside(input=[user_text("Before.")["item"], reference]))
    assert talk.memory == ["Before.", "Ho"]


def test_an_unknown_reference_is_refused(talk: Talk) -> None:
    talk.client(aside(input=[{"type": "item_reference", "id": "nowhere"}]))
    talk.expect_error("invalid_value", "response.input[0].id")
    assert "response.created" not in talk.types


def test_own_items_may_have_the_ids_of_others(talk: Talk) -> None:
    talk.client(user_text("In the conversation.", id="a"))
    talk.client(aside(input=[user_text("In the response.", id="a")["item"]]))
    assert talk.memory == ["In the response."]
    talk.client(RESPOND)
    assert talk.memory == ["In the conversation."]


def test_own_speech_is_heard_first(talk: Talk) -> None:
    talk.hears_at_once = False
    for _ in range(2):
        talk.client(aside(input=[user_audio(pcm(300), id="same")["item"]]))
    assert not talk.started
    first, second = [c.job for c in talk.commands if isinstance(c, OpenTranscription)]
    talk.hears("two", job=second)
    assert talk.memory == ["two"]
    talk.hears("one", job=first)
    assert talk.memory == ["one"]
    assert len(talk.started) == 2


def test_it_has_its_own_instructions_and_tools(talk: Talk) -> None:
    talk.client(
        aside(
            instructions="Classify.",
            tools=[function("label")],
            tool_choice={"type": "function", "name": "label"},
        )
    )
    assert talk.request.instructions == "Classify."
    assert [tool.name for tool in talk.request.tools] == ["label"]


def test_it_runs_beside_the_answer_and_both_complete(talk: Talk) -> None:
    talk.client(user_text("Hi")).client(RESPOND)
    answer = talk.ordered.job
    talk.replies("One moment.")
    talk.client(aside()).client(aside())
    first, second = (order.job for order in talk.started[-2:])
    talk.produces(WrittenText("b"), job=second).produces(WrittenText("a"), job=first)
    for job in (first, answer, second):
        talk.produces(FINISHED, job=job)
    assert [event["response"]["status"] for event in talk.all("response.done")] == ["completed"] * 3
    assert not list(pairs(talk.events))


def test_sixteen_run_at_once_and_no_more(talk: Talk) -> None:
    for _ in range(16):
        talk.client(aside())
    talk.client(aside() | {"event_id": "e"})
    assert talk.expect_error("too_many_responses", None)["event_id"] == "e"
    talk.client(RESPOND)
    talk.expect("response.created")
    talk.produces(WrittenText("a"), FINISHED, job=talk.started[0].job)
    talk.client(aside())
    assert len(talk.all("response.created")) == 18


def test_it_is_cancelled_by_its_id_alone(talk: Talk) -> None:
    talk.client(aside())
    response_id = talk.expect("response.created")["response"]["id"]
    talk.client(CANCEL)
    talk.expect_error("response_cancel_not_active", None)
    talk.client(CANCEL | {"response_id": response_id})
    talk.expect("response.done", id=response_id, status="cancelled")


def test_speaking_does_not_interrupt_it(talk: Talk) -> None:
    talk.client(aside()).says(600)
    talk.expect("input_audio_buffer.speech_started")
    assert "response.done" not in talk.types
    talk.writes("done")
    talk.expect("response.done", status="completed")


def test_a_deleted_item_is_not_read_by_a_response_that_waits(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(user_text("Gone soon.", id="gone")).client(user_audio(pcm(300)))
    talk.client(aside()).client(delete("gone")).hears("Still here.")
    assert talk.memory == ["Still here."]


def test_its_speech_locks_the_voice_too(talk: Talk) -> None:
    talk.client(response_create(conversation="none")).replies()
    talk.client(response_create(audio={"output": {"voice": "cedar"}}))
    talk.expect_error("cannot_update_voice", "response.audio.output.voice")
