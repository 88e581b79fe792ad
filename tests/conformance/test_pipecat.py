"""pipecat, unmodified: any error event ends its conversation, so there must be none.

Shows Clients, unmodified: pipecat
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from client_programs import CLIENTS, json_lines, run
from conformance_server import Server
from wire import silent, spoken

pytestmark = pytest.mark.usefixtures("scripted")

TRANSCRIBED: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}


def converse(
    server: Server,
    pipecat_python: Path,
    scenario: str,
    session: dict[str, Any] | None = None,
    sound: bytes = b"",
) -> dict[str, Any]:
    environment = {
        "BASE_URL": server.websocket,
        "KEY": server.key,
        "SESSION": json.dumps(session or {}),
    }
    command: list[str | Path] = [pipecat_python, CLIENTS / "pipecat_conversation.py", scenario]
    stdin = base64.b64encode(sound).decode()
    seen = json_lines(run(command, environment, stdin=stdin))[-1]
    assert seen["errors"] == []
    return seen


def test_written_questions_are_answered_aloud(server: Server, pipecat_python: Path) -> None:
    seen = converse(server, pipecat_python, "written")
    assert seen["said"].startswith("You said: How are you?")
    assert seen["frames"]["TTSStoppedFrame"] == 2
    assert seen["audio_bytes"] > 24_000


def test_spoken_questions_are_heard_and_answered(server: Server, pipecat_python: Path) -> None:
    sound = silent(300) + spoken(1000) + silent(700)
    seen = converse(server, pipecat_python, "spoken", TRANSCRIBED, sound)
    assert seen["heard"] == ["What is the weather like?"] * 2
    assert seen["audio_bytes"] > 24_000


def test_a_tool_is_called_and_its_result_told(server: Server, pipecat_python: Path) -> None:
    seen = converse(server, pipecat_python, "tool")
    assert seen["said"] == 'The tool says: {"weather": "sunny"}'


def test_speaking_interrupts_the_reply(server: Server, pipecat_python: Path) -> None:
    sound = spoken(1000) + silent(700)
    seen = converse(server, pipecat_python, "interrupted", TRANSCRIBED, sound)
    assert seen["heard"] == ["What is the weather like?"]
    assert seen["frames"]["InterruptionFrame"] >= 1
