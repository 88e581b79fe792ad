"""The manifest that is shipped, and how manifests are read."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from antiphon import config, weights
from antiphon.weights.errors import UnknownWeightsError
from antiphon.weights.manifest import Artifact, HubSource, PackageSource, read, shipped

if TYPE_CHECKING:
    from conftest import Workplace

ARTIFACTS = list(shipped().artifacts.values())


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda each: each.name)
def test_pieces_laid_end_to_end_make_each_file(artifact: Artifact) -> None:
    (packages,) = (each for each in artifact.sources if isinstance(each, PackageSource))
    assert set(packages.pieces) == {file.name for file in artifact.files}
    for file in artifact.files:
        pieces = packages.pieces[file.name]
        end = 0
        for piece in pieces:
            assert piece.offset == end
            end += piece.size_bytes
        assert end == file.size_bytes
        if len(pieces) == 1:
            assert pieces[0].sha256 == file.sha256


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda each: each.name)
def test_every_artifact_says_where_it_comes_from_and_may_be_used(artifact: Artifact) -> None:
    assert artifact.licence in {"MIT", "Apache-2.0"}
    assert artifact.origin.startswith("https://")
    assert isinstance(artifact.sources[0], HubSource)
    assert artifact.sources[0].url.startswith("https://")
    assert artifact.sources[0].url.endswith("/")
    for file in artifact.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert Path(file.name).name == file.name


@pytest.mark.parametrize("profile", weights.PROFILES)
def test_a_profile_fetches_what_its_engines_read(profile: Any) -> None:
    settings = config.Settings(server=config.ServerSettings(profile=profile))
    needed = {
        name
        for engine in config.engines(config.plan(settings))
        for name in weights.engine_artifacts(engine.name, engine.settings)
    }
    assert needed == set(weights.profile_artifacts(profile))


def test_a_language_model_of_the_users_needs_nothing_of_ours() -> None:
    assert weights.engine_artifacts("llama", {"model_path": "/models/mine.gguf"}) == ()
    assert weights.engine_artifacts("llama", {}) == ()
    assert weights.engine_artifacts("openai", {"artifact": "kokoro"}) == ()


def test_ten_voices_come_with_kokoro() -> None:
    assert "kokoro-voices" in weights.engine_artifacts("kokoro", {})
    assert len(weights.artifact("kokoro-voices").files) == 10


def test_unknown_names_are_told_with_the_known_ones() -> None:
    with pytest.raises(UnknownWeightsError, match=r"no artifact 'x'\. Known: moonshine-tiny,"):
        weights.artifact("x")
    with pytest.raises(UnknownWeightsError, match=r"no profile 'x'\. Known: test, small, default"):
        weights.profile_artifacts("x")
    with pytest.raises(UnknownWeightsError, match=r"Known: decoder_model_merged\.onnx, encoder"):
        weights.artifact("moonshine-tiny").file("x")
    with pytest.raises(UnknownWeightsError, match=r"Known: moonshine-vocabulary\.json"):
        weights.vendored("x")


def test_a_manifest_with_an_unknown_key_is_refused(place: "Workplace") -> None:
    path = place.manifest({"toy": {"files": {"f": b"f"}, "sources": [['kind = "torrent"']]}})
    with pytest.raises(msgspec.ValidationError, match="torrent"):
        read(path)


def test_the_vocabulary_holds_every_ordinary_token() -> None:
    vocabulary = json.loads(weights.vendored("moonshine-vocabulary.json").read_text("utf-8"))
    assert len(vocabulary) == len(set(vocabulary)) == 32_000
    assert vocabulary[:4] == ["<unk>", "<s>", "</s>", "<0x00>"]
