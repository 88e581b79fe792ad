"""Run a command and draw what it shows in the terminal as an SVG picture.

Run: ``python tools/terminal_picture.py PICTURE.svg COMMAND [ARGUMENT …]``
"""

import os
import pty
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 96


def show(command: list[str]) -> str:
    """Return what a command writes to a terminal, escape sequences included."""
    shown = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65_536)
        shown.extend(data)
        return data

    os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    status = pty.spawn(command, read)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    return shown.decode(errors="replace").replace("\r\n", "\n")


def main() -> None:
    """Draw the picture."""
    picture, command = Path(sys.argv[1]), sys.argv[2:]
    shown = Text.from_ansi(show(command))
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        console.print(Text(f"$ {shlex.join(['antiphon', *command[1:]])}", style="bold"))
        console.print(shown)
        console.save_svg(str(picture), title="antiphon talk")


if __name__ == "__main__":
    main()
