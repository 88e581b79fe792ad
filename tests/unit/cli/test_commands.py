"""Commands that finish by themselves: what they print and how they exit."""

import json
import sys
from pathlib import Path

import pytest

from antiphon import __version__, config
from antiphon.cli import main

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """Run a command and return its exit status, its result and its words."""
    monkeypatch.setattr(sys, "argv", ["antiphon", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), captured.out, captured.err


@pytest.fixture
def antiphon(capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    """Runs a command."""
    return lambda *arguments: run(capsys, monkeypatch, *arguments)


def test_help_names_every_command(antiphon) -> None:
    status, out, _ = antiphon("--help")
    assert status == 0
    for command in ("serve", "talk", "models", "keys", "config", "cert"):
        assert command in out


def test_the_version_is_told(antiphon) -> None:
    assert antiphon("--version") == (0, f"antiphon {__version__}\n", "")


def test_an_unknown_command_could_not_run(antiphon) -> None:
    status, _, err = antiphon("srve")
    assert status == 2
    assert "srve" in err


def test_a_key_is_shown_once_and_then_known_by_name(antiphon) -> None:
    status, out, err = antiphon("keys", "create", "bob")
    assert status == 0
    key = out.strip()
    assert key.startswith("ak-")
    assert "only time" in err
    status, out, err = antiphon("keys", "list")
    assert (status, key in out + err) == (0, False)
    assert out.startswith("bob")
    (listed,) = json.loads(antiphon("keys", "list", "--json")[1])
    assert {"sha256:" + listed["sha256"]} == {f"sha256:{each}" for each in config.load().keys}


def test_a_key_without_a_name_gets_one(antiphon) -> None:
    made = [json.loads(antiphon("keys", "create", "--json")[1])["name"] for _ in range(2)]
    assert made == ["key-1", "key-2"]


def test_a_taken_name_could_not_run(antiphon) -> None:
    antiphon("keys", "create", "bob")
    status, out, err = antiphon("keys", "create", "bob")
    assert (status, out) == (2, "")
    assert "already" in err


def test_revoking_forgets_a_key_and_says_so_when_there_is_none(antiphon) -> None:
    antiphon("keys", "create", "bob")
    assert antiphon("keys", "revoke", "bob")[0] == 0
    status, _, err = antiphon("keys", "revoke", "bob")
    assert status == 1
    assert "antiphon keys list" in err
    assert "loopback" in antiphon("keys", "list")[2]


def test_clean_settings_pass_the_check(antiphon) -> None:
    assert antiphon("config", "check")[0] == 0
    assert json.loads(antiphon("config", "check", "--json")[1]) == {"ok": True, "problems": []}


def test_the_check_explains_each_error_with_its_line(antiphon) -> None:
    Path("antiphon.toml").write_text("[server]\nprot = 1\nport = 'x'\n")
    status, out, _ = antiphon("config", "check")
    assert status == 1
    lines = out.splitlines()
    assert lines[0].startswith("antiphon.toml:2: Unknown key")
    assert lines[1].startswith("antiphon.toml:3: 'port'")
    told = json.loads(antiphon("config", "check", "--json")[1])
    assert [each["place"] for each in told["problems"]] == ["antiphon.toml:2", "antiphon.toml:3"]


def test_a_named_file_that_is_absent_fails_the_check(antiphon) -> None:
    status, out, _ = antiphon("config", "check", "--config", "absent.toml")
    assert status == 1
    assert out.startswith("absent.toml: Cannot read the settings")


def test_settings_are_shown_with_their_sources_and_without_secrets(antiphon, monkeypatch) -> None:
    Path("antiphon.toml").write_text(
        "[server]\nport = 9\n[auth]\nkeys = ['sha256:" + "ab" * 32 + "']\n"
        "[deployments.mine]\nllm = { engine = 'openai', base_url = 'http://me:pw@h/v1', "
        "api_key = 'sk-secret', headers = { X-Auth = 'hidden' } }\n"
    )
    monkeypatch.setenv("ANTIPHON_SERVER__DRAIN_SECONDS", "3")
    status, out, _ = antiphon("config", "show")
    assert status == 0
    assert "server.port = 9" in out
    assert "# antiphon.toml:2" in out
    assert "# ANTIPHON_SERVER__DRAIN_SECONDS" in out
    assert "# profile default" in out
    for secret in ("sk-secret", "hidden", "pw", "ab" * 32):
        assert secret not in out
    rows = {each["key"]: each for each in json.loads(antiphon("config", "show", "--json")[1])}
    assert rows["server.port"] == {"key": "server.port", "value": 9, "source": "antiphon.toml:2"}
    assert rows["deployments.mine.llm"]["value"]["base_url"] == "http://•••@h/v1"


def test_without_deployments_the_well_known_names_are_shown(antiphon) -> None:
    rows = {each["key"]: each for each in json.loads(antiphon("config", "show", "--json")[1])}
    assert "gpt-realtime" in rows["deployments"]["value"]
    assert rows["deployments.gpt-realtime.stt"]["source"] == "profile default"


def test_wrong_settings_keep_other_commands_from_running(antiphon) -> None:
    Path("antiphon.toml").write_text("[server]\nprot = 1\n")
    for command in (("serve",), ("config", "show")):
        status, out, err = antiphon(*command)
        assert (status, out) == (2, "")
        assert "antiphon.toml:2" in err


def test_the_certificate_command_names_the_authority_and_how_to_trust_it(antiphon, home) -> None:
    status, out, _ = antiphon("cert")
    assert status == 0
    for word in ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "keytool", ".NET", "Firefox", "curl"):
        assert word in out
    told = json.loads(antiphon("cert", "--json")[1])
    authority = Path(told["certificate"])
    assert authority.is_file()
    assert home in authority.parents
    assert len(told["sha256"].split(":")) == 32


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "127.0.0.1:9", "wss://127.0.0.1:9/v1"])
def test_talking_to_nobody_says_how_to_start_somebody(antiphon, url) -> None:
    status, out, err = antiphon("talk", "--text", "hello", "--url", url)
    assert (status, out) == (2, "")
    assert "antiphon serve" in err


def test_talking_to_no_address_says_what_one_looks_like(antiphon) -> None:
    status, _, err = antiphon("talk", "--text", "hello", "--url", "ftp://x")
    assert status == 2
    assert "http://127.0.0.1:8080" in err


def test_a_recording_that_is_none_is_told_before_anything_is_sent(antiphon) -> None:
    Path("no.wav").write_bytes(b"nothing")
    status, _, err = antiphon("talk", "no.wav", "--url", "http://127.0.0.1:9")
    assert status == 2
    assert "no.wav" in err


def test_without_a_microphone_talk_names_the_other_ways(antiphon, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    status, _, err = antiphon("talk")
    assert status == 2
    assert "--text" in err
