"""The input side of a session: from appended audio to committed turns and their transcripts."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from antiphon.core.commands import CancelJob, PredictTurnEnd, ScoreSpeech
from antiphon.core.happenings import Guessed, Told, TurnBegan, TurnCommitted, TurnResumed
from antiphon.core.ids import Ids
from antiphon.core.input_audio import BYTES_PER_MS, KEPT_MS, InputAudio, for_engines
from antiphon.core.transcription import Transcriptions
from antiphon.core.turns import (
    Change,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    padding_ms,
)
from antiphon.engines.turn import TURN_WINDOW_MS
from antiphon.engines.vad import FRAME_MS, FRAME_SAMPLES
from antiphon.protocol import errors
from antiphon.protocol.errors import ClientError
from antiphon.protocol.server_events import (
    InputAudioBufferCleared,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
)
from antiphon.protocol.session import AudioInput, SemanticVad, ServerVad

MIN_COMMIT_MS = 100
MAX_BUFFERED_MS = 30 * 60_000
"""The most audio that may wait for its commit."""

Frames = NDArray[np.float32]


@dataclass(slots=True)
class _Scoring:
    """Frames whose speech probabilities were ordered."""

    job: int
    start_ms: int
    frames: Frames
    scores: tuple[float, ...] | None = None


@dataclass(slots=True)
class _Turn:
    """What the user is saying."""

    item_id: str
    fed_ms: int = 0
    """Up to where its transcription has been fed."""
    held: list[Frames] = field(default_factory=list[Frames])
    """Silence after the provisional end: fed only if the user goes on."""
    start_ms: int = 0
    predicting: int | None = None
    """The job that tells whether the turn sounds finished."""


class Listening:
    """Follow the user's audio: one turn at a time, found by the VAD or committed by the client."""

    __slots__ = (
        "_audio",
        "_detector",
        "_ids",
        "_ignored_until_ms",
        "_jobs",
        "_predicts_turns",
        "_scoring",
        "_settings",
        "_turn",
        "transcriptions",
    )

    def __init__(
        self,
        settings: AudioInput,
        transcriptions: Transcriptions,
        ids: Ids,
        jobs: Iterator[int],
        *,
        predicts_turns: bool = False,
    ) -> None:
        self._settings = settings
        self._audio = InputAudio(_format_name(settings))
        self._detector = TurnDetector(settings.turn_detection or ServerVad())
        self.transcriptions = transcriptions
        self._ids = ids
        self._jobs = jobs
        self._predicts_turns = predicts_turns
        self._turn: _Turn | None = None
        self._scoring: deque[_Scoring] = deque()
        self._ignored_until_ms = 0

    @property
    def is_buffering(self) -> bool:
        """Whether audio waits for its commit."""
        return not self._audio.is_empty

    @property
    def is_speech(self) -> bool:
        """Whether the user is in the middle of a turn that the VAD found."""
        return self._detector.is_speech

    @property
    def item_id(self) -> str | None:
        """The id that the turn in progress will have as an item."""
        return None if self._turn is None else self._turn.item_id

    def configure(self, settings: AudioInput) -> list[Told]:
        """Go on under other settings."""
        before, self._settings = self._settings, settings
        if settings.format != before.format:
            self._audio.configure(_format_name(settings))
        detection, was = settings.turn_detection, before.turn_detection
        if detection is not None:
            self._detector.configure(detection)
        if (detection is None) == (was is None):
            return []
        # The turn in progress, if any, was begun under the other rule: it goes back to the buffer.
        self._scoring.clear()
        return self._abandon_turn()

    def append(self, audio: bytes) -> list[Told]:
        """Take audio in the session's format; raise `ClientError` if it is unusable."""
        if self._audio.buffered_ms > MAX_BUFFERED_MS:
            raise ClientError(
                "input_audio_buffer_full",
                f"The input buffer holds {MAX_BUFFERED_MS // 60_000} minutes of audio that nobody "
                "has committed. Commit it, or clear it.",
                "audio",
            )
        try:
            frames = self._audio.append(audio)
        except ValueError:
            raise errors.incomplete_sample(len(audio)) from None
        if self._settings.turn_detection is None:
            return self._take_unwatched(frames)
        if not len(frames):
            return []
        job = next(self._jobs)
        start_ms = self._audio.frames_end_ms - len(frames) * FRAME_MS
        self._scoring.append(_Scoring(job, start_ms, frames))
        return [ScoreSpeech(job, frames)]

    def score(self, job: int, probabilities: tuple[float, ...]) -> list[Told]:
        """Take the speech probabilities of frames that were sent out; they count in their order."""
        for ordered in self._scoring:
            if ordered.job == job:
                ordered.scores = probabilities
        told: list[Told] = []
        while self._scoring and self._scoring[0].scores is not None:
            told += self._watch(self._scoring.popleft())
        return told

    def settle(self, job: int, text: str) -> list[Told]:
        """Take the full text of a turn so far; it may decide whether the turn is over."""
        told = self.transcriptions.settled(job, text)
        if self._turn is None or not any(isinstance(each, Guessed) for each in told):
            return told
        stopped = self._detector.understand(text)
        return told if stopped is None else told + self._stop(self._turn, stopped.end_ms)

    def predict(self, job: int, probability: float | None) -> list[Told] | None:
        """Take how finished a turn sounds, if it could be told; None: not a job of this turn."""
        turn = self._turn
        if turn is None or turn.predicting != job:
            return None
        turn.predicting = None
        stopped = self._detector.listen(probability)
        return [] if stopped is None else self._stop(turn, stopped.end_ms)

    def fail(self, job: int) -> list[Told] | None:
        """Take the failure of a scoring job: its frames count as silence. None: not one of ours."""
        ours = any(ordered.job == job for ordered in self._scoring)
        return self.score(job, ()) if ours else None

    def commit(self) -> list[Told]:
        """Make a turn of the whole buffer, whatever the VAD thinks of it."""
        if self._audio.buffered_ms < MIN_COMMIT_MS:
            raise errors.buffer_too_small(self._audio.buffered_ms)
        turn, start_ms = self._turn, self._audio.start_ms
        unfed = pcm = self._audio.take_all()
        told: list[Told] = []
        if turn is None:
            turn, told = self._open_turn()
        else:
            told = self._stop_predicting(turn)
            unfed = pcm[max(0, turn.fed_ms - start_ms) * BYTES_PER_MS :]
        told += self.transcriptions.feed(turn.item_id, for_engines(unfed))
        self._forget_turn()
        self._ignored_until_ms = self._audio.start_ms
        return [*told, TurnCommitted(turn.item_id, pcm, by="client")]

    def clear(self) -> list[Told]:
        """Drop the buffer and the turn that is in it."""
        told: list[Told] = self._abandon_turn()
        self._audio.clear()
        self._ignored_until_ms = self._audio.start_ms
        return [*told, InputAudioBufferCleared(event_id=self._ids.event())]

    def hear(self, item_id: str, pcm: bytes, now: float) -> list[Told]:
        """Transcribe speech that came as an item, for the responder."""
        told = self.transcriptions.open(item_id, None)
        told += self.transcriptions.feed(item_id, for_engines(pcm))
        return told + self.transcriptions.end(item_id, len(pcm) // BYTES_PER_MS, now)

    def end_turn(self, committed: TurnCommitted, now: float) -> list[Told]:
        """End the transcription of a turn whose item has been told."""
        duration_ms = len(committed.audio) // BYTES_PER_MS
        return self.transcriptions.end(committed.item_id, duration_ms, now)

    def _take_unwatched(self, frames: Frames) -> list[Told]:
        """Transcribe audio as it comes when the client decides on turns."""
        turn, samples, told = self._turn, frames.reshape(-1), list[Told]()
        if turn is None:
            turn, told = self._open_turn()
            samples = self._audio.samples_since(self._audio.start_ms)
        self._audio.keep_frames(0)
        return told + self._feed(turn, samples, self._audio.frames_end_ms)

    def _watch(self, scored: _Scoring) -> list[Told]:
        """Follow the turn through frames whose scores are known; missing scores mean silence."""
        detection = self._settings.turn_detection
        assert detection is not None, "what is not watched is not scored"  # noqa: S101
        told: list[Told] = []
        end_ms = scored.start_ms
        scores = [*(scored.scores or ()), *(0.0 for _ in scored.frames)]
        for frame, probability in zip(scored.frames, scores, strict=False):
            end_ms += FRAME_MS
            # A frame that holds the end of what was committed or cleared begins no turn.
            if end_ms - FRAME_MS >= self._ignored_until_ms:
                told += self._observe(probability, end_ms, frame)
        padding = padding_ms(detection)
        kept_ms = TURN_WINDOW_MS if self._turn is not None and self._predicts else padding
        self._audio.keep_frames(kept_ms + self._audio.frames_end_ms - end_ms)
        if not self._detector.is_speech:
            self._audio.forget_before(end_ms - max(KEPT_MS, padding))
        return told

    def _observe(self, probability: float, end_ms: int, frame: Frames) -> list[Told]:
        change = self._detector.observe(probability, end_ms)
        if isinstance(change, SpeechStarted):
            return self._begin_turn(change.start_ms, end_ms)
        return [] if self._turn is None else self._go_on(self._turn, change, frame, end_ms)

    def _begin_turn(self, start_ms: int, end_ms: int) -> list[Told]:
        # The padding cannot reach into audio that an earlier turn has taken.
        start_ms = max(start_ms, self._audio.start_ms)
        self._audio.forget_before(start_ms)
        turn, opened = self._open_turn()
        started = InputAudioBufferSpeechStarted(
            event_id=self._ids.event(), audio_start_ms=start_ms, item_id=turn.item_id
        )
        turn.start_ms = start_ms
        scored = self._scored_since(start_ms, end_ms)
        return [started, TurnBegan(), *opened, *self._feed(turn, scored, end_ms)]

    def _scored_since(self, start_ms: int, end_ms: int) -> Frames:
        """Return 16 kHz samples up to a frame that was scored; more may have arrived since."""
        unscored_samples = (self._audio.frames_end_ms - end_ms) // FRAME_MS * FRAME_SAMPLES
        samples = self._audio.samples_since(start_ms)
        return samples[: len(samples) - unscored_samples]

    def _go_on(self, turn: _Turn, change: Change | None, frame: Frames, end_ms: int) -> list[Told]:
        match change:
            case SpeechPaused():
                told = self._feed(turn, frame, end_ms)
                told += self.transcriptions.settle(turn.item_id)
                return told + self._predict(turn, end_ms)
            case SpeechResumed():
                samples = np.concatenate([*turn.held, frame])
                turn.held.clear()
                resumed = [TurnResumed(), *self._stop_predicting(turn)]
                return resumed + self._feed(turn, samples, end_ms)
            case SpeechStopped(stopped_ms):
                return self._stop(turn, stopped_ms)
            case _ if self._detector.is_paused:
                turn.held.append(frame)
                return []
            case _:
                return self._feed(turn, frame, end_ms)

    def _open_turn(self) -> tuple[_Turn, list[Told]]:
        self._turn = turn = _Turn(self._ids.item())
        return turn, self.transcriptions.open(turn.item_id, self._settings.transcription)

    def _feed(self, turn: _Turn, samples: Frames, end_ms: int) -> list[Told]:
        turn.fed_ms = end_ms
        return self.transcriptions.feed(turn.item_id, samples)

    @property
    def _predicts(self) -> bool:
        return self._predicts_turns and isinstance(self._settings.turn_detection, SemanticVad)

    def _predict(self, turn: _Turn, end_ms: int) -> list[Told]:
        """Have the end of the turn listened to, if anybody can."""
        words = self.transcriptions.are_awaited(turn.item_id)
        self._detector.expect(words=words, voice=self._predicts)
        if not self._predicts:
            return []
        turn.predicting = next(self._jobs)
        samples = self._scored_since(max(turn.start_ms, end_ms - TURN_WINDOW_MS), end_ms)
        return [PredictTurnEnd(turn.predicting, samples)]

    def _stop_predicting(self, turn: _Turn) -> list[Told]:
        job, turn.predicting = turn.predicting, None
        return [] if job is None else [CancelJob(job)]

    def _stop(self, turn: _Turn, stopped_ms: int) -> list[Told]:
        stopped = InputAudioBufferSpeechStopped(
            event_id=self._ids.event(), audio_end_ms=stopped_ms, item_id=turn.item_id
        )
        pcm = self._audio.take(stopped_ms)
        unasked = self._stop_predicting(turn)
        self._forget_turn()
        return [*unasked, stopped, TurnCommitted(turn.item_id, pcm, by="vad")]

    def _forget_turn(self) -> None:
        self._turn = None
        self._detector.reset()

    def _abandon_turn(self) -> list[Told]:
        turn = self._turn
        self._forget_turn()
        if turn is None:
            return []
        return [*self._stop_predicting(turn), *self.transcriptions.drop(turn.item_id)]


def _format_name(settings: AudioInput) -> str:
    return str(settings.format.__struct_config__.tag)
