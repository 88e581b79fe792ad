"""The session: one entry, which decides everything that the client can observe.

`Session.handle` takes a client event, an engine's result or the passing of time, and returns server
events and commands, in order. It never waits and never raises for anything that a client can send.
"""

import math
from collections.abc import Iterable
from itertools import count
from typing import Any, ClassVar

from msgspec import UNSET, structs

from antiphon.audio.formats import PCM
from antiphon.core import happenings, inputs
from antiphon.core.configuration import (
    Circumstances,
    SessionOffer,
    initial_session,
    update,
)
from antiphon.core.conversation import Entry
from antiphon.core.dialogue_session import DialogueSession
from antiphon.core.echo import EchoGuard
from antiphon.core.entries import entry_of
from antiphon.core.happenings import Told
from antiphon.core.ids import Ids
from antiphon.core.listening import Listening
from antiphon.core.plan import ResponsePlan
from antiphon.core.routing import Input, Output
from antiphon.core.tracing import name_session
from antiphon.core.transcription import Transcriptions
from antiphon.engines.stt import FinalTranscript
from antiphon.protocol import client_events as client
from antiphon.protocol import errors
from antiphon.protocol import server_events as server
from antiphon.protocol.codec import decode_audio
from antiphon.protocol.items import FunctionCallOutputItem, McpApprovalResponseItem
from antiphon.protocol.response import ResponseParameters
from antiphon.protocol.session import RealtimeSession


class Session(DialogueSession):
    """One realtime connection's state."""

    __slots__ = ("_echo", "_listening", "_turn_waits")

    def __init__(self, offer: SessionOffer, ids: Ids, now: float) -> None:
        """Open a session at ``now``, in seconds of Unix time."""
        session_id = ids.session()
        jobs = count(1)
        super().__init__(offer, ids, jobs, initial_session(offer, session_id, now), now)
        self._echo = EchoGuard() if offer.guards_echo else None
        self._listening = Listening(
            self._session.audio.input,
            Transcriptions(offer, ids, jobs),
            ids,
            jobs,
            predicts_turns=offer.predicts_turns,
            echo=self._echo,
        )
        self._turn_waits = False

    def handle(self, received: Input, now: float) -> list[Output]:
        """Take one input at ``now`` (Unix time, never decreasing) and return what follows."""
        outputs = super().handle(received, now)
        if self._echo is not None:
            format_name = str(self._session.audio.output.format.__struct_config__.tag)
            for output in outputs:
                self._echo.follow(output, format_name, self._now)
                if isinstance(output, server.InputAudioBufferSpeechStarted) and self._interrupts:
                    self._echo.stop(self._now)
        return outputs

    @property
    def _interrupts(self) -> bool:
        vad = self._session.audio.input.turn_detection
        return vad is not None and vad.interrupt_response

    @property
    def id(self) -> str:
        """The session's id."""
        return self._session.id

    @property
    def configuration(self) -> RealtimeSession:
        """The effective configuration."""
        return self._session

    @property
    def expires_at(self) -> int:
        """When the session's time is over, in Unix time."""
        return self._session.expires_at

    def renew(self, now: float) -> None:
        """Begin the session's time anew."""
        self._session = structs.replace(
            self._session, expires_at=int(now + self._offer.max_session_s)
        )

    def deadline(self) -> float | None:
        """Return when `handle` wants to be called even if nothing arrives; None: never again."""
        if self._closing:
            return None
        deadlines = (
            self._idle_deadline(),
            float(self._session.expires_at),
            self._dialogue.responses.deadline,
            self._listening.transcriptions.deadline,
            self._dialogue.mcp.deadline,
        )
        return min(moment for moment in deadlines if moment is not None)

    # The connection

    def _connect(self, _: inputs.Connected) -> Iterable[Told]:
        return [
            server.SessionCreated(event_id=self._ids.event(), session=self._session),
            *self._prepare(),
        ]

    def _pass_time(self, _: inputs.DeadlineReached) -> Iterable[Told]:
        if self._now >= self._session.expires_at:
            return self._expire(self._offer.max_session_s)
        idle = self._idle_deadline()
        return [
            *(self._listening.expire() if idle is not None and self._now >= idle else ()),
            *self._listening.transcriptions.expire(self._now),
            *self._dialogue.responses.expire(self._now),
            *self._dialogue.mcp.expire(self._now),
            *self._dialogue.start_ready(self._now),
        ]

    def miss_client(self, now: float) -> None:
        """Note that the client has lost its connection and may come back."""
        super().miss_client(now)
        self._listening.note_client(now, is_there=False)

    def greet_client(self, now: float) -> None:
        """Note that the client is back."""
        super().greet_client(now)
        self._listening.note_client(now, is_there=True)

    def _drop_work(self) -> Iterable[Told]:
        return [*self._listening.transcriptions.drop_all(), *self._dialogue.abandon(self._now)]

    def _catch_up(self) -> list[Told]:
        """Do what had to wait until nothing stands in its way."""
        responses = self._dialogue.responses
        if self._closing or responses.active is not None:
            return []
        if self._turn_waits and not self._listening.is_speech:
            return self._respond_to_turn()
        if not self._listening.is_speech and (told := self._follow_up()):
            return told
        if self._draining and responses.is_idle:
            return self._shut_down()
        return []

    def _follow_up(self) -> list[Told]:
        """Begin the response that tells what MCP tools have answered, first unseen."""
        follow_ups = self._dialogue.mcp.follow_ups
        due = follow_ups.due(math.inf if self._draining else self._now)
        if due is not None:
            return self._respond(due)
        unseen = follow_ups.unseen()
        return [] if unseen is None else self._dialogue.prepare(unseen, is_expected=True)

    # Configuration

    def _update(self, event: client.SessionUpdate) -> Iterable[Told]:
        around = Circumstances(
            has_spoken=self._has_spoken(), is_buffering=self._listening.is_buffering
        )
        before, mcp = self._session, self._dialogue.mcp
        updated = update(before, event.session, self._offer, around)
        tools = updated.tools
        is_same = event.session.tools is UNSET and tools == before.tools
        if not is_same:
            tools = mcp.check(tools, "session.tools")
            updated = structs.replace(updated, tools=mcp.shown(tools))
        self._session = updated
        self._listening.transcriptions.gives_logprobs = bool(self._session.include)
        told = self._listening.configure(self._session.audio.input)
        told.append(server.SessionUpdated(event_id=self._ids.event(), session=self._session))
        told += name_session(before.tracing, updated.tracing)
        if not is_same:
            told += mcp.define(tools, self._now)
        if (before.instructions, before.tools) != (self._session.instructions, self._session.tools):
            told += self._prepare()
        return told

    # Input audio

    def _append(self, event: client.InputAudioBufferAppend) -> Iterable[Told]:
        audio = decode_audio(event.audio)
        self._dialogue.conversation.require_room(len(audio))
        return self._listening.append(audio, self._now)

    def _take_reduced(self, reduced: inputs.AudioReduced) -> Iterable[Told]:
        self._dialogue.conversation.require_room(len(reduced.audio))
        return self._listening.append(reduced.audio, self._now, PCM)

    def _commit(self, _: client.InputAudioBufferCommit) -> Iterable[Told]:
        return self._listening.commit()

    def _clear(self, _: client.InputAudioBufferClear) -> Iterable[Told]:
        return [*self._dialogue.responses.discard_guess(), *self._listening.clear()]

    def _predict(self, predicted: inputs.TurnEndPredicted) -> Iterable[Told]:
        return self._listening.predict(predicted.job, predicted.probability) or []

    def _score(self, scored: inputs.SpeechScored) -> Iterable[Told]:
        if self._dialogue.responses.active is not None:
            self._listening.await_nothing()
        is_heard = self._dialogue.responses.is_heard(self._now)
        self._listening.attend(self._now, is_spoken_over=is_heard)
        return self._listening.score(scored.job, scored.probabilities)

    # Items

    def _create_item(self, event: client.ConversationItemCreate) -> Iterable[Told]:
        item = event.item
        if isinstance(item, FunctionCallOutputItem):
            self._dialogue.conversation.require_call(item.call_id)
        if isinstance(item, McpApprovalResponseItem):
            self._dialogue.mcp.check_approval(item)
        entry = entry_of(item, "item", self._session.audio, self._ids, sees=self._offer.sees)
        if entry.id == self._listening.item_id:
            raise errors.item_already_exists(entry.id)
        told = self._dialogue.add_item(entry, event.previous_item_id)
        if isinstance(item, McpApprovalResponseItem):
            told += self._dialogue.mcp.approve(item, self._now)
        return told

    def _truncate_item(self, event: client.ConversationItemTruncate) -> Iterable[Told]:
        told = self._dialogue.truncate(event)
        responses = self._dialogue.responses
        if responses.active is None and responses.is_heard(self._now):
            # The client has stopped playing what it was thought to play.
            self._await_speech(0.0)
        return told

    # Responses

    def _create_response(self, event: client.ResponseCreate) -> Iterable[Told]:
        asked = event.response or ResponseParameters()
        mcp = self._dialogue.mcp
        if asked == ResponseParameters() and mcp.follow_ups.claim(self._dialogue.responses.active):
            return []
        if asked.tools is not UNSET:
            asked = structs.replace(asked, tools=mcp.check(asked.tools, "response.tools"))
        planned = self._plan(asked)
        own = asked.input
        read = None if own is UNSET else self._dialogue.own_input(own, self._session.audio)
        self._dialogue.responses.check_room(in_conversation=planned.in_conversation)
        brought = [each for each in planned.servers if each.server_label in planned.awaited]
        return [*mcp.define(brought, self._now), *self._respond(planned, read)]

    # Transcription

    def _grow(self, grew: inputs.TranscriptGrew) -> Iterable[Told]:
        return self._listening.transcriptions.grow(grew.job, grew.text, grew.tokens)

    def _draft(self, drafted: inputs.TranscriptDrafted) -> Iterable[Told]:
        return self._listening.transcriptions.draft(drafted.job, drafted.text)

    def _settle(self, settled: inputs.TranscriptSettled) -> Iterable[Told]:
        heard = FinalTranscript(settled.text, settled.tokens, settled.segments)
        return self._listening.settle(settled.job, heard)

    def _fail(self, failed: inputs.JobFailed) -> Iterable[Told]:
        told = self._dialogue.mcp.fail(failed.job, failed.message, self._now)
        if told is not None:
            return [*told, *self._dialogue.start_ready(self._now)]
        told = self._listening.predict(failed.job, None)
        if told is None:
            told = self._listening.transcriptions.fail(failed.job, failed.code, failed.message)
        if told is None:
            told = self._dialogue.responses.fail(failed.job, failed.code, failed.message, self._now)
        if told is None:
            unscored = self._listening.fail(failed.job)
            told = [] if unscored is None else [self._error(errors.server_fault()), *unscored]
        return told

    # What follows from happenings

    def _on_turn_began(self, _: happenings.TurnBegan) -> Iterable[Told]:
        if self._interrupts:
            return self._dialogue.interrupt(self._now)
        return self._dialogue.responses.discard_guess()

    def _on_turn_resumed(self, _: happenings.TurnResumed) -> Iterable[Told]:
        # Where drafts are answered, the next one tells whether the guess still holds.
        return [] if self._offer.answers_drafts else self._dialogue.responses.discard_guess()

    def _on_turn_committed(self, turn: happenings.TurnCommitted) -> Iterable[Told]:
        told = self._expand(self._dialogue.commit_turn(turn))
        vad = self._session.audio.input.turn_detection
        is_due = turn.by != "client" and not turn.is_noise
        if is_due and vad is not None and vad.create_response:
            told += self._expand(self._respond_to_turn())
        else:
            told += self._expand(self._dialogue.responses.discard_guess())
        return told + self._expand(self._listening.end_turn(turn, self._now))

    def _respond_to_turn(self) -> list[Told]:
        # A response that was not to be interrupted runs on; the turn gets its answer after it.
        self._turn_waits = self._dialogue.responses.active is not None
        if self._turn_waits:
            return []
        return self._respond(self._plan(ResponseParameters()))

    def _respond(self, planned: ResponsePlan, read: list[Entry] | None = None) -> list[Told]:
        told = self._dialogue.respond(planned, read, self._now)
        if planned.in_conversation and read is None:
            # It tells of everything that waited to be told of.
            self._turn_waits = False
            self._dialogue.mcp.follow_ups.forget()
        return told

    def _on_guessed(self, guessed: happenings.Guessed) -> Iterable[Told]:
        vad = self._session.audio.input.turn_detection
        answers = vad is not None and vad.create_response
        planned = self._plan(ResponseParameters())
        certainty = guessed.certainty if answers else "stable"
        return self._dialogue.guess(planned, guessed.text, certainty)

    def _on_speech_arrived(self, arrived: happenings.SpeechArrived) -> Iterable[Told]:
        return self._listening.hear(arrived.item_id, arrived.audio, self._now)

    def _on_item_dropped(self, dropped: happenings.ItemDropped) -> Iterable[Told]:
        return self._listening.transcriptions.drop(dropped.item_id)

    def _on_response_ended(self, ended: happenings.ResponseEnded) -> Iterable[Told]:
        active = self._dialogue.responses.active
        was_active = active is not None and active.id == ended.response_id
        told = self._expand(self._dialogue.follow(ended, self._now))
        if was_active:
            self._await_speech(ended.ledger.unplayed_s)
        if was_active and ended.ledger.status == "failed":
            self._listening.await_nothing()
        told += self._expand(self._dialogue.mcp.end_response(ended, self._now))
        is_over = self._closing or self._turn_waits
        return told if is_over else told + self._expand(self._prepare())

    def _await_speech(self, unplayed_s: float) -> None:
        """Count the silence after a reply, unless it is not the user's turn."""
        self._dialogue.responses.played_at = self._now + unplayed_s
        if self._listening.is_speech or self._dialogue.awaits_call:
            self._listening.await_nothing()
        else:
            self._listening.await_speech(unplayed_s, self._now)

    def _idle_deadline(self) -> float | None:
        return None if self._dialogue.responses.active else self._listening.deadline

    _ROUTES: ClassVar[dict[type, Any]] = {
        **DialogueSession.DIALOGUE_ROUTES,
        inputs.Connected: _connect,
        inputs.DeadlineReached: _pass_time,
        inputs.AudioReduced: _take_reduced,
        inputs.SpeechScored: _score,
        inputs.TurnEndPredicted: _predict,
        inputs.TranscriptGrew: _grow,
        inputs.TranscriptDrafted: _draft,
        inputs.TranscriptSettled: _settle,
        inputs.JobFailed: _fail,
        client.SessionUpdate: _update,
        client.InputAudioBufferAppend: _append,
        client.InputAudioBufferCommit: _commit,
        client.InputAudioBufferClear: _clear,
        client.ConversationItemCreate: _create_item,
        client.ConversationItemTruncate: _truncate_item,
        client.ResponseCreate: _create_response,
    }

    _CONSEQUENCES: ClassVar[dict[type, Any]] = {
        **DialogueSession.DIALOGUE_CONSEQUENCES,
        happenings.TurnBegan: _on_turn_began,
        happenings.TurnResumed: _on_turn_resumed,
        happenings.TurnCommitted: _on_turn_committed,
        happenings.Guessed: _on_guessed,
        happenings.SpeechArrived: _on_speech_arrived,
        happenings.ItemDropped: _on_item_dropped,
        happenings.ResponseEnded: _on_response_ended,
    }
