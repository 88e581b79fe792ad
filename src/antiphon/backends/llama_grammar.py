"""The pieces of llama.cpp's grammars: literals, character classes, named rules.

A rule is a text in GBNF. Everything that repeats is bounded, so that a model without a sense for
ends comes to one.
"""

import json

Ranges = tuple[tuple[int, int], ...]
"""Code points, first and last included."""

_ESCAPED: Ranges = ((0x22, 0x22), (0x5C, 0x5C))
"""Written with a backslash in JSON."""
_UNWRITABLE: Ranges = (*_ESCAPED, (0x00, 0x1F), (0x7F, 0x9F), (0xD800, 0xDFFF))


class UnsupportedSchemaError(Exception):
    """A schema asks for what no grammar can guarantee."""

    def __init__(self, keyword: str, reason: str, tool: str = "") -> None:
        super().__init__(keyword, reason, tool)
        self.keyword = keyword
        self.reason = reason
        self.tool = tool

    def of_tool(self, name: str) -> "UnsupportedSchemaError":
        """Return the same error with the name of the tool that it is about."""
        return UnsupportedSchemaError(self.keyword, self.reason, name)


class Rules:
    """The named rules of one grammar. Equal rules share a name."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, rule: str) -> str:
        """Return the name under which a rule can be used."""
        return self._names.setdefault(rule, f"r{len(self._names)}")

    def grammar(self, root: str) -> str:
        """Return the whole grammar."""
        named = [f"{name} ::= {rule}" for rule, name in self._names.items()]
        return "\n".join([f"root ::= {root}", *named])


def literal(text: str) -> str:
    """Return the rule that writes exactly this text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def json_literal(value: object) -> str:
    """Return the rule that writes exactly this value."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair exists in JSON's escapes alone.
        text = json.dumps(value)
    return literal(text)


def either(rules: list[str]) -> str:
    """Return the rule that writes one of several things."""
    unique = list(dict.fromkeys(rules))
    return unique[0] if len(unique) == 1 else f"({' | '.join(unique)})"


def repeated(rule: str, least: int, most: int, separator: str = "") -> str:
    """Return the rule that writes something several times; `rule` is a name, a class or a group."""
    if not separator:
        return f"{rule}{{{least},{most}}}"
    if most == 0:
        return '""'
    more = f"({separator} {rule}){{{max(least - 1, 0)},{most - 1}}}"
    return f"({rule} {more})" if least else f"({rule} {more})?"


def character_class(ranges: Ranges) -> str:
    """Return the rule that writes one of these characters inside a JSON string."""
    writable = without(ranges, _UNWRITABLE)
    span = "".join(f"{_code(first)}-{_code(last)}" for first, last in writable)
    escapes = [
        literal(json.dumps(chr(code))[1:-1])
        for code in (0x22, 0x5C, 0x09, 0x0A, 0x0D)
        if any(first <= code <= last for first, last in ranges)
    ]
    rules = [*([f"[{span}]"] if span else []), *escapes]
    if not rules:
        raise UnsupportedSchemaError("pattern", "it asks for a character that cannot be written")
    return either(rules)


def without(ranges: Ranges, removed: Ranges) -> Ranges:
    """Return the code points of some ranges that are not in others."""
    left = list(ranges)
    for low, high in removed:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if part[0] <= part[1]
        ]
    return tuple(dict.fromkeys(left))


def _code(code: int) -> str:
    return f"\\x{code:02X}" if code < 0x100 else f"\\U{code:08X}"
