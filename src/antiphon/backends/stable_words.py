"""Which words of a growing transcript will stay.

Speech that is transcribed again and again changes its last words with every run: the sentence seems
to end where the audio ends. A word is stable when two runs in succession agree on everything up to
it and more words follow.
"""

from collections.abc import Sequence


class StableWords:
    """Compare transcripts of the same growing speech."""

    def __init__(self) -> None:
        self._previous: Sequence[str] = ()
        self._given: list[str] = []

    def take(self, words: Sequence[str]) -> str | None:
        """Take the words of the next run; return the stable text if it has become longer."""
        agreed = _agreement(self._previous, words[:-1])
        self._previous = words
        known = len(self._given)
        if agreed <= known or (known and not _same(words[known - 1], self._given[-1])):
            return None
        self._given.extend(words[known:agreed])
        return " ".join(self._given)

    def agree_with(self, words: Sequence[str]) -> bool:
        """Tell whether the words begin like those that are stable, but for one of them."""
        differing = sum(not _same(*each) for each in zip(words, self._given, strict=False))
        return len(words) >= len(self._given) and differing <= 1


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
