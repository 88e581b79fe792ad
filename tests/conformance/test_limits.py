"""What unmodified SDKs make of limits: they wait as long as they are told, and try again.

Shows Limits: SDKs that wait and try again by themselves
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from conformance_server import LIMITED_KEY, Server
from openai import AsyncOpenAI, OpenAI
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.usefixtures("scripted")


@pytest.fixture
def limited(server: Server) -> Iterator[OpenAI]:
    with OpenAI(
        api_key=LIMITED_KEY,
        base_url=f"{server.url}/v1",
        websocket_base_url=f"{server.websocket}/v1",
    ) as client:
        yield client


@pytest.mark.anyio
async def test_the_python_sdk_waits_for_its_next_request_by_itself(server: Server) -> None:
    seen: list[tuple[int, str | None]] = []

    async def see(response: httpx.Response) -> None:
        seen.append((response.status_code, response.headers.get("retry-after")))

    http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [see]})
    async with AsyncOpenAI(
        api_key=LIMITED_KEY, base_url=f"{server.url}/v1", http_client=http
    ) as client:
        for _ in range(6):
            assert (await client.models.list()).data
    statuses = [status for status, _ in seen]
    assert statuses.count(200) == 6
    assert (429, "1") in seen


def test_the_python_sdk_reads_a_429_as_a_rate_limit(server: Server) -> None:
    client = OpenAI(api_key=LIMITED_KEY, base_url=f"{server.url}/v1", max_retries=0)
    with client, pytest.raises(openai.RateLimitError) as refused:
        _list_models(client, 100)
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.type == "requests"


def test_a_socket_too_many_is_refused_with_the_time_to_wait(limited: OpenAI) -> None:
    _list_models(limited, 5)
    with limited.realtime.connect(model="gpt-realtime") as connection:
        assert connection.recv().type == "session.created"
        with (
            pytest.raises(InvalidStatus) as refused,
            limited.realtime.connect(model="gpt-realtime"),
        ):
            pass
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "5"
    error = json.loads(refused.value.response.body or b"")["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert "1 sessions" in error["message"]


def test_the_javascript_sdk_tries_again_until_there_is_a_seat(
    server: Server, limited: OpenAI, node_packages: Path
) -> None:
    environment = os.environ | {
        "URL": server.tls_url,
        "KEY": LIMITED_KEY,
        "NODE_EXTRA_CA_CERTS": str(server.authority),
    }
    _list_models(limited, 5)
    with limited.realtime.connect(model="gpt-realtime") as connection:
        assert connection.recv().type == "session.created"
        node = subprocess.Popen(
            ["node", "openai_limits.mjs"],
            cwd=node_packages,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert node.stdout is not None
        while (told := json.loads(node.stdout.readline()))["type"] != "reconnecting":
            assert told["type"] == "error"
    out, _ = node.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1]) == {"type": "session.created"}
    assert node.returncode == 0


def _list_models(client: OpenAI, times: int) -> None:
    """Ask so often that a patient client has to wait, and then has its requests again."""
    for _ in range(times):
        client.models.list()
