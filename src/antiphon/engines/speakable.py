"""Turn what a language model writes into what a synthesizer can say.

The result holds words and the punctuation that makes pauses, nothing else: no markup, no pictures,
no symbols, no figures. Readings are American English; text in another script keeps its figures,
because English number words would be wrong in it. Acronyms stay as they are: synthesizers know how
to say them.
"""

import re
import unicodedata

from antiphon.engines.plain_text import plain_text
from antiphon.engines.spoken_addresses import say_addresses
from antiphon.engines.spoken_numbers import spell_numbers
from antiphon.engines.spoken_symbols import say_abbreviations, say_symbols

LONGEST_INPUT = 4000
"""Characters that are read; what follows them is left out. A clause has a few hundred at most."""
MOST_GROWTH = 32
"""How many characters are said at most for each that is written."""

_ROUNDS = 4
_LATIN_ENDS = "\u024f"

_KEPT_SIGNS = frozenset("²³№")
_FRACTION = re.compile("(?<=\\d)(?=[¼-¾⅐-⅞])")
_THIN_GROUPS = re.compile("(?<=\\d)[\u00a0\u2009\u202f](?=\\d{3}(?!\\d))")
_ONE_WAY = str.maketrans(
    {**dict.fromkeys("‘’ʼ´", "'"), **dict.fromkeys("‐‑", "-"), "。": ". ", "、": ", ", "⁄": "/"}
)
_TRADE_MARKS = str.maketrans(dict.fromkeys("™®©℠", ""))

_ASIDE = re.compile(r"\s*[()\[\]{}«»|]+\s*")
_DASH = re.compile(r"\s+[-–]+\s+|\s*(?:[—―]|--+)\s*|(?<=[^\W\d])–(?=[^\W\d])")
_STRAY = re.compile(r"(?<!\w)['-]+(?!(?:em|til|cause|tis|twas|n)\b)|['-]+(?!\w)")
_SPACE_BEFORE = re.compile(r"\s+(?=[.,;:!?…])")
_NO_SPACE_AFTER = re.compile(r"([,;:!?…])(?=[^\W\d_])")
_MARKS = re.compile(r"[.,;:!?…](?:\s*[.,;:!?…])+")
_STRENGTH = "?!….:;,"
_PAUSES = frozenset(".,;:!?…'-")


def speakable(text: str) -> str:
    """Return the words to say for a text; the empty text where there is nothing to say."""
    spoken = _say(text[:LONGEST_INPUT])
    # What one round takes away may bring neighbours together that read as something.
    for _ in range(_ROUNDS):
        again = _say(spoken)
        if again == spoken:
            break
        spoken = again
    return spoken


def speakable_in(language: str, text: str) -> str:
    """Return the words to say for a text in a language; empty where there is nothing to say.

    Readings of figures and symbols belong to the language: English ones are spelt out here, those
    of other languages are left to their voices.
    """
    if language == "en":
        return speakable(text)
    said = plain_text(text[:LONGEST_INPUT])
    return said if any(map(str.isalnum, said)) else ""


def _say(text: str) -> str:
    text = plain_text(_normalized(text))
    if not _is_foreign(text):
        text = spell_numbers(say_abbreviations(say_addresses(text)))
    text = _punctuated(say_symbols(text))
    return text if any(map(str.isalnum, text)) else ""


def _normalized(text: str) -> str:
    text = _THIN_GROUPS.sub(",", _FRACTION.sub(" ", text.translate(_TRADE_MARKS)))
    composed = unicodedata.normalize("NFC", text)
    plain = (c if c in _KEPT_SIGNS else unicodedata.normalize("NFKC", c) for c in composed)
    return "".join(plain).translate(_ONE_WAY)


def _is_foreign(text: str) -> bool:
    """Tell whether most letters are of another script."""
    letters = [character for character in text if character.isalpha()]
    return 2 * sum(letter > _LATIN_ENDS for letter in letters) > len(letters)


def _punctuated(text: str) -> str:
    """Keep the marks that are heard as pauses and melody, one at a time."""
    text = _DASH.sub(", ", _ASIDE.sub(", ", text))
    text = _STRAY.sub(" ", "".join(c if _is_said(c) else " " for c in text))
    text = " ".join(text.split())
    text = _NO_SPACE_AFTER.sub(r"\1 ", _SPACE_BEFORE.sub("", text))
    text = _MARKS.sub(_strongest, text)
    return text.lstrip(" .,;:!?…")


def _is_said(character: str) -> bool:
    return (
        character.isalnum()
        or character in _PAUSES
        or unicodedata.category(character).startswith("M")
    )


def _strongest(found: re.Match[str]) -> str:
    marks = found[0]
    if ".." in marks and "?" not in marks and "!" not in marks:
        return "…"
    return next(mark for mark in _STRENGTH if mark in marks)
