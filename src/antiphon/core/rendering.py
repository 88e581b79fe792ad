"""The translation: clauses in, words and sound out, one passage at a time and in order.

A passage is whatever waits when the engines are free: one clause while they keep up, several at
once when they do not, which is how they catch up. What was translated last goes along, so that
pronouns and terms stay the same.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from antiphon.audio.formats import PCM
from antiphon.core.commands import CancelJob, RecordAudio, StartResponse
from antiphon.core.happenings import Told, TranslationFailed
from antiphon.core.ids import Ids
from antiphon.core.inputs import JobFailed
from antiphon.core.output_audio import OutputAudio
from antiphon.core.source_text import spaced
from antiphon.engines.responder import (
    AssistantTurn,
    ResponseFinished,
    ResponsePiece,
    SpokenAudio,
    SpokenText,
    TranslationRequest,
    Turn,
    UserTurn,
)
from antiphon.protocol.codec import encode_audio
from antiphon.protocol.translation import (
    SessionOutputAudioDelta,
    SessionOutputTranscriptDelta,
)

REMEMBERED_PASSAGES = 4
PASSAGE_CHARACTERS = 600
"""What is translated at once, unless a single clause is longer."""
MAX_WAITING_CHARACTERS = 6_000
"""Minutes of speech; the speaker has to wait when there are more."""
MAX_PASSAGE_AUDIO_MS = 5 * 60_000
"""No passage takes longer to say; an engine that makes more does not find an end."""


_TOO_SLOW = TranslationFailed(
    "engine_timeout", "The translation did not come in time; a part of it is missing. Go on."
)
_ENDLESS = TranslationFailed(
    "engine_invalid_answer", "The translation did not end; the rest of this part is missing. Go on."
)


@dataclass(slots=True)
class _Passage:
    """What is being translated."""

    job: int
    id: str
    source: str
    sound: OutputAudio
    began_at: float
    last_at: float
    text: str = ""


class Rendering:
    """Have clauses translated and spoken."""

    __slots__ = ("_before", "_ids", "_jobs", "_key", "_last", "_passage", "_patience_s", "_waiting")

    def __init__(self, session_id: str, patience_s: float, ids: Ids, jobs: Iterator[int]) -> None:
        self._key = session_id
        self._patience_s = patience_s
        self._ids = ids
        self._jobs = jobs
        self._waiting: deque[str] = deque()
        self._passage: _Passage | None = None
        self._before: deque[Turn] = deque(maxlen=2 * REMEMBERED_PASSAGES)
        self._last = ""

    @property
    def is_full(self) -> bool:
        """Whether more waits to be translated than should."""
        return sum(map(len, self._waiting)) >= MAX_WAITING_CHARACTERS

    @property
    def is_idle(self) -> bool:
        """Whether everything has been translated and told."""
        return self._passage is None and not self._waiting

    @property
    def deadline(self) -> float | None:
        """When patience with the engines ends."""
        return None if self._passage is None else self._passage.last_at + self._patience_s

    def add(self, clauses: list[str]) -> None:
        """Take clauses to translate."""
        self._waiting.extend(clauses)

    def request(self, source: str | None, language: str, voice: str) -> TranslationRequest:
        """Return what the engines are asked for a passage; None: it is not known yet."""
        asked = () if source is None else (UserTurn(source),)
        return TranslationRequest(
            instructions="",
            context=(*self._before, *asked),
            modality="audio",
            voice=voice,
            language=language,
            session_key=self._key,
        )

    def begin(self, language: str, voice: str, now: float) -> list[Told]:
        """Begin the next passage if the engines are free and something waits."""
        if self._passage is not None or not self._waiting:
            return []
        source = self._waiting.popleft()
        while self._waiting and len(source) + len(self._waiting[0]) <= PASSAGE_CHARACTERS:
            source = f"{source}{spaced(source, self._waiting.popleft())}"
        source = source.strip()
        job = next(self._jobs)
        self._passage = _Passage(job, self._ids.response(), source, OutputAudio(PCM, 1), now, now)
        return [StartResponse(job, self.request(source, language, voice))]

    def produce(self, job: int, piece: ResponsePiece, elapsed_ms: int, now: float) -> list[Told]:
        """Take the next piece of a passage."""
        passage = self._passage
        if passage is None or passage.job != job:
            return []
        passage.last_at = now
        match piece:
            case SpokenText(text):
                return self._write(passage, text, elapsed_ms)
            case SpokenAudio(pcm, clause):
                return self._speak(passage, pcm, clause, elapsed_ms, now)
            case ResponseFinished():
                return self._end(passage, "completed", elapsed_ms, now)
            case _:
                return []  # a translation writes nothing and calls nothing

    def fail(self, failure: JobFailed, elapsed_ms: int, now: float) -> list[Told]:
        """Take the failure of a passage; the next one goes on."""
        passage = self._passage
        if passage is None or passage.job != failure.job:
            return []
        failed = TranslationFailed(failure.code, failure.message)
        return [*self._end(passage, "failed", elapsed_ms, now), failed]

    def expire(self, elapsed_ms: int, now: float) -> list[Told]:
        """Give up a passage that takes too long."""
        passage, deadline = self._passage, self.deadline
        if passage is None or deadline is None or now < deadline:
            return []
        return self._give_up(passage, _TOO_SLOW, elapsed_ms, now)

    def abandon(self, now: float) -> list[Told]:
        """Drop everything: the session ends."""
        passage, self._passage = self._passage, None
        self._waiting.clear()
        if passage is None:
            return []
        account = passage.sound.account(
            passage.id, "cancelled", "client_cancelled", passage.began_at, now
        )
        return [CancelJob(passage.job), RecordAudio(account)]

    def _write(self, passage: _Passage, text: str, elapsed_ms: int) -> list[Told]:
        if not passage.text:
            text = spaced(self._last, text.lstrip())
        if not text.strip() and not passage.text:
            return []
        passage.text += text
        self._last = text
        event_id = self._ids.event()
        return [SessionOutputTranscriptDelta(event_id=event_id, delta=text, elapsed_ms=elapsed_ms)]

    def _speak(
        self, passage: _Passage, pcm: bytes, clause: str, elapsed_ms: int, now: float
    ) -> list[Told]:
        told = self._deltas(passage.sound.push(pcm, clause, now), elapsed_ms)
        if passage.sound.made_ms <= MAX_PASSAGE_AUDIO_MS:
            return told
        return [*told, *self._give_up(passage, _ENDLESS, elapsed_ms, now)]

    def _give_up(
        self, passage: _Passage, why: TranslationFailed, elapsed_ms: int, now: float
    ) -> list[Told]:
        return [CancelJob(passage.job), *self._end(passage, "failed", elapsed_ms, now), why]

    def _end(self, passage: _Passage, status: str, elapsed_ms: int, now: float) -> list[Told]:
        told = self._deltas(passage.sound.flush(now), elapsed_ms)
        self._passage = None
        if passage.text and status == "completed":
            self._before += (UserTurn(passage.source), AssistantTurn(passage.text.strip()))
        account = passage.sound.account(passage.id, status, None, passage.began_at, now)
        return [*told, RecordAudio(account)]

    def _deltas(self, chunks: list[bytes], elapsed_ms: int) -> list[Told]:
        return [
            SessionOutputAudioDelta(
                event_id=self._ids.event(), delta=encode_audio(chunk), elapsed_ms=elapsed_ms
            )
            for chunk in chunks
        ]
