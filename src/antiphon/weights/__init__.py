"""The weights that embedded engines read: named in a manifest, fetched once, checked by hash."""

from collections.abc import Mapping
from pathlib import Path

from antiphon.weights import manifest
from antiphon.weights.cache import Cache, default_root
from antiphon.weights.errors import (
    FetchStoppedError,
    MissingWeightsError,
    NoSpaceError,
    UnknownWeightsError,
    WeightsError,
    WeightsUnavailableError,
)
from antiphon.weights.manifest import Artifact, WeightFile

__all__ = [
    "PROFILES",
    "Artifact",
    "FetchStoppedError",
    "MissingWeightsError",
    "NoSpaceError",
    "UnknownWeightsError",
    "WeightFile",
    "WeightsError",
    "WeightsUnavailableError",
    "artifact",
    "engine_artifacts",
    "locate",
    "profile_artifacts",
    "resolve",
    "vendored",
]

PROFILES: Mapping[str, tuple[str, ...]] = manifest.shipped().profiles
"""The names of each profile's artifacts."""


def artifact(name: str) -> Artifact:
    """Return what the manifest says about an artifact."""
    return manifest.shipped().artifact(name)


def profile_artifacts(profile: str) -> tuple[str, ...]:
    """Return the names of the artifacts that a profile needs."""
    return manifest.shipped().profile(profile)


def engine_artifacts(engine: str) -> tuple[str, ...]:
    """Return the names of the artifacts that an engine always needs; most engines need none."""
    return manifest.shipped().engines.get(engine, ())


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
    absent = [each.name for each in wanted if held.missing(each)]
    if absent:
        raise MissingWeightsError(absent, held.root)
    return {each.name: held.directory(each) for each in wanted}


def vendored(name: str) -> Path:
    """Return the path of a small file that comes inside Antiphon's own package."""
    path = Path(__file__).parent / "data" / name
    if not path.is_file():
        raise UnknownWeightsError("file in Antiphon's package named", name, [])
    return path
