"""Synthesizers: text in, speech out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

TTS_SAMPLE_RATE_HZ = 24_000


@dataclass(frozen=True, slots=True)
class SynthesizerCapabilities:
    """What a synthesizer can honour."""

    voices: frozenset[str] | None
    """Names of the Realtime API that it can speak with; None: whichever the endpoint knows."""
    is_embedded: bool = False
    """Whether its work costs nothing but this machine's processor time."""
    languages: frozenset[str] | None = None
    """ISO-639-1 codes that it can say; None: whichever the endpoint behind it does."""


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """One clause or sentence to speak."""

    text: str
    """Speakable: no markup, emoji or digits that need a reading (`engines.speakable`)."""
    voice: str


class Synthesizer(Protocol):
    """Speak a text."""

    @property
    def capabilities(self) -> SynthesizerCapabilities:
        """What this synthesizer can honour."""
        ...

    def synthesize(self, request: SynthesisRequest) -> AsyncIterator[NDArray[np.float32]]:
        """Yield the speech as 24 kHz mono samples, -1 to 1, in pieces of any length.

        Raises `EngineError`. Closing the iterator stops the work.
        """
        ...
