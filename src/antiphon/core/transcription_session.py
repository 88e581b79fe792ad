"""A session that only transcribes: turns become items, items get transcripts, nobody answers."""

from collections.abc import Iterable
from itertools import count
from typing import Any, ClassVar

from msgspec import UNSET, structs

from antiphon.audio.formats import PCM
from antiphon.core import happenings, inputs, user_items
from antiphon.core.configuration import Circumstances, listen
from antiphon.core.conversation import Conversation, with_transcript
from antiphon.core.entries import with_sound
from antiphon.core.happenings import Told
from antiphon.core.ids import Ids
from antiphon.core.listening import Listening
from antiphon.core.routing import RoutedSession
from antiphon.core.transcription import Transcriptions
from antiphon.core.transcription_offer import TranscriptionSessionOffer
from antiphon.core.transcription_settings import check_include
from antiphon.engines.stt import FinalTranscript
from antiphon.protocol import client_events as client
from antiphon.protocol import errors
from antiphon.protocol import server_events as server
from antiphon.protocol.codec import decode_audio
from antiphon.protocol.session import (
    Audio,
    AudioInput,
    Include,
    ServerVad,
    SessionPatch,
    TranscriptionAudio,
    TranscriptionAudioInput,
    TranscriptionSemanticVad,
    TranscriptionServerVad,
    TurnDetection,
)
from antiphon.protocol.session import (
    TranscriptionSession as Described,
)

_OWN_FIELDS = ("type", "audio", "include")
_CURE = (
    "A transcription session has no responses, so nothing of them can be set. Open a session with "
    "?model= to converse."
)


class TranscriptionSession(RoutedSession):
    """One transcription session's state."""

    __slots__ = (
        "_conversation",
        "_expires_at",
        "_id",
        "_include",
        "_input",
        "_listening",
        "_offer",
    )

    MEANS = "A transcription session makes no responses; open one with ?model= to converse."

    def __init__(self, offer: TranscriptionSessionOffer, ids: Ids, now: float) -> None:
        """Open a session at ``now``, in seconds of Unix time."""
        super().__init__(ids, now)
        jobs = count(1)
        self._offer = offer
        self._id = ids.session()
        self._expires_at = int(now + offer.max_session_s)
        self._include: Include | None = None
        detection = ServerVad(silence_duration_ms=offer.silence_duration_ms)
        self._input = _unanswered(AudioInput(turn_detection=detection))
        self._conversation = Conversation()
        self._listening = Listening(
            self._input,
            Transcriptions(offer, ids, jobs),
            ids,
            jobs,
            predicts_turns=offer.predicts_turns,
        )

    @property
    def id(self) -> str:
        """The session's id."""
        return self._id

    @property
    def expires_at(self) -> int:
        """When the session's time is over, in Unix time."""
        return self._expires_at

    def renew(self, now: float) -> None:
        """Begin the session's time anew."""
        self._expires_at = int(now + self._offer.max_session_s)

    def deadline(self) -> float | None:
        """Return when `handle` wants to be called even if nothing arrives; None: never again."""
        if self._closing:
            return None
        waiting = self._listening.transcriptions.deadline
        return self._expires_at if waiting is None else min(self._expires_at, waiting)

    def _drop_work(self) -> Iterable[Told]:
        return self._listening.transcriptions.drop_all()

    def _catch_up(self) -> list[Told]:
        if self._draining and not self._closing and self._listening.transcriptions.are_told:
            return self._shut_down()
        return []

    def _connect(self, _: inputs.Connected) -> Iterable[Told]:
        return [server.SessionCreated(event_id=self._ids.event(), session=self._described())]

    def _pass_time(self, _: inputs.DeadlineReached) -> Iterable[Told]:
        if self._now >= self._expires_at:
            return self._expire(self._offer.max_session_s)
        return self._listening.transcriptions.expire(self._now)

    # Configuration

    def _update(self, event: client.SessionUpdate) -> Iterable[Told]:
        patch = event.session
        _check_fields(patch)
        around = Circumstances(has_spoken=False, is_buffering=self._listening.is_buffering)
        changed = self._input
        if patch.audio is not UNSET and patch.audio.input is not UNSET:
            changed = _unanswered(listen(changed, patch.audio.input, self._offer, around))
        self._check_turns(changed)
        include = self._include if patch.include is UNSET else patch.include
        check_include(include, changed.transcription, self._offer.transcription_models)
        self._input, self._include = changed, include
        self._listening.transcriptions.gives_logprobs = bool(include)
        told = self._listening.configure(changed)
        updated = server.SessionUpdated(event_id=self._ids.event(), session=self._described())
        return [*told, updated]

    def _check_turns(self, listening: AudioInput) -> None:
        path = "session.audio.input.turn_detection"
        detection = listening.turn_detection
        if isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None:
            raise errors.not_supported(
                f"{path}.idle_timeout_ms",
                "An idle timeout in a transcription session",
                "Send null: it counts from the end of a reply, and nobody replies here.",
            )
        wanted = listening.transcription
        known = self._offer.transcription_models.get(wanted.model) if wanted else None
        if known is not None and known.streams and detection is not None:
            # Observed: models that transcribe while one speaks leave turns to the client here.
            raise errors.turn_detection_not_supported(path)

    def _described(self) -> Described:
        heard = self._input
        return Described(
            id=self._id,
            expires_at=self._expires_at,
            audio=TranscriptionAudio(
                input=TranscriptionAudioInput(
                    format=heard.format,
                    transcription=heard.transcription,
                    noise_reduction=heard.noise_reduction,
                    turn_detection=_told(heard.turn_detection),
                )
            ),
            include=self._include,
        )

    # Input audio

    def _append(self, event: client.InputAudioBufferAppend) -> Iterable[Told]:
        audio = decode_audio(event.audio)
        self._conversation.require_room(len(audio))
        return self._listening.append(audio, self._now)

    def _take_reduced(self, reduced: inputs.AudioReduced) -> Iterable[Told]:
        self._conversation.require_room(len(reduced.audio))
        return self._listening.append(reduced.audio, self._now, PCM)

    def _commit(self, _: client.InputAudioBufferCommit) -> Iterable[Told]:
        return self._listening.commit()

    def _clear(self, _: client.InputAudioBufferClear) -> Iterable[Told]:
        return self._listening.clear()

    def _score(self, scored: inputs.SpeechScored) -> Iterable[Told]:
        return self._listening.score(scored.job, scored.probabilities)

    def _predict(self, predicted: inputs.TurnEndPredicted) -> Iterable[Told]:
        return self._listening.predict(predicted.job, predicted.probability) or []

    def _on_turn_committed(self, turn: happenings.TurnCommitted) -> Iterable[Told]:
        told = user_items.commit(turn, self._conversation, self._ids)
        return [*told, *self._listening.end_turn(turn, self._now)]

    # Items

    def _retrieve_item(self, event: client.ConversationItemRetrieve) -> Iterable[Told]:
        entry = self._conversation.require(event.item_id, "retrieve")
        item = with_sound(entry, Audio(input=self._input))
        return [server.ConversationItemRetrieved(event_id=self._ids.event(), item=item)]

    def _delete_item(self, event: client.ConversationItemDelete) -> Iterable[Told]:
        self._conversation.require(event.item_id, "delete")
        self._conversation.remove(event.item_id)
        dropped = self._listening.transcriptions.drop(event.item_id)
        deleted = server.ConversationItemDeleted(event_id=self._ids.event(), item_id=event.item_id)
        return [*dropped, deleted]

    # Transcription

    def _grow(self, grew: inputs.TranscriptGrew) -> Iterable[Told]:
        return self._listening.transcriptions.grow(grew.job, grew.text, grew.tokens)

    def _settle(self, settled: inputs.TranscriptSettled) -> Iterable[Told]:
        heard = FinalTranscript(settled.text, settled.tokens, settled.segments)
        return self._listening.settle(settled.job, heard)

    def _fail(self, failed: inputs.JobFailed) -> Iterable[Told]:
        told = self._listening.predict(failed.job, None)
        if told is None:
            told = self._listening.transcriptions.fail(failed.job, failed.code, failed.message)
        if told is None:
            unscored = self._listening.fail(failed.job)
            told = [] if unscored is None else [self._error(errors.server_fault()), *unscored]
        return told

    def _on_transcribed(self, transcribed: happenings.Transcribed) -> Iterable[Told]:
        entry = self._conversation.find(transcribed.item_id)
        if entry is not None:
            self._conversation.put(with_transcript(entry, transcribed.text))
        return []

    _ROUTES: ClassVar[dict[type, Any]] = {
        **RoutedSession.SHARED_ROUTES,
        inputs.Connected: _connect,
        inputs.DeadlineReached: _pass_time,
        inputs.AudioReduced: _take_reduced,
        inputs.SpeechScored: _score,
        inputs.TurnEndPredicted: _predict,
        inputs.TranscriptGrew: _grow,
        inputs.TranscriptSettled: _settle,
        inputs.JobFailed: _fail,
        client.SessionUpdate: _update,
        client.InputAudioBufferAppend: _append,
        client.InputAudioBufferCommit: _commit,
        client.InputAudioBufferClear: _clear,
        client.ConversationItemRetrieve: _retrieve_item,
        client.ConversationItemDelete: _delete_item,
    }

    _CONSEQUENCES: ClassVar[dict[type, Any]] = {
        happenings.TurnCommitted: _on_turn_committed,
        happenings.Transcribed: _on_transcribed,
    }


def _check_fields(patch: SessionPatch) -> None:
    """Refuse what a transcription session does not have; raise `ClientError`."""
    if patch.type != "transcription":
        raise errors.wrong_session_type(patch.type, "transcription")
    if patch.model is not UNSET:
        raise errors.model_of_transcription_session("session.model")
    for name in patch.__struct_fields__:
        if name not in _OWN_FIELDS and getattr(patch, name) is not UNSET:
            raise errors.unknown_parameter(f"session.{name}", _CURE)
    if patch.audio is not UNSET and patch.audio.output is not UNSET:
        raise errors.unknown_parameter("session.audio.output", _CURE)


def _unanswered(listening: AudioInput) -> AudioInput:
    """Say what is not told here: that turns get no answer and cut none off."""
    detection = listening.turn_detection
    if detection is None:
        return listening
    silent = structs.replace(detection, create_response=False, interrupt_response=False)
    return structs.replace(listening, turn_detection=silent)


def _told(
    detection: TurnDetection | None,
) -> TranscriptionServerVad | TranscriptionSemanticVad | None:
    """Return turn detection as a session without responses tells it."""
    match detection:
        case None:
            return None
        case ServerVad():
            shared = structs.asdict(detection)
            del shared["create_response"], shared["interrupt_response"]
            return TranscriptionServerVad(**shared)
        case _:
            return TranscriptionSemanticVad(eagerness=detection.eagerness)
