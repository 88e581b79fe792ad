"""The cache: what may be used, what is removed, and what it costs to look."""

import os
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from antiphon import weights
from antiphon.weights import locks
from antiphon.weights.cache import Cache, default_root
from antiphon.weights.checks import check_artifact
from antiphon.weights.errors import FetchStoppedError, MissingWeightsError, WeightsError

if TYPE_CHECKING:
    from conftest import Hub, Workplace


@pytest.fixture
def toy(place: "Workplace", hub: "Hub", sources: Any) -> Any:
    hub.files |= {"/a": b"aaaa", "/b": b"bbbb"}
    toy = place.artifact("toy", {"a": b"aaaa", "b": b"bbbb"}, sources.hub(hub.url))
    place.fetch(toy)
    return toy


def states(place: "Workplace", artifact: Any) -> list[str]:
    return [each.state for each in check_artifact(artifact, place.cache, place.heard)]


def test_the_cache_lies_where_the_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "antiphon" / "weights"


def test_a_file_that_changed_is_not_used(place: "Workplace", toy: Any) -> None:
    path = place.cache.locate(toy, "a")
    path.write_bytes(b"evil")
    os.utime(path, ns=(1, 1))
    assert [file.name for file in place.cache.missing(toy)] == ["a"]
    with pytest.raises(MissingWeightsError, match=r"toy \(a\)"):
        place.cache.locate(toy, "a")


def test_a_file_that_was_only_touched_is_hashed_and_used(place: "Workplace", toy: Any) -> None:
    os.utime(place.cache.locate(toy, "a"), ns=(1, 1))
    (fetched,) = place.fetch(toy, offline=True)
    assert fetched.origin == "cache"


def test_damaged_stamps_only_cost_a_hash(place: "Workplace", toy: Any) -> None:
    (place.cache.directory(toy) / ".stamps.json").write_text("[not json")
    assert len(place.cache.missing(toy)) == 2
    place.fetch(toy, offline=True)
    assert place.cache.missing(toy) == []


def test_verify_finds_what_stamps_cannot_see_and_removes_it(
    place: "Workplace", hub: "Hub", toy: Any
) -> None:
    path = place.cache.locate(toy, "a")
    before = path.stat()
    path.write_bytes(b"evil")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.cache.missing(toy) == []
    assert states(place, toy) == ["wrong", "right"]
    assert not path.exists()
    assert states(place, toy) == ["missing", "right"]
    asked = len(hub.asked)
    place.fetch(toy)
    assert [path for path, _ in hub.asked[asked:]] == ["/a"]
    assert states(place, toy) == ["right", "right"]


def test_locate_and_resolve_name_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"moonshine-tiny \(encoder_model\.onnx\)"):
        weights.locate("moonshine-tiny", "encoder_model.onnx", cache=tmp_path)
    with pytest.raises(MissingWeightsError) as absent:
        weights.resolve("default", cache=tmp_path)
    assert set(absent.value.missing) == set(weights.profile_artifacts("default"))


def test_a_lock_that_is_never_released_is_told(tmp_path: Path) -> None:
    waits: list[str] = []
    with (
        locks.held(tmp_path / "lock", Event(), 1, lambda: None),
        pytest.raises(WeightsError, match="Another process has held"),
        locks.held(tmp_path / "lock", Event(), 0.01, lambda: waits.append("waiting")),
    ):
        pass
    assert waits == ["waiting"]


def test_waiting_for_a_lock_ends_when_the_fetch_is_stopped(tmp_path: Path) -> None:
    stop = Event()
    with (
        locks.held(tmp_path / "lock", Event(), 1, lambda: None),
        pytest.raises(FetchStoppedError),
        locks.held(tmp_path / "lock", stop, 60, stop.set),
    ):
        pass


def test_a_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    waits: list[str] = []

    def hold() -> None:
        with locks.held(tmp_path / "lock", Event(), 1, lambda: waits.append("waiting")):
            pass

    for _ in range(2):
        thread = Thread(target=hold)
        thread.start()
        thread.join()
    assert waits == []


def test_caches_do_not_share_files(place: "Workplace", tmp_path: Path, toy: Any) -> None:
    assert Cache(tmp_path / "other").missing(toy) == list(toy.files)
