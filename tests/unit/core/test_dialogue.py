"""Items and responses together: what waits for what, and what is read."""

from dataclasses import replace
from itertools import count

import pytest

from antiphon.core.commands import CancelJob, PrepareResponse, RecordAudio, StartResponse
from antiphon.core.configuration import SessionOffer, initial_session
from antiphon.core.conversation import Entry
from antiphon.core.dialogue import Dialogue
from antiphon.core.happenings import (
    Heard,
    HearingFailed,
    ItemClosed,
    ItemDropped,
    ItemOpened,
    ResponseEnded,
    SpeechArrived,
    Told,
    Transcribed,
    TurnCommitted,
)
from antiphon.core.ids import Ids
from antiphon.core.plan import ResponsePlan, plan
from antiphon.engines.responder import ResponseFinished, SpokenAudio, SpokenText, UserTurn
from antiphon.protocol.client_events import ConversationItemTruncate
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import InputAudio, InputText, ItemReference, MessageItem
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.server_events import (
    ConversationItemAdded,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemTruncated,
    InputAudioBufferCommitted,
    RateLimitsUpdated,
    ResponseCreated,
    ResponseDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
)
from antiphon.protocol.session import Audio

SOUND = b"\1\0" * 4800
OFFER = SessionOffer("m", None)


class Talker:
    """A dialogue whose happenings are followed, as a session would."""

    def __init__(self, **offer: object) -> None:
        self.offer = replace(OFFER, **offer)  # type: ignore[arg-type]
        self.dialogue = Dialogue(self.offer, Ids(b"s"), count(1), "key")
        self.session = initial_session(self.offer, "sess", 0.0)

    def plan(self, **asked: object) -> ResponsePlan:
        parameters = ResponseParameters(**asked)  # type: ignore[arg-type]
        return plan(self.session, parameters, self.offer, has_spoken=False)

    def follow(self, told: list[Told]) -> list[Told]:
        outputs: list[Told] = []
        for each in told:
            followed = isinstance(
                each,
                Heard | HearingFailed | Transcribed | ItemOpened | ItemClosed | ResponseEnded,
            )
            outputs += self.follow(self.dialogue.follow(each, 1.0)) if followed else [each]  # type: ignore[arg-type]
        return outputs

    def respond(self, own: list[Entry] | None = None, **asked: object) -> list[Told]:
        return self.follow(self.dialogue.respond(self.plan(**asked), own, 1.0))

    def produce(self, job: int, *pieces: object) -> list[Told]:
        told: list[Told] = []
        for piece in pieces:
            told += self.follow(self.dialogue.responses.produce(job, piece, 1.0))  # type: ignore[arg-type]
        return told


@pytest.fixture
def talker() -> Talker:
    return Talker()


def written(item_id: str, text: str = "Hi") -> Entry:
    item = MessageItem(id=item_id, role="user", content=(InputText(text=text),))
    return Entry(item_id, item)


def spoken(item_id: str) -> Entry:
    item = MessageItem(id=item_id, role="user", content=(InputAudio(),))
    return Entry(item_id, item, audio=(SOUND,))


def kinds(told: list[Told]) -> list[type]:
    return [type(each) for each in told]


def read(told: list[Told]) -> list[str]:
    (order,) = [each for each in told if isinstance(each, StartResponse)]
    return [turn.text for turn in order.request.context if isinstance(turn, UserTurn)]


def test_an_item_is_told_and_its_speech_is_to_be_heard(talker: Talker) -> None:
    told = talker.dialogue.add_item(written("a"), None)
    assert kinds(told) == [ConversationItemAdded, ConversationItemDone]
    told = talker.dialogue.add_item(spoken("b"), None)
    assert told[-1] == SpeechArrived("b", SOUND)
    assert talker.dialogue.conversation.previous_id("b") == "a"
    with pytest.raises(ClientError):
        talker.dialogue.add_item(written("a"), None)


def test_a_turn_becomes_an_item(talker: Talker) -> None:
    told = talker.dialogue.commit_turn(TurnCommitted("t", SOUND, by="vad"))
    assert kinds(told) == [InputAudioBufferCommitted, ConversationItemAdded, ConversationItemDone]
    entry = talker.dialogue.conversation.find("t")
    assert entry is not None
    assert (entry.audio, entry.heard) == ((SOUND,), None)


def test_a_response_waits_for_what_it_reads(talker: Talker) -> None:
    talker.dialogue.add_item(spoken("a"), None)
    assert kinds(talker.respond()) == [ResponseCreated]
    assert read(talker.follow([Heard("a", "Hello")])) == ["Hello"]


def test_a_responder_that_hears_waits_for_nothing() -> None:
    talker = Talker(hears="audio")
    assert SpeechArrived not in kinds(talker.dialogue.add_item(spoken("a"), None))
    assert kinds(talker.respond()) == [ResponseCreated, StartResponse]


def test_what_nobody_can_hear_fails_those_who_wait_for_it(talker: Talker) -> None:
    talker.dialogue.add_item(spoken("a"), None)
    talker.respond()
    told = talker.follow([HearingFailed("a", "broken", "Broken.")])
    assert kinds(told) == [ResponseDone, RateLimitsUpdated, RecordAudio]
    aside = talker.respond([written("x")], conversation="none")
    assert StartResponse in kinds(aside)
    assert talker.follow([HearingFailed("a", "broken", "Broken.")]) == []


def test_a_transcript_fills_its_item(talker: Talker) -> None:
    talker.dialogue.add_item(spoken("a"), None)
    assert talker.follow([Transcribed("a", "Hello"), Transcribed("gone", "Hello")]) == []
    entry = talker.dialogue.conversation.find("a")
    assert entry is not None
    assert entry.item.content == (InputAudio(transcript="Hello"),)  # type: ignore[union-attr]


def test_deleting_stops_hearing_and_starts_who_waited(talker: Talker) -> None:
    talker.dialogue.add_item(written("a"), None)
    talker.dialogue.add_item(spoken("b"), None)
    talker.respond()
    told = talker.dialogue.drop_item("b", 1.0)
    assert kinds(told) == [ItemDropped, ConversationItemDeleted, StartResponse]
    assert read(told) == ["Hi"]
    assert talker.follow([Heard("b", "Too late")]) == []


def test_own_input_is_read_in_place_of_the_conversation(talker: Talker) -> None:
    talker.dialogue.add_item(written("a", "one"), None)
    items = (
        MessageItem(id="a", role="user", content=(InputText(text="own"),)),
        ItemReference(id="a"),
    )
    own = talker.dialogue.own_input(items, Audio())
    assert own[0].id != "a"
    assert read(talker.respond(own, conversation="none")) == ["own", "one"]
    with pytest.raises(ClientError) as unknown:
        talker.dialogue.own_input((*items, ItemReference(id="b")), Audio())
    assert unknown.value.param == "response.input[2].id"


def test_own_speech_is_to_be_heard_and_forgotten_with_its_response(talker: Talker) -> None:
    told = talker.respond([spoken("own")], conversation="none")
    assert kinds(told) == [ResponseCreated, SpeechArrived]
    told = talker.follow([Heard("own", "Hello")])
    assert read(told) == ["Hello"]
    (order,) = [each for each in told if isinstance(each, StartResponse)]
    talker.produce(order.job, SpokenText("Hi"), ResponseFinished("stop"))
    assert talker.follow([Heard("own", "Hello")]) == []


def test_items_of_an_answer_enter_the_conversation_and_those_of_an_aside_do_not(
    talker: Talker,
) -> None:
    for outside in (False, True):
        told = talker.respond(conversation="none" if outside else "auto")
        (order,) = [each for each in told if isinstance(each, StartResponse)]
        told = talker.produce(order.job, SpokenText("Hi"), SpokenAudio(SOUND, "Hi"))
        told += talker.produce(order.job, ResponseFinished("stop"))
        assert {ResponseOutputItemAdded, ResponseOutputItemDone} <= set(kinds(told))
        assert (ConversationItemAdded in kinds(told)) is not outside
        assert (ConversationItemDone in kinds(told)) is not outside
    assert len(talker.dialogue.conversation) == 1
    assert talker.dialogue.has_spoken


def truncate(item_id: str, end_ms: int) -> ConversationItemTruncate:
    return ConversationItemTruncate(item_id=item_id, content_index=0, audio_end_ms=end_ms)


def test_truncation_finds_messages_in_the_making_and_in_the_conversation(talker: Talker) -> None:
    told = talker.respond()
    (order,) = [each for each in told if isinstance(each, StartResponse)]
    told = talker.produce(order.job, SpokenText("Hi"), SpokenAudio(SOUND, "Hi"))
    item_id = next(str(e.item.id) for e in told if isinstance(e, ResponseOutputItemAdded))
    assert kinds(talker.dialogue.truncate(truncate(item_id, 150))) == [ConversationItemTruncated]
    talker.produce(order.job, ResponseFinished("stop"))
    with pytest.raises(ClientError, match="Audio content of 150ms"):
        talker.dialogue.truncate(truncate(item_id, 151))
    talker.dialogue.truncate(truncate(item_id, 0))
    with pytest.raises(ClientError) as unknown:
        talker.dialogue.truncate(truncate("nobody", 0))
    assert unknown.value.code == "item_truncate_invalid_item_id"


def test_cancelling_and_interrupting_end_the_active_response(talker: Talker) -> None:
    with pytest.raises(ClientError):
        talker.dialogue.cancel(None, 1.0)
    assert talker.dialogue.interrupt(1.0) == []
    for stop in (lambda: talker.dialogue.cancel(None, 1.0), lambda: talker.dialogue.interrupt(1.0)):
        talker.respond()
        told = talker.follow(stop())
        assert kinds(told) == [CancelJob, ResponseDone, RateLimitsUpdated, RecordAudio]


def test_abandoning_ends_everything(talker: Talker) -> None:
    talker.respond()
    talker.respond(conversation="none")
    told = talker.follow(talker.dialogue.abandon(1.0))
    assert kinds(told).count(ResponseDone) == 2
    assert talker.dialogue.responses.is_idle


def test_a_guess_reads_what_is_being_said(talker: Talker) -> None:
    talker.dialogue.add_item(written("a", "one"), None)
    planned = talker.plan()
    (prepared,) = talker.dialogue.guess(planned, "two", "stable")
    assert isinstance(prepared, PrepareResponse)
    assert [turn.text for turn in prepared.request.context] == ["one", "two"]  # type: ignore[union-attr]
    assert talker.dialogue.guess(planned, "", "stable") == []
    assert talker.dialogue.guess(planned, "", "settled") == []
    assert read(talker.dialogue.guess(planned, "two", "settled")) == ["one", "two"]
    talker.respond()
    assert talker.dialogue.guess(planned, "three", "settled") == []


def test_a_draft_is_answered_where_answers_in_vain_cost_nothing() -> None:
    talker = Talker(answers_drafts=True)
    planned = talker.plan()
    (ordered,) = talker.dialogue.guess(planned, "Is it two?", "draft")
    assert isinstance(ordered, StartResponse)
    assert ordered.is_idle_work
    # The same words again change nothing, and what is stable of them is read already.
    assert talker.dialogue.guess(planned, "Is it two?", "draft") == []
    assert talker.dialogue.guess(planned, "Is it", "stable") == []
    assert talker.dialogue.guess(planned, "Is it two?", "settled") == []


def test_a_draft_that_needs_more_words_is_only_read() -> None:
    talker = Talker(answers_drafts=True)
    planned = talker.plan()
    talker.dialogue.guess(planned, "Is it?", "draft")
    cancelled, prepared = talker.dialogue.guess(planned, "Is it the?", "draft")
    assert isinstance(cancelled, CancelJob)
    assert isinstance(prepared, PrepareResponse)


def test_a_draft_means_nothing_where_answers_cost_something(talker: Talker) -> None:
    assert talker.dialogue.guess(talker.plan(), "Is it two?", "draft") == []


def test_what_does_not_fit_is_neither_guessed_nor_prepared() -> None:
    talker = Talker(context_tokens=150, instructions="")
    talker.dialogue.add_item(written("a", "x" * 400), None)
    planned = replace(talker.plan(), truncation="disabled")
    assert talker.dialogue.prepare(planned) == []
    assert talker.dialogue.guess(planned, "two", "settled") == []
    told = talker.follow(talker.dialogue.respond(planned, None, 1.0))
    (done,) = [each for each in told if isinstance(each, ResponseDone)]
    assert done.response.status_details.error.code == "context_length_exceeded"  # type: ignore[union-attr]


def test_tools_that_are_required_and_missing_fail_the_response(talker: Talker) -> None:
    told = talker.respond(tool_choice="required")
    assert kinds(told) == [ResponseCreated, ResponseDone, RateLimitsUpdated, RecordAudio]


def test_a_maximum_is_kept_free_for_the_answer(talker: Talker) -> None:
    small = Talker(context_tokens=160, instructions="")
    for index in range(4):
        small.dialogue.add_item(written(f"i{index}", "x" * 64), None)
    assert len(read(small.respond(max_output_tokens=10, conversation="none"))) == 4
    assert len(read(small.respond(max_output_tokens=40))) == 2
