"""The half of a realtime session that concerns its dialogue alone: items, responses, tools."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from antiphon.core import happenings, inputs
from antiphon.core.configuration import SessionOffer
from antiphon.core.dialogue import Dialogue, Followed
from antiphon.core.entries import with_sound
from antiphon.core.happenings import Told
from antiphon.core.ids import Ids
from antiphon.core.plan import ResponsePlan, plan
from antiphon.core.routing import RoutedSession
from antiphon.protocol import client_events as client
from antiphon.protocol import server_events as server
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.session import RealtimeSession


class DialogueSession(RoutedSession):
    """What a session does with its dialogue, whatever its user says meanwhile."""

    __slots__ = ("_dialogue", "_offer", "_session")

    def __init__(
        self,
        offer: SessionOffer,
        ids: Ids,
        jobs: Iterator[int],
        session: RealtimeSession,
        now: float,
    ) -> None:
        super().__init__(ids, now)
        self._offer = offer
        self._session = session
        self._dialogue = Dialogue(offer, ids, jobs, session.id)

    # Items

    def _retrieve_item(self, event: client.ConversationItemRetrieve) -> Iterable[Told]:
        entry = self._dialogue.conversation.require(event.item_id, "retrieve")
        item = with_sound(entry, self._session.audio)
        return [server.ConversationItemRetrieved(event_id=self._ids.event(), item=item)]

    def _delete_item(self, event: client.ConversationItemDelete) -> Iterable[Told]:
        self._dialogue.conversation.require(event.item_id, "delete")
        return self._dialogue.drop_item(event.item_id, self._now)

    # Responses

    def _cancel_response(self, event: client.ResponseCancel) -> Iterable[Told]:
        return self._dialogue.cancel(event.response_id, self._now)

    def _produce(self, produced: inputs.ResponseProduced) -> Iterable[Told]:
        told = self._dialogue.responses.produce(produced.job, produced.piece, self._now)
        return told + self._dialogue.metering.keep_within(self._now)

    def _heed_quota(self, changed: inputs.QuotaChanged) -> Iterable[Told]:
        return self._dialogue.metering.learn(changed, self._now)

    def _clear_output(self, _: client.OutputAudioBufferClear) -> Iterable[Told]:
        # Spec: for calls, where the server plays; here the client plays, so nothing is pending.
        return []

    def _prepare(self) -> list[Told]:
        if self._dialogue.responses.active is not None or self._dialogue.responses.is_guessing:
            return []
        planned = self._plan(ResponseParameters())
        return self._dialogue.prepare(planned)

    def _plan(self, asked: ResponseParameters) -> ResponsePlan:
        return plan(self._session, asked, self._offer, has_spoken=self._has_spoken())

    def _has_spoken(self) -> bool:
        return self._dialogue.has_spoken or self._dialogue.responses.have_sound

    # MCP tools

    def _take_tools(self, listed: inputs.ToolsListed) -> Iterable[Told]:
        told = [*self._dialogue.mcp.listed(listed), *self._dialogue.start_ready(self._now)]
        return [*told, *self._prepare()]

    def _take_answer(self, answered: inputs.ToolAnswered) -> Iterable[Told]:
        return self._dialogue.mcp.answered(answered, self._now)

    def _on_called(
        self, happening: happenings.McpCallReady | happenings.ApprovalAsked
    ) -> Iterable[Told]:
        return self._dialogue.mcp.follow(happening, self._now)

    # What follows from happenings

    def _on_found(self, happening: Followed) -> Iterable[Told]:
        return self._dialogue.follow(happening, self._now)

    DIALOGUE_ROUTES: ClassVar[dict[type, Any]] = {
        **RoutedSession.SHARED_ROUTES,
        inputs.ResponseProduced: _produce,
        inputs.QuotaChanged: _heed_quota,
        inputs.ToolsListed: _take_tools,
        inputs.ToolAnswered: _take_answer,
        client.OutputAudioBufferClear: _clear_output,
        client.ConversationItemRetrieve: _retrieve_item,
        client.ConversationItemDelete: _delete_item,
        client.ResponseCancel: _cancel_response,
    }

    DIALOGUE_CONSEQUENCES: ClassVar[dict[type, Any]] = {
        happenings.Heard: _on_found,
        happenings.HearingFailed: _on_found,
        happenings.Transcribed: _on_found,
        happenings.ItemOpened: _on_found,
        happenings.ItemClosed: _on_found,
        happenings.McpCallReady: _on_called,
        happenings.ApprovalAsked: _on_called,
    }
