"""Which item awaits which transcript.

A spoken item may be transcribed twice: for the responder, which reads what it heard, and for the
client, by the model that the client named. Where both are the same engine, one run serves both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from antiphon.core.commands import (
    CancelJob,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    SettleTranscription,
)
from antiphon.core.configuration import SessionOffer
from antiphon.core.context import text_tokens
from antiphon.core.happenings import Guessed, Heard, HearingFailed, Told, Transcribed
from antiphon.core.ids import Ids
from antiphon.core.speakers import Speakers
from antiphon.core.transcript_events import Telling, completed, delta, segments
from antiphon.core.transcription_offer import TranscriptionOffer, TranscriptionSessionOffer
from antiphon.core.transcription_settings import options_of
from antiphon.engines.stt import FinalTranscript, Token
from antiphon.protocol import server_events as server
from antiphon.protocol.session import Transcription


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a run has no transcript."""

    code: str
    message: str


@dataclass(slots=True)
class _Run:
    """One running transcription of one item."""

    job: int
    item_id: str
    hears: bool
    """Whether the responder waits for it."""
    leads: bool
    """Whether the session follows it while the turn goes on."""
    publishes: Telling | None
    """What the client asked for, if it is told to the client."""
    told: str = ""
    """The part of the transcript that the client knows already."""
    asked: int = 0
    """How many full texts were asked for; they are answered in order."""
    answered: int = 0
    is_behind: bool = False
    """Whether audio was fed since a full text was last asked for."""
    settled: FinalTranscript | None = None
    """The full text of all audio fed so far, if known."""
    ended_at: float | None = None
    """When the last audio was fed; None while the turn goes on."""
    duration_ms: int = 0
    failure: _Failure | None = None
    """Told when the turn has ended: before that the client knows of no item."""


class Transcriptions:
    """All transcriptions of a session."""

    __slots__ = (
        "_ids",
        "_is_all",
        "_is_heard",
        "_jobs",
        "_offer",
        "_runs",
        "_speakers",
        "gives_logprobs",
    )

    def __init__(
        self, offer: SessionOffer | TranscriptionSessionOffer, ids: Ids, jobs: Iterator[int]
    ) -> None:
        self._offer = offer
        self._is_heard = isinstance(offer, SessionOffer) and offer.hears == "transcript"
        self._is_all = isinstance(offer, TranscriptionSessionOffer)
        self._ids = ids
        self._jobs = jobs
        self._runs: dict[int, _Run] = {}
        self._speakers = Speakers()
        self.gives_logprobs = False
        """Whether transcripts are told with their log-probabilities, from the next one on."""

    @property
    def deadline(self) -> float | None:
        """When the first ended run has taken too long."""
        ends = [run.ended_at for run in self._runs.values() if run.ended_at is not None]
        return min(ends) + self._offer.transcription_patience_s if ends else None

    @property
    def are_told(self) -> bool:
        """Whether no complete turn waits for its transcript."""
        return all(run.ended_at is None for run in self._runs.values())

    def open(self, item_id: str, wanted: Transcription | None) -> list[Told]:
        """Begin to transcribe an item for whoever needs it."""
        known = self._offer.transcription_models.get(wanted.model) if wanted else None
        hears = self._is_heard
        told: list[Told] = []
        shares = hears and known is not None and known.shares_hearing
        if hears:
            told += self._start(item_id, known if shares else None, wanted, hears=True)
        if wanted is not None and known is None:
            telling = Telling(item_id, TranscriptionOffer(), logprobs=False)
            run = _Run(next(self._jobs), item_id, hears=False, leads=False, publishes=telling)
            self._runs[run.job] = run
            run.failure = self._unknown_deployment(item_id)
        elif not shares:
            told += self._start(item_id, known, wanted, hears=False)
        return told

    def feed(self, item_id: str, samples: NDArray[np.float32]) -> list[Told]:
        """Hand the item's next 16 kHz samples to every run of it."""
        if not len(samples):
            return []
        told: list[Told] = []
        for run in self._listening(item_id):
            run.is_behind, run.settled = True, None
            told.append(FeedTranscription(run.job, samples))
        return told

    def settle(self, item_id: str) -> list[Told]:
        """Ask for the full text so far; the turn may be over."""
        runs = self._listening(item_id)
        for run in runs:
            run.asked += 1
            run.is_behind = False
        return [SettleTranscription(run.job) for run in runs]

    def are_awaited(self, item_id: str) -> bool:
        """Tell whether the text at a pause is going to be `Guessed`."""
        return any(run.leads for run in self._listening(item_id))

    def are_wordless(self, item_id: str) -> bool:
        """Tell whether it is known that no words are heard in an item."""
        leading = [run for run in self._listening(item_id) if run.leads]
        return any(run.settled is not None and not run.settled.text.strip() for run in leading)

    def end(self, item_id: str, duration_ms: int, now: float) -> list[Told]:
        """End an item's audio; its transcripts follow, at once where they are known already."""
        told: list[Told] = []
        for run in self._of(item_id):
            if run.failure is not None:
                told += self._give_up(run, run.failure)
                continue
            # What was asked for at a pause is the whole text when nothing came after it.
            run.asked += run.is_behind
            run.is_behind = False
            run.ended_at, run.duration_ms = now, duration_ms
            told.append(EndTranscription(run.job))
            if run.settled is not None:
                told += self._finish(run, run.settled)
        return told

    def drop(self, item_id: str) -> list[Told]:
        """Stop transcribing an item."""
        runs = self._of(item_id)
        for run in runs:
            del self._runs[run.job]
        return [CancelJob(run.job) for run in runs if run.failure is None]

    def drop_all(self) -> list[Told]:
        """Stop everything."""
        cancelled: list[Told] = [
            CancelJob(job) for job, run in self._runs.items() if run.failure is None
        ]
        self._runs.clear()
        return cancelled

    def grow(self, job: int, text: str, tokens: tuple[Token, ...] = ()) -> list[Told]:
        """Take the stable beginning of a transcript."""
        run = self._running(job)
        if run is None:
            return []
        told: list[Told] = []
        if run.leads and run.ended_at is None:
            told.append(Guessed(text, "stable"))
        telling = run.publishes
        is_more = text.startswith(run.told) and text != run.told
        if telling is not None and telling.offer.streams and is_more:
            told.append(delta(telling, text[len(run.told) :], tokens, self._ids))
            run.told = text
        return told

    def draft(self, job: int, text: str) -> list[Told]:
        """Take the full text as it stands while the speaker goes on."""
        run = self._running(job)
        if run is None or not run.leads or run.ended_at is not None or run.settled is not None:
            return []
        return [Guessed(text, "draft")]

    def settled(self, job: int, heard: FinalTranscript) -> list[Told]:
        """Take the full text of what was fed so far."""
        run = self._running(job)
        if run is None:
            return []
        run.answered += 1
        if run.is_behind or run.answered < run.asked:
            # The speaker went on after this was asked for.
            return []
        if run.ended_at is not None:
            return self._finish(run, heard)
        run.settled = heard
        return [Guessed(heard.text, "settled")] if run.leads else []

    def fail(self, job: int, code: str, message: str) -> list[Told] | None:
        """Take an engine's failure; None when the job is no transcription."""
        run = self._running(job)
        if run is None:
            return None
        failure = _Failure(code, message)
        if run.ended_at is not None:
            return self._give_up(run, failure)
        run.failure = failure
        return []

    def expire(self, now: float) -> list[Told]:
        """Fail the runs that have taken too long."""
        patience = self._offer.transcription_patience_s
        told: list[Told] = []
        for run in list(self._runs.values()):
            if run.ended_at is not None and now >= run.ended_at + patience:
                message = f"The transcriber did not answer within {patience:g} s. Try again."
                told.append(CancelJob(run.job))
                told += self._give_up(run, _Failure("engine_timeout", message))
        return told

    def _running(self, job: int) -> _Run | None:
        run = self._runs.get(job)
        return None if run is None or run.failure is not None else run

    def _of(self, item_id: str) -> list[_Run]:
        return [run for run in self._runs.values() if run.item_id == item_id]

    def _listening(self, item_id: str) -> list[_Run]:
        return [run for run in self._of(item_id) if run.ended_at is None and run.failure is None]

    def _start(
        self,
        item_id: str,
        known: TranscriptionOffer | None,
        wanted: Transcription | None,
        *,
        hears: bool,
    ) -> list[Told]:
        """Start a run for the responder, for the client, or for both."""
        if known is None and not hears:
            return []
        job = next(self._jobs)
        telling = None
        if known is not None and wanted is not None:
            read = text_tokens(" ".join([wanted.prompt or "", *(wanted.keywords or ())]))
            telling = Telling(item_id, known, self.gives_logprobs, read)
        self._runs[job] = _Run(job, item_id, hears, hears or self._is_all, telling)
        if known is None or wanted is None:
            return [OpenTranscription(job, None)]
        options = options_of(wanted, known, logprobs=self.gives_logprobs)
        return [OpenTranscription(job, None if hears else wanted.model, options)]

    def _finish(self, run: _Run, heard: FinalTranscript) -> list[Told]:
        del self._runs[run.job]
        told: list[Told] = []
        if run.hears:
            told.append(Heard(run.item_id, heard.text))
        if run.publishes is not None:
            told += segments(run.publishes, heard, self._speakers, self._ids)
            told += completed(run.publishes, heard, run.told, run.duration_ms, self._ids)
            told.append(Transcribed(run.item_id, heard.text))
        return told

    def _give_up(self, run: _Run, failure: _Failure) -> list[Told]:
        del self._runs[run.job]
        told: list[Told] = []
        if run.publishes is not None:
            error = server.TranscriptionError(
                type="server_error", code=failure.code, message=failure.message
            )
            told.append(
                server.ConversationItemInputAudioTranscriptionFailed(
                    event_id=self._ids.event(), item_id=run.item_id, content_index=0, error=error
                )
            )
        if run.hears:
            told.append(HearingFailed(run.item_id, failure.code, failure.message))
        return told

    def _unknown_deployment(self, item_id: str) -> _Failure:
        known = ", ".join(sorted(self._offer.transcription_models)) or "none"
        # Observed: the session and its responses go on (conformance case 97).
        return _Failure(
            "DeploymentNotFound",
            f"Input transcription failed for item '{item_id}'. The transcription model names no "
            f"deployment here. Use one of: {known}.",
        )
