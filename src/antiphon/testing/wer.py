"""How far what was heard differs from what was said: word errors.

Case, punctuation and spelling variants of the same characters do not count; different words do,
and so do digits where words were said.
"""

import re
import unicodedata

_NOT_IN_WORDS = re.compile(r"[^\w']+|_")


def normalise(text: str) -> list[str]:
    """Return the words of a text, without case and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    words = _NOT_IN_WORDS.sub(" ", plain).split()
    return [bare for word in words if (bare := word.strip("'"))]


def word_errors(said: str, heard: str) -> int:
    """Return how many words must be inserted, deleted or replaced to get from one to the other."""
    wanted, got = normalise(said), normalise(heard)
    costs = list(range(len(got) + 1))
    for row, word in enumerate(wanted, start=1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(got, start=1):
            replaced = diagonal + (word != other)
            diagonal = costs[column]
            costs[column] = min(replaced, diagonal + 1, costs[column - 1] + 1)
    return costs[-1]


def word_error_rate(said: str, heard: str) -> float:
    """Return the word errors per word said; 0 is perfect, and more than 1 is possible."""
    return word_errors(said, heard) / max(1, len(normalise(said)))
