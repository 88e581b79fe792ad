"""A speaker's stream of sound, cut into utterances at pauses.

The stream is taken in frames of 200 ms, the family's measure of time. Every sample of it is scored
by the VAD once, and what holds speech belongs to one utterance. A stream never ends by itself, so
neither may an utterance: one that goes on and on is cut at any short pause, and at last without.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.formats import PCM, InputDecoder
from antiphon.audio.framing import FrameCutter
from antiphon.audio.pcm import BYTES_PER_SAMPLE, require_whole_samples
from antiphon.core.commands import ScoreSpeech
from antiphon.core.turns import (
    PauseLasted,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
)
from antiphon.engines.vad import FRAME_MS as VAD_FRAME_MS
from antiphon.engines.vad import FRAME_SAMPLES
from antiphon.protocol import errors
from antiphon.protocol.session import ServerVad
from antiphon.protocol.translation import FRAME_MS, SAMPLE_RATE_HZ

FRAME_BYTES = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE * FRAME_MS // 1000

PAUSE_MS = 400
"""Silence that ends an utterance."""
LONG_MS = 12_000
"""From here on any pause ends it."""
LONGEST_MS = 20_000
"""Here it ends without one."""
PADDING_MS = 300
"""How much of the sound before the first speech belongs to it."""

Frames = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Began:
    """The speaker began an utterance; its sound follows."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """The next sound of the utterance, 16 kHz."""

    samples: Frames


@dataclass(frozen=True, slots=True)
class Paused:
    """The speaker is silent, perhaps for good."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The utterance is complete."""


Observed = Began | Spoke | Paused | Ended


class SourceStream:
    """The bytes of a session's input on their way to the VAD."""

    __slots__ = ("_cutter", "_decoder", "_taken", "_waiting")

    def __init__(self) -> None:
        self._decoder = InputDecoder(PCM)
        self._cutter = FrameCutter(FRAME_SAMPLES)
        self._waiting = bytearray()
        self._taken = 0

    @property
    def elapsed_ms(self) -> int:
        """How much of the stream has been taken, in whole frames."""
        return self._taken * FRAME_MS

    def push(self, audio: bytes) -> Frames:
        """Take PCM16 and return the VAD's frames that the stream's whole frames complete.

        Raises `ClientError`, and takes nothing, when the bytes are no whole number of samples.
        """
        try:
            require_whole_samples(audio)
        except ValueError:
            raise errors.incomplete_sample(len(audio)) from None
        self._waiting += audio
        whole = len(self._waiting) // FRAME_BYTES
        frames = bytes(self._waiting[: whole * FRAME_BYTES])
        del self._waiting[: whole * FRAME_BYTES]
        self._taken += whole
        return self._cutter.push(self._decoder.push(frames).samples)

    def finish(self) -> Frames:
        """End the stream: return the rest of it, filled up with silence."""
        self._taken += bool(self._waiting)
        rest = [self._decoder.push(bytes(self._waiting)).samples, self._decoder.flush().samples]
        self._waiting.clear()
        frames = self._cutter.push(np.concatenate(rest))
        missing = -self._cutter.pending_samples % FRAME_SAMPLES
        return np.concatenate((frames, self._cutter.push(np.zeros(missing, np.float32))))


@dataclass(slots=True)
class _Scoring:
    """Frames whose speech probabilities were ordered."""

    job: int
    frames: Frames
    scores: tuple[float, ...] | None = None


@dataclass(slots=True)
class _Utterance:
    began_ms: int
    held: list[Frames] = field(default_factory=list[Frames])
    """Silence that belongs to the utterance only if the speaker goes on."""


class Utterances:
    """Find the utterances in scored frames."""

    __slots__ = ("_before", "_detector", "_jobs", "_now_ms", "_scoring", "_utterance")

    def __init__(self, jobs: Iterator[int]) -> None:
        self._jobs = jobs
        self._detector = TurnDetector(
            ServerVad(silence_duration_ms=PAUSE_MS, prefix_padding_ms=PADDING_MS)
        )
        self._scoring: deque[_Scoring] = deque()
        self._before: deque[Frames] = deque(maxlen=-(-PADDING_MS // VAD_FRAME_MS))
        self._utterance: _Utterance | None = None
        self._now_ms = 0

    @property
    def unscored_ms(self) -> int:
        """How much sound waits for its scores."""
        return sum(len(each.frames) for each in self._scoring) * VAD_FRAME_MS

    @property
    def is_speech(self) -> bool:
        """Whether the speaker is in the middle of an utterance."""
        return self._utterance is not None

    def order(self, frames: Frames) -> list[ScoreSpeech]:
        """Have frames scored."""
        if not len(frames):
            return []
        job = next(self._jobs)
        self._scoring.append(_Scoring(job, frames))
        return [ScoreSpeech(job, frames)]

    def knows(self, job: int) -> bool:
        """Whether a job scores frames of ours."""
        return any(ordered.job == job for ordered in self._scoring)

    def score(self, job: int, probabilities: tuple[float, ...]) -> list[Observed]:
        """Take speech probabilities, in the order of their frames; none means silence."""
        for ordered in self._scoring:
            if ordered.job == job:
                ordered.scores = probabilities
        observed: list[Observed] = []
        while self._scoring and self._scoring[0].scores is not None:
            scored = self._scoring.popleft()
            scores = [*(scored.scores or ()), *(0.0 for _ in scored.frames)]
            for frame, probability in zip(scored.frames, scores, strict=False):
                observed += self._observe(frame, probability)
        return _joined(observed)

    def finish(self) -> list[Observed]:
        """End the utterance that is in progress, if any: the stream ends here."""
        return [] if self._utterance is None else self._end()

    def _observe(self, frame: Frames, probability: float) -> list[Observed]:
        self._now_ms += VAD_FRAME_MS
        change = self._detector.observe(probability, self._now_ms)
        if self._utterance is None:
            if not isinstance(change, SpeechStarted):
                self._before.append(frame)
                return []
            return self._begin(frame)
        return self._go_on(self._utterance, change, frame)

    def _begin(self, frame: Frames) -> list[Observed]:
        samples = np.concatenate([*self._before, frame])
        self._before.clear()
        self._utterance = _Utterance(self._now_ms - len(samples) * 1000 // 16_000)
        return [Began(), Spoke(samples)]

    def _go_on(self, utterance: _Utterance, change: object, frame: Frames) -> list[Observed]:
        length_ms = self._now_ms - utterance.began_ms
        match change:
            case SpeechStopped():
                # The silence at its end may as well come before the next one.
                self._before.extend([*utterance.held, frame])
                return self._end()
            case PauseLasted():
                samples = np.concatenate([*utterance.held, frame])
                utterance.held.clear()
                paused: list[Observed] = [Spoke(samples), Paused()]
                return [*paused, *self._end()] if length_ms >= LONG_MS else paused
            case SpeechResumed():
                samples = np.concatenate([*utterance.held, frame])
                utterance.held.clear()
                return [Spoke(samples)]
            case _ if self._detector.is_paused:
                utterance.held.append(frame)
                return []
            case _:
                spoke: list[Observed] = [Spoke(frame)]
                return [*spoke, *self._end()] if length_ms >= LONGEST_MS else spoke

    def _end(self) -> list[Observed]:
        self._utterance = None
        self._detector.reset()
        return [Ended()]


def _joined(observed: list[Observed]) -> list[Observed]:
    """Put sound that follows sound together."""
    joined: list[Observed] = []
    for is_sound, group in groupby(observed, key=lambda each: isinstance(each, Spoke)):
        if is_sound:
            samples = [each.samples for each in group if isinstance(each, Spoke)]
            joined.append(Spoke(np.concatenate(samples)))
        else:
            joined += group
    return joined
