"""Settings from every source, and what is said about wrong ones."""

from pathlib import Path

import pytest

from antiphon import config
from antiphon.config import SettingsError


def written(text: str) -> Path:
    path = Path("antiphon.toml")
    path.write_text(text, encoding="utf-8")
    return path


def problems(text: str = "", **environment: str) -> list[str]:
    """Return everything that is said about settings."""
    with pytest.raises(SettingsError) as caught:
        config.load(written(text), environment=environment)
    return [str(each) for each in caught.value.problems]


def test_without_any_source_everything_has_its_default() -> None:
    loaded = config.load(environment={})
    assert loaded.settings == config.Settings()
    assert (loaded.settings.server.host, loaded.settings.server.port) == ("127.0.0.1", 8080)
    assert (loaded.file, loaded.keys) == (None, frozenset())


def test_a_stronger_source_wins() -> None:
    file = written("[server]\nport = 1\ntls_port = 2\nsession_minutes = 3\n")
    loaded = config.load(
        file,
        {("server", "port"): ("--port", 10)},
        {"ANTIPHON_SERVER__PORT": "20", "ANTIPHON_SERVER__TLS_PORT": "30"},
    )
    server = loaded.settings.server
    assert (server.port, server.tls_port, server.session_minutes) == (10, 30, 3)
    places = {path[1]: value.place for path, value in loaded.values.items()}
    assert places == {
        "port": "--port",
        "tls_port": "ANTIPHON_SERVER__TLS_PORT",
        "session_minutes": "antiphon.toml:4",
    }


def test_the_file_beside_us_is_used_before_the_users_own(home: Path) -> None:
    users = home / "config" / "antiphon"
    users.mkdir(parents=True)
    (users / "antiphon.toml").write_text("[server]\nport = 7\n")
    assert config.load(environment={}).settings.server.port == 7
    written("[server]\nport = 8\n")
    assert config.load(environment={}).settings.server.port == 8
    named = {"ANTIPHON_CONFIG": str(users / "antiphon.toml")}
    assert config.load(environment=named).settings.server.port == 7


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("ANTIPHON_SERVER__TLS", "false", "tls", False),
        ("ANTIPHON_SERVER__OFFLINE", "true", "offline", True),
        ("ANTIPHON_SERVER__MAX_SESSIONS", "12", "max_sessions", 12),
        ("ANTIPHON_SERVER__MAX_SESSIONS", "auto", "max_sessions", "auto"),
        ("ANTIPHON_SERVER__DRAIN_SECONDS", "2.5", "drain_seconds", 2.5),
        ("ANTIPHON_SERVER__PROFILE", "test", "profile", "test"),
    ],
)
def test_the_environment_has_text_for_every_type(variable, value, key, expected) -> None:
    loaded = config.load(environment={variable: value})
    assert getattr(loaded.settings.server, key) == expected


def test_keys_in_the_environment_are_separated_by_commas() -> None:
    digests = ["a" * 64, "b" * 64]
    listed = " , ".join(f"sha256:{each}" for each in digests)
    assert config.load(environment={"ANTIPHON_AUTH__KEYS": listed}).keys == set(digests)


def test_other_variables_are_none_of_our_business() -> None:
    environment = {"ANTIPHON_KEY": "x", "ANTIPHON": "x", "PATH": "/", "XANTIPHON_SERVER__A": "1"}
    assert config.load(environment=environment).settings == config.Settings()


WRONG = [
    ("[server]\nprot = 1", "antiphon.toml:2: Unknown key 'server.prot'. Did you mean 'port'?"),
    ("\n[sever]\nport = 1", "antiphon.toml:3: Unknown section 'sever'. Did you mean 'server'?"),
    ("port = 1", "antiphon.toml:1: Unknown key 'port'. Known: server, auth, "),
    ("server = 1", "antiphon.toml:1: 'server' is a section. Write [server] above its keys."),
    ("[server]\nport = '1'", "antiphon.toml:2: 'port': expected a whole number, got text."),
    ("[server]\nport = 70000", "antiphon.toml:2: 'port': expected at most 65535."),
    ("[server]\nport = -1", "antiphon.toml:2: 'port': expected at least 0."),
    ("[server]\nport = 1.5", "antiphon.toml:2: 'port': expected a whole number, got a number."),
    ("[server]\ntls = 1", "antiphon.toml:2: 'tls': expected true or false, got a whole number."),
    ("[server]\nsession_minutes = 0", "'session_minutes': expected at least 1."),
    (
        "[server]\nprofile = 'big'",
        "antiphon.toml:2: 'profile': 'big' is none of: 'default', 'small', 'test'.",
    ),
    (
        "[server]\nmax_sessions = 'many'",
        "antiphon.toml:2: 'max_sessions': 'many' is none of: 'auto', or a whole number.",
    ),
    ("[auth]\nkeys = ['secret']", "antiphon.toml:2: 'keys': expected `sha256:` and 64"),
    ("[auth]\nkeys = 'x'", "antiphon.toml:2: 'keys': expected a list, got text."),
    ("[server]\nport = ", "antiphon.toml:2: Not valid TOML: Invalid value."),
    ("[server\n", "antiphon.toml:1: Not valid TOML"),
    ("a = 1\na = 2", "antiphon.toml:2: Not valid TOML"),
    (
        "[deployments.gpt-realtime]\nlmm = 'llama'",
        "antiphon.toml:2: Unknown key 'deployments.gpt-realtime.lmm'. Did you mean 'llm'?",
    ),
    (
        "[deployments.gpt-realtime-2.1]\nllm = 'llama'",
        'antiphon.toml:2: A name with a dot needs quotes: write [deployments."gpt-realtime-2.1"].',
    ),
    (
        "[deployments]\nx = 1",
        "antiphon.toml:2: Write [deployments.x] above its keys.",
    ),
    (
        "[deployments.x]\nllm = 'lama'",
        "antiphon.toml:2: There is no engine 'lama' for `llm`. Did you mean 'llama'?",
    ),
    (
        "[deployments.x]\nllm = { base_url = 'http://h/v1' }",
        "antiphon.toml:2: 'deployments.x.llm' does not say which `engine` it sets.",
    ),
    ("[deployments.x]\nllm = 3", "antiphon.toml:2: Name an engine, or write a table"),
    (
        "[deployments.x]\nllm = { engine = 'openai', since = 2020-01-01 }",
        "antiphon.toml:2: Dates and times are no settings of an engine.",
    ),
    (
        "[deployments.x]\nkind = 'transcription'\ntts = 'kokoro'",
        "antiphon.toml:2: A transcription deployment only has `stt` and `like`. Remove: tts.",
    ),
    (
        "[deployments.x]\nlike = 'whisper-1'",
        "antiphon.toml:2: Only a transcription deployment is `like` a model. Remove it.",
    ),
    (
        "[deployments.x]\nkind = 'transcription'\nlike = 'whisper-9'",
        "antiphon.toml:3: ",
    ),
    (
        "[deployments.x]\nresponder = 'scripted'\nllm = 'llama'",
        "antiphon.toml:2: A `responder` answers by itself: remove `llm` and `tts`, or it.",
    ),
    (
        "[deployments.x]\nkind = 'translation'\nsilence_duration_ms = 200",
        "antiphon.toml:2: A translation deployment has no `silence_duration_ms`: it has `vad`",
    ),
    (
        "[deployments.x]\nkind = 'translation'\nresponder = 'scripted'",
        "antiphon.toml:2: A translation deployment has no `responder`: it has `vad`",
    ),
    (
        "[deployments.x]\nlanguage = 'es'",
        "antiphon.toml:2: Only a translation deployment has a `language`. Remove it",
    ),
    (
        "[deployments.x]\nkind = 'translation'\nlanguage = 'tlh'",
        "antiphon.toml:3: 'language': 'tlh' is none of: 'de', 'en', 'es'",
    ),
    (
        "[deployments.x]\nkind = 'chat'",
        "antiphon.toml:2: 'kind': 'chat' is none of: 'realtime', 'transcription', 'translation'.",
    ),
    (
        "[server]\nhost = '192.168.1.2'",
        "antiphon.toml:2: Listening on '192.168.1.2' lets other machines in, and no key is",
    ),
    ("[server]\nport = 8443", "`port` and `tls_port` are both 8443."),
    ("[server]\ntls_key = 'antiphon.toml'", "`tls_key` needs `tls_certificate` beside it."),
    (
        "[server]\ntls_certificate = 'no.pem'\ntls_key = 'antiphon.toml'",
        "antiphon.toml:2: `tls_certificate`: there is no file 'no.pem'.",
    ),
    (
        "[limits]\nrequests = 'many'",
        "antiphon.toml:2: `requests`: 'many' is no limit. Write a whole number and a time",
    ),
    ("[limits]\ntokens = '0/minute'", "antiphon.toml:2: `tokens`: '0/minute' is no limit."),
    ("[limits]\ntokens = 5", "antiphon.toml:2: 'tokens': expected text, got a whole number."),
    ("[limits]\nsessions = 0", "antiphon.toml:2: 'sessions': expected at least 1."),
    ("[limits]\nminutes = 5", "antiphon.toml:2: Unknown key 'limits.minutes'."),
    ("[limits]\nkeys = 5", "antiphon.toml:2: Write [limits.keys.NAME] above the limits of a key."),
    ("[limits.keys]\nanna = 5", "antiphon.toml:2: Write [limits.keys.anna] above its keys."),
    ("[limits.keys.anna]\nsessions = 1", "antiphon.toml:2: There is no key named 'anna'."),
    ("[limits]\nstorage = 'sql'", "antiphon.toml:2: `storage`: write `memory`, or the address"),
    (
        "[deployments.x.limits]\ntoken = '5/minute'",
        "Unknown key 'deployments.x.limits.token'. Did you mean 'tokens'?",
    ),
    (
        "[deployments.x]\nlimits = 5",
        "antiphon.toml:2: Write [deployments.x.limits] above its keys.",
    ),
    (
        "[deployments.x]\nkind = 'transcription'\n[deployments.x.limits]\nsessions = 5",
        "antiphon.toml:4: Sessions are counted where they connect",
    ),
    ("[usage]\ndirectory = 'antiphon.toml'", "antiphon.toml:2: `directory`: 'antiphon.toml' is"),
    ("[usage]\nkeep_days = 0", "antiphon.toml:2: 'keep_days': expected at least 1."),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_a_mistake_is_told_with_its_place_and_cure(text, expected) -> None:
    found = problems(text)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ANTIPHON_SERVER__PROT", "1", "Did you mean 'port'?"),
        ("ANTIPHON_SERVER__PORT", "many", "expected a whole number, got text."),
        ("ANTIPHON_SERVER__PORT__X", "1", "Unknown key 'server.port.x'."),
        ("ANTIPHON_DEPLOYMENTS__GPT_REALTIM__LLM", "llama", "Did you mean GPT_REALTIME?"),
        ("ANTIPHON_AUTH__KEYS", "secret", "expected `sha256:`"),
        ("ANTIPHON_SERVER_PORT", "1", "write ANTIPHON_SERVER__PORT"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(variable, value, expected) -> None:
    (found,) = problems(**{variable: value})
    assert found.startswith(f"{variable}: ")
    assert expected in found


def test_all_mistakes_are_told_at_once() -> None:
    found = problems("[server]\nport = 'x'\nhots = 'y'\n[auht]\na = 1\n")
    assert len(found) == 3


def test_a_file_that_cannot_be_read_is_told() -> None:
    for path, word in (("absent.toml", "no such file"), (".", "directory")):
        with pytest.raises(SettingsError, match=word):
            config.load(Path(path), environment={})
    Path("latin.toml").write_bytes(b'a = "\xe9"')
    with pytest.raises(SettingsError, match="not UTF-8"):
        config.load(Path("latin.toml"), environment={})
    Path("huge.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(SettingsError, match="larger than 1 MiB"):
        config.load(Path("huge.toml"), environment={})


def test_a_key_lets_the_server_listen_to_others() -> None:
    environment = {
        "ANTIPHON_SERVER__HOST": "192.168.1.2",
        "ANTIPHON_AUTH__KEYS": "sha256:" + "a" * 64,
    }
    assert config.load(environment=environment).settings.server.host == "192.168.1.2"


def test_a_stored_key_counts_like_one_in_the_settings() -> None:
    config.KeyStore().create("bob")
    loaded = config.load(environment={"ANTIPHON_SERVER__HOST": "192.168.1.2"})
    assert len(loaded.keys) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_this_machine_alone_needs_no_key(host) -> None:
    assert config.load(environment={"ANTIPHON_SERVER__HOST": host})


def test_the_environment_reaches_into_a_deployment() -> None:
    file = written(
        '[deployments."my.model"]\nllm = { engine = "openai", base_url = "http://a/v1" }'
    )
    environment = {
        "ANTIPHON_DEPLOYMENTS__MY_MODEL__LLM__API_KEY": "secret",
        "ANTIPHON_DEPLOYMENTS__MY_MODEL__LLM__TIMEOUT_S": "2.5",
        "ANTIPHON_DEPLOYMENTS__MY_MODEL__VOICE": "ash",
    }
    deployment = config.load(file, environment=environment).settings.deployments["my.model"]
    assert deployment.llm is not None
    assert deployment.llm.settings == {
        "base_url": "http://a/v1",
        "api_key": "secret",
        "timeout_s": 2.5,
    }
    assert deployment.voice == "ash"


def test_another_engine_drops_the_settings_of_the_weaker_source() -> None:
    file = written('[deployments.x]\nllm = { engine = "openai", base_url = "http://a/v1" }')
    environment = {"ANTIPHON_DEPLOYMENTS__X__LLM": "llama"}
    deployment = config.load(file, environment=environment).settings.deployments["x"]
    assert deployment.llm is not None
    assert (deployment.llm.engine, dict(deployment.llm.settings)) == ("llama", {})


def test_a_well_known_name_can_be_set_by_the_environment_alone() -> None:
    environment = {"ANTIPHON_DEPLOYMENTS__GPT_REALTIME_2_1__LLM": "scripted"}
    assert list(config.load(environment=environment).settings.deployments) == ["gpt-realtime-2.1"]


def test_servers_that_may_be_called_are_listed() -> None:
    loaded = config.load(written('[mcp]\nallow = ["*", "http://10.0.0.5:9000"]\n'), environment={})
    assert loaded.settings.mcp.allow == ("*", "http://10.0.0.5:9000")
    named = {"ANTIPHON_MCP__ALLOW": "*.example.com, http://a:1"}
    assert config.load(environment=named).settings.mcp.allow == ("*.example.com", "http://a:1")
    assert config.load(environment={"ANTIPHON_MCP__ALLOW": ""}).settings.mcp.allow == ()


@pytest.mark.parametrize("entry", ["https://a.example/mcp", "a/b", "*.*", "", "u@a", "ftp://a"])
def test_what_is_no_server_is_refused(entry: str) -> None:
    assert "antiphon.toml:2" in problems(f'[mcp]\nallow = ["{entry}"]\n')[0]


def test_limits_are_set_for_all_keys_for_one_and_for_a_deployment() -> None:
    file = written(
        f"""
[auth]
keys = ["anna=sha256:{"a" * 64}", "sha256:{"b" * 64}"]
[limits]
requests = "60/minute; 5000/day"
sessions = 5
[limits.keys.anna]
tokens = "100 per 5 minutes"
[deployments.mine.limits]
sessions = 100
"""
    )
    loaded = config.load(file, environment={"ANTIPHON_DEPLOYMENTS__MINE__LIMITS__TOKENS": "9/day"})
    limits = loaded.settings.limits
    assert (limits.storage, limits.requests, limits.sessions) == (
        "memory",
        "60/minute; 5000/day",
        5,
    )
    assert limits.keys == {"anna": config.QuotaSettings(tokens="100 per 5 minutes")}
    mine = loaded.settings.deployments["mine"].limits
    assert mine == config.QuotaSettings(sessions=100, tokens="9/day")
    assert loaded.keys == {"a" * 64, "b" * 64}
    assert loaded.key_names == {"a" * 64: "anna"}


def test_keys_of_the_store_have_limits_by_their_names() -> None:
    config.KeyStore().create("ci")
    loaded = config.load(written("[limits.keys.ci]\nsessions = 1\n"), environment={})
    assert list(loaded.key_names.values()) == ["ci"]


def test_the_ledger_may_be_kept_elsewhere(home: Path) -> None:
    file = written(f"[usage]\ndirectory = '{home / 'ledger'}'\n")
    usage = config.load(file, environment={}).settings.usage
    assert config.usage_file(usage) == home / "ledger" / "usage.sqlite3"
