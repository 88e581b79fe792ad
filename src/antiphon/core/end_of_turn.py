"""Whether what was said sounds finished: the text check behind turn detection by meaning.

A person who says "I would like to" and pauses goes on. The check looks at how the transcript ends:
a word that needs another after it, or no closing punctuation, means that more is to come.
"""

from typing import Literal

Eagerness = Literal["low", "medium", "high", "auto"]

LONGEST_WAIT_MS = {"low": 8_000, "medium": 4_000, "high": 2_000}
"""Spec: how long to wait for more at most, by eagerness; auto is medium."""

FINISHED_WAIT_MS = {"low": 640, "medium": 320, "high": 192}
"""How long to wait for more when what was said sounds finished."""

_CLOSING = (".", "?", "!")
_ATTACHED = frozenset(
    """
    a an the my your his its our their every
    and or but nor because although though while if unless until whether than
    """.split()  # noqa: SIM905 - one word a line would hide them
)
"""Words that need another word after them even at the end of a question."""

_OPEN_ENDED = _ATTACHED | frozenset(
    """
    this that these those her some any each no so when where
    of in on at to from by with without for about into onto over under between through during
    before after against among as like per via
    is are was were be been being am do does did have has had will would shall should can could may
    might must i'm you're he's she's it's we're they're i'd i'll
    very really quite just also not
    um uh er hmm well
    """.split()  # noqa: SIM905 - one word a line would hide them
)
"""Words that are hardly ever the last of a sentence."""


def seems_finished(text: str, eagerness: Literal["low", "medium", "high"]) -> bool:
    """Tell whether the speaker seems to have said all; no words at all are not finished."""
    said = text.strip()
    if not said or said.endswith(("...", "…", ",", ";", ":", "-", "–", "—")):
        return False
    last = said.split()[-1].strip("\"'.,?!;:()").lower()
    if last in (_ATTACHED if said.endswith(("?", "!")) else _OPEN_ENDED):
        return False
    return eagerness == "high" or said.endswith(_CLOSING)
