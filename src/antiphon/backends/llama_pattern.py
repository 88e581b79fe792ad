"""Regular expressions of JSON Schema as grammar rules that write a matching JSON string.

The rule never writes anything that the pattern does not match, but not everything that it does:
repetitions are bounded, and "any character" is a printable one. What no grammar can express
(looking around, referring back, word borders) is refused.
"""

import re
from dataclasses import dataclass

from antiphon.backends.llama_grammar import (
    Ranges,
    UnsupportedSchemaError,
    character_class,
    repeated,
    without,
)

_REPETITIONS = 32
"""Where `*` and `+` end."""
_MAX_REPETITIONS = 256
_MAX_LENGTH = 512
_MAX_DEPTH = 16

_PRINTABLE: Ranges = ((0x20, 0x7E), (0xA1, 0x24F))
_CLASSES: dict[str, Ranges] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x20, 0x20),),
}
_CONTROLS = {"t": 0x09, "n": 0x0A, "r": 0x0D, "f": 0x0C, "v": 0x0B, "0": 0x00}
_COUNTED = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}")
_GROUP = re.compile(r"\((?:\?:|\?P?<[A-Za-z_]\w{0,32}>)?(?!\?)")


def pattern_rule(pattern: str) -> str:
    """Return what a string's inside must be to match the pattern; raise if that is impossible."""
    if len(pattern) > _MAX_LENGTH:
        raise UnsupportedSchemaError("pattern", "it is too long")
    parser = _Parser(pattern)
    rule = parser.alternatives(_MAX_DEPTH)
    if parser.position != len(pattern):
        raise UnsupportedSchemaError("pattern", "it is not a regular expression")
    return rule


@dataclass(slots=True)
class _Parser:
    pattern: str
    position: int = 0

    def alternatives(self, depth: int) -> str:
        """Read up to the end, or to the parenthesis that closes the group."""
        if depth == 0:
            raise UnsupportedSchemaError("pattern", "its groups are nested too deeply")
        rules = [self._sequence(depth)]
        while self._take("|"):
            rules.append(self._sequence(depth))
        return rules[0] if len(rules) == 1 else f"({' | '.join(rules)})"

    def _sequence(self, depth: int) -> str:
        begin = self.position
        rules: list[str] = []
        while self.position < len(self.pattern) and self.pattern[self.position] not in "|)":
            # The string is all that is written, so anchors at its ends say nothing new.
            if self._take("^"):
                if self.position - 1 != begin:
                    raise UnsupportedSchemaError("pattern", "it has '^' in the middle")
            elif self._take("$"):
                if self.position < len(self.pattern) and self.pattern[self.position] not in "|)":
                    raise UnsupportedSchemaError("pattern", "it has '$' in the middle")
            else:
                rules.append(self._repeated(self._atom(depth)))
        return " ".join(rules) or '""'

    def _repeated(self, atom: str) -> str:
        bounds = self._bounds()
        if bounds is None:
            return atom
        # Laziness changes what is found first, not what matches.
        self._take("?")
        least, most = bounds
        if least > most or most > _MAX_REPETITIONS:
            raise UnsupportedSchemaError("pattern", "it repeats something too often")
        return repeated(f"({atom})", least, most)

    def _bounds(self) -> tuple[int, int] | None:
        if self._take("*"):
            return 0, _REPETITIONS
        if self._take("+"):
            return 1, _REPETITIONS
        if self._take("?"):
            return 0, 1
        counted = _COUNTED.match(self.pattern, self.position)
        if counted is None:
            return None
        self.position = counted.end()
        least = int(counted[1])
        if counted[2] is None:
            return least, least
        return least, least + _REPETITIONS if counted[3] is None else int(counted[3])

    def _atom(self, depth: int) -> str:
        if group := _GROUP.match(self.pattern, self.position):
            self.position = group.end()
            rule = self.alternatives(depth - 1)
            if not self._take(")"):
                raise UnsupportedSchemaError("pattern", "a parenthesis is not closed")
            return f"({rule})"
        character = self._next()
        match character:
            case "[":
                return self._bracketed()
            case ".":
                return character_class(_PRINTABLE)
            case "\\":
                return character_class(self._escaped())
            case "(" | "*" | "+" | "?":
                raise UnsupportedSchemaError("pattern", f"it uses '{character}' in a special way")
            case _:
                return character_class(((ord(character), ord(character)),))

    def _bracketed(self) -> str:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            first = self._member()
            if first[-1][0] == first[0][1] and self._is_range():
                self._take("-")
                ranges.append((first[0][0], self._member()[0][1]))
            else:
                ranges.extend(first)
        return character_class(without(_PRINTABLE, tuple(ranges)) if negated else tuple(ranges))

    def _is_range(self) -> bool:
        return self.pattern[self.position : self.position + 1] == "-" and self.pattern[
            self.position + 1 : self.position + 2
        ] not in ("]", "")

    def _member(self) -> Ranges:
        character = self._next()
        return self._escaped() if character == "\\" else ((ord(character), ord(character)),)

    def _escaped(self) -> Ranges:
        character = self._next()
        if character.lower() in _CLASSES:
            ranges = _CLASSES[character.lower()]
            return ranges if character.islower() else without(_PRINTABLE, ranges)
        if character in "ux":
            digits = self.pattern[self.position : self.position + (4 if character == "u" else 2)]
            if not re.fullmatch(r"[0-9A-Fa-f]{2}(?:[0-9A-Fa-f]{2})?", digits):
                raise UnsupportedSchemaError("pattern", "an escape is incomplete")
            self.position += len(digits)
            return ((int(digits, 16), int(digits, 16)),)
        if character in _CONTROLS:
            return ((_CONTROLS[character], _CONTROLS[character]),)
        if character.isalnum():
            raise UnsupportedSchemaError("pattern", f"it uses '\\{character}'")
        return ((ord(character), ord(character)),)

    def _take(self, character: str) -> bool:
        if not self.pattern.startswith(character, self.position):
            return False
        self.position += 1
        return True

    def _next(self) -> str:
        if self.position >= len(self.pattern):
            raise UnsupportedSchemaError("pattern", "it is not a regular expression")
        self.position += 1
        return self.pattern[self.position - 1]
