"""The engines behind one deployment, as the runner uses them."""

from collections.abc import Mapping
from dataclasses import dataclass

from antiphon.engines.responder import Responder
from antiphon.engines.stt import Transcriber
from antiphon.engines.vad import Vad


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Engines are shared by all sessions; what belongs to one session lives in its jobs."""

    vad: Vad
    responder: Responder
    transcriber: Transcriber | None
    """What the responder hears with; None: it hears for itself."""
    transcription_models: Mapping[str, Transcriber]
    """Transcribers by the model or deployment name that a client asks for."""
