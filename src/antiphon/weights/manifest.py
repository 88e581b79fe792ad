"""Read the manifest: which artifacts there are, their files and hashes, and where to get them.

An artifact is a set of files that an engine reads. Each file is one or more pieces laid end to end;
a piece is a member of a package. A profile is a set of artifacts that makes a working conversation.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from antiphon.weights.errors import UnknownWeightsError

Index = Literal["pypi", "npm"]

_HERE = Path(__file__).parent
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file as it must be."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Package:
    """One release of a package in a package index."""

    index: Index
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some consecutive bytes of a file, and the package member that holds them."""

    package: Package
    member: str
    offset: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HubSource:
    """A publisher's model hub: the address to which a file's name is added."""

    url: str


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Packages whose members make up the files."""

    pieces: Mapping[str, tuple[Piece, ...]]
    """For each file, its pieces in order."""


Source = HubSource | PackageSource


@dataclass(frozen=True, slots=True)
class Artifact:
    """A set of files that an engine reads."""

    name: str
    title: str
    """What it is for."""
    licence: str
    origin: str
    """Where its author publishes it."""
    files: tuple[WeightFile, ...]
    sources: tuple[Source, ...]

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str:
        """A short name of the content: it changes when any file does."""
        listing = "".join(f"{file.sha256}  {file.name}\n" for file in self.files)
        return hashlib.sha256(listing.encode()).hexdigest()[:_DIGEST_CHARACTERS]

    def file(self, name: str) -> WeightFile:
        """Return the file of this name."""
        for file in self.files:
            if file.name == name:
                return file
        raise UnknownWeightsError(
            f"file of the weights '{self.name}' named", name, [each.name for each in self.files]
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """All artifacts, profiles and what engines need."""

    artifacts: Mapping[str, Artifact]
    profiles: Mapping[str, tuple[str, ...]]
    engines: Mapping[str, tuple[str, ...]]
    """What an engine needs; `{artifact}` stands for what its setting of this name says."""

    def artifact(self, name: str) -> Artifact:
        """Return the artifact of this name."""
        found = self.artifacts.get(name)
        if found is None:
            raise UnknownWeightsError("artifact", name, list(self.artifacts))
        return found

    def profile(self, name: str) -> tuple[str, ...]:
        """Return the names of a profile's artifacts."""
        found = self.profiles.get(name)
        if found is None:
            raise UnknownWeightsError("profile", name, list(self.profiles))
        return found

    def needs(self, engine: str, settings: Mapping[str, object]) -> tuple[str, ...]:
        """Return the names of the artifacts that an engine with these settings reads."""
        templates = self.engines.get(engine, ())
        names = (template.format_map(_Texts(settings)) for template in templates)
        return tuple(name for name in names if name in self.artifacts)


class _Texts(dict[str, object]):
    """Settings by name, where one that is not there is an empty text."""

    def __missing__(self, name: str) -> str:
        return ""


@cache
def shipped() -> Manifest:
    """Return the manifest that comes with Antiphon."""
    return read(_HERE / "manifest.toml")


def read(path: Path) -> Manifest:
    """Read a manifest; anything missing, unknown or of the wrong type is an error with its path."""
    tables = msgspec.convert(tomllib.loads(path.read_text("utf-8")), type=_Tables)
    artifacts = {name: _artifact(name, table) for name, table in tables.artifacts.items()}
    return Manifest(artifacts, tables.profiles, tables.engines)


# The tables as they stand in the file


class _PartTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    package: str
    version: str
    member: str
    size_bytes: int
    sha256: str


class _HubTable(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hub", tag_field="kind"
):
    url: str


class _NpmTable(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="npm", tag_field="kind"
):
    package: str
    version: str
    folder: str


class _PypiTable(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pypi", tag_field="kind"
):
    file: str
    parts: list[_PartTable]


@dataclass(frozen=True, slots=True)
class _ArtifactTable:
    title: str
    licence: str
    origin: str
    files: list[WeightFile]
    sources: list[_HubTable | _NpmTable | _PypiTable]


@dataclass(frozen=True, slots=True)
class _Tables:
    artifacts: dict[str, _ArtifactTable]
    profiles: dict[str, tuple[str, ...]]
    engines: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def _artifact(name: str, table: _ArtifactTable) -> Artifact:
    files = tuple(sorted(table.files, key=lambda file: file.name))
    sources = tuple(_source(source, files) for source in table.sources)
    return Artifact(name, table.title, table.licence, table.origin, files, sources)


def _source(table: _HubTable | _NpmTable | _PypiTable, files: Iterable[WeightFile]) -> Source:
    match table:
        case _HubTable(url):
            return HubSource(url)
        case _NpmTable(package, version, folder):
            release = Package("npm", package, version)
            return PackageSource(
                {
                    file.name: (
                        Piece(release, folder + file.name, 0, file.size_bytes, file.sha256),
                    )
                    for file in files
                }
            )
        case _PypiTable(file_name, parts):
            return PackageSource({file_name: tuple(_laid_end_to_end(parts))})


def _laid_end_to_end(parts: Iterable[_PartTable]) -> Iterable[Piece]:
    offset = 0
    for part in parts:
        release = Package("pypi", part.package, part.version)
        yield Piece(release, part.member, offset, part.size_bytes, part.sha256)
        offset += part.size_bytes
