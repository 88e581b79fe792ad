"""The engines behind one deployment, as the runner uses them."""

from collections.abc import Mapping
from dataclasses import dataclass

from antiphon.engines.responder import Responder
from antiphon.engines.stt import Transcriber
from antiphon.runtime.speech_scores import SpeechScores


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
