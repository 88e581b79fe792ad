"""The output side of a session: its conversation, and the responses that read and extend it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from antiphon.core import plan as planning
from antiphon.core import user_items
from antiphon.core.commands import PrepareResponse, RecordAudio
from antiphon.core.configuration import SessionOffer
from antiphon.core.context import INAUDIBLE, Context, turn_size
from antiphon.core.conversation import Conversation, Entry, truncated, with_transcript
from antiphon.core.end_of_turn import seems_finished
from antiphon.core.entries import entry_of, finished
from antiphon.core.happenings import (
    Certainty,
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
from antiphon.core.mcp_tools import McpTools
from antiphon.core.memory import Memory, Reading
from antiphon.core.metering import Metering
from antiphon.core.plan import ResponsePlan
from antiphon.core.response import Ending, Response, failure
from antiphon.core.responses import Responses
from antiphon.engines.responder import ResponseRequest, Turn, UserTurn
from antiphon.protocol import errors
from antiphon.protocol import server_events as server
from antiphon.protocol.client_events import ConversationItemTruncate
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import FunctionCallItem, ItemReference, ResponseInputItem
from antiphon.protocol.session import Audio

_AHEAD_SHARE = 8
"""When a prompt is read ahead, an eighth of the room is left for what the user says next: if the
beginning of the conversation has to go for it, that is done before there is somebody who waits."""


Followed = Heard | HearingFailed | Transcribed | ItemOpened | ItemClosed | ResponseEnded


@dataclass(frozen=True, slots=True)
class _Names:
    """What session and conversation are called."""

    session: str
    conversation: str


class Dialogue:
    """Items and responses, kept consistent with each other."""

    __slots__ = (
        "_ids",
        "_inline",
        "_memory",
        "_names",
        "_offer",
        "conversation",
        "has_spoken",
        "mcp",
        "metering",
        "responses",
    )

    def __init__(
        self, offer: SessionOffer, ids: Ids, jobs: Iterator[int], session_key: str
    ) -> None:
        self._offer = offer
        self._ids = ids
        self._names = _Names(session_key, ids.conversation())
        self._inline: dict[str, Entry] = {}
        self._memory = Memory(as_audio=offer.hears == "audio")
        self.conversation = Conversation()
        self.responses = Responses(jobs, offer.response_patience_s)
        self.metering = Metering(offer, self.responses)
        self.mcp = McpTools(offer, self.conversation, self.responses, ids, jobs)
        self.has_spoken = False
        """Whether the assistant has produced sound in this session."""

    @property
    def awaits_call(self) -> bool:
        """Whether the client is at work: the conversation ends with a call of a function."""
        last = self.conversation.find(self.conversation.last_id or "")
        return last is not None and isinstance(last.item, FunctionCallItem)

    # Items

    def add_item(self, entry: Entry, after: str | None) -> list[Told]:
        """Add a client's item; raise `ClientError` if it cannot stand there."""
        self.conversation.check_room(entry, after)
        told = self.responses.discard_guess()
        previous = self.conversation.add(entry, after)
        told += user_items.tell(entry, previous, self._ids)
        if self._memory.awaits(entry):
            told.append(SpeechArrived(entry.id, b"".join(entry.audio)))
        return told

    def commit_turn(self, turn: TurnCommitted) -> list[Told]:
        """Make an item of what the user said."""
        told = user_items.commit(turn, self.conversation, self._ids)
        self._memory.awaits(self.conversation.require(turn.item_id, "retrieve"))
        return told

    def truncate(self, asked: ConversationItemTruncate) -> list[Told]:
        """Forget what the user did not hear; raise `ClientError` when that cannot be."""
        for response in self.responses:
            message = response.message_of(asked.item_id)
            if message is not None:
                message.truncate(asked.content_index, asked.audio_end_ms)
                return [self._truncated(asked)]
        entry = self.conversation.require(asked.item_id, "truncate")
        self.conversation.revise(truncated(entry, asked.content_index, asked.audio_end_ms))
        return [*self.responses.discard_guess(), self._truncated(asked)]

    def own_input(self, items: tuple[ResponseInputItem, ...], audio: Audio) -> list[Entry]:
        """Return what a response reads in place of the conversation; raise `ClientError` if bad."""
        return [
            self._own(item, f"response.input[{index}]", audio) for index, item in enumerate(items)
        ]

    def drop_item(self, item_id: str, now: float) -> list[Told]:
        """Delete an item and stop whatever is still being found out about it."""
        self.conversation.remove(item_id)
        self._memory.resolve(item_id)
        self.mcp.drop_item(item_id)
        deleted = server.ConversationItemDeleted(event_id=self._ids.event(), item_id=item_id)
        return [
            ItemDropped(item_id),
            *self.responses.discard_guess(),
            deleted,
            *self.start_ready(now),
        ]

    def _hear(self, heard: Heard, now: float) -> list[Told]:
        """Note what the responder knows of a spoken item; responses may have waited for it."""
        self._learn(heard.item_id, heard.text)
        return self.start_ready(now)

    def _miss(self, failed: HearingFailed, now: float) -> list[Told]:
        """Fail the responses that waited for speech which nobody could transcribe."""
        self._learn(failed.item_id, "")
        told: list[Told] = []
        for response in self.responses:
            if response.job is None and failed.item_id in response.reads.unheard:
                told += response.end(failure(failed.code, failed.message), now)
        return told

    def _fill_transcript(self, transcribed: Transcribed) -> list[Told]:
        """Store a transcript in the item that it belongs to."""
        entry = self.conversation.find(transcribed.item_id)
        if entry is not None:
            self.conversation.put(with_transcript(entry, transcribed.text))
        return []

    # Responses

    def follow(self, happening: Followed, now: float) -> list[Told]:
        """Return what follows from something that was found out, or that a response tells."""
        match happening:
            case Heard():
                return self._hear(happening, now)
            case HearingFailed():
                return self._miss(happening, now)
            case Transcribed():
                return self._fill_transcript(happening)
            case ItemOpened():
                return self._open_item(happening)
            case ItemClosed():
                return self._close_item(happening)
            case ResponseEnded():
                return self._end_response(happening, now)

    def respond(self, planned: ResponsePlan, read: list[Entry] | None, now: float) -> list[Told]:
        """Announce a response and have it made as soon as everything it reads is known.

        ``read`` holds the response's own input; None: the whole conversation.
        """
        self.responses.check_room(in_conversation=planned.in_conversation)
        told: list[Told] = []
        for entry in read or ():
            if entry.id not in self.conversation:
                self._inline[entry.id] = entry
                if self._memory.awaits(entry):
                    told.append(SpeechArrived(entry.id, b"".join(entry.audio)))
        reading = self._memory.reading(self.conversation, read)
        response = Response(planned, self._names.conversation, reading, self._ids, now)
        self.responses.add(response)
        return [response.announce(), *told, *self.start_ready(now)]

    def start_ready(self, now: float) -> list[Told]:
        """Start the responses that wait for nothing any more."""
        told: list[Told] = []
        for response in self.responses:
            is_known = self._memory.is_ready(response.reads)
            if response.job is None and is_known and not self.mcp.is_awaited(response.plan):
                told += self._start(response, now)
        return told

    def guess(self, planned: ResponsePlan, text: str, certainty: Certainty) -> list[Told]:
        """Get ready for the answer to a turn that is not over, or only provisionally."""
        if self.responses.active is not None:
            return []
        if certainty == "draft" and not self._offer.answers_drafts:
            return []
        planned, said = self.mcp.equip(planned), UserTurn(text or INAUDIBLE)
        try:
            known = self._recall(planned, Reading(), turn_size(said))
        except ClientError:
            # It will be told when the turn is over.
            return []
        request = self._request(planned, (*known.turns, said))
        if not text:
            return []
        if certainty == "settled":
            return self.responses.guess(request)
        if certainty == "draft" and seems_finished(text, "high"):
            return self.responses.guess(request, is_idle_work=True)
        if certainty == "draft":
            return [*self.responses.discard_guess(), PrepareResponse(request)]
        return [] if self.responses.is_guessing else [PrepareResponse(request)]

    def prepare(self, planned: ResponsePlan, *, is_expected: bool = False) -> list[Told]:
        """Have the responder read what the next response will begin with, or begin it unseen."""
        planned = self.mcp.equip(planned)
        room = planning.room(planned, self._offer)
        ahead = 0 if is_expected or room.retained is None else room.limit // _AHEAD_SHARE
        try:
            known = self._recall(planned, Reading(), ahead)
        except ClientError:
            return []
        request = self._request(planned, known.turns)
        return self.responses.guess(request) if is_expected else [PrepareResponse(request)]

    def cancel(self, response_id: str | None, now: float) -> list[Told]:
        """Stop a response for the client; raise `ClientError` when there is none."""
        response = self.responses.find(response_id)
        told = self.responses.discard_guess() if response.plan.in_conversation else []
        return told + self.responses.stop(response, Ending("cancelled", "client_cancelled"), now)

    def interrupt(self, now: float) -> list[Told]:
        """Stop the conversation's response because the user speaks."""
        active = self.responses.active
        told = self.responses.discard_guess()
        if active is None:
            return told
        return told + self.responses.stop(active, Ending("cancelled", "turn_detected"), now)

    def abandon(self, now: float) -> list[Told]:
        """End everything: the session closes."""
        told = self.responses.discard_guess()
        for response in self.responses:
            told += self.responses.stop(response, Ending("cancelled", "client_cancelled"), now)
        return told + self.mcp.abandon(now)

    # What responses tell

    def _open_item(self, opened: ItemOpened) -> list[Told]:
        """Tell of an item that a response began, and let it take its place."""
        item = opened.item
        told: list[Told] = [
            server.ResponseOutputItemAdded(
                event_id=self._ids.event(),
                response_id=opened.response_id,
                output_index=opened.output_index,
                item=item,
            )
        ]
        if self._is_in_conversation(opened.response_id):
            previous = self.conversation.add(Entry(str(item.id), item))
            told.append(
                server.ConversationItemAdded(
                    event_id=self._ids.event(), previous_item_id=previous, item=item
                )
            )
        return told

    def _close_item(self, closed: ItemClosed) -> list[Told]:
        """Tell of an item that a response has finished."""
        item = closed.item
        item_id = str(item.id)
        told: list[Told] = []
        if closed.audio:
            self.has_spoken = True
        if self._is_in_conversation(closed.response_id):
            self.conversation.put(finished(closed))
            told.append(
                server.ConversationItemDone(
                    event_id=self._ids.event(),
                    previous_item_id=self._previous(item_id),
                    item=item,
                )
            )
        told.append(
            server.ResponseOutputItemDone(
                event_id=self._ids.event(),
                response_id=closed.response_id,
                output_index=closed.output_index,
                item=item,
            )
        )
        return told

    def _end_response(self, ended: ResponseEnded, now: float) -> list[Told]:
        """Forget a response that has said its `response.done`."""
        rate_limits, settling = self.metering.end(ended, now)
        self.responses.remove(ended.response_id)
        kept = {each for response in self.responses for each in response.reads.own or ()}
        for item_id in self._inline.keys() - kept:
            del self._inline[item_id]
            self._memory.resolve(item_id)
        return [
            server.RateLimitsUpdated(event_id=self._ids.event(), rate_limits=rate_limits),
            *settling,
            RecordAudio(ended.ledger),
        ]

    def _own(self, item: ResponseInputItem, path: str, audio: Audio) -> Entry:
        if not isinstance(item, ItemReference):
            # Its id is the client's affair: the conversation may have an item of the same id.
            own = entry_of(item, path, audio, self._ids, sees=self._offer.sees)
            return replace(own, id=self._ids.item())
        entry = self.conversation.find(item.id)
        if entry is None:
            raise errors.unknown_referenced_item(f"{path}.id", item.id)
        return entry

    def _truncated(self, asked: ConversationItemTruncate) -> Told:
        return server.ConversationItemTruncated(
            event_id=self._ids.event(),
            item_id=asked.item_id,
            content_index=asked.content_index,
            audio_end_ms=asked.audio_end_ms,
        )

    def _start(self, response: Response, now: float) -> list[Told]:
        planned = self.mcp.equip(response.plan)
        response.equip(planned.targets)
        if planned.tool_choice == "required" and not planned.tools:
            why = planned.shortage or 'tool_choice is "required" and there are no tools'
            message = f'{why}. Add tools, or choose "auto".'
            return response.end(failure("invalid_tool_choice", message), now)
        try:
            known = self._recall(planned, response.reads)
        except ClientError as overflow:
            return response.end(failure(str(overflow.code), overflow.message), now)
        request = self._request(planned, known.turns)
        return self.metering.start(response, request, known, now)

    def _request(self, planned: ResponsePlan, turns: tuple[Turn, ...]) -> ResponseRequest:
        return planning.request(planned, turns, self._names.session, self.conversation.edition)

    def _recall(self, planned: ResponsePlan, reading: Reading, ahead: int = 0) -> Context:
        """Return what is read, as far as it fits; raise `ClientError` if that must be all."""
        room = planning.room(planned, self._offer)
        return self._memory.recall(reading, self.conversation, self._find, room, ahead)

    def _learn(self, item_id: str, text: str) -> None:
        entry = self._find(item_id)
        self._memory.resolve(item_id)
        if entry is None or entry.heard is not None:
            return
        known = replace(entry, heard=text)
        if item_id in self._inline:
            self._inline[item_id] = known
        self.conversation.put(known)

    def _find(self, item_id: str) -> Entry | None:
        return self.conversation.find(item_id) or self._inline.get(item_id)

    def _previous(self, item_id: str) -> str | None:
        return self.conversation.previous_id(item_id) if item_id in self.conversation else None

    def _is_in_conversation(self, response_id: str) -> bool:
        active = self.responses.active
        return active is not None and active.id == response_id
