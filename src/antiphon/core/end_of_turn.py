"""Whether a turn sounds finished: what turn detection by meaning makes of a pause.

Two opinions count: what was said, by how the transcript ends, and how it was said, by the turn
predictor's probability. Either is fooled now and then: transcribers set a full stop after half a
sentence, and some people end a sentence with a rising voice. So the turn ends soon only when both
call it finished; when they differ, a longer pause has to agree.
"""

from dataclasses import dataclass
from typing import Literal

Eagerness = Literal["low", "medium", "high"]
Opinion = Literal["finished", "unfinished", "pending", "none"]

LONGEST_WAIT_MS = {"low": 8_000, "medium": 4_000, "high": 2_000}
"""Spec: how long to wait for more at most, by eagerness; auto is medium."""

DOUBTFUL_WAIT_MS = {"low": 4_000, "medium": 2_000, "high": 1_000}
"""How long to wait for more when only the words or only the voice sound finished."""

FINISHED_WAIT_MS = {"low": 2_000, "medium": 1_200, "high": 320}
"""How long to wait for more when everything sounds finished. Who stops for most of a second at a
comma has often said something complete: only `high` takes people at their word."""

FINISHED_PROBABILITY = {"low": 0.7, "medium": 0.5, "high": 0.3}
"""From where on the turn predictor's probability means that the voice sounds finished."""

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


def seems_finished(text: str, eagerness: Eagerness) -> bool:
    """Tell whether the speaker seems to have said all; no words at all are not finished."""
    said = text.strip()
    if not said or said.endswith(("...", "…", ",", ";", ":", "-", "–", "—")):
        return False
    last = said.split()[-1].strip("\"'.,?!;:()").lower()
    if last in (_ATTACHED if said.endswith(("?", "!")) else _OPEN_ENDED):
        return False
    return eagerness == "high" or said.endswith(_CLOSING)


@dataclass(frozen=True, slots=True)
class Opinions:
    """What is thought of a pause; "none" where nobody is asked."""

    words: Opinion = "none"
    voice: Opinion = "none"

    def wait_ms(self, eagerness: Eagerness) -> int:
        """Return how much silence ends the turn."""
        given = [each for each in (self.words, self.voice) if each != "none"]
        finished = given.count("finished")
        if not finished:
            return LONGEST_WAIT_MS[eagerness]
        waits = FINISHED_WAIT_MS if finished == len(given) else DOUBTFUL_WAIT_MS
        return waits[eagerness]


def of_words(text: str, eagerness: Eagerness) -> Opinion:
    """Return what a transcript makes of a pause."""
    return "finished" if seems_finished(text, eagerness) else "unfinished"


def of_voice(probability: float, eagerness: Eagerness) -> Opinion:
    """Return what a prediction makes of a pause."""
    return "finished" if probability >= FINISHED_PROBABILITY[eagerness] else "unfinished"
