"""Notice that a model says the same over and over.

Small models fall into loops. Penalties of the sampler make that rarer, but strong ones keep a model
from repeating a name or a number when it should, and those that look at phrases cost more time
before the first token than everything else together. So a loop is ended from outside.
"""

import re

_TIMES = 3
"""How often something is said until it counts as a loop."""
_LEAST_CHARACTERS = 12
"""Shorter sentences may be repeated: "Yes. Yes. Yes.\""""
_LONGEST_PERIOD = 60
_WATCHED_CHARACTERS = _TIMES * _LONGEST_PERIOD
"""So much text that is one phrase again and again is a loop, whatever its marks."""
_SENTENCE_END = re.compile(r"(?<=[.!?\n])\s")
_WORD = re.compile(r"\w+")


class LoopWatch:
    """Watch the text of one reply."""

    def __init__(self) -> None:
        self._sentence = ""
        self._said: dict[str, int] = {}
        self._recent = ""

    def push(self, text: str) -> bool:
        """Take the next piece of text; return whether the model is in a loop."""
        self._sentence += text
        self._recent = (self._recent + text)[-_WATCHED_CHARACTERS:]
        while end := _SENTENCE_END.search(self._sentence):
            said, self._sentence = self._sentence[: end.start()], self._sentence[end.end() :]
            if self._is_repeated(said):
                return True
        return self._runs_in_circles()

    def _is_repeated(self, sentence: str) -> bool:
        words = " ".join(_WORD.findall(sentence.lower()))
        if len(words) < _LEAST_CHARACTERS:
            return False
        self._said[words] = self._said.get(words, 0) + 1
        return self._said[words] >= _TIMES

    def _runs_in_circles(self) -> bool:
        """Tell whether the last words are one short phrase again and again."""
        recent = self._recent
        return len(recent) == _WATCHED_CHARACTERS and any(
            recent[period:] == recent[:-period] for period in range(1, _LONGEST_PERIOD + 1)
        )
