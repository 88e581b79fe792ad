"""`antiphon models`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from antiphon import weights
from antiphon.cli.models import app


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_list_tells_what_there_is() -> None:
    status, printed, _ = run("list")
    assert status == 0
    assert all(name in printed for name in weights.ARTIFACTS)


def test_list_as_json_tells_everything() -> None:
    status, printed, _ = run("list", "--json")
    rows = {row["artifact"]: row for row in json.loads(printed)}
    assert status == 0
    assert set(rows) == set(weights.ARTIFACTS)
    kokoro = rows["kokoro"]
    assert (kokoro["here"], kokoro["licence"], kokoro["profiles"]) == (
        "no",
        "Apache-2.0",
        ["default"],
    )
    assert kokoro["files"][0]["sha256"].startswith("6e742170d309")


def test_pull_offline_fails_with_the_names_of_what_is_missing() -> None:
    status, _, told = run("pull", "--offline", "--profile", "test")
    assert status == 1
    assert "moonshine-tiny" in told
    assert "antiphon models pull moonshine-tiny smollm2-135m" in told


def test_pull_without_names_wants_what_the_settings_need(empty_machine: Path) -> None:
    (empty_machine / "antiphon.toml").write_text('[server]\nprofile = "small"\noffline = true\n')
    status, _, told = run("pull")
    assert status == 1
    assert "antiphon models pull moonshine-tiny qwen2.5-coder-0.5b" in told


def test_pull_of_an_unknown_name_could_not_run() -> None:
    assert run("pull", "gpt-5")[0] == 2
    assert run("pull", "--profile", "huge")[0] == 2


def test_pull_with_wrong_settings_could_not_run(empty_machine: Path) -> None:
    (empty_machine / "antiphon.toml").write_text("[server]\nprofil = 'test'\n")
    status, _, told = run("pull")
    assert status == 2
    assert "antiphon.toml:2" in told


def test_verify_of_an_empty_cache_finds_nothing_wrong() -> None:
    assert run("verify", "--json")[:2] == (0, "[]\n")


def test_verify_of_a_profile_that_is_not_here_is_a_finding() -> None:
    status, printed, told = run("verify", "--profile", "test")
    assert status == 1
    assert "smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf: missing" in printed
    assert "Run `antiphon models pull moonshine-tiny smollm2-135m`" in told


def test_verify_finds_and_removes_a_wrong_file() -> None:
    artifact = weights.artifact("kokoro-voices")
    voice = Path(json.loads(run("list", "--json")[1])[-1]["directory"]) / "af_heart.bin"
    voice.parent.mkdir(parents=True)
    voice.write_bytes(b"no voice at all")
    status, printed, _ = run("verify")
    assert status == 1
    assert f"{artifact.name}/af_heart.bin: wrong" in printed
    assert not voice.exists()
