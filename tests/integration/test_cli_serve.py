"""`antiphon serve` as a program: what it says, when it is ready, and how it ends."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PROGRAM = Path(sys.executable).with_name("antiphon")
SCRIPTED = """
[server]
port = 0
tls_port = 0
[deployments.mine]
vad = "scripted"
stt = "scripted"
llm = "scripted"
tts = "scripted"
"""


class Program:
    """A started server and what it printed when it was ready."""

    def __init__(self, process: subprocess.Popen[str], last: str) -> None:
        self.process = process
        assert process.stdout is not None
        self.first = process.stdout.readline().strip()
        self.lines: list[str] = []
        while self.first and not (self.lines and self.lines[-1].startswith(f"export {last}=")):
            self.lines.append(process.stdout.readline().strip())
        self.url = self.first.removeprefix("ready ")

    def variable(self, name: str) -> str:
        return next(
            each.removeprefix(f"export {name}=")
            for each in self.lines
            if each.startswith(f"export {name}=")
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End the server; return its exit status and what it said to people."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}
    homes = {name: str(tmp_path) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    return kept | homes | {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]):
    """Starts servers and makes sure that they end."""

    @contextmanager
    def started(*options: str, settings: str = SCRIPTED, **more: str) -> Iterator[Program]:
        file = tmp_path / "antiphon.toml"
        file.write_text(settings)
        process = subprocess.Popen(
            [PROGRAM, "serve", "--config", file, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment | more,
            text=True,
        )
        try:
            yield Program(process, "OPENAI_API_KEY" if "--no-tls" in options else "SSL_CERT_FILE")
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    return started


def test_the_first_line_is_ready_and_its_address_answers(start) -> None:
    with start() as server:
        assert server.first.startswith("ready http://127.0.0.1:")
        assert httpx.get(server.url + "/ready", trust_env=False).json() == {"status": "ready"}
        assert server.variable("AZURE_OPENAI_DEPLOYMENT_NAME") == "mine"
        assert server.variable("OPENAI_BASE_URL").startswith("https://127.0.0.1:")
        assert server.variable("OPENAI_BASE_URL").endswith("/v1")
        status, err = server.end()
    assert status == 0
    assert "Traceback" not in err


def test_after_it_comes_the_environment_of_the_quickstarts_and_nothing_else(start) -> None:
    with start() as server:
        assert all(line.startswith(("export ", "# ")) for line in server.lines if line)
        assert Path(server.variable("NODE_EXTRA_CA_CERTS")).is_file()
        assert Path(server.variable("SSL_CERT_FILE")).is_file()
        server.process.send_signal(signal.SIGTERM)
        out, _ = server.process.communicate(timeout=60)
        assert out == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_idle_sessions_with_1001_and_ends_with_status_0(start, number) -> None:
    with start() as server:
        address = server.url.replace("http", "ws") + "/v1/realtime?model=mine"
        with connect(address, additional_headers={"api-key": "any"}, proxy=None) as client:
            client.recv()
            assert server.end(number)[0] == 0
            with pytest.raises(ConnectionClosed, match="1001"):
                client.recv()


def test_talk_trusts_the_local_authority_by_itself(start, environment) -> None:
    with start() as server:
        url = server.variable("OPENAI_BASE_URL")
        talked = subprocess.run(
            [PROGRAM, "talk", "--text", "Hello", "--model", "mine", "--url", url],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (talked.returncode, talked.stderr) == (0, "")
    assert "antiphon: You said: Hello" in talked.stdout


def test_without_tls_there_is_one_address(start) -> None:
    with start("--no-tls") as server:
        assert server.variable("OPENAI_BASE_URL") == f"{server.url}/v1"
        status, _ = server.end()
    assert status == 0


def test_a_configured_key_is_required_and_never_printed(start) -> None:
    key = "ak-test"
    digest = hashlib.sha256(key.encode()).hexdigest()
    with start(ANTIPHON_AUTH__KEYS=f"sha256:{digest}") as server:
        assert server.variable("OPENAI_API_KEY") == "'<your key>'"
        models = server.url + "/v1/models"
        assert httpx.get(models, headers={"api-key": "x"}, trust_env=False).status_code == 401
        assert httpx.get(models, headers={"api-key": key}, trust_env=False).status_code == 200
        _, err = server.end()
        assert key not in err
        assert digest not in err


def test_a_key_in_the_query_is_not_logged(start) -> None:
    with start() as server:
        httpx.get(server.url + "/v1/models?api-key=topsecret", trust_env=False)
        _, err = server.end()
        assert "path=/v1/models" in err
        assert "topsecret" not in err


def test_a_reader_that_goes_after_the_first_lines_does_not_stop_the_server(start) -> None:
    with start() as server:
        assert server.process.stdout is not None
        server.process.stdout.close()
        assert httpx.get(server.url + "/health", trust_env=False).status_code == 200
        server.process.stdout = None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0


def test_a_port_in_use_could_not_run_and_names_the_option(start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option in ("--port", "--tls-port"):
            with start(option, str(port)) as server:
                assert server.first == ""
                _, err = server.process.communicate(timeout=60)
                assert server.process.returncode == 2
                assert f"Cannot listen on 127.0.0.1:{port}: address already in use." in err
                assert option in err


WRONG_SETTING = SCRIPTED.replace('tts = "scripted"', 'tts = { engine = "scripted", speed = 2 }')
WRONG_VOICE = SCRIPTED.replace(
    'tts = "scripted"', 'voice = "nobody"\ntts = { engine = "scripted", voices = ["ash"] }'
)


@pytest.mark.parametrize(
    ("settings", "options", "word"),
    [
        ("[server]\nprot = 1", (), "antiphon.toml:2"),
        ("", ("--host", "192.168.1.2"), "--host: Listening on '192.168.1.2'"),
        ("", ("--profile", "huge"), "--profile: 'profile': 'huge' is none of"),
        (SCRIPTED, ("--port", "70000"), "--port: 'port': expected at most 65535."),
        (SCRIPTED, ("--trace", "/dev/null/x"), "--trace: Sessions cannot be recorded"),
        (WRONG_SETTING, (), "'speed'"),
        (WRONG_VOICE, (), "no voice 'nobody'. Choose one of: ash."),
    ],
)
def test_what_cannot_run_says_why_and_ends_with_status_2(start, settings, options, word) -> None:
    with start(*options, settings=settings) as server:
        assert server.first == ""
        _, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 2
    assert word in err
    assert "Traceback" not in err


def test_missing_weights_offline_say_how_to_get_them(start) -> None:
    ports = "[server]\nport = 0\ntls_port = 0\n"
    with start("--profile", "test", "--offline", settings=ports) as server:
        assert server.first == ""
        _, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 2
    assert "antiphon models pull" in err
    assert "moonshine-tiny" in err


def test_sessions_are_recorded_where_the_option_says(start, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    with start("--trace", str(traces)) as server:
        address = server.url.replace("http", "ws") + "/v1/realtime?model=mine"
        with connect(address, additional_headers={"api-key": "any"}, proxy=None) as client:
            client.recv()
        assert server.end()[0] == 0
    assert len(list(traces.glob("sess_*.jsonl"))) == 1
