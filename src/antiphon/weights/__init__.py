"""The weights that embedded engines read: named in a manifest, fetched once, checked by hash."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from antiphon.weights import manifest
from antiphon.weights.cache import Cache, default_root
from antiphon.weights.checks import Checked, check_artifact
from antiphon.weights.errors import (
    FetchStoppedError,
    MissingWeightsError,
    NoSpaceError,
    UnknownWeightsError,
    WeightsError,
    WeightsUnavailableError,
)
from antiphon.weights.manifest import Artifact, WeightFile
from antiphon.weights.orders import Fetched
from antiphon.weights.progress import Report, Silent

__all__ = [
    "ARTIFACTS",
    "PROFILES",
    "Artifact",
    "Checked",
    "FetchStoppedError",
    "Fetched",
    "MissingWeightsError",
    "NoSpaceError",
    "Report",
    "UnknownWeightsError",
    "WeightFile",
    "WeightsError",
    "WeightsUnavailableError",
    "artifact",
    "engine_artifacts",
    "ensure",
    "locate",
    "profile_artifacts",
    "resolve",
    "vendored",
    "verify",
]

ARTIFACTS: Mapping[str, Artifact] = manifest.shipped().artifacts
"""All artifacts by name."""

PROFILES: Mapping[str, tuple[str, ...]] = manifest.shipped().profiles
"""The names of each profile's artifacts."""


def artifact(name: str) -> Artifact:
    """Return what the manifest says about an artifact."""
    return manifest.shipped().artifact(name)


def profile_artifacts(profile: str) -> tuple[str, ...]:
    """Return the names of the artifacts that a profile needs."""
    return manifest.shipped().profile(profile)


def engine_artifacts(engine: str, settings: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the artifacts that an engine with these settings reads; often none."""
    return manifest.shipped().needs(engine, settings)


def locate(artifact_name: str, file: str, *, cache: Path | None = None) -> Path:
    """Return the path of a file of an artifact.

    Costs a look at its stamp, not a hash. Raises `MissingWeightsError` when it is not in the cache.
    """
    return Cache(cache or default_root()).locate(artifact(artifact_name), file)


def resolve(profile: str, *, cache: Path | None = None) -> dict[str, Path]:
    """Return the directory of each artifact of a profile.

    Raises `MissingWeightsError`, which names all that are not in the cache.
    """
    held = Cache(cache or default_root())
    wanted = [artifact(name) for name in profile_artifacts(profile)]
    if absent := [each.name for each in wanted if held.missing(each)]:
        raise MissingWeightsError(dict.fromkeys(absent, ()), held.root)
    return {each.name: held.directory(each) for each in wanted}


def ensure(
    artifacts: Iterable[str],
    *,
    offline: bool = False,
    report: Report | None = None,
    directory: Path | None = None,
    cache: Path | None = None,
) -> list[Fetched]:
    """Bring artifacts into the cache; return how each came there.

    `directory` may hold the files already; with `offline` only it and the cache are used. Costs a
    look at the stamps when everything is there. Raises `MissingWeightsError` offline, and
    `WeightsUnavailableError` or `NoSpaceError` otherwise; after an interruption the next call goes
    on from there.
    """
    held = Cache(cache or default_root())
    wanted = [artifact(name) for name in dict.fromkeys(artifacts)]
    if not any(held.missing(each) for each in wanted):
        return [Fetched(each.name, "cache", each.size_bytes, 0.0) for each in wanted]
    # Loading the network's part takes longer than all of a start that has nothing to fetch.
    from antiphon.weights.fetch import Wishes, fetch
    from antiphon.weights.means import Means

    return fetch(wanted, Wishes(held, directory, offline), Means(), report or Silent())


def verify(
    artifacts: Iterable[str], *, report: Report | None = None, cache: Path | None = None
) -> list[Checked]:
    """Hash the files of artifacts, whatever their stamps say; remove those that are wrong."""
    held = Cache(cache or default_root())
    return [
        checked
        for name in dict.fromkeys(artifacts)
        for checked in check_artifact(artifact(name), held, report or Silent())
    ]


def vendored(name: str) -> Path:
    """Return the path of a small file that comes inside Antiphon's own package."""
    known = {path.name: path for path in (Path(__file__).parent / "data").iterdir()}
    if name not in known:
        raise UnknownWeightsError("file in Antiphon's package named", name, list(known))
    return known[name]
