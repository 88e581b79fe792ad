"""Tell people how a fetch goes: bars in a terminal, a few lines in a log."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_MIB = 1024 * 1024
_LINE_EVERY_SHARE = 0.25


class Report(Protocol):
    """Hears how a fetch goes, from several threads."""

    def begin(self, artifact: str, doing: str, total_bytes: int) -> None:
        """Say what is about to be done with an artifact."""

    def advance(self, artifact: str, held_bytes: int) -> None:
        """Say how much of an artifact has arrived."""

    def say(self, artifact: str, words: str) -> None:
        """Say something that a person may want to know."""

    def end(self, artifact: str, words: str) -> None:
        """Say how it ended."""


class Silent:
    """Says nothing."""

    def begin(self, artifact: str, doing: str, total_bytes: int) -> None:
        """Say nothing."""

    def advance(self, artifact: str, held_bytes: int) -> None:
        """Say nothing."""

    def say(self, artifact: str, words: str) -> None:
        """Say nothing."""

    def end(self, artifact: str, words: str) -> None:
        """Say nothing."""


class Lines:
    """Writes a line at the beginning, at each quarter and at the end of an artifact."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._totals: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._lock = Lock()

    def begin(self, artifact: str, doing: str, total_bytes: int) -> None:
        """Write what is about to be done."""
        with self._lock:
            self._totals[artifact] = total_bytes
            self._write(artifact, f"{doing} {total_bytes / _MIB:.0f} MiB")

    def advance(self, artifact: str, held_bytes: int) -> None:
        """Write how much has arrived, at each quarter."""
        with self._lock:
            total = self._totals.get(artifact, 0)
            quarter = int(held_bytes / (total * _LINE_EVERY_SHARE)) if total else 0
            if quarter > self._told.get(artifact, 0) and held_bytes < total:
                self._told[artifact] = quarter
                self._write(artifact, f"{quarter * _LINE_EVERY_SHARE:.0%}")

    def say(self, artifact: str, words: str) -> None:
        """Write the words."""
        with self._lock:
            self._write(artifact, words)

    def end(self, artifact: str, words: str) -> None:
        """Write the words."""
        self.say(artifact, words)

    def _write(self, artifact: str, words: str) -> None:
        print(f"{artifact}: {words}", file=self._stream, flush=True)


class Bars:
    """Draws a bar for each artifact in a terminal."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def begin(self, artifact: str, doing: str, total_bytes: int) -> None:
        """Add a bar."""
        self._tasks[artifact] = self._progress.add_task(artifact, total=total_bytes, words=doing)

    def advance(self, artifact: str, held_bytes: int) -> None:
        """Lengthen a bar."""
        if (task := self._tasks.get(artifact)) is not None:
            self._progress.update(task, completed=held_bytes)

    def say(self, artifact: str, words: str) -> None:
        """Write the words above the bars."""
        self._progress.console.print(
            f"{artifact}: {words}", style="dim", markup=False, highlight=False
        )

    def end(self, artifact: str, words: str) -> None:
        """Write beside a bar how it ended."""
        if (task := self._tasks.get(artifact)) is not None:
            self._progress.update(task, words=words)
        else:
            self.say(artifact, words)


@contextmanager
def shown(to: TextIO | None = None) -> Generator[Report]:
    """Report on a stream, as suits it; standard error unless told otherwise."""
    stream: TextIO = sys.stderr if to is None else to
    if not stream.isatty():
        yield Lines(stream)
        return
    # Loading it takes longer than a start that has nothing to fetch.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=Console(file=stream)) as progress:
        yield Bars(progress)
