"""Do several things at once, and stop all of them when the fetch is interrupted.

Threads are daemons: one that waits for a silent network does not keep an interrupted program alive.
"""

import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread, Timer
from typing import TypeVar

from antiphon.weights.errors import FetchStoppedError, SourceError

_KEPT_LINES = 60
_Result = TypeVar("_Result")


def start(call: Callable[[], _Result]) -> Future[_Result]:
    """Run a call in a thread of its own."""
    result: Future[_Result] = Future()

    def run() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    return result


def run_all(calls: Iterable[Callable[[], None]], at_once: int) -> None:
    """Run calls, some at once; after the first failure no further call begins."""
    remaining = iter(calls)
    lock = Lock()
    failed = Event()

    def work() -> None:
        while not failed.is_set() and (call := _take(remaining, lock)) is not None:
            try:
                call()
            except BaseException:
                failed.set()
                raise

    workers = [start(work) for _ in range(at_once)]
    wait(workers)
    for worker in workers:
        worker.result()


def _take(calls: Iterator[Callable[[], None]], lock: Lock) -> Callable[[], None] | None:
    with lock:
        return next(calls, None)


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run, and for how long at most."""

    arguments: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    limit_s: float


@dataclass(slots=True)
class Children:
    """The child processes of one fetch, so that all can be ended together."""

    stop: Event
    _running: list["subprocess.Popen[str]"] = field(default_factory=list["subprocess.Popen[str]"])
    _lock: Lock = field(default_factory=Lock)

    def run(self, command: Command, on_line: Callable[[str], None]) -> tuple[int, str]:
        """Run a command to its end; return its exit status and the end of what it printed."""
        child = self._start(command)
        printed: deque[str] = deque(maxlen=_KEPT_LINES)
        overdue = Event()

        def give_up() -> None:
            overdue.set()
            child.kill()

        timer = Timer(command.limit_s, give_up)
        timer.daemon = True
        timer.start()
        with child:
            for line in child.stdout or ():
                printed.append(line)
                on_line(line)
        timer.cancel()
        with self._lock:
            self._running.remove(child)
        if self.stop.is_set():
            raise FetchStoppedError
        if overdue.is_set():
            name = Path(command.arguments[0]).name
            raise SourceError(f"{name} had not ended after {command.limit_s:.0f} s")
        return child.returncode, "".join(printed)

    def end(self) -> None:
        """Start no more children, and end those that run."""
        self.stop.set()
        with self._lock:
            for child in self._running:
                child.terminate()

    def _start(self, command: Command) -> "subprocess.Popen[str]":
        with self._lock:
            if self.stop.is_set():
                raise FetchStoppedError
            child = _popen(command)
            self._running.append(child)
            return child


def _popen(command: Command) -> "subprocess.Popen[str]":
    try:
        return subprocess.Popen(  # noqa: S603 - the arguments come from the manifest
            command.arguments,
            cwd=command.directory,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C is for us: we end our children in order, and nobody reads their complaints.
            start_new_session=True,
        )
    except OSError as refused:
        raise SourceError(f"{command.arguments[0]} cannot be run ({refused.strerror})") from refused
