"""Put a file together from pieces that arrive in any order, and remember which have arrived.

Every piece is hashed on its way to its place. A journal beside the file lists the pieces that are
right, so an interrupted fetch asks only for the others. The whole file is hashed again before it is
used, which is what counts; the journal only saves work.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import IO, cast

from antiphon.weights.cache import compare
from antiphon.weights.errors import FetchStoppedError, WrongBytesError
from antiphon.weights.manifest import Piece, WeightFile

_CHUNK_BYTES = 1024 * 1024


@dataclass(slots=True)
class Assembly:
    """One file on its way."""

    staged: Path
    file: WeightFile
    pieces: tuple[Piece, ...]
    _placed: set[str] = field(init=False)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._placed = _journalled(self.staged, self.file, self.pieces)
        if not self._placed:
            with self.staged.open("wb") as opened:
                opened.truncate(self.file.size_bytes)

    @property
    def wanted(self) -> list[Piece]:
        """The pieces that have not arrived."""
        return [piece for piece in self.pieces if _key(piece) not in self._placed]

    @property
    def placed_bytes(self) -> int:
        """How much of the file has arrived."""
        return self.file.size_bytes - sum(piece.size_bytes for piece in self.wanted)

    def place(self, piece: Piece, source: IO[bytes], stop: Event) -> None:
        """Copy a piece to its place, and write it down if it is right."""
        digest = hashlib.sha256()
        copied = 0
        with self.staged.open("r+b") as out:
            out.seek(piece.offset)
            while chunk := source.read(_CHUNK_BYTES):
                if stop.is_set():
                    raise FetchStoppedError
                copied += len(chunk)
                if copied > piece.size_bytes:
                    raise WrongBytesError(piece.member, f"{piece.size_bytes} bytes", "more")
                digest.update(chunk)
                out.write(chunk)
        compare(piece.member, piece.sha256, digest.hexdigest())
        self._write_down(piece)

    def _write_down(self, piece: Piece) -> None:
        with self._lock:
            self._placed.add(_key(piece))
            fresh = _journal(self.staged).with_suffix(".new")
            fresh.write_text(json.dumps(sorted(self._placed)), "utf-8")
            fresh.replace(_journal(self.staged))


def arrived_bytes(staged: Path, file: WeightFile, pieces: tuple[Piece, ...]) -> int:
    """Return how much of a file an earlier fetch has left behind."""
    placed = _journalled(staged, file, pieces)
    return sum(piece.size_bytes for piece in pieces if _key(piece) in placed)


def _journalled(staged: Path, file: WeightFile, pieces: tuple[Piece, ...]) -> set[str]:
    try:
        whole = staged.stat().st_size == file.size_bytes
        noted: object = json.loads(_journal(staged).read_text("utf-8"))
    except (OSError, ValueError):
        return set()
    if not whole or not isinstance(noted, list):
        return set()
    return {_key(piece) for piece in pieces}.intersection(cast("list[object]", noted))


def _journal(staged: Path) -> Path:
    return staged.with_name(staged.name + ".json")


def _key(piece: Piece) -> str:
    return f"{piece.offset}:{piece.sha256}"
