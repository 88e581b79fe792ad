"""Cut a text into clauses while it is being written, so that speech can begin before it ends.

The first clause is short, because somebody waits for it: it ends at the first comma, stop or dash
after a dozen characters, or after a few words without any. Later ones are whole sentences, because
a synthesizer phrases them better and the listener is busy with what came before.

Where a clause ends depends on the text alone, never on the pieces in which it arrives: a mark is
judged when the character after it is known. Clauses put together again are the text.
"""

import re

FIRST_CLAUSE_CHARACTERS = 12
"""What the first clause holds at least before a comma or stop ends it."""
HURRIED_CHARACTERS = 8
"""What a clause holds at least that is cut because its writer is slow."""
FIRST_CLAUSE_WORDS = 10
"""After so many words without a mark the first clause ends anyway."""
CLAUSE_CHARACTERS = 240
"""No clause is longer; synthesizers have limits of their own."""

_CLOSERS = "\"'”’»)\\]*_"
_MARK = re.compile(
    rf"(?P<stop>[.?!…]+[{_CLOSERS}]*)"
    rf"|(?P<pause>[,;:][{_CLOSERS}]*|—|–|--+|(?<=\s)-(?=\s))"
    r"|(?P<wide>[。！？][”」』]*)"
    r"|(?P<line>\n)"
)
_WORD = re.compile(r"\S+")
_LETTER = re.compile(r"\w")
_LIST_NUMBER = re.compile(r"\s*\(?(?:\d{1,3}|[A-Za-z])\.")
_LAST_WORD = re.compile(r"[\w.]*$")

_LEANS_ON_THE_NEXT = frozenset(
    """
    a an the this that these those my your his her its our their some any every each no
    and or but nor so because as than of in on at to from by with without for about into onto
    is are was were be been will would can could may might must should has have had not very
    """.split()  # noqa: SIM905 - one word a line would hide them
)
"""Words after which nobody takes a breath."""

_NEVER_LAST = re.compile(
    r"(?i:capt|cf|col|dr|e\.g|eg|fig|gen|gov|hon|i\.e|ie|lt|messrs|mr|mrs|ms|mt|mx|pres|prof|rev"
    r"|sen|sgt|st|vs|viz)"
)
"""Abbreviations that always belong to the word after them."""
_SELDOM_LAST = re.compile(
    r"(?i:a\.m|approx|apr|assn|aug|ave|bros|co|corp|dec|dept|est|etc|feb|inc|jan|jr|jul|jun|ltd"
    r"|mar|misc|no|nov|oct|p\.m|ph\.d|pm|pp|sept|sr|tel)"
)
"""Abbreviations that end a sentence only before a capital letter."""
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")


class ClauseSplitter:
    """Collect the pieces of one text and hand out each clause as soon as its end is certain."""

    def __init__(self) -> None:
        self._text = ""
        self._judged = 0
        self._first = True

    def push(self, text: str) -> list[str]:
        """Take the next piece of the text and return the clauses that it completes."""
        self._text += text
        clauses: list[str] = []
        while (end := self._end()) is not None:
            clauses.append(self._text[:end])
            self._text = self._text[end:]
            self._judged = 0
            self._first = False
        return clauses

    def hurry(self) -> list[str]:
        """Return the clause as far as it is written, in whole words; nothing if too short.

        For a slow writer: a listener would rather hear a part of the clause than nothing.
        """
        end = self._place_to_breathe()
        if end < HURRIED_CHARACTERS or _inside_quotation(self._text[:end]):
            return []
        clause, self._text = self._text[:end], self._text[end:]
        self._judged, self._first = 0, False
        return [clause]

    def flush(self) -> list[str]:
        """End the text: return what is left, and be ready for another text."""
        rest = [self._text] if self._text else []
        self._text, self._judged, self._first = "", 0, True
        return rest

    def _place_to_breathe(self) -> int:
        """Return where the last whole word ends, better before one that leans on the next."""
        last = end = self._text.rfind(" ")
        while end >= HURRIED_CHARACTERS:
            word = self._text[:end].rsplit(maxsplit=1)[-1]
            if word.lower() not in _LEANS_ON_THE_NEXT:
                return end
            end = self._text.rfind(" ", 0, end)
        return last

    def _end(self) -> int | None:
        limit = self._limit()
        border = self._border()
        if border is not None and (limit is None or border <= limit):
            return border
        return limit

    def _border(self) -> int | None:
        """Return where the first mark ends that ends the clause, of those that can be judged."""
        while mark := _MARK.search(self._text, self._judged):
            verdict = self._judge(mark)
            if verdict is None:
                return None
            if verdict:
                return mark.start() if mark["line"] else mark.end()
            self._judged = mark.end()
        return None

    def _judge(self, mark: re.Match[str]) -> bool | None:
        """Tell whether the clause ends at a mark; None: not before more text is known."""
        before = self._text[: mark.start()]
        if mark["line"]:
            return _says_something(before)
        if not mark["wide"]:
            if mark.end() >= len(self._text):
                return None
            # Numbers, addresses and times go on after the mark: 3.5, example.com, 10:30.
            if not self._text[mark.end()].isspace():
                return False
        if not _says_something(before) or _inside_quotation(self._text[: mark.end()]):
            return False
        if self._first:
            return self._ends_first_clause(mark, before)
        return self._ends_sentence(mark, before)

    def _ends_first_clause(self, mark: re.Match[str], before: str) -> bool | None:
        if mark.end() < FIRST_CLAUSE_CHARACTERS:
            return False
        if mark["stop"] and mark["stop"].startswith(".") and not mark["stop"].startswith(".."):
            return self._ends_sentence(mark, before)
        return True

    def _ends_sentence(self, mark: re.Match[str], before: str) -> bool | None:
        stop = mark["stop"]
        if not stop:
            return not mark["pause"]
        # Trailing dots and closing quotation marks may stand inside a sentence.
        if stop.startswith(("..", "…")) or stop[-1] in _CLOSERS:
            return self._capital_follows(mark.end())
        return stop[0] != "." or self._ends_at_full_stop(mark, before)

    def _ends_at_full_stop(self, mark: re.Match[str], before: str) -> bool | None:
        if _LIST_NUMBER.fullmatch(self._text, 0, mark.end()):
            return False
        found = _LAST_WORD.search(before)
        word = found[0] if found else ""
        # A single letter is an initial (J. Smith), several are a name (the U.S. Senate).
        if _NEVER_LAST.fullmatch(word) or (len(word) == 1 and word.isupper() and word != "I"):
            return False
        if _SELDOM_LAST.fullmatch(word) or _INITIALS.fullmatch(word):
            return self._capital_follows(mark.end())
        return True

    def _capital_follows(self, end: int) -> bool | None:
        if len(self._text) < end + 2:
            return None
        after = self._text[end + 1]
        return not (after.islower() or after.isdigit() or after in ",;:")

    def _limit(self) -> int | None:
        """Return where the clause ends if no mark ends it before."""
        if self._first:
            words = _WORD.finditer(self._text)
            last = next((word for n, word in enumerate(words, 1) if n == FIRST_CLAUSE_WORDS), None)
            # The marks in it are judged by then, and the word itself is complete.
            return last.end() if last and len(self._text) > last.end() + 1 else None
        # Two characters more than fit: every mark inside can be judged.
        if len(self._text) < CLAUSE_CHARACTERS + 2:
            return None
        return _breathing_place(self._text[:CLAUSE_CHARACTERS])


def _says_something(text: str) -> bool:
    return _LETTER.search(text) is not None


def _inside_quotation(text: str) -> bool:
    return text.count('"') % 2 == 1 or text.count("“") > text.count("”")


def _breathing_place(text: str) -> int:
    """Return the best place to cut a text that is too long."""
    pauses = [
        mark.end()
        for mark in _MARK.finditer(text)
        if mark.end() < len(text)
        and text[mark.end()].isspace()
        and _says_something(text[: mark.end()])
    ]
    if pauses:
        return pauses[-1]
    space = text.rfind(" ")
    return space if space > 0 and _says_something(text[:space]) else len(text)
