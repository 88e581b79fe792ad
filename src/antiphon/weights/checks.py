"""Hash what lies in the cache, whatever its stamps say."""

from dataclasses import dataclass
from threading import Event
from typing import Literal

from antiphon.weights.cache import Cache
from antiphon.weights.manifest import Artifact
from antiphon.weights.progress import Report

State = Literal["right", "wrong", "missing"]

_LOCK_S = 600.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in the place of a file."""

    artifact: str
    file: str
    state: State
    """A wrong file has been removed, so the next fetch brings it anew."""


def check_artifact(artifact: Artifact, cache: Cache, report: Report) -> list[Checked]:
    """Hash the files of an artifact; remove those that are wrong."""

    def on_wait() -> None:
        report.say(artifact.name, "another process is fetching it; waiting for that one")

    found: list[Checked] = []
    hashed_bytes = 0
    report.begin(artifact.name, "hashing", artifact.size_bytes)
    try:
        with cache.lock(artifact, Event(), _LOCK_S, on_wait):
            for file in artifact.files:
                there = (cache.directory(artifact) / file.name).exists()
                right = cache.recheck(artifact, file)
                found.append(Checked(artifact.name, file.name, _state(there, right)))
                hashed_bytes += file.size_bytes
                report.advance(artifact.name, hashed_bytes)
    finally:
        right = len(found) == len(artifact.files) and all(each.state == "right" for each in found)
        report.end(artifact.name, "verified" if right else "failed")
    return found


def _state(there: bool, right: bool) -> State:
    if right:
        return "right"
    return "wrong" if there else "missing"
