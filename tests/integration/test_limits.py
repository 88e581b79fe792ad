"""Quotas and the ledger of real servers: one alone, and two that count on one Redis.

Shows Limits: quotas that several servers share (Redis, Valkey)
"""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

PROGRAM = Path(sys.executable).with_name("antiphon")
KEYS = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("anna", "ben")}
SETTINGS = f"""
[server]
port = 0
tls = false
[auth]
keys = ["anna=sha256:{KEYS["anna"]}", "sha256:{KEYS["ben"]}"]
[deployments.mine]
vad = "scripted"
stt = "scripted"
llm = "scripted"
tts = "scripted"
"""
TEXT = {"type": "response.create", "response": {"output_modalities": ["text"]}}


class Server:
    """A running server, for clients with one of the keys."""

    def __init__(self, url: str, process: "subprocess.Popen[str]") -> None:
        self.url = url
        self.process = process

    @contextmanager
    def session(self, key: str = "anna") -> Iterator[ClientConnection]:
        address = self.url.replace("http", "ws") + "/v1/realtime?model=mine"
        with connect(address, additional_headers={"api-key": key}, proxy=None) as client:
            assert json.loads(client.recv())["type"] == "session.created"
            yield client

    def is_refused(self, key: str = "anna") -> httpx.Headers | None:
        """Return the headers with which a session is refused; None: it opens."""
        try:
            with self.session(key):
                return None
        except InvalidStatus as refused:
            response = refused.response
        assert response.status_code == 429
        assert json.loads(response.body or b"{}")["error"]["code"] == "rate_limit_exceeded"
        return httpx.Headers(list(response.headers.raw_items()))


def ask(client: ClientConnection) -> tuple[dict[str, Any], dict[str, Any]]:
    """Have one response made; return its end and what is left then."""
    content = [{"type": "input_text", "text": "Hello"}]
    item = {"type": "message", "role": "user", "content": content}
    client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    client.send(json.dumps(TEXT))
    seen: dict[str, Any] = {}
    while "rate_limits.updated" not in seen:
        event = json.loads(client.recv(timeout=30))
        seen[event["type"]] = event
    left = {each["name"]: each for each in seen["rate_limits.updated"]["rate_limits"]}
    return seen["response.done"]["response"], left


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}
    return kept | {name: str(tmp_path) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}


@pytest.fixture
def serve(tmp_path: Path, environment: dict[str, str]):
    """Starts servers and makes sure that they end."""

    @contextmanager
    def served(settings: str) -> Iterator[Server]:
        file = tmp_path / f"antiphon-{time.monotonic_ns()}.toml"
        file.write_text(SETTINGS + settings)
        process = subprocess.Popen(
            [PROGRAM, "serve", "--config", file],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        try:
            assert process.stdout is not None
            ready = process.stdout.readline().split()
            assert ready[0] == "ready"
            yield Server(ready[1], process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)

    return served


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """A Redis or Valkey server of this test's own."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        message = "needs redis-server or valkey-server (Debian: apt-get install redis-server)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        [program, *options, "--dir", tmp_path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        while "eady to accept connections" not in process.stdout.readline():
            assert process.poll() is None
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_key_has_no_more_sessions_than_it_may(serve) -> None:
    with serve("[limits]\nsessions = 1\n") as server:
        with server.session():
            refused = server.is_refused()
            assert refused is not None
            assert refused["retry-after"] == "5"
            assert server.is_refused("ben") is None
        assert server.is_refused() is None


def test_a_quota_ends_responses_and_never_the_session(serve, environment) -> None:
    with serve("[limits]\ntokens = '200/hour'\nrequests = '60/minute'\n") as server:
        with server.session() as client:
            told = answered = 0
            done, left = ask(client)
            while done["status"] == "completed":
                answered += 1
                told += done["usage"]["total_tokens"]
                assert left["tokens"]["remaining"] == max(0, 200 - told)
                assert left["requests"]["remaining"] == 60 - 1 - answered
                done, left = ask(client)
            assert answered >= 1
            assert (done["status"], left["tokens"]["remaining"]) == ("failed", 0)
            error = done["status_details"]["error"]
            assert error["code"] == "rate_limit_exceeded"
            assert "Please try again in" in error["message"]
            client.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
            while json.loads(client.recv(timeout=30))["type"] != "session.updated":
                pass
        with server.session("ben") as client:
            assert ask(client)[0]["status"] == "completed"
        metrics = httpx.get(f"{server.url}/metrics").text
        assert 'antiphon_rate_limited_responses_total{model="mine"} 1.0' in metrics
        assert 'antiphon_tokens_total{direction="out",modality="text",model="mine"}' in metrics
    # The server has ended, and left nothing out.
    rows = usage(environment)
    assert [(row["key"], row["deployment"], row["sessions"]) for row in rows] == [
        ("anna", "mine", 1),
        (f"sha256:{KEYS['ben'][:12]}", "mine", 1),
    ]
    assert rows[0]["responses"] == answered + 1
    assert rows[0]["failed_responses"] == 1
    tokens = ("input_text_tokens", "input_audio_tokens", "output_text_tokens")
    assert sum(rows[0][each] for each in tokens) == told


def test_a_server_that_is_killed_has_written_what_was_used(serve, environment) -> None:
    with serve("") as server, server.session() as client:
        ask(client)
        while not any(row["responses"] for row in usage(environment)):
            assert server.process.poll() is None
        server.process.kill()
        server.process.wait()
    (row,) = usage(environment)
    assert (row["key"], row["sessions"], row["responses"]) == ("anna", 1, 1)


def usage(environment: dict[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [PROGRAM, "usage", "--json"], env=environment, capture_output=True, text=True, check=True
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_servers_that_count_on_one_redis_share_quotas_and_seats(serve, redis: str) -> None:
    limits = f"[limits]\nstorage = '{redis}'\ntokens = '100/hour'\nsessions = 2\n"
    with serve(limits) as ours, serve(limits) as theirs:
        with ours.session() as first, theirs.session() as second:
            assert ours.is_refused() is not None
            assert theirs.is_refused() is not None
            assert ours.is_refused("ben") is None
            statuses = []
            for client in (first, second) * 10:
                statuses.append(ask(client)[0]["status"])
                if statuses[-1] == "failed":
                    break
            assert statuses[-1] == "failed"
            # The other server knows it as well.
            other = second if client is first else first
            assert ask(other)[0]["status"] == "failed"
        deadline = time.monotonic() + 30
        while ours.is_refused() is not None:
            assert time.monotonic() < deadline


def test_a_storage_that_is_lost_stops_nobody(serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    limits = f"[limits]\nstorage = 'redis://127.0.0.1:{port}'\ntokens = '1000000/hour'\n"
    with serve(limits) as server, server.session() as client:
        for _ in range(3):
            assert ask(client)[0]["status"] == "completed"
