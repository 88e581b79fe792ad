"""What the speaker says: the transcriptions of utterances, for the translation and for the client.

One transcription of each utterance is translated. The client may want to see the speaker's words by
a model of its choice: where another engine stands behind that one, it hears the utterance as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from antiphon.core.commands import (
    CancelJob,
    Command,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    SettleTranscription,
)
from antiphon.core.happenings import Told, TranslationFailed
from antiphon.core.source_text import Clauses, Strand
from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.core.utterances import Began, Ended, Observed, Paused, Spoke
from antiphon.protocol.translation import Transcription

MAX_WAITING = 32
"""Complete utterances that may wait for their text before the speaker has to."""


_TOO_SLOW = TranslationFailed(
    "engine_timeout",
    "The transcriber did not answer in time; what was said meanwhile is not translated. Go on.",
)


@dataclass(slots=True)
class _Run:
    """One transcription."""

    unanswered: int = 0
    """Full texts that were asked for."""
    ended_at: float | None = None


class SourceTranscripts:
    """Follow the transcriptions of a speaker's utterances."""

    __slots__ = (
        "_clauses",
        "_current",
        "_heard",
        "_jobs",
        "_models",
        "_patience_s",
        "_runs",
        "_shown",
    )

    def __init__(
        self, models: Mapping[str, TranscriptionOffer], patience_s: float, jobs: Iterator[int]
    ) -> None:
        self._models = models
        self._patience_s = patience_s
        self._jobs = jobs
        self._runs: dict[int, _Run] = {}
        self._current: tuple[int, ...] = ()
        self._heard = Strand()
        self._shown = Strand()
        self._clauses = Clauses()

    @property
    def is_full(self) -> bool:
        """Whether too many utterances wait for their text."""
        return sum(run.ended_at is not None for run in self._runs.values()) >= MAX_WAITING

    @property
    def is_idle(self) -> bool:
        """Whether every text is known and was taken."""
        return not self._runs and self._heard.is_empty and self._shown.is_empty

    @property
    def deadline(self) -> float | None:
        """When patience with a transcriber ends."""
        ended = [run.ended_at for run in self._runs.values() if run.ended_at is not None]
        return min(ended) + self._patience_s if ended else None

    def follow(self, observed: Observed, shown: Transcription | None, now: float) -> list[Command]:
        """Transcribe what was observed; ``shown``: by which model the client wants to see it."""
        match observed:
            case Began():
                return self._open(shown)
            case Spoke(samples):
                return [FeedTranscription(job, samples) for job in self._current]
            case Paused():
                return [self._settle(job) for job in self._current]
            case Ended():
                ended, self._current = self._current, ()
                return [self._end(job, now) for job in ended]

    def grow(self, job: int, text: str) -> None:
        """Take the stable beginning of a text."""
        if job in self._runs:
            self._heard.grow(job, text)
            self._shown.grow(job, text)

    def settle(self, job: int, text: str) -> None:
        """Take a full text; the last one that was asked for counts."""
        run = self._runs.get(job)
        if run is None:
            return
        run.unanswered -= 1
        if run.ended_at is not None and run.unanswered <= 0:
            self._finish(job, text)

    def fail(self, job: int) -> bool:
        """Take the failure of a transcription: no more of its text will come. False: not ours."""
        if job not in self._runs:
            return False
        self._current = tuple(each for each in self._current if each != job)
        self._finish(job, None)
        return True

    def expire(self, now: float) -> list[Told]:
        """Give up the transcriptions that take too long."""
        late = [
            job
            for job, run in self._runs.items()
            if run.ended_at is not None and now >= run.ended_at + self._patience_s
        ]
        for job in late:
            self._finish(job, None)
        return [told for job in late for told in (CancelJob(job), _TOO_SLOW)]

    def drop_all(self) -> list[Command]:
        """Stop every transcription."""
        running = list(self._runs)
        self._runs.clear()
        self._current = ()
        return [CancelJob(job) for job in running]

    def take_shown(self) -> list[str]:
        """Return the speaker's words that the client may see now."""
        return [piece for piece in self._shown.take() if piece]

    def take_clauses(self) -> list[str]:
        """Return the clauses that can be translated now."""
        return self._clauses.take(self._heard.take())

    def _open(self, shown: Transcription | None) -> list[Command]:
        job = next(self._jobs)
        self._runs[job] = _Run()
        self._heard.open(job)
        self._current = (job,)
        told: list[Command] = [OpenTranscription(job, None)]
        if shown is None:
            return told
        offer = self._models[shown.model]
        if not offer.shares_hearing:
            job = next(self._jobs)
            self._runs[job] = _Run()
            self._current += (job,)
            told.append(OpenTranscription(job, shown.model))
        self._shown.open(job, streams=offer.streams)
        return told

    def _settle(self, job: int) -> Command:
        self._runs[job].unanswered += 1
        return SettleTranscription(job)

    def _end(self, job: int, now: float) -> Command:
        run = self._runs[job]
        run.unanswered += 1
        run.ended_at = now
        return EndTranscription(job)

    def _finish(self, job: int, text: str | None) -> None:
        del self._runs[job]
        self._heard.end(job, text)
        self._shown.end(job, text)
