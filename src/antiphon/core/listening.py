"""The input side of a session: from appended audio to committed turns and their transcripts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from antiphon.core.commands import CancelJob, PredictTurnEnd
from antiphon.core.echo import EchoGuard
from antiphon.core.happenings import Guessed, Told, TurnBegan, TurnCommitted, TurnResumed
from antiphon.core.idle import IdleClock
from antiphon.core.ids import Ids
from antiphon.core.input_audio import BYTES_PER_MS, KEPT_MS, InputAudio, for_engines
from antiphon.core.noise_reduction import changed
from antiphon.core.scoring import Scored, Scoring
from antiphon.core.transcription import Transcriptions
from antiphon.core.turns import (
    Change,
    PauseLasted,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    padding_ms,
)
from antiphon.engines.stt import FinalTranscript
from antiphon.engines.turn import TURN_WINDOW_MS
from antiphon.engines.vad import FRAME_MS, FRAME_SAMPLES
from antiphon.protocol import errors
from antiphon.protocol.server_events import (
    InputAudioBufferCleared,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered,
)
from antiphon.protocol.session import AudioInput, SemanticVad, ServerVad

MIN_COMMIT_MS = 100

Frames = NDArray[np.float32]


@dataclass(slots=True)
class _Turn:
    """What the user is saying."""

    item_id: str
    fed_ms: int = 0
    """Up to where its transcription has been fed."""
    held: list[Frames] = field(default_factory=list[Frames])
    """Silence after the provisional end: fed only if the user goes on."""
    start_ms: int = 0
    is_awaited: bool = False
    """Whether the silence before it was counted."""
    predicting: int | None = None
    """The job that tells whether the turn sounds finished."""


class Listening:
    """Follow the user's audio: one turn at a time, found by the VAD or committed by the client."""

    __slots__ = (
        "_audio",
        "_detector",
        "_idle",
        "_ids",
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
        echo: EchoGuard | None = None,
    ) -> None:
        self._settings = settings
        self._audio = InputAudio(_format_name(settings))
        self._detector = TurnDetector(settings.turn_detection or ServerVad())
        self.transcriptions = transcriptions
        self._idle = IdleClock()
        self._ids = ids
        self._jobs = jobs
        self._predicts_turns = predicts_turns
        self._turn: _Turn | None = None
        self._scoring = Scoring(echo)

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
        self._audio.configure(_format_name(settings))
        told: list[Told] = [*changed(before, settings)]
        detection, was = settings.turn_detection, before.turn_detection
        if detection is not None:
            self._detector.configure(detection)
        if (detection is None) == (was is None):
            return told
        # The turn in progress, if any, was begun under the other rule: it goes back to the buffer.
        self._scoring.forget()
        return told + self._abandon_turn()

    def append(
        self, audio: bytes, now: float | None = None, format_name: str | None = None
    ) -> list[Told]:
        """Take audio that came at ``now``; raise `ClientError` if it is unusable.

        ``format_name`` is its format; None: the session's.
        """
        self._audio.require_room()
        try:
            frames = self._audio.append(audio, format_name)
        except ValueError:
            raise errors.incomplete_sample(len(audio)) from None
        if self._settings.turn_detection is None:
            return self._take_unwatched(frames)
        if not len(frames):
            return []
        return [self._scoring.order(next(self._jobs), frames, self._audio.frames_end_ms, now)]

    @property
    def deadline(self) -> float | None:
        """When the user has said nothing for too long, if no audio comes that tells so earlier."""
        return self._idle.deadline(self._idle_timeout_ms)

    def await_speech(self, unplayed_s: float, now: float) -> None:
        """Count the silence from when the rest of a reply has been played."""
        self._idle.start(self._audio.frames_end_ms, unplayed_s, now)

    def await_nothing(self) -> None:
        """Count no silence: it is not the user's turn."""
        self._idle.stop()

    def note_client(self, now: float, *, is_there: bool) -> None:
        """Count no silence while the client has no connection."""
        if is_there:
            self._idle.release(self._audio.frames_end_ms, now)
        else:
            self._idle.hold()

    def expire(self) -> list[Told]:
        """End the silence at the deadline."""
        end_ms = self._audio.frames_end_ms
        return self._time_out(self._idle.end(end_ms), end_ms)

    def attend(self, now: float, *, is_spoken_over: bool) -> None:
        """Note that audio comes in, and whether the assistant speaks meanwhile."""
        self._idle.hear(now)
        self._detector.is_spoken_over = is_spoken_over

    def score(self, job: int, probabilities: tuple[float, ...]) -> list[Told]:
        """Take the speech probabilities of frames that were sent out; they count in their order."""
        told: list[Told] = []
        for scored in self._scoring.take(job, probabilities):
            told += self._watch(scored)
        return told

    def settle(self, job: int, heard: FinalTranscript) -> list[Told]:
        """Take the full text of a turn so far; it may decide whether the turn is over."""
        told = self.transcriptions.settled(job, heard)
        if self._turn is None or not any(isinstance(each, Guessed) for each in told):
            return told
        stopped = self._detector.understand(heard.text)
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
        return self.score(job, ()) if job in self._scoring else None

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
        self._idle.stop()
        return [*told, TurnCommitted(turn.item_id, pcm, by="client")]

    def clear(self) -> list[Told]:
        """Drop the buffer and the turn that is in it."""
        told: list[Told] = self._abandon_turn()
        self._audio.clear()
        return [*told, InputAudioBufferCleared(event_id=self._ids.event())]

    def hear(self, item_id: str, pcm: bytes, now: float) -> list[Told]:
        """Transcribe speech that came as an item, for the responder."""
        told = self.transcriptions.open(item_id, None)
        told += self.transcriptions.feed(item_id, for_engines(pcm))
        return told + self.transcriptions.end(item_id, len(pcm) // BYTES_PER_MS, now)

    def end_turn(self, committed: TurnCommitted, now: float) -> list[Told]:
        """End the transcription of a turn whose item has been told."""
        # Observed: silence that an idle timeout ends counts as no speech.
        heard = b"" if committed.by == "timeout" else committed.audio
        duration_ms = len(heard) // BYTES_PER_MS
        return self.transcriptions.end(committed.item_id, duration_ms, now)

    def _take_unwatched(self, frames: Frames) -> list[Told]:
        """Transcribe audio as it comes when the client decides on turns."""
        turn, samples, told = self._turn, frames.reshape(-1), list[Told]()
        if turn is None:
            turn, told = self._open_turn()
            samples = self._audio.samples_since(self._audio.start_ms)
        self._audio.keep_frames(0)
        return told + self._feed(turn, samples, self._audio.frames_end_ms)

    def _watch(self, scored: Scored) -> list[Told]:
        """Follow the turn through frames whose scores are known."""
        detection = self._settings.turn_detection
        assert detection is not None, "what is not watched is not scored"  # noqa: S101
        told: list[Told] = []
        end_ms = scored.start_ms
        for frame, probability, end_ms in scored:
            # A frame that holds the end of what was committed or cleared begins no turn.
            if end_ms - FRAME_MS >= self._audio.taken_until_ms:
                # Only a turn's beginning: who is in the middle of one has been heard as somebody.
                is_own = not self.is_speech and scored.is_own(end_ms)
                told += self._observe(0.0 if is_own else probability, end_ms, frame)
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
        if self._turn is not None:
            return self._go_on(self._turn, change, frame, end_ms)
        silent_from_ms = self._idle.start_of(end_ms, self._idle_timeout_ms)
        if silent_from_ms is None or not self._detector.is_idle:
            return []
        return self._time_out(silent_from_ms, end_ms)

    @property
    def _idle_timeout_ms(self) -> int | None:
        detection = self._settings.turn_detection
        return detection.idle_timeout_ms if isinstance(detection, ServerVad) else None

    def _time_out(self, start_ms: int, end_ms: int) -> list[Told]:
        """Make a turn of the silence after a reply."""
        self._idle.stop()
        turn, opened = self._open_turn()
        triggered = InputAudioBufferTimeoutTriggered(
            event_id=self._ids.event(),
            audio_start_ms=start_ms,
            audio_end_ms=end_ms,
            item_id=turn.item_id,
        )
        self._audio.forget_before(start_ms)
        pcm = self._audio.take(end_ms)
        self._forget_turn()
        return [triggered, *opened, TurnCommitted(turn.item_id, pcm, by="timeout")]

    def _begin_turn(self, start_ms: int, end_ms: int) -> list[Told]:
        was_awaited = self._idle.is_running
        self._idle.stop()
        detection = self._settings.turn_detection
        if detection is not None and detection.interrupt_response:
            self._detector.is_spoken_over = False
        # The padding cannot reach into audio that an earlier turn has taken.
        start_ms = max(start_ms, self._audio.start_ms)
        self._audio.forget_before(start_ms)
        turn, opened = self._open_turn()
        started = InputAudioBufferSpeechStarted(
            event_id=self._ids.event(), audio_start_ms=start_ms, item_id=turn.item_id
        )
        turn.start_ms, turn.is_awaited = start_ms, was_awaited
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
                words = self.transcriptions.are_awaited(turn.item_id)
                self._detector.expect(words=words, voice=self._predicts)
                return told + self.transcriptions.settle(turn.item_id)
            case PauseLasted():
                turn.held.append(frame)
                return self._predict(turn, end_ms)
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
        is_noise = not self._detector.is_certain and self.transcriptions.are_wordless(turn.item_id)
        if is_noise and turn.is_awaited:
            self._idle.restart(stopped_ms)
        detection = self._settings.turn_detection
        if detection is not None and detection.create_response and not is_noise:
            # Frames that came together with the end of the turn are already over its answer.
            self._detector.is_spoken_over = True
        committed = TurnCommitted(
            turn.item_id, self._audio.take(stopped_ms), by="vad", is_noise=is_noise
        )
        unasked = self._stop_predicting(turn)
        self._forget_turn()
        return [*unasked, stopped, committed]

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
