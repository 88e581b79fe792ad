"""The speaker's words: texts of utterances, told in the order in which they were spoken.

Utterances are transcribed side by side: the beginning of one may be known before the end of the one
before it. What was told stays told, so each text is told only as far as it is stable, and the next
utterance's waits until this one's is complete.
"""

from collections import deque
from dataclasses import dataclass

from antiphon.engines.sentences import ClauseSplitter

_SPACELESS_FROM = "\u2e80"
"""From here on scripts (Chinese, Japanese) put no spaces between words; Korean does."""
_HANGUL = ("\uac00", "\ud7af")


@dataclass(slots=True)
class _Text:
    """What is known of one utterance."""

    job: int
    streams: bool
    """Whether it is told while one speaks, or as a whole."""
    text: str = ""
    told: str = ""
    is_over: bool = False


class Strand:
    """The texts of utterances in succession."""

    __slots__ = ("_last", "_texts")

    def __init__(self) -> None:
        self._texts: deque[_Text] = deque()
        self._last = ""

    @property
    def is_empty(self) -> bool:
        """Whether everything has been told."""
        return not self._texts

    def open(self, job: int, *, streams: bool = True) -> None:
        """Expect the text of one more utterance."""
        self._texts.append(_Text(job, streams))

    def knows(self, job: int) -> bool:
        """Whether a job's text is still awaited."""
        return any(each.job == job and not each.is_over for each in self._texts)

    def grow(self, job: int, text: str) -> None:
        """Take the stable beginning of a text."""
        for each in self._texts:
            if each.job == job and not each.is_over:
                each.text = text

    def end(self, job: int, text: str | None) -> None:
        """Take a whole text; None: there will be no more of it than is known."""
        for each in self._texts:
            if each.job == job and not each.is_over:
                each.text = each.told if text is None else text
                each.is_over = True

    def take(self) -> list[str]:
        """Return what can be told now; the empty text marks the end of an utterance."""
        pieces: list[str] = []
        while self._texts:
            head = self._texts[0]
            if head.streams or head.is_over:
                rest = remainder(head.told, head.text)
                if rest:
                    pieces.append(self._spaced(rest) if not head.told else rest)
                    head.told = head.told + rest
                    self._last = rest
            if not head.is_over:
                break
            self._texts.popleft()
            pieces.append("")
        return pieces

    def _spaced(self, text: str) -> str:
        return spaced(self._last, text)


class Clauses:
    """Cuts the speaker's words into clauses that can be translated."""

    __slots__ = ("_splitter",)

    def __init__(self) -> None:
        self._splitter = ClauseSplitter()

    def take(self, pieces: list[str]) -> list[str]:
        """Return the clauses that are complete; an utterance's end completes one."""
        clauses: list[str] = []
        for piece in pieces:
            clauses += self._splitter.push(piece) if piece else self._splitter.flush()
        return [each for each in clauses if any(map(str.isalnum, each))]


def remainder(told: str, text: str) -> str:
    """Return what a text says beyond its beginning that was told.

    A text that begins otherwise, because its transcriber thought better of it, goes on after as
    many words as were told.
    """
    if text.startswith(told):
        return text[len(told) :]
    if " " not in told.strip():
        return text[len(told) :]
    rest = text.split()[len(told.split()) :]
    return f" {' '.join(rest)}" if rest else ""


def spaced(before: str, text: str) -> str:
    """Return a text as it goes on after another one: with a space, where its script has any."""
    if not before or before[-1].isspace() or not text or text[0].isspace():
        return text
    return text if _is_spaceless(before[-1]) or _is_spaceless(text[0]) else f" {text}"


def _is_spaceless(character: str) -> bool:
    return character >= _SPACELESS_FROM and not _HANGUL[0] <= character <= _HANGUL[1]
