"""The example programs, run as a reader of the documentation runs them.

Shows Clients, unmodified: Java's `WebSocket`; the quickstarts
"""

import re
import shutil
import sys
import wave
from pathlib import Path

import pytest
from client_programs import ROOT, run, run_python
from conformance_server import Server
from mcp_server import serving
from wire import silent, spoken

EXAMPLES = ROOT / "examples"
QUICKSTART = EXAMPLES / "quickstart"


def recording(directory: Path) -> Path:
    file = directory / "input.pcm"
    file.write_bytes(silent(300) + spoken(1200) + silent(800))
    return file


def program(directory: Path, node_packages: Path, language: str) -> Path:
    """Copy a program to where its packages are installed."""
    copy = directory / language
    shutil.copytree(QUICKSTART / language, copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(node_packages / "node_modules")
    return copy


def sizes(printed: str) -> list[int]:
    return [int(size) for size in re.findall(r"(\d+) bytes", printed)]


def assert_assisted(printed: str) -> None:
    words = re.findall(r"Transcript delta: (.*)\n", printed)
    assert "".join(words) == "You said: Please assist the user."
    assert "The final response is: You said: Please assist the user." in printed
    assert sizes(printed)[:3] == [4800, 7200, 12000]


def test_the_python_quickstart_answers_several_questions(server: Server) -> None:
    printed = run_python(
        QUICKSTART / "python" / "text-in-audio-out.py",
        server.azure,
        stdin="How are you?\nAnd how is the weather today?\nq\n",
    )
    first, second, end = printed.split("Enter a message: ")[1:]
    assert "Session ID: sess_" in first
    for answer, question in ((first, "How are you?"), (second, "And how is the weather today?")):
        words = re.findall(r"Received text delta: (.*)\n", answer)
        assert "".join(words) == f"You said: {question}"
        assert sizes(answer)[:2] == [4800, 7200]
    assert "Stopping the conversation." in end
    assert "error" not in printed


def test_the_python_quickstart_answers_a_recording(server: Server, tmp_path: Path) -> None:
    recording(tmp_path)
    script = QUICKSTART / "python" / "audio-in-audio-out.py"
    printed = run_python(script, server.azure, cwd=tmp_path)
    assert "You said: What is the weather like?" in printed
    answer = (tmp_path / "output.pcm").read_bytes()
    assert len(answer) == sizes(printed)[-1] > 24_000


def test_the_javascript_quickstart_is_answered(
    server: Server, node_packages: Path, tmp_path: Path
) -> None:
    copy = program(tmp_path, node_packages, "javascript")
    assert_assisted(run(["node", "index.js"], server.azure, cwd=copy))


def test_the_typescript_quickstart_compiles_and_is_answered(
    server: Server, node_packages: Path, tmp_path: Path
) -> None:
    copy = program(tmp_path, node_packages, "typescript")
    run(["node", "node_modules/typescript/bin/tsc"], {}, cwd=copy, timeout_s=120)
    assert_assisted(run(["node", "index.js"], server.azure, cwd=copy))


def test_the_java_client_hears_and_is_answered(server: Server, java: str, tmp_path: Path) -> None:
    command: list[str | Path] = [java, EXAMPLES / "java" / "RawClient.java", recording(tmp_path)]
    printed = run(command, server.azure)
    assert "You said: What is the weather like?" in printed
    assert "The answer: You said: What is the weather like?" in printed


def assert_resumed(printed: str, whole: str) -> None:
    assert "The connection was lost" in printed
    missed, answer = re.search(r"\[Back\. (\d+) events.*?\]\n(.*)", printed, re.DOTALL).groups()
    assert int(missed) > 0
    before = printed.split("\n[The connection", maxsplit=1)[0]
    story = before + answer.split("\nThe answer is")[0]
    assert (story, printed.splitlines()[-1]) == (
        whole.split("\nThe answer is", maxsplit=1)[0],
        whole.splitlines()[-1],
    )


@pytest.mark.usefixtures("scripted")
def test_the_python_client_that_reconnects_hears_the_whole_answer(server: Server) -> None:
    script = EXAMPLES / "resume" / "python" / "reconnecting.py"
    whole = run_python(script, server.azure)
    assert "You said: Tell me a story about a lighthouse.\nThe answer is completed" in whole
    cut = run([sys.executable, script, "--cut"], server.azure)
    assert_resumed(cut, whole)


@pytest.mark.usefixtures("scripted")
def test_the_javascript_client_that_reconnects_hears_the_whole_answer(
    server: Server, node_packages: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "resume"
    shutil.copytree(EXAMPLES / "resume" / "javascript", copy)
    (copy / "node_modules").symlink_to(node_packages / "node_modules")
    whole = run(["node", "index.js"], server.azure, cwd=copy)
    assert_resumed(run(["node", "index.js", "--cut"], server.azure, cwd=copy), whole)


@pytest.mark.usefixtures("scripted")
def test_the_agent_tells_the_weather(server: Server) -> None:
    printed = run_python(
        EXAMPLES / "agents" / "weather.py",
        server.azure | {"OPENAI_AGENTS_DISABLE_TRACING": "1"},
        stdin="What is the weather in Paris?\nq\n",
    )
    assert "looked up the weather of" in printed
    assert "Assistant: The tool says: " in printed


def test_the_translation_example_writes_what_it_hears_and_speaks(
    server: Server, tmp_path: Path
) -> None:
    with wave.open(str(tmp_path / "talk.wav"), "wb") as talk:
        talk.setnchannels(1)
        talk.setsampwidth(2)
        talk.setframerate(24_000)
        talk.writeframes(silent(300) + spoken(1200) + silent(300))
    printed = run_python(
        EXAMPLES / "translate" / "translate.py",
        {"ANTIPHON_URL": f"{server.websocket}/v1", "ANTIPHON_KEY": server.key},
        "talk.wav",
        "es",
        "translated.wav",
        cwd=tmp_path,
    )
    assert "Heard: What is the weather like?" in printed
    assert "Buenos días a todos." in printed
    with wave.open(str(tmp_path / "translated.wav")) as translated:
        assert translated.getnframes() > 12_000


@pytest.mark.usefixtures("scripted")
def test_mcp_calls_are_approved_by_hand(server: Server) -> None:
    with serving() as tools:
        printed = run_python(
            EXAMPLES / "mcp" / "approve.py",
            {"ANTIPHON_URL": f"{server.websocket}/v1", "ANTIPHON_KEY": server.key},
            tools.url,
            "What is the weather?",
            stdin="yes\n" + "no\n" * 5,
        )
        assert tools.called == ["get-weather example"]
    assert 'Call get-weather({"city": "example"})? [y/n]' in printed
    assert "The tool says:" in printed
