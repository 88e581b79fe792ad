"""The input side of a session: from appended audio to committed turns and their transcripts."""

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import SAMPLE_RATE_HZ, to_float32
from antiphon.audio.resample import resample
from antiphon.core.commands import ScoreSpeech
from antiphon.core.happenings import Guessed, Told, TurnBegan, TurnCommitted, TurnResumed
from antiphon.core.ids import Ids
from antiphon.core.input_audio import BYTES_PER_MS, KEPT_MS, InputAudio
from antiphon.core.transcription import Transcriptions
from antiphon.core.turns import (
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    padding_ms,
)
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ
from antiphon.engines.vad import FRAME_MS, FRAME_SAMPLES
from antiphon.protocol import errors
from antiphon.protocol.errors import ClientError
from antiphon.protocol.server_events import (
    InputAudioBufferCleared,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
)
from antiphon.protocol.session import AudioInput, ServerVad

MIN_COMMIT_MS = 100
MAX_BUFFERED_MS = 30 * 60_000
"""The most audio that may wait for its commit."""

Frames = NDArray[np.float32]


class Listening:
    """Follow the user's audio: one turn at a time, found by the VAD or committed by the client."""

    __slots__ = (
        "_audio",
        "_detector",
        "_held",
        "_ids",
        "_ignored_until_ms",
        "_item_id",
        "_jobs",
        "_scoring",
        "_settings",
        "transcriptions",
    )

    def __init__(
        self, settings: AudioInput, transcriptions: Transcriptions, ids: Ids, jobs: Iterator[int]
    ) -> None:
        self._settings = settings
        self._audio = InputAudio(_format_name(settings))
        self._detector = TurnDetector(settings.turn_detection or ServerVad())
        self.transcriptions = transcriptions
        self._ids = ids
        self._jobs = jobs
        self._item_id: str | None = None
        self._scoring: deque[tuple[int, int, Frames]] = deque()
        self._held: list[Frames] = []
        self._ignored_until_ms = 0

    @property
    def is_buffering(self) -> bool:
        """Whether audio waits for its commit."""
        return not self._audio.is_empty

    @property
    def is_speech(self) -> bool:
        """Whether the user is in the middle of a turn that the VAD found."""
        return self._detector.is_speech

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
        self._detector.reset()
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
        self._scoring.append((job, self._audio.frames_end_ms - len(frames) * FRAME_MS, frames))
        return [ScoreSpeech(job, frames)]

    def score(self, job: int, probabilities: tuple[float, ...]) -> list[Told]:
        """Take the speech probabilities of frames that were sent out, in their order."""
        if not self._scoring or self._scoring[0][0] != job:
            return []
        _, end_ms, frames = self._scoring.popleft()
        detection = self._settings.turn_detection
        told: list[Told] = []
        for frame, probability in zip(frames, probabilities, strict=False):
            end_ms += FRAME_MS
            if detection is not None and end_ms > self._ignored_until_ms:
                told += self._observe(probability, end_ms, frame)
        padding = 0 if detection is None else padding_ms(detection)
        self._audio.keep_frames(padding + self._audio.frames_end_ms - end_ms)
        if detection is not None and not self._detector.is_speech:
            self._audio.forget_before(end_ms - max(KEPT_MS, padding))
        return told

    def settle(self, job: int, text: str) -> list[Told]:
        """Take the full text of a turn so far; it may decide whether the turn is over."""
        told = self.transcriptions.settled(job, text)
        if any(isinstance(each, Guessed) for each in told):
            self._detector.understand(text)
        return told

    def fail(self, job: int) -> list[Told] | None:
        """Take the failure of a scoring job: its frames count as silence. None: not one of ours."""
        for scoring, _, frames in self._scoring:
            if scoring == job:
                return self.score(job, (0.0,) * len(frames))
        return None

    def commit(self) -> list[Told]:
        """Make a turn of the whole buffer, whatever the VAD thinks of it."""
        if self._audio.buffered_ms < MIN_COMMIT_MS:
            raise errors.buffer_too_small(self._audio.buffered_ms)
        item_id = self._item_id
        end_ms = self._audio.end_ms
        pcm = self._audio.take()
        told: list[Told] = []
        if item_id is None:
            item_id = self._ids.item()
            told += self.transcriptions.open(item_id, self._settings.transcription)
            told += self.transcriptions.feed(item_id, _for_engines(pcm))
        else:
            told += self._feed_rest(item_id, pcm, end_ms)
        self._forget_turn()
        self._ignored_until_ms = self._audio.frames_end_ms
        return [*told, TurnCommitted(item_id, pcm, by="client")]

    def clear(self) -> list[Told]:
        """Drop the buffer and the turn that is in it."""
        told: list[Told] = self._abandon_turn()
        self._audio.clear()
        self._detector.reset()
        self._ignored_until_ms = self._audio.frames_end_ms
        return [*told, InputAudioBufferCleared(event_id=self._ids.event())]

    def hear(self, item_id: str, pcm: bytes, now: float) -> list[Told]:
        """Transcribe speech that came as an item, for the responder."""
        told = self.transcriptions.open(item_id, None)
        told += self.transcriptions.feed(item_id, _for_engines(pcm))
        return told + self.transcriptions.end(item_id, len(pcm) // BYTES_PER_MS, None, now)

    def end_turn(self, committed: TurnCommitted, now: float) -> list[Told]:
        """End the transcription of a turn whose item has been told."""
        duration_ms = len(committed.audio) // BYTES_PER_MS
        wanted = self._settings.transcription
        return self.transcriptions.end(committed.item_id, duration_ms, wanted, now)

    def _take_unwatched(self, frames: Frames) -> list[Told]:
        """Transcribe audio as it comes when the client decides on turns."""
        told: list[Told] = []
        if self._item_id is None:
            self._item_id = self._ids.item()
            told += self.transcriptions.open(self._item_id, self._settings.transcription)
            frames = self._audio.samples_since(self._audio.start_ms)
        self._audio.keep_frames(0)
        return told + self.transcriptions.feed(self._item_id, frames.reshape(-1))

    def _observe(self, probability: float, end_ms: int, frame: Frames) -> list[Told]:
        match self._detector.observe(probability, end_ms):
            case SpeechStarted(start_ms):
                return self._begin_turn(start_ms, end_ms)
            case SpeechPaused() if self._item_id is not None:
                told = self.transcriptions.feed(self._item_id, frame)
                return told + self.transcriptions.settle(self._item_id)
            case SpeechResumed() if self._item_id is not None:
                held = np.concatenate([*self._held, frame])
                self._held.clear()
                return [TurnResumed(), *self.transcriptions.feed(self._item_id, held)]
            case SpeechStopped(stopped_ms) if self._item_id is not None:
                return self._stop(self._item_id, stopped_ms)
            case _:
                return self._go_on(frame)

    def _begin_turn(self, start_ms: int, end_ms: int) -> list[Told]:
        # The padding cannot reach into audio that an earlier turn has taken.
        start_ms = max(start_ms, self._audio.start_ms)
        self._audio.forget_before(start_ms)
        self._item_id = item_id = self._ids.item()
        told: list[Told] = [
            InputAudioBufferSpeechStarted(
                event_id=self._ids.event(), audio_start_ms=start_ms, item_id=item_id
            ),
            TurnBegan(),
        ]
        told += self.transcriptions.open(item_id, self._settings.transcription)
        unscored_samples = (self._audio.frames_end_ms - end_ms) // FRAME_MS * FRAME_SAMPLES
        samples = self._audio.samples_since(start_ms)
        scored = samples[: len(samples) - unscored_samples]
        return told + self.transcriptions.feed(item_id, scored)

    def _go_on(self, frame: Frames) -> list[Told]:
        if self._item_id is None:
            return []
        if self._detector.is_paused:
            # Silence after the provisional end: fed only if the user goes on.
            self._held.append(frame)
            return []
        return self.transcriptions.feed(self._item_id, frame)

    def _stop(self, item_id: str, stopped_ms: int) -> list[Told]:
        told: list[Told] = [
            InputAudioBufferSpeechStopped(
                event_id=self._ids.event(), audio_end_ms=stopped_ms, item_id=item_id
            )
        ]
        pcm = self._audio.take(stopped_ms)
        self._forget_turn()
        return [*told, TurnCommitted(item_id, pcm, by="vad")]

    def _feed_rest(self, item_id: str, pcm: bytes, end_ms: int) -> list[Told]:
        """Feed what the turn's transcription has not had: unscored frames, and a broken one."""
        told: list[Told] = []
        for frames in [*self._held, *(frames for _, _, frames in self._scoring)]:
            told += self.transcriptions.feed(item_id, frames.reshape(-1))
        broken_ms = end_ms - self._audio.frames_end_ms
        if broken_ms > 0:
            told += self.transcriptions.feed(
                item_id, _for_engines(pcm[-broken_ms * BYTES_PER_MS :])
            )
        return told

    def _forget_turn(self) -> None:
        self._item_id = None
        self._held.clear()
        self._detector.reset()

    def _abandon_turn(self) -> list[Told]:
        item_id = self._item_id
        self._forget_turn()
        return self.transcriptions.drop(item_id) if item_id is not None else []


def _format_name(settings: AudioInput) -> str:
    return str(settings.format.__struct_config__.tag)


def _for_engines(pcm: bytes) -> Frames:
    return resample(to_float32(pcm), SAMPLE_RATE_HZ, STT_SAMPLE_RATE_HZ)
