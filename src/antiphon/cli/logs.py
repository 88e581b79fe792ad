"""Log lines: one line, a moment, a severity, an event and its fields.

Fields come from `extra`. Exceptions are told by type and place alone, because their texts may hold
what users said or a key.
"""

import logging
import sys
import time
import traceback
from types import TracebackType
from typing import TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SHOWN_FRAMES = 6


class FieldFormatter(logging.Formatter):
    """Formats a record as `moment severity event name=value …`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        message = " ".join(record.getMessage().split())
        parts = [f"{moment}.{int(record.msecs):03}Z", record.levelname.lower(), message]
        fields = {name: each for name, each in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            fields["fault"] = record.exc_info[0].__name__
            fields["at"] = _place(record.exc_info[2])
        parts += [f"{name}={_quote(value)}" for name, value in fields.items()]
        return " ".join(parts)


def set_up(level: str, stream: TextIO | None = None) -> None:
    """Write log lines of at least a severity to a stream; standard error unless told otherwise."""
    lines = logging.StreamHandler(stream or sys.stderr)
    lines.setFormatter(FieldFormatter())
    root = logging.getLogger()
    root.handlers = [lines]
    root.setLevel(logging.WARNING)
    logging.getLogger("antiphon").setLevel(level.upper())
    # uvicorn logs addresses with their query, which may hold a key.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    # The MCP client logs addresses, and what servers answered.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)


def _place(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)[-_SHOWN_FRAMES:]
    return " < ".join(
        f"{each.filename.rsplit('/', 1)[-1]}:{each.lineno}" for each in reversed(frames)
    )


def _quote(value: object) -> str:
    text = str(value)
    is_plain = text.isprintable() and not any(each in text for each in ' "=')
    return text if text and is_plain else '"' + text.encode("unicode_escape").decode() + '"'
