"""Transcribers: speech in, text out, while one speaks.

A transcription is an iterator over an iterator: it reads audio as it arrives and yields what it has
understood. The caller marks a point of the audio with `Settle` when it wants the whole text up to
there; more audio may follow all the same, when the speaker only paused.
"""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

STT_SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class TranscriberCapabilities:
    """What a transcriber can honour; what it cannot is refused before a session relies on it."""

    languages: frozenset[str] | None
    """ISO-639-1 codes that it understands; None: whichever the endpoint behind it does."""
    prompts: bool = False
    """Whether a prompt changes what it hears."""


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """What the client asked for one transcription."""

    language: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Settle:
    """Ask for the full text of all audio so far."""


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """Text that later audio will not change any more; each one extends the one before."""

    text: str


@dataclass(frozen=True, slots=True)
class DraftTranscript:
    """The full text of the audio heard so far, as it stands: later audio may change all of it."""

    text: str


@dataclass(frozen=True, slots=True)
class FinalTranscript:
    """The full text of all audio up to a `Settle` mark, or to the end of the audio."""

    text: str


Transcript = PartialTranscript | DraftTranscript | FinalTranscript


class Transcriber(Protocol):
    """Turn the audio of one utterance into text."""

    @property
    def capabilities(self) -> TranscriberCapabilities:
        """What this transcriber can honour."""
        ...

    def transcribe(
        self, audio: AsyncIterable[NDArray[np.float32] | Settle], options: TranscriptionOptions
    ) -> AsyncIterator[Transcript]:
        """Read 16 kHz mono samples in -1 to 1, in pieces of any length, until the audio ends.

        Yields any number of partial transcripts and drafts, and exactly one `FinalTranscript` for
        each `Settle` and one for the end of the audio, in order. Where nothing was heard since the
        last final one, it is repeated without work. Silence gives the empty text. Raises
        `EngineError` when transcription fails. Closing the iterator stops the work.
        """
        ...
