"""Transcribers: speech in, text out, while one speaks.

A transcription is an iterator over an iterator: it reads audio as it arrives and yields what it has
understood. The caller marks a point of the audio with `Settle` when it wants the whole text up to
there; more audio may follow all the same, when the speaker only paused.
"""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

STT_SAMPLE_RATE_HZ = 16_000


Delay = Literal["minimal", "low", "medium", "high", "xhigh"]
"""How long to wait until words are certain: the sooner they come, the more of them are wrong."""


@dataclass(frozen=True, slots=True)
class TranscriberCapabilities:
    """What a transcriber can honour; what it cannot is refused before a session relies on it."""

    languages: frozenset[str] | None
    """ISO-639-1 codes that it understands; None: whichever the endpoint behind it does."""
    prompts: bool = False
    """Whether a prompt changes what it hears."""
    keywords: bool = False
    """Whether it can be told of words and phrases to favour."""
    candidate_languages: bool = False
    """Whether it can be told of several languages to choose from."""
    streams: bool = False
    """Whether partial transcripts come while one speaks."""
    logprobs: bool = False
    """Whether it tells how sure it was of each token."""
    speakers: bool = False
    """Whether it tells who said what."""


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """What the client asked for one transcription."""

    language: str | None = None
    prompt: str | None = None
    languages: tuple[str, ...] = ()
    """The languages that it may be, if several."""
    keywords: tuple[str, ...] = ()
    """Words and phrases to favour."""
    delay: Delay | None = None
    """How soon somebody wants to read along; None: nobody does."""
    logprobs: bool = False
    """Whether the tokens are wanted."""
    speakers: bool = False
    """Whether the segments are wanted."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Ask for the full text of all audio so far."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text as the model wrote it, and how sure it was."""

    text: str
    logprob: float
    octets: tuple[int, ...]
    """Its bytes; some tokens are parts of characters."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What one speaker said in one go."""

    text: str
    start_ms: int
    """From the beginning of the utterance's audio."""
    end_ms: int
    speaker: str = ""
    """The engine's own name of the speaker; empty where it knows voices only."""
    voice: tuple[float, ...] = ()
    """Where the voice is among all voices: what one speaker says is at most 1 apart."""


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """Text that is told before the rest is heard; each one extends the one before."""

    text: str
    tokens: tuple[Token, ...] = ()
    """Those of what it adds to the one before, if they are wanted."""


@dataclass(frozen=True, slots=True)
class DraftTranscript:
    """The full text of the audio heard so far, as it stands: later audio may change all of it."""

    text: str


@dataclass(frozen=True, slots=True)
class FinalTranscript:
    """The full text of all audio up to a `Settle` mark, or to the end of the audio."""

    text: str
    tokens: tuple[Token, ...] = ()
    """Those of the text, if they are wanted."""
    segments: tuple[Segment, ...] = ()
    """The text by speakers, in the order in which they spoke, if they are wanted."""


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
