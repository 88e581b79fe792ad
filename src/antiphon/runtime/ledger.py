"""The usage ledger: what each key has used of each deployment, hour by hour, in a file.

Sessions add to sums in memory, which a thread writes to SQLite within a second. So the loop never
waits for a disk, a crash loses a second, and the file holds one row for an hour of a key on a
deployment, however many sessions there were. Servers on one machine may share it.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from antiphon.runtime.usage import COLUMNS, NOTHING, Used

_logger = logging.getLogger(__name__)

HOUR_S = 3600
Grouping = Literal["key", "deployment", "day"]

_DAY_S = 24 * HOUR_S
_FLUSH_S = 1.0
_RETRY_S = 10.0
_BUSY_S = 5.0
_MAX_WAITING = 100_000
"""Rows that may wait for a disk that takes none; beyond, what is used is not kept."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was used by whom; None: by all together."""

    day: str | None
    """ISO date, UTC."""
    key: str | None
    deployment: str | None
    used: Used


_Line = tuple[int, str, str]
"""Hour, key and deployment."""


class UsageLedger:
    """Adds to the file. One thread writes, between `open` and `close`."""

    def __init__(self, path: Path, keep_days: int, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._keep_s = keep_days * _DAY_S
        self._clock = clock
        self._waiting: dict[_Line, Used] = {}
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="usage", daemon=True)
        self._pruned_at = 0.0

    def add(self, key_id: str, deployment: str, used: Used) -> None:
        """Note that something was used; never waits for the disk."""
        line = (int(self._clock() // HOUR_S), key_id, deployment)
        with self._lock:
            if line in self._waiting or len(self._waiting) < _MAX_WAITING:
                self._waiting[line] = self._waiting.get(line, NOTHING) + used
        self._arrived.set()

    def open(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what waits, and stop."""
        if self._thread.is_alive():
            self._ending.set()
            self._arrived.set()
            self._thread.join()

    def flush(self) -> bool:
        """Write what waits; False: it still waits, for the disk takes nothing."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        if not waiting:
            return True
        try:
            with _opened(self._path) as database:
                self._prune(database)
                database.executemany(
                    _ADD, [(*line, *_values(used)) for line, used in waiting.items()]
                )
        except (OSError, sqlite3.Error) as fault:
            _logger.error("usage_ledger_failed", extra={"fault": type(fault).__name__})
            self._take_back(waiting)
            return False
        return True

    def _write_on(self) -> None:
        wait_s = _FLUSH_S
        while not self._ending.is_set():
            self._arrived.wait()
            # Whatever else is used meanwhile goes with it.
            self._ending.wait(wait_s)
            self._arrived.clear()
            wait_s = _FLUSH_S if self.flush() else _RETRY_S

    def _take_back(self, waiting: Mapping[_Line, Used]) -> None:
        with self._lock:
            for line, used in waiting.items():
                self._waiting[line] = used + self._waiting.get(line, NOTHING)
        self._arrived.set()

    def _prune(self, database: sqlite3.Connection) -> None:
        now = self._clock()
        if now - self._pruned_at >= _DAY_S:
            self._pruned_at = now
            oldest = int((now - self._keep_s) // HOUR_S)
            database.execute("DELETE FROM usage WHERE hour < ?", (oldest,))


def read(path: Path, since_s: float, until_s: float, by: Grouping | None) -> list[Row]:
    """Return what was used from one moment to another, to the hour.

    Summed by what is asked for; without that, by key and deployment. Raises `OSError` or
    `sqlite3.Error` when the file cannot be read; one that is not there holds nothing.
    """
    if not path.exists():
        return []
    hours = (int(since_s // HOUR_S), int(-(-until_s // HOUR_S)))
    sums: dict[tuple[str | None, str | None, str | None], Used] = {}
    # To write as well: whoever reads first after a crash takes back what was not finished.
    address = f"{path.resolve().as_uri()}?mode=rw"
    with contextlib.closing(sqlite3.connect(address, timeout=_BUSY_S, uri=True)) as database:
        if database.execute(_IS_MADE).fetchone() is None:
            return []
        for hour, key, deployment, *values in database.execute(_READ, hours):
            group = _group(hour, key, deployment, by)
            sums[group] = sums.get(group, NOTHING) + Used(*values)
    ordered = sorted(sums, key=lambda group: [each or "" for each in group])
    return [Row(*group, sums[group]) for group in ordered]


def _group(
    hour: int, key: str, deployment: str, by: Grouping | None
) -> tuple[str | None, str | None, str | None]:
    match by:
        case "key":
            return (None, key, None)
        case "deployment":
            return (None, None, deployment)
        case "day":
            return (datetime.fromtimestamp(hour * HOUR_S, UTC).date().isoformat(), None, None)
        case None:
            return (None, key, deployment)


@contextlib.contextmanager
def _opened(path: Path) -> Generator[sqlite3.Connection]:
    """Open the file for one transaction, and make what is missing of it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = sqlite3.connect(path, timeout=_BUSY_S)
    try:
        # A crash leaves all or nothing of a transaction.
        with database:
            database.execute(_CREATE)
            yield database
    finally:
        database.close()


def _values(used: Used) -> Iterable[float]:
    return (getattr(used, each) for each in COLUMNS)


_CREATE = (
    "CREATE TABLE IF NOT EXISTS usage ("
    "hour INTEGER NOT NULL, key TEXT NOT NULL, deployment TEXT NOT NULL, "
    + "".join(f"{each} NUMERIC NOT NULL DEFAULT 0, " for each in COLUMNS)
    + "PRIMARY KEY (hour, key, deployment)) WITHOUT ROWID"
)
_ADD = (
    f"INSERT INTO usage (hour, key, deployment, {', '.join(COLUMNS)}) "  # noqa: S608 - our names
    f"VALUES (?, ?, ?{', ?' * len(COLUMNS)}) ON CONFLICT (hour, key, deployment) DO UPDATE SET "
    + ", ".join(f"{each} = {each} + excluded.{each}" for each in COLUMNS)
)
_READ = (
    f"SELECT hour, key, deployment, {', '.join(COLUMNS)} "  # noqa: S608 - our names
    "FROM usage WHERE hour >= ? AND hour < ?"
)
_IS_MADE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'usage'"
