"""What transcription models can do, and what a session that only transcribes is offered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class TranscriptionOffer:
    """What one transcription model can do for a session."""

    languages: frozenset[str] | None = None
    """ISO-639-1 codes; None: whichever."""
    prompts: bool = False
    keywords: bool = False
    candidate_languages: bool = False
    """Whether it chooses among several languages that are named."""
    logprobs: bool = False
    """Whether it tells how sure it is of each token."""
    diarizes: bool = False
    """Whether its name promises to tell who said what."""
    speakers: bool = False
    """Whether it can do so."""
    shares_hearing: bool = False
    """Whether the same engine already hears for the responder, so that one run serves both."""
    streams: bool = False
    """Whether deltas come while the user speaks."""
    bills: Literal["duration", "tokens"] = "tokens"


@dataclass(frozen=True, slots=True)
class TranscriptionSessionOffer:
    """What each session that only transcribes is offered, and the limits it has."""

    transcription_models: Mapping[str, TranscriptionOffer] = field(
        default_factory=lambda: MappingProxyType[str, TranscriptionOffer]({})
    )
    silence_duration_ms: int = 200
    predicts_turns: bool = False
    """Whether somebody hears from the voice that a turn is over."""
    max_session_s: float = 3_600
    transcription_patience_s: float = 30
    """Longest wait for the transcript of a complete turn before it fails."""
