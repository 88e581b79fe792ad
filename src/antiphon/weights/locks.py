"""Keep two processes from working on the same artifact at once."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

from antiphon.weights.errors import FetchStoppedError, WeightsError

_ASK_AGAIN_S = 0.2


@contextmanager
def held(path: Path, stop: Event, limit_s: float, on_wait: Callable[[], None]) -> Generator[None]:
    """Hold an advisory lock on a file, across threads and processes, while the block runs.

    `on_wait` is called once if somebody else holds it. The operating system lets go of the lock of
    a process that dies, so no lock outlives its owner.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(descriptor, path, stop, limit_s, on_wait)
        try:
            yield
        finally:
            _release(descriptor)
    finally:
        os.close(descriptor)


def _acquire(
    descriptor: int, path: Path, stop: Event, limit_s: float, on_wait: Callable[[], None]
) -> None:
    if _try(descriptor):
        return
    on_wait()
    until = monotonic() + limit_s
    # No file lock can be awaited with a limit on every system, so it is asked for again and again.
    while monotonic() < until:
        if stop.wait(_ASK_AGAIN_S):
            raise FetchStoppedError
        if _try(descriptor):
            return
    raise WeightsError(
        f"Another process has held {path} for {limit_s:.0f} s. "
        "End that process if it hangs, then run the command again."
    )


if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _release(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
