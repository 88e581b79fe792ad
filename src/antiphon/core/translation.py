"""A translation session: what one says comes back in another language while one goes on speaking.

It has no turns, items or responses. The speaker's stream is cut into utterances, their transcripts
into clauses, and clauses become passages that are translated and spoken in order. `session.close`
brings everything that was said to its end before the connection closes.
"""

from collections.abc import Iterable
from itertools import count
from typing import Any, ClassVar

from msgspec import UNSET, structs

from antiphon.audio.formats import PCM
from antiphon.core import happenings, inputs
from antiphon.core.commands import CloseConnection, PrepareResponse, ReduceNoise
from antiphon.core.happenings import Told
from antiphon.core.ids import Ids
from antiphon.core.rendering import Rendering
from antiphon.core.routing import RoutedSession
from antiphon.core.source_transcripts import SourceTranscripts
from antiphon.core.translation_settings import TranslationOffer, initial_session, update
from antiphon.core.utterances import Observed, SourceStream, Utterances
from antiphon.protocol import client_events as client
from antiphon.protocol import errors, translation
from antiphon.protocol.codec import decode_audio
from antiphon.protocol.errors import ClientError

MAX_UNSCORED_MS = 10 * 60_000
"""How much sound may wait for the VAD."""

_GOING_AWAY = 1001
_NORMAL = 1000


class TranslationSession(RoutedSession):
    """One connection's state."""

    __slots__ = (
        "_farewell",
        "_offer",
        "_rendering",
        "_session",
        "_stream",
        "_transcripts",
        "_utterances",
    )

    def __init__(self, offer: TranslationOffer, ids: Ids, now: float) -> None:
        """Open a session at ``now``, in seconds of Unix time."""
        super().__init__(ids, now)
        jobs = count(1)
        self._offer = offer
        self._session = initial_session(offer, ids.session(), now)
        self._stream = SourceStream()
        self._utterances = Utterances(jobs)
        self._transcripts = SourceTranscripts(
            offer.transcription_models, offer.transcription_patience_s, jobs
        )
        self._rendering = Rendering(self._session.id, offer.translation_patience_s, ids, jobs)
        self._farewell: CloseConnection | None = None

    @property
    def id(self) -> str:
        """The session's id."""
        return self._session.id

    @property
    def configuration(self) -> translation.TranslationSession:
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
            float(self._session.expires_at),
            self._transcripts.deadline,
            self._rendering.deadline,
        )
        return min(moment for moment in deadlines if moment is not None)

    # The connection

    def _connect(self, _: inputs.Connected) -> Iterable[Told]:
        created = translation.SessionCreated(event_id=self._ids.event(), session=self._session)
        return [created, self._prepare()]

    def _update(self, event: translation.SessionUpdate) -> Iterable[Told]:
        before = self._session
        self._session = update(before, event.session, self._offer)
        updated = translation.SessionUpdated(event_id=self._ids.event(), session=self._session)
        told: list[Told] = [*self._reduce_noise(before.audio.input), updated]
        is_same = before.audio.output == self._session.audio.output
        return told if is_same else [*told, self._prepare()]

    def _reduce_noise(self, before: translation.AudioInput) -> list[Told]:
        reduction = self._session.audio.input.noise_reduction
        if reduction == before.noise_reduction:
            return []
        if reduction is None:
            return [ReduceNoise(PCM, None)]
        strength = 1.0 if reduction.strength is UNSET else reduction.strength
        return [ReduceNoise(PCM, reduction.type, strength)]

    def _finish(self, _: client.SessionClose) -> Iterable[Told]:
        return self._end_stream(CloseConnection(_NORMAL, "session.close"))

    def _drain(self, _: inputs.Draining) -> Iterable[Told]:
        return self._end_stream(CloseConnection(_GOING_AWAY, "The server is shutting down."))

    def _pass_time(self, _: inputs.DeadlineReached) -> Iterable[Told]:
        if self._now >= self._session.expires_at:
            error, *rest, hang_up = self._expire(self._offer.max_session_s)
            return [error, *rest, self._closed(), hang_up]
        return [
            *self._transcripts.expire(self._now),
            *self._rendering.expire(self._stream.elapsed_ms, self._now),
        ]

    def _end_stream(self, farewell: CloseConnection) -> list[Told]:
        """Take no more sound, and hang up when what was said has been translated."""
        if self._farewell is not None:
            return []
        self._farewell = farewell
        return list(self._utterances.order(self._stream.finish()))

    def _drop_work(self) -> Iterable[Told]:
        return [*self._transcripts.drop_all(), *self._rendering.abandon(self._now)]

    def _catch_up(self) -> list[Told]:
        """Tell and order what has become possible."""
        if self._closing:
            return []
        told: list[Told] = []
        if self._farewell is not None and not self._utterances.unscored_ms:
            told += self._follow(self._utterances.finish())
        told += map(self._source_delta, self._transcripts.take_shown())
        self._rendering.add(self._transcripts.take_clauses())
        language, voice = self._session.audio.output.language, self._offer.voice
        told += self._rendering.begin(language, voice, self._now)
        if self._farewell is not None and self._is_quiet:
            told += [*self._close(), self._closed(), self._farewell]
        return told

    @property
    def _is_quiet(self) -> bool:
        is_heard = not self._utterances.unscored_ms and not self._utterances.is_speech
        return is_heard and self._transcripts.is_idle and self._rendering.is_idle

    # The speaker

    def _append(self, event: translation.SessionInputAudioBufferAppend) -> Iterable[Told]:
        return self._take(decode_audio(event.audio))

    def _take_reduced(self, reduced: inputs.AudioReduced) -> Iterable[Told]:
        return self._take(reduced.audio)

    def _take(self, audio: bytes) -> Iterable[Told]:
        if self._farewell is not None:
            raise _is_closing()
        is_behind = self._transcripts.is_full or self._rendering.is_full
        if is_behind or self._utterances.unscored_ms >= MAX_UNSCORED_MS:
            raise _is_behind()
        return self._utterances.order(self._stream.push(audio))

    def _score(self, scored: inputs.SpeechScored) -> Iterable[Told]:
        return self._follow(self._utterances.score(scored.job, scored.probabilities))

    def _follow(self, observed: list[Observed]) -> list[Told]:
        shown = self._session.audio.input.transcription
        return [
            command
            for each in observed
            for command in self._transcripts.follow(each, shown, self._now)
        ]

    def _grow(self, grew: inputs.TranscriptGrew) -> Iterable[Told]:
        self._transcripts.grow(grew.job, grew.text)
        return []

    def _settle(self, settled: inputs.TranscriptSettled) -> Iterable[Told]:
        self._transcripts.settle(settled.job, settled.text)
        return []

    def _ignore(self, _: inputs.TranscriptDrafted) -> Iterable[Told]:
        # What may still change cannot be said in another language.
        return []

    # The translation

    def _produce(self, produced: inputs.ResponseProduced) -> Iterable[Told]:
        elapsed_ms = self._stream.elapsed_ms
        return self._rendering.produce(produced.job, produced.piece, elapsed_ms, self._now)

    def _fail(self, failed: inputs.JobFailed) -> Iterable[Told]:
        if self._transcripts.fail(failed.job):
            return [happenings.TranslationFailed(failed.code, failed.message)]
        if self._utterances.knows(failed.job):
            unscored = self._follow(self._utterances.score(failed.job, ()))
            return [self._error(errors.server_fault()), *unscored]
        return self._rendering.fail(failed, self._stream.elapsed_ms, self._now)

    def _on_failed(self, failure: happenings.TranslationFailed) -> Iterable[Told]:
        return [self._error(ClientError(failure.code, failure.message, type="server_error"))]

    def _prepare(self) -> PrepareResponse:
        language, voice = self._session.audio.output.language, self._offer.voice
        return PrepareResponse(self._rendering.request(None, language, voice))

    def _source_delta(self, text: str) -> translation.SessionInputTranscriptDelta:
        return translation.SessionInputTranscriptDelta(
            event_id=self._ids.event(), delta=text, elapsed_ms=self._stream.elapsed_ms
        )

    def _closed(self) -> translation.SessionClosed:
        return translation.SessionClosed(event_id=self._ids.event())

    _ROUTES: ClassVar[dict[type, Any]] = {
        **RoutedSession.SHARED_ROUTES,
        inputs.Connected: _connect,
        inputs.DeadlineReached: _pass_time,
        inputs.Draining: _drain,
        inputs.AudioReduced: _take_reduced,
        inputs.SpeechScored: _score,
        inputs.TranscriptGrew: _grow,
        inputs.TranscriptDrafted: _ignore,
        inputs.TranscriptSettled: _settle,
        inputs.ResponseProduced: _produce,
        inputs.JobFailed: _fail,
        client.SessionClose: _finish,
        translation.SessionUpdate: _update,
        translation.SessionInputAudioBufferAppend: _append,
    }
    _CONSEQUENCES: ClassVar[dict[type, Any]] = {happenings.TranslationFailed: _on_failed}


def _is_closing() -> ClientError:
    return ClientError(
        "session_closing",
        "The session is closing: it takes no more sound. Open another session to go on.",
    )


def _is_behind() -> ClientError:
    return ClientError(
        "input_audio_buffer_full",
        "More sound waits to be translated than the server keeps. Send it no faster than it is "
        "spoken, and this part of it again when the translation has caught up.",
        "audio",
    )
