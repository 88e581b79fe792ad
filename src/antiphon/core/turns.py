"""From speech probabilities to turns: when a user starts to speak, pauses, and has finished.

Positions are milliseconds from the session's first sample and count samples, never a clock. A frame
is 32 ms, so decisions fall on multiples of 32 ms: a silence of 200 ms is complete at the seventh
silent frame, 224 ms after the last one that held speech.
"""

from dataclasses import dataclass, replace

from antiphon.core.end_of_turn import Eagerness, Opinion, Opinions, of_voice, of_words
from antiphon.engines.vad import FRAME_MS
from antiphon.protocol.session import SemanticVad, ServerVad, TurnDetection

PAUSE_MS = 32
"""Silence after which a turn is provisionally over; invisible to the client."""

LISTENED_MS = 64
"""Silence that a turn predictor needs to hear: how a voice ends is not known before."""

_SEMANTIC_PADDING_MS = 300

SUSTAINED_MS = 144
"""Speech that is certain for so long interrupts a reply; a cough is shorter or less certain."""

_ONSET_GAP_MS = 64
"""Silence that an onset of speech survives, as of a consonant."""

HYSTERESIS = 0.15
"""How far below the threshold speech that goes on may fall; the beginning of speech may not."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user began to speak."""

    start_ms: int
    """Where the turn's audio begins: the onset less the prefix padding."""


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The user is silent, perhaps for good."""


@dataclass(frozen=True, slots=True)
class PauseLasted:
    """The user has been silent for so long that it can be heard how the voice ended."""


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The user only paused."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The user has been silent for the configured time."""

    end_ms: int
    """Where the turn's audio ends; the silence is part of it."""


_NO_OPINIONS = Opinions()

Change = SpeechStarted | SpeechPaused | PauseLasted | SpeechResumed | SpeechStopped


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody speaks."""


@dataclass(frozen=True, slots=True)
class Onset:
    """Something over a reply that may be speech, or a cough."""

    onset_ms: int
    heard_ms: int
    """The end of the last frame that may have held speech."""


@dataclass(frozen=True, slots=True)
class Speech:
    """The user speaks."""

    heard_ms: int
    """The end of the last frame that held speech."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The user spoke and is silent now."""

    heard_ms: int
    silent_to_ms: int
    """The end of the last frame, which held none."""
    opinions: Opinions = _NO_OPINIONS
    """What is thought of it, under `semantic_vad`."""


class TurnDetector:
    """Follow one stream of speech probabilities."""

    __slots__ = ("_certain_ms", "_settings", "_state", "is_spoken_over")

    def __init__(self, settings: TurnDetection) -> None:
        self._settings = settings
        self._state: Silence | Onset | Speech | Pause = Silence()
        self._certain_ms = 0.0
        """Speech since it began, each frame weighed by how certain it is."""
        self.is_spoken_over = False
        """Whether the assistant speaks: then a turn begins with sustained speech alone."""

    @property
    def is_speech(self) -> bool:
        """Whether a turn has begun and not ended."""
        return isinstance(self._state, Speech | Pause)

    @property
    def is_certain(self) -> bool:
        """Whether enough of what was heard last was surely speech."""
        return self._certain_ms >= SUSTAINED_MS

    @property
    def is_idle(self) -> bool:
        """Whether nobody speaks, and nothing is heard that may become speech."""
        return isinstance(self._state, Silence)

    @property
    def is_paused(self) -> bool:
        """Whether a turn has begun and is provisionally over."""
        return isinstance(self._state, Pause)

    def configure(self, settings: TurnDetection) -> None:
        """Go on with other settings; a turn that has begun goes on too."""
        self._settings = settings

    def reset(self) -> None:
        """Forget a turn that has begun."""
        self._state = Silence()

    def expect(self, *, words: bool, voice: bool) -> None:
        """Note which opinions on the pause are going to come."""
        if isinstance(self._state, Pause):
            self._state = replace(self._state, opinions=Opinions(_awaited(words), _awaited(voice)))

    def understand(self, text: str) -> SpeechStopped | None:
        """Take what was said before a pause: under `semantic_vad` it decides how long to wait."""
        if not isinstance(self._settings, SemanticVad):
            return None
        return self._consider(words=of_words(text, _eagerness(self._settings)))

    def listen(self, probability: float | None) -> SpeechStopped | None:
        """Take how likely it sounds that a turn is over, to the same end; None: nobody can tell."""
        if not isinstance(self._settings, SemanticVad):
            return None
        eagerness = _eagerness(self._settings)
        return self._consider(
            voice="none" if probability is None else of_voice(probability, eagerness)
        )

    def observe(self, probability: float, end_ms: int) -> Change | None:
        """Take the speech probability of the frame that ends at ``end_ms``."""
        match self._state:
            case Silence():
                if probability < self._threshold:
                    return None
                self._certain_ms = FRAME_MS * self._certainty(probability)
                return self._rise(end_ms - FRAME_MS, end_ms)
            case Onset():
                return self._go_on(self._state, probability, end_ms)
            case Speech(heard_ms):
                if self._add(probability):
                    self._state = Speech(heard_ms=end_ms)
                    return None
                return self._fall_silent(heard_ms, end_ms)
            case Pause():
                if self._add(probability):
                    self._state = Speech(heard_ms=end_ms)
                    return SpeechResumed()
                return self._stay_silent(self._state, end_ms)

    @property
    def _threshold(self) -> float:
        return self._settings.threshold if isinstance(self._settings, ServerVad) else 0.5

    def _add(self, probability: float) -> bool:
        """Add a frame to the speech that has begun, or tell that it holds none."""
        if probability < max(0.01, self._threshold - HYSTERESIS):
            return False
        self._certain_ms += FRAME_MS * self._certainty(probability)
        return True

    def _go_on(self, onset: Onset, probability: float, end_ms: int) -> Change | None:
        if self._add(probability):
            return self._rise(onset.onset_ms, end_ms)
        if end_ms - onset.heard_ms > _ONSET_GAP_MS:
            self._state = Silence()
        return None

    def _rise(self, onset_ms: int, end_ms: int) -> Change | None:
        """Begin a turn, unless what is heard over a reply may still be a cough."""
        if self.is_spoken_over and not self.is_certain:
            self._state = Onset(onset_ms, end_ms)
            return None
        self._state = Speech(heard_ms=end_ms)
        # Spec: the start includes the padding, which may reach back
        # past the first sample of the session; hence the clamp.
        return SpeechStarted(max(0, onset_ms - padding_ms(self._settings)))

    def _certainty(self, probability: float) -> float:
        # Who lowers the threshold has a voice that the VAD is less certain of.
        usual = max(1.0, 0.5 / max(0.01, self._threshold))
        return float(min(1.0, probability * usual) ** 2)

    def _fall_silent(self, heard_ms: int, end_ms: int) -> Change | None:
        stopped = self._end(heard_ms, end_ms, self._wait_ms(_NO_OPINIONS))
        if stopped is not None or end_ms - heard_ms < PAUSE_MS:
            return stopped
        self._state = Pause(heard_ms, end_ms)
        return SpeechPaused()

    def _stay_silent(self, pause: Pause, end_ms: int) -> Change | None:
        self._state = replace(pause, silent_to_ms=end_ms)
        stopped = self._end(pause.heard_ms, end_ms, self._wait_ms(pause.opinions))
        if stopped is not None:
            return stopped
        heard_to_ms = pause.heard_ms + LISTENED_MS
        return PauseLasted() if pause.silent_to_ms < heard_to_ms <= end_ms else None

    def _consider(self, **opinion: Opinion) -> SpeechStopped | None:
        if not isinstance(self._state, Pause):
            return None
        opinions = replace(self._state.opinions, **opinion)
        self._state = replace(self._state, opinions=opinions)
        heard_ms, wait_ms = self._state.heard_ms, self._wait_ms(opinions)
        # The silence may have been long enough before anything was known.
        return self._end(heard_ms, min(self._state.silent_to_ms, heard_ms + wait_ms), wait_ms)

    def _wait_ms(self, opinions: Opinions) -> int:
        if isinstance(self._settings, ServerVad):
            return self._settings.silence_duration_ms
        return opinions.wait_ms(_eagerness(self._settings))

    def _end(self, heard_ms: int, end_ms: int, ends_after_ms: int) -> SpeechStopped | None:
        if end_ms - heard_ms < ends_after_ms:
            return None
        self._state = Silence()
        return SpeechStopped(end_ms)


def _awaited(comes: bool) -> Opinion:
    return "pending" if comes else "none"


def padding_ms(settings: TurnDetection) -> int:
    """Return how much audio from before the first speech belongs to a turn."""
    return settings.prefix_padding_ms if isinstance(settings, ServerVad) else _SEMANTIC_PADDING_MS


def _eagerness(settings: SemanticVad) -> Eagerness:
    return "medium" if settings.eagerness == "auto" else settings.eagerness
