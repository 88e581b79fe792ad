"""A running server for clients to talk to, and the frames it has sent them.

The server is the real program, started as a user starts it, with scripted engines and the real VAD.
Set `ANTIPHON_CONFORMANCE_URL` (and `ANTIPHON_CONFORMANCE_KEY`) to point the same cases at another
Realtime service; the cases that need our scripted engines are skipped then.
"""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from antiphon.engines.llm import ToolCall
from antiphon.testing.endpoints import Endpoints, Reply, echo
from antiphon.testing.schemas import example_arguments

KEY = "sk-conformance"
LIMITED_KEY = "sk-limited"
"""A key that may have one session, and ask four things a second."""

SETTINGS = """
[server]
port = 0
tls_port = 0

[auth]
keys = ["sha256:{key}", "limited=sha256:{limited}"]

[limits.keys.limited]
requests = "4/second"
sessions = 1

[deployments.gpt-realtime]
stt = {{ engine = "scripted", texts = ["What is the weather like?"] }}
llm = {{ engine = "openai", base_url = "{endpoint}", model = "rule" }}
tts = {{ engine = "scripted", ms_per_character = 30, voices = ["alloy", "ash", "cedar", "marin"] }}

[deployments.able]
stt = {{ engine = "scripted", texts = ["What is the weather like?"] }}
tts = {{ engine = "openai", base_url = "{endpoint}", model = "mouth" }}
[deployments.able.llm]
engine = "openai"
base_url = "{endpoint}"
model = "rule"
vision = true
reasoning = true

[voices.voice_ann]
endpoint_voice = "ann-2"

[prompts.support.1]
instructions = "You help {{{{customer}}}}."

[prompts.support.2]
instructions = "You serve {{{{customer}}}} with {{{{product}}}}."
variables = {{ product = "phones" }}

[deployments.broken]
stt = {{ engine = "scripted" }}
llm = {{ engine = "openai", base_url = "http://127.0.0.1:9/v1", model = "none" }}
tts = {{ engine = "scripted" }}

[deployments.slow]
stt = {{ engine = "scripted" }}
llm = {{ engine = "scripted", answers = ["This answer goes on for a good while. " ] }}
tts = {{ engine = "scripted", ms_per_character = 5000 }}

[deployments.gpt-realtime-translate]
kind = "translation"
stt = {{ engine = "openai", base_url = "{endpoint}", model = "ears", languages = ["en"] }}
llm = {{ engine = "openai", base_url = "{endpoint}", model = "rule" }}
tts = {{ engine = "openai", base_url = "{endpoint}", model = "mouth", languages = ["en", "es"] }}

[deployments.deaf-translator]
kind = "translation"
stt = {{ engine = "openai", base_url = "http://127.0.0.1:9/v1", model = "none" }}
llm = {{ engine = "scripted" }}
tts = {{ engine = "scripted" }}

[deployments.whisper-1]
kind = "transcription"
stt = {{ engine = "scripted", texts = ["What is the weather like?"] }}

[deployments.gpt-4o-mini-transcribe]
kind = "transcription"
stt = {{ engine = "scripted", texts = ["What is the weather like?"] }}

[deployments.gpt-realtime-whisper]
kind = "transcription"
stt = {{ engine = "scripted", texts = ["What is the weather like?"], word_ms = 200 }}

[deployments.gpt-live-transcribe]
kind = "transcription"
stt = {{ engine = "scripted", texts = ["What is the weather like?"], word_ms = 200 }}
"""


@dataclass
class Server:
    """Where the server is, how to sign in, and every frame that raw clients got from it."""

    url: str
    tls_url: str
    authority: Path
    bundle: Path
    key: str = KEY
    model: Endpoints | None = None
    """The endpoint behind the language model of `gpt-realtime`; None: not our server."""
    frames: list[str] = field(default_factory=list)

    @property
    def websocket(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def azure(self) -> dict[str, str]:
        """The environment that the documentation's programs read."""
        return {
            "AZURE_OPENAI_ENDPOINT": self.tls_url,
            "AZURE_OPENAI_API_KEY": self.key,
            "AZURE_OPENAI_DEPLOYMENT_NAME": "gpt-realtime",
            "NODE_EXTRA_CA_CERTS": str(self.authority),
            "SSL_CERT_FILE": str(self.bundle),
        }


SPANISH = {"Hello there.": "Buenos días a todos."}
"""What an interpreter knows."""


def say_or_call(fields: Mapping[str, Any]) -> Reply:
    """Interpret, call every tool at "weather", tell what tools answered, else repeat."""
    first, last = fields["messages"][0], fields["messages"][-1]
    if "interpreter" in str(first["content"]) and "Spanish" in str(first["content"]):
        return [SPANISH[last["content"]]]
    if last["role"] == "tool":
        return [f"The tool says: {last['content']}"]
    offered = fields.get("tools", ())
    if fields.get("tool_choice", "auto") == "auto" and offered and "weather" in str(last).lower():
        return [_call(tool["function"]) for tool in offered]
    return echo(fields)


def _call(function: Mapping[str, Any]) -> ToolCall:
    return ToolCall("", function["name"], example_arguments(function["parameters"]))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    elsewhere = os.environ.get("ANTIPHON_CONFORMANCE_URL")
    if elsewhere:
        key = os.environ.get("ANTIPHON_CONFORMANCE_KEY", KEY)
        none = Path(os.devnull)
        yield Server(elsewhere, elsewhere, none, none, key)
        return
    with Endpoints(reply=say_or_call).in_thread() as model:
        yield from _our_server(tmp_path_factory.mktemp("home"), model)


@pytest.fixture
def scripted(server: Server) -> Endpoints:
    """The endpoint behind the language model, for cases that only our engines can produce."""
    if server.model is None:
        pytest.skip("needs the scripted engines of our own server")
    return server.model


def _our_server(home: Path, model: Endpoints) -> Iterator[Server]:
    key, limited = (hashlib.sha256(each.encode()).hexdigest() for each in (KEY, LIMITED_KEY))
    settings = home / "antiphon.toml"
    settings.write_text(SETTINGS.format(key=key, limited=limited, endpoint=model.base_url))
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
            url=said["ready"],
            tls_url=said["AZURE_OPENAI_ENDPOINT"],
            authority=Path(said["NODE_EXTRA_CA_CERTS"]),
            bundle=Path(said["SSL_CERT_FILE"]),
            model=model,
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
