"""Find the line of a key in a TOML text, so that a message can point at it.

`tomllib` gives values without places. The text has been parsed before, so this scanner trusts it:
it follows table headers and keys, and skips over values that span lines.
"""

import re
from collections.abc import Iterator, Sequence

_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.)?""")
_VALUE_PIECE = re.compile(
    r'"{3}(?:[^"\\]|\\.|"(?!""))*"{3,5}|\'{3}(?:[^\']|\'(?!\'\'))*\'{3,5}'
    r"|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|\#[^\n]*|[\[{]|[\]}]|\n",
    re.DOTALL,
)

KeyPath = tuple[str, ...]


class Lines:
    """The lines on which the keys and tables of a valid TOML text stand."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = {}
        table: KeyPath = ()
        for line, path, is_table in _scan(text):
            if is_table:
                table = path
                full = path
            else:
                full = table + path
            for end in range(1, len(full) + 1):
                self._lines.setdefault(full[:end], line)

    def find(self, path: Sequence[str]) -> int | None:
        """Return the line of a key, else of the nearest table around it."""
        for end in range(len(path), 0, -1):
            if (line := self._lines.get(tuple(path[:end]))) is not None:
                return line
        return None


def _scan(text: str) -> Iterator[tuple[int, KeyPath, bool]]:
    position = 0
    line = 1
    while position < len(text):
        start = position
        stripped = re.compile(r"[ \t\r]*").match(text, position)
        position = stripped.end() if stripped else position
        match text[position : position + 1]:
            case "[":
                is_array = text.startswith("[[", position)
                path, _ = _keys(text, position + 1 + is_array)
                yield line, path, True
                position = _line_end(text, position)
            case "" | "\n" | "#":
                position = _line_end(text, position)
            case _:
                path, after = _keys(text, position)
                yield line, path, False
                position = _value_end(text, after)
        line += text.count("\n", start, position)


def _keys(text: str, position: int) -> tuple[KeyPath, int]:
    keys: list[str] = []
    while found := _KEY.match(text, position):
        basic, literal, bare, dot = found.groups()
        keys.append(next(each for each in (basic, literal, bare) if each is not None))
        position = found.end()
        if not dot:
            break
    return tuple(keys), position


def _value_end(text: str, position: int) -> int:
    depth = 0
    while found := _VALUE_PIECE.search(text, position):
        position = found.end()
        match found.group():
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                return position
            case _:
                pass  # a string or a comment, or a line break inside brackets
    return len(text)


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1
