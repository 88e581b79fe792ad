"""The official JavaScript SDK, unmodified, which opens nothing but wss.

Shows Clients, unmodified: openai (JavaScript)
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from client_programs import json_lines, run
from conformance_server import Server
from wire import Event, silent, spoken, types

VOICE: dict[str, Any] = {
    "type": "realtime",
    "instructions": "You are a helpful assistant.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "transcription": {"model": "whisper-1"},
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
        },
        "output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}},
    },
}
FORMS = ["openai", "azure ga", "azure ga with api-key", "azure class", "browser subprotocols"]


def converse(
    server: Server, node_packages: Path, form: str, session: dict[str, Any], sound: bytes = b""
) -> list[Event]:
    environment = {
        "URL": server.tls_url,
        "KEY": server.key,
        "FORM": form,
        "SESSION": json.dumps(session),
        "NODE_EXTRA_CA_CERTS": str(server.authority),
    }
    stdin = base64.b64encode(sound).decode()
    return json_lines(run(["node", "openai.mjs"], environment, cwd=node_packages, stdin=stdin))


@pytest.mark.parametrize("form", FORMS)
def test_a_written_question_is_answered_aloud(
    server: Server, node_packages: Path, form: str
) -> None:
    events = converse(server, node_packages, form, VOICE)
    sizes = [e["bytes"] for e in events if e["type"] == "response.output_audio.delta"]
    assert sizes[:2] == [4800, 7200]
    done = next(e for e in events if e["type"] == "response.done")
    assert done["response"]["output"][0]["content"][0]["transcript"] == "You said: How are you?"


def test_a_written_question_is_answered_in_writing(server: Server, node_packages: Path) -> None:
    session = {"type": "realtime", "output_modalities": ["text"]}
    events = converse(server, node_packages, "openai", session)
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    assert text == "You said: How are you?"


def test_a_spoken_question_is_answered_aloud(server: Server, node_packages: Path) -> None:
    sound = spoken(1000) + silent(500)
    events = converse(server, node_packages, "openai", VOICE, sound)
    names = types(events)
    assert names.index("input_audio_buffer.speech_stopped") < names.index("response.created")
    assert "response.output_audio.delta" in names


@pytest.mark.parametrize("form", ["transcription", "azure transcription"])
def test_speech_is_transcribed_and_not_answered(
    server: Server, node_packages: Path, form: str
) -> None:
    session = {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}},
    }
    sound = silent(300) + spoken(1200) + silent(600)
    events = converse(server, node_packages, form, session, sound)
    assert events[0]["session"]["type"] == "transcription"
    completed = events[-1]
    assert completed["transcript"] == "What is the weather like?"
    assert not [kind for kind in types(events) if kind.startswith(("response.", "error"))]
