"""Words for people on standard error, results on standard output."""

import json
import sys

FINDINGS = 1
"""Exit status: it ran, and found or did not find something."""
COULD_NOT_RUN = 2
"""Exit status: it could not run."""


def fail(message: str) -> None:
    """Write why a command could not run."""
    label = "\x1b[1;31merror:\x1b[0m" if sys.stderr.isatty() else "error:"
    sys.stderr.write(f"{label} {message}\n")


def say(message: str) -> None:
    """Write something that a person may want to know."""
    sys.stderr.write(f"{message}\n")


def show(line: str = "") -> None:
    """Write a line of the result."""
    sys.stdout.write(f"{line}\n")


def show_json(value: object) -> None:
    """Write the result for programs."""
    show(json.dumps(value, indent=2, ensure_ascii=False))
