"""The engines behind one deployment, as the runner uses them."""

from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from antiphon.core.reach import Reach
from antiphon.engines.noise import NoiseReducer
from antiphon.engines.responder import Responder
from antiphon.engines.stt import Transcriber
from antiphon.engines.turn import TurnPredictor
from antiphon.runtime.speech_scores import SpeechScores


class Answering:
    """Who is having a response made."""

    def __init__(self) -> None:
        self._making: Counter[int] = Counter()

    @contextmanager
    def by(self, session: object) -> Generator[None]:
        """Count a response while it is made."""
        key = id(session)
        self._making[key] += 1
        try:
            yield
        finally:
            self._making[key] -= 1
            if not self._making[key]:
                del self._making[key]

    def is_busy_beside(self, session: object) -> bool:
        """Whether a response of any other session is being made."""
        return any(key != id(session) for key in self._making)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Engines are shared by all sessions; what belongs to one session lives in its jobs."""

    speech: SpeechScores
    """The VAD of all sessions, which scores them together."""
    responder: Responder
    transcriber: Transcriber | None
    """What the responder hears with; None: it hears for itself."""
    transcription_models: Mapping[str, Transcriber]
    """Transcribers by the model or deployment name that a client asks for."""
    noise_reducer: NoiseReducer | None = None
    """What reduces the noise of input audio where a session asks for it."""
    answering: Answering = field(default_factory=Answering)
    turn_predictor: TurnPredictor | None = None
    """What hears whether a turn is over; None: nothing does."""
    reach: Reach = field(default_factory=Reach)
    """Which MCP servers may be called."""
