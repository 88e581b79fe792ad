"""agents-js over a WebSocket, unmodified.

Shows Clients, unmodified: agents-js
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from client_programs import json_lines, run
from conformance_server import Server
from mcp_server import serving
from wire import silent, spoken

pytestmark = pytest.mark.usefixtures("scripted")

SERVER_VAD: dict[str, Any] = {
    "audio": {"input": {"turnDetection": {"type": "server_vad", "interruptResponse": True}}}
}
DETECTIONS: dict[str, dict[str, Any]] = {"by default": {}, "server_vad": SERVER_VAD}


def converse(
    server: Server,
    node_packages: Path,
    scenario: str,
    config: dict[str, Any],
    sound: bytes = b"",
    mcp_url: str = "",
) -> dict[str, Any]:
    environment = {
        "URL": server.tls_url.replace("https", "wss", 1),
        "KEY": server.key,
        "SCENARIO": scenario,
        "CONFIG": json.dumps(config),
        "MCP_URL": mcp_url,
        "NODE_EXTRA_CA_CERTS": str(server.authority),
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }
    stdin = base64.b64encode(sound).decode()
    seen = json_lines(run(["node", "agents.mjs"], environment, cwd=node_packages, stdin=stdin))[-1]
    assert seen["errors"] == []
    return seen


def said(seen: dict[str, Any]) -> list[str]:
    """Return what the history holds, written or transcribed."""
    parts = [part for item in seen["history"] for part in item.get("content", ())]
    return [part.get("transcript") or part.get("text") or "" for part in parts]


@pytest.mark.parametrize("detection", DETECTIONS)
def test_a_written_question_is_answered_aloud(
    server: Server, node_packages: Path, detection: str
) -> None:
    seen = converse(server, node_packages, "written", DETECTIONS[detection])
    assert said(seen) == ["How are you?", "You said: How are you?"]
    assert seen["audioBytes"] > 24_000


def test_a_tool_is_called_and_its_result_told(server: Server, node_packages: Path) -> None:
    seen = converse(server, node_packages, "tool", {})
    assert seen["asked"] == ["example"]
    assert said(seen)[-1] == "The tool says: sunny"
    call = next(item for item in seen["history"] if item["type"] == "function_call")
    assert (call["status"], call["output"]) == ("completed", "sunny")


@pytest.mark.parametrize("detection", DETECTIONS)
def test_a_spoken_question_calls_a_tool_and_is_answered(
    server: Server, node_packages: Path, detection: str
) -> None:
    sound = silent(300) + spoken(1500) + silent(1500)
    seen = converse(server, node_packages, "spoken", DETECTIONS[detection], sound)
    assert seen["asked"] == ["example"]
    assert said(seen) == ["What is the weather like?", "The tool says: sunny"]


@pytest.mark.parametrize("detection", DETECTIONS)
def test_speaking_interrupts_the_reply(server: Server, node_packages: Path, detection: str) -> None:
    seen = converse(server, node_packages, "interrupted", DETECTIONS[detection], sound=spoken(1000))
    assert seen["interrupted"] == 1
    assert seen["status"] == "cancelled"


def test_a_hosted_mcp_tool_is_called_and_its_result_told(
    server: Server, node_packages: Path
) -> None:
    with serving() as tools:
        seen = converse(server, node_packages, "mcp", {}, mcp_url=tools.url)
        assert tools.called == ["get-weather example"]
        assert {each.get("authorization") for each in tools.headers} == {"Bearer agents-token"}
    assert seen["available"] == ["get-weather"]
    assert said(seen)[-1] == "The tool says: sunny in example"
    call = next(item for item in seen["history"] if item["type"] == "mcp_call")
    assert (call["status"], call["output"]) == ("completed", "sunny in example")
    assert seen["events"].count("response.created") == 2


@pytest.mark.parametrize(("scenario", "calls"), [("mcp_approved", 1), ("mcp_rejected", 0)])
def test_a_hosted_mcp_tool_waits_for_approval(
    server: Server, node_packages: Path, scenario: str, calls: int
) -> None:
    with serving() as tools:
        seen = converse(server, node_packages, scenario, {}, mcp_url=tools.url)
        assert len(tools.called) == calls
    assert seen["asked"] == ["get-weather"]
    expected = "sunny in example" if calls else "did not allow"
    assert expected in said(seen)[-1]
    assert seen["events"].count("response.created") == 2
