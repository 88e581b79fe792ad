"""Where weights live on this machine, and which of them may be used.

An artifact has a directory named for its content, so a new release of a model never meets the files
of an old one. A file is hashed once, when it arrives; a stamp with its hash, size and modification
time is kept beside it, so that a start looks at a stamp instead of hashing a gigabyte. A file whose
stamp does not fit is not used until it has been hashed again.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import cast

import platformdirs

from antiphon.weights import locks
from antiphon.weights.errors import MissingWeightsError, WrongBytesError
from antiphon.weights.manifest import Artifact, WeightFile

_STAMPS = ".stamps.json"
_SHOWN_HASH_CHARACTERS = 12

Stamp = dict[str, str | int]


def default_root() -> Path:
    """Return the directory that this system sets aside for what programs can fetch again."""
    return Path(platformdirs.user_cache_dir("antiphon", appauthor=False)) / "weights"


@dataclass(frozen=True, slots=True)
class Cache:
    """The artifacts under one directory."""

    root: Path

    def directory(self, artifact: Artifact) -> Path:
        """Return the directory of an artifact's files, there or not."""
        return self.root / artifact.name / artifact.digest

    def missing(self, artifact: Artifact) -> list[WeightFile]:
        """List the files of an artifact that are not there or not known to be right."""
        directory = self.directory(artifact)
        stamps = _read_stamps(directory)
        return [
            file
            for file in artifact.files
            if not _fits(stamps.get(file.name), file, directory / file.name)
        ]

    def locate(self, artifact: Artifact, file: str) -> Path:
        """Return the path of a file that is there and known to be right."""
        wanted = artifact.file(file)
        if wanted in self.missing(artifact):
            raise MissingWeightsError({artifact.name: [file]}, self.root)
        return self.directory(artifact) / file

    def lock(
        self, artifact: Artifact, stop: Event, limit_s: float, on_wait: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Hold an artifact: whoever changes its files does it inside this block."""
        path = self.root / "locks" / f"{artifact.name}-{artifact.digest}.lock"
        return locks.held(path, stop, limit_s, on_wait)

    def workshop(self, artifact: Artifact) -> Path:
        """Return the directory where an artifact's files are put together; it outlives a fetch."""
        path = self.root / "partial" / f"{artifact.name}-{artifact.digest}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def close_workshop(self, artifact: Artifact) -> None:
        """Remove what was needed to put an artifact together."""
        shutil.rmtree(self.workshop(artifact), ignore_errors=True)

    def accept(self, artifact: Artifact, file: WeightFile, staged: Path) -> None:
        """Hash a complete file and move it to its place; a wrong one is removed."""
        try:
            check(staged, file)
        except WrongBytesError:
            staged.unlink(missing_ok=True)
            raise
        _flush_to_disk(staged)
        directory = self.directory(artifact)
        directory.mkdir(parents=True, exist_ok=True)
        staged.replace(directory / file.name)
        self._stamp(artifact, file)

    def recheck(self, artifact: Artifact, file: WeightFile) -> bool:
        """Hash a file that lies in its place. Stamp it if it is right, remove it if it is not."""
        path = self.directory(artifact) / file.name
        if not path.exists():
            return False
        try:
            check(path, file)
        except WrongBytesError:
            path.unlink(missing_ok=True)
            return False
        self._stamp(artifact, file)
        return True

    def _stamp(self, artifact: Artifact, file: WeightFile) -> None:
        directory = self.directory(artifact)
        stamps = _read_stamps(directory)
        stamps[file.name] = _stamp_of(directory / file.name, file.sha256)
        fresh = directory / (_STAMPS + ".new")
        fresh.write_text(json.dumps(stamps, indent=1), "utf-8")
        fresh.replace(directory / _STAMPS)


def check(path: Path, file: WeightFile) -> None:
    """Compare a file's size and SHA-256 with the manifest's."""
    size_bytes = path.stat().st_size
    if size_bytes != file.size_bytes:
        raise WrongBytesError(file.name, f"{file.size_bytes} bytes", f"{size_bytes} bytes")
    with path.open("rb") as opened:
        actual = hashlib.file_digest(opened, "sha256").hexdigest()
    compare(file.name, file.sha256, actual)


def compare(name: str, expected: str, actual: str) -> None:
    """Compare two SHA-256; the error names the heads of both."""
    if actual != expected:
        raise WrongBytesError(name, f"SHA-256 {_head(expected)}", f"SHA-256 {_head(actual)}")


def _head(sha256: str) -> str:
    return sha256[:_SHOWN_HASH_CHARACTERS] + "…"


def _fits(stamp: Stamp | None, file: WeightFile, path: Path) -> bool:
    if stamp is None or not path.is_file():
        return False
    return stamp == _stamp_of(path, file.sha256) and stamp["size_bytes"] == file.size_bytes


def _stamp_of(path: Path, sha256: str) -> Stamp:
    status = path.stat()
    return {"sha256": sha256, "size_bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _read_stamps(directory: Path) -> dict[str, Stamp]:
    try:
        found: object = json.loads((directory / _STAMPS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Stamp]", found) if isinstance(found, dict) else {}


def _flush_to_disk(path: Path) -> None:
    # A stamp must never outlive its file's bytes, whatever happens to the power.
    with path.open("r+b") as opened:
        os.fsync(opened.fileno())
