"""Which words of a growing transcript will stay.

Speech that is transcribed again and again changes its last words with every run: the sentence seems
to end where the audio ends. A word is stable when runs in succession agree on everything up to it
and more words follow. Where somebody waits for the first word, it may be given sooner: when the
model itself is sure of it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sureness:
    """Log-probabilities from which a first word is given without waiting for agreement."""

    followed: float
    """Where the run before agrees and another word follows."""
    last: float
    """Where the run before agrees."""
    alone: float
    """Where there is only one run."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How much has to speak for a word before it is given."""

    runs: int = 2
    """How many runs in succession must agree; 0: no number of them is enough."""
    first_words: Sureness | None = None
    """When the first words are given sooner; None: never."""


class StableWords:
    """Compare transcripts of the same growing speech."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._previous: deque[Sequence[str]] = deque(maxlen=max(1, self._patience.runs - 1))
        self._given: list[str] = []

    @property
    def text(self) -> str:
        """The words given so far."""
        return " ".join(self._given)

    @property
    def is_eager(self) -> bool:
        """Whether somebody waits for the first word."""
        return self._patience.first_words is not None and not self._given

    def take(self, words: Sequence[str], certainties: Sequence[float] = ()) -> str | None:
        """Take the words of the next run; return the stable text if it has become longer.

        ``certainties`` are the log-probabilities of the words.
        """
        agreed = max(self._agreed(words), self._sure(words, certainties))
        self._previous.append(words)
        known = len(self._given)
        if agreed <= known or (known and not _same(words[known - 1], self._given[-1])):
            return None
        self._given.extend(words[known:agreed])
        if agreed == len(words):
            # What ends the last word now may be no end of a sentence when more is heard.
            self._given[-1] = self._given[-1].rstrip(".,;:?!…-–—")
        return self.text

    def agree_with(self, words: Sequence[str]) -> bool:
        """Tell whether the words begin like those that are stable, but for one of them."""
        differing = sum(not _same(*each) for each in zip(words, self._given, strict=False))
        return len(words) >= len(self._given) and differing <= 1

    def _agreed(self, words: Sequence[str]) -> int:
        needed = self._patience.runs - 1
        if needed < 1 or len(self._previous) < needed:
            return 0
        return min(_agreement(before, words[:-1]) for before in self._previous)

    def _sure(self, words: Sequence[str], certainties: Sequence[float]) -> int:
        sureness = self._patience.first_words
        if sureness is None or self._given or len(words) != len(certainties):
            return 0
        before = self._previous[-1] if self._previous else ()
        sure = 0
        for word, certainty in zip(words, certainties, strict=True):
            if sure >= len(before) or not _same(before[sure], word):
                needed = sureness.alone
            else:
                needed = sureness.last if sure == len(words) - 1 else sureness.followed
            if certainty < needed:
                break
            sure += 1
        return sure


def _agreement(before: Sequence[str], after: Sequence[str]) -> int:
    agreed = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        agreed += 1
    return agreed


def _same(word: str, other: str) -> bool:
    # Given words cannot be taken back: one that is now written otherwise still marks the place.
    return _bare(word) == _bare(other)


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold()
