"""Packages of an npm registry, with npm and without it."""

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from antiphon.weights import npm_registry
from antiphon.weights.errors import WeightsUnavailableError

if TYPE_CHECKING:
    from conftest import Hub, Workplace

FILES = {"a.bin": b"a" * 1000, "b.bin": b"b" * 1000}


@pytest.fixture
def toy(place: "Workplace", hub: "Hub", sources: Any) -> Any:
    members = {f"package/model/{name}": content for name, content in FILES.items()}
    place.npm_package("@maker/toy", members)
    place.environment["npm_config_registry"] = hub.url
    return place.artifact("toy", FILES, sources.npm("@maker/toy", "package/model/"))


@pytest.mark.node
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_npm_fetches_from_the_registry_it_is_configured_with(place: "Workplace", toy: Any) -> None:
    (fetched,) = place.fetch(toy)
    assert fetched.origin == "packages"
    assert place.content(toy) == FILES
    assert place.leftovers() == []


@pytest.mark.node
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_npm_that_does_not_find_a_release_is_understood(
    place: "Workplace", hub: "Hub", toy: Any
) -> None:
    hub.files.clear()
    with pytest.raises(WeightsUnavailableError, match=r"npm does not offer @maker/toy 1\.0\.0"):
        place.fetch(toy)


@pytest.mark.node
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_npm_that_reaches_nobody_is_understood(place: "Workplace", toy: Any) -> None:
    place.environment["npm_config_registry"] = "http://127.0.0.1:9/"
    with pytest.raises(WeightsUnavailableError, match="npm could not reach its package index"):
        place.fetch(toy)


@pytest.mark.node
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_npm_whose_registry_is_silent_is_given_up(
    place: "Workplace", silent_hub: str, toy: Any
) -> None:
    place.environment["npm_config_registry"] = silent_hub
    place.means_changes["limits"] = replace(place.means.limits, stall_s=0.2)
    with pytest.raises(WeightsUnavailableError, match=r"reach its package index \(network timeout"):
        place.fetch(toy)


def test_without_npm_the_configured_registry_is_read(place: "Workplace", toy: Any) -> None:
    place.means_changes["npm"] = lambda: None
    place.fetch(toy)
    assert place.content(toy) == FILES


def test_without_npm_and_registry_the_cure_is_told(place: "Workplace", toy: Any) -> None:
    place.means_changes["npm"] = lambda: None
    del place.environment["npm_config_registry"]
    with pytest.raises(WeightsUnavailableError, match=r"install Node\.js, or set npm_config_regis"):
        place.fetch(toy)


def test_a_token_is_sent_to_its_registry_alone(place: "Workplace", hub: "Hub", toy: Any) -> None:
    place.means_changes["npm"] = lambda: None
    del place.environment["npm_config_registry"]
    place.environment["TOKEN"] = "t0ken"
    host = hub.url.removeprefix("http:")
    npmrc = f"; a comment\n@maker:registry={hub.url}\n{host}:_authToken=${{TOKEN}}\n"
    (place.root / ".npmrc").write_text(npmrc)
    place.fetch(toy)
    assert set(hub.tokens.values()) == {"Bearer t0ken"}
    registry = npm_registry.configured("@maker/toy", place.environment, place.root)
    assert registry is not None
    assert "Authorization" not in registry.headers("http://elsewhere.example/toy.tgz")


def test_a_release_that_the_registry_lost_is_told(place: "Workplace", hub: "Hub", toy: Any) -> None:
    place.means_changes["npm"] = lambda: None
    hub.files["/@maker/toy"] = b'{"versions": {}}'
    with pytest.raises(WeightsUnavailableError, match=r"no longer offers @maker/toy 1\.0\.0"):
        place.fetch(toy)


def test_an_answer_that_is_no_registry_is_told(place: "Workplace", hub: "Hub", toy: Any) -> None:
    place.means_changes["npm"] = lambda: None
    hub.files["/@maker/toy"] = b"<html>log in</html>"
    with pytest.raises(WeightsUnavailableError, match="answer cannot be read"):
        place.fetch(toy)


def test_a_registry_that_cannot_be_reached_is_told(place: "Workplace", toy: Any) -> None:
    place.means_changes["npm"] = lambda: None
    place.environment["npm_config_registry"] = "http://127.0.0.1:9/"
    with pytest.raises(WeightsUnavailableError, match=r"npm registry 127\.0\.0\.1 cannot be reach"):
        place.fetch(toy)


def test_a_tarball_that_is_cut_short_is_told(place: "Workplace", hub: "Hub", toy: Any) -> None:
    place.means_changes["npm"] = lambda: None
    tarball = "/@maker/toy/-/package-1.0.0.tgz"
    hub.files[tarball] = hub.files[tarball][:60]
    with pytest.raises(WeightsUnavailableError, match="is damaged"):
        place.fetch(toy)
