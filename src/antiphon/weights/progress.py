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
    """Draws a bar for each artifact in a terminal, as long as any is under way."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._lock = Lock()

    def begin(self, artifact: str, doing: str, total_bytes: int) -> None:
        """Add a bar."""
        with self._lock:
            if self._progress is None:
                self._progress = _drawn_on(self._stream)
                self._progress.start()
            self._tasks[artifact] = self._progress.add_task(
                artifact, total=total_bytes, words=doing
            )

    def advance(self, artifact: str, held_bytes: int) -> None:
        """Lengthen a bar."""
        with self._lock:
            if self._progress is not None and artifact in self._tasks:
                self._progress.update(self._tasks[artifact], completed=held_bytes)

    def say(self, artifact: str, words: str) -> None:
        """Write the words above the bars."""
        with self._lock:
            if self._progress is None:
                print(f"{artifact}: {words}", file=self._stream, flush=True)
            else:
                line = f"{artifact}: {words}"
                self._progress.console.print(line, markup=False, highlight=False, style="dim")

    def end(self, artifact: str, words: str) -> None:
        """Write beside a bar how it ended; the last one leaves the terminal to others."""
        with self._lock:
            task = self._tasks.pop(artifact, None)
            if self._progress is None or task is None:
                return
            self._progress.update(task, words=words)
            if not self._tasks:
                self._progress.stop()
                self._progress = None

    def close(self) -> None:
        """Leave the terminal to others, whatever is under way."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
                self._progress = None


def _drawn_on(stream: TextIO) -> "Progress":
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

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[words]}"),
        console=Console(file=stream),
        # Results go to standard output while bars are drawn on standard error.
        redirect_stdout=False,
    )


@contextmanager
def shown(to: TextIO | None = None) -> Generator[Report]:
    """Report on a stream, as suits it; standard error unless told otherwise."""
    stream: TextIO = sys.stderr if to is None else to
    if not stream.isatty():
        yield Lines(stream)
        return
    bars = Bars(stream)
    try:
        yield bars
    finally:
        bars.close()
