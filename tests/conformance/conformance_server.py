"""A running server for clients to talk to, and the frames it has sent them.

The server is the real program, started as a user starts it, with scripted engines and the real VAD.
Set `ANTIPHON_CONFORMANCE_URL` (and `ANTIPHON_CONFORMANCE_KEY`) to point the same cases at another
Realtime service.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
KEY = "sk-conformance"

SETTINGS = """
[server]
port = 0
tls_port = 0

[deployments.gpt-realtime]
stt = { engine = "scripted", texts = ["What is the weather like?"] }
llm = { engine = "scripted" }
tts = { engine = "scripted", ms_per_character = 30, voices = ["alloy", "ash", "cedar", "marin"] }

[deployments.broken]
stt = { engine = "scripted" }
llm = { engine = "openai", base_url = "http://127.0.0.1:9/v1", model = "none" }
tts = { engine = "scripted" }

[deployments.slow]
stt = { engine = "scripted" }
llm = { engine = "scripted", answers = ["This answer goes on for a good while. " ] }
tts = { engine = "scripted", ms_per_character = 5000 }

[deployments.whisper-1]
kind = "transcription"
stt = { engine = "scripted", texts = ["What is the weather like?"] }

[deployments.gpt-4o-mini-transcribe]
kind = "transcription"
stt = { engine = "scripted", texts = ["What is the weather like?"] }
"""


@dataclass
class Server:
    """Where the server is, how to sign in, and every frame that raw clients got from it."""

    url: str
    tls_url: str
    authority: Path
    key: str = KEY
    frames: list[str] = field(default_factory=list)

    @property
    def websocket(self) -> str:
        return self.url.replace("http", "ws", 1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    elsewhere = os.environ.get("ANTIPHON_CONFORMANCE_URL")
    if elsewhere:
        key = os.environ.get("ANTIPHON_CONFORMANCE_KEY", KEY)
        yield Server(elsewhere, elsewhere, Path(os.devnull), key)
        return
    home = tmp_path_factory.mktemp("home")
    settings = home / "antiphon.toml"
    settings.write_text(SETTINGS)
    environment = os.environ | {
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
    }
    process = subprocess.Popen(
        [Path(sys.executable).with_name("antiphon"), "serve", "--config", settings],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        said = _announced(process)
        yield Server(
            said["ready"], said["AZURE_OPENAI_ENDPOINT"], Path(said["NODE_EXTRA_CA_CERTS"])
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def _announced(process: subprocess.Popen[str]) -> dict[str, str]:
    """Read the `ready` line and the environment lines after it."""
    assert process.stdout is not None
    said: dict[str, str] = {}
    for line in process.stdout:
        separator = "=" if line.startswith("export ") else " "
        name, _, value = line.strip().removeprefix("export ").partition(separator)
        said[name] = value.strip("'")
        if name == "SSL_CERT_FILE":
            return said
    raise AssertionError(f"The server ended with status {process.wait()}.")


def node(script: str, server: Server, **arguments: Any) -> list[dict[str, Any]]:
    """Run a script of tests/conformance/node and return the JSON lines that it prints."""
    environment = os.environ | {
        "NODE_EXTRA_CA_CERTS": str(server.authority),
        "ANTIPHON_URL": server.tls_url,
        "OPENAI_API_KEY": server.key,
        "ARGUMENTS": json.dumps(arguments),
    }
    done = subprocess.run(
        ["node", script],
        cwd=HERE / "node",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="session")
def node_packages() -> None:
    """Install the JavaScript clients beside their scripts, once."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("npm is missing; .ci/run installs it.")
        pytest.skip("needs Node.js and npm")
    if not (HERE / "node" / "node_modules" / "openai").exists():
        subprocess.run(
            ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"],
            cwd=HERE / "node",
            check=True,
            timeout=300,
            capture_output=True,
        )
