"""English text as the phonemes that Kokoro and Hibari read, by the rules of `hibari-tts`.

Reading a sentence takes a millisecond, loading the rules of one accent a third of a second and
tens of megabytes; so an accent is loaded once, when the first engine or voice needs it.
"""

import importlib
import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

LONGEST = 400
"""Phonemes that are spoken at once; the models are made for 510 at most."""

_CLAUSE_END = re.compile(r"(?<=[,;:—])\s+")


class Phonemizer:
    """Read text in one accent; may be used by several threads."""

    def __init__(self, *, british: bool) -> None:
        self.rules: Any = importlib.import_module("hibari.g2p").G2P(british=british)
        # The network for unknown words would be loaded at the first of them.
        self.rules("Antiphon")

    def read(self, text: str, at_once: int = LONGEST) -> list[str]:
        """Return the phonemes of each sentence; one longer than ``at_once`` is cut at clauses."""
        split_sentences = importlib.import_module("hibari.tts").Hibari.split_sentences
        sentences = (self.rules(sentence) for sentence in split_sentences(text))
        return [piece for sentence in sentences for piece in cut(sentence, at_once)]


@lru_cache(maxsize=2)
def phonemizer(*, british: bool = False) -> Phonemizer:
    """Return the reader of an accent, loaded at the first call."""
    return Phonemizer(british=british)


@lru_cache(maxsize=1)
def _identifiers() -> dict[str, int]:
    text = files("hibari").joinpath("assets/vocab.json").read_text(encoding="utf-8")
    return cast("dict[str, int]", json.loads(text))


def identify(phonemes: str) -> list[int]:
    """Return the models' numbers of phonemes, with the pad that they expect at both ends."""
    numbers = _identifiers()
    return [0, *(numbers[phoneme] for phoneme in phonemes if phoneme in numbers), 0]


def cut(phonemes: str, at_once: int) -> list[str]:
    """Cut phonemes at clauses into pieces of about ``at_once``; none is longer than `LONGEST`.

    Clauses are cut at words only where one is too long for the models.
    """
    pieces = [""]
    for clause in _CLAUSE_END.split(phonemes.strip()):
        for part in [clause] if len(clause) <= LONGEST else _words(clause):
            if len(pieces[-1]) + len(part) < at_once:
                pieces[-1] = f"{pieces[-1]} {part}".strip()
            else:
                pieces.append(part)
    return [piece for piece in pieces if any(map(str.isalpha, piece))]


def _words(clause: str) -> list[str]:
    return [
        word[begin : begin + LONGEST]
        for word in clause.split()
        for begin in range(0, len(word), LONGEST)
    ]
