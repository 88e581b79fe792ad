"""`antiphon talk` as a program, against a server with scripted engines.

Shows Operation: a conversation from the terminal
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.audio.pcm import to_pcm16
from antiphon.cli.conversation import Conversation, Wishes
from antiphon.cli.devices import Playback
from antiphon.cli.realtime_client import RealtimeClient
from antiphon.cli.recordings import read_wav, write_wav
from antiphon.core.resumption import ResumptionTerms
from antiphon.engines.responder import ResponseRequest, SpokenAudio, SpokenText
from antiphon.runtime.parking import Parking
from antiphon.testing.engines import ScriptedResponder
from antiphon.testing.scripts import Hang
from antiphon.testing.speech import speech

pytestmark = pytest.mark.anyio

PROGRAM = Path(sys.executable).with_name("antiphon")
SECOND = 48_000


async def talk(home: Path, *arguments: str, said: bytes = b"") -> tuple[int, str, str]:
    """Run the program and return its exit status, its result and its words."""
    environment = os.environ | {"XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home)}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "talk", *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(said)
    return process.returncode or 0, out.decode(), err.decode()


def recording(path: Path, *sounds: bytes) -> str:
    write_wav(path, b"".join(sounds))
    return str(path)


async def test_a_recording_is_spoken_and_the_reply_is_kept(serve, tmp_path: Path) -> None:
    question = recording(tmp_path / "q.wav", to_pcm16(speech(500)))
    answer = tmp_path / "reply.wav"
    async with serve() as server:
        status, out, err = await talk(tmp_path, question, "--out", str(answer), "--url", server.url)
    assert (status, err) == (0, f"The replies are in {answer}.\n")
    first, second, facts = out.splitlines()
    assert first == "you: Hello there."
    assert second == "antiphon: You said: Hello there."
    assert "completed" in facts
    assert "answered after" in facts
    assert len(read_wav(answer)) > SECOND // 4


async def test_a_lost_connection_costs_a_talk_nothing(serve, tmp_path: Path) -> None:
    half_said, cut = asyncio.Event(), asyncio.Event()

    def count(_: ResponseRequest) -> Iterator[Any]:
        yield from (SpokenText("One "), SpokenAudio(bytes(SECOND), "One "))
        half_said.set()
        yield from (cut, SpokenText("two."), SpokenAudio(bytes(SECOND), "two."))

    answer = ScriptedResponder(rule=count)
    async with (
        serve(responder=answer, parking=Parking(ResumptionTerms())) as server,
        asyncio.TaskGroup() as tasks,
    ):
        talking = tasks.create_task(talk(tmp_path, "--text", "Count.", "--url", server.url))
        async with asyncio.timeout(30):
            await half_said.wait()
        server.cut()
        cut.set()
        await talking
    status, out, _ = talking.result()
    assert status == 0
    assert "antiphon: One two." in out
    assert "2.0 s of speech" in out


async def test_where_nothing_can_be_resumed_a_talk_goes_on_without(serve, tmp_path: Path) -> None:
    async with serve() as server:
        status, out, _ = await talk(tmp_path, "--text", "Hi.", "--url", server.url)
    assert status == 0
    assert "antiphon: You said: Hi." in out


async def test_turns_follow_each_other_in_one_session(serve, tmp_path: Path) -> None:
    question = recording(tmp_path / "q.wav", to_pcm16(speech(400)))
    async with serve() as server:
        status, out, _ = await talk(
            tmp_path, question, "--text", "And now?", "--json", "--url", server.url
        )
        assert len(server.responder.requests[-1].context) == 3
    assert status == 0
    turns = [json.loads(line) for line in out.splitlines()]
    assert [each["said"] for each in turns] == ["Hello there.", "And now?"]
    assert [each["turn"] for each in turns] == [1, 2]
    assert all(each["status"] == "completed" for each in turns)
    assert all(each["latency_ms"] >= 0 for each in turns)


async def test_lines_of_standard_input_are_turns(serve, tmp_path: Path) -> None:
    async with serve() as server:
        status, out, _ = await talk(
            tmp_path, "--text", "-", "--url", server.url, said=b"One\n\nTwo\n"
        )
    assert status == 0
    assert [line for line in out.splitlines() if line.startswith("antiphon")] == [
        "antiphon: You said: One",
        "antiphon: You said: Two",
    ]


async def test_what_the_session_should_be_is_told_to_the_server(serve, tmp_path: Path) -> None:
    async with serve() as server:
        options = ("--voice", "ash", "--instructions", "Be brief.", "--url", server.url)
        status, _, _ = await talk(tmp_path, "--text", "Hello", *options)
        (request,) = server.responder.requests
    assert (status, request.voice, request.instructions) == (0, "ash", "Be brief.")


async def test_silence_is_not_heard_and_says_so(serve, connect) -> None:
    written: list[str] = []
    async with serve() as server, connect(server) as client:
        conversation = Conversation(RealtimeClient(client.socket), written.append, None, 0.2)
        await client.send({"type": "session.update", "session": {"type": "realtime"}})
        assert await conversation.begin(Wishes()) == ""
        outcome, sound = await conversation.speak(bytes(4800))
    assert (outcome.status, outcome.latency_ms, sound) == ("not heard", None, b"")
    assert written == ["The server heard no end of speech in the recording.\n"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--model", "gpt-9"), "GET /v1/models"),
        (("--voice", "nobody"), "Supported values are: 'alloy'"),
        (("--url", "http://127.0.0.1:9"), "antiphon serve"),
    ],
)
async def test_a_refusal_is_told_in_the_servers_words(serve, tmp_path: Path, options, word) -> None:
    async with serve() as server:
        url = () if "--url" in options else ("--url", server.url)
        status, out, err = await talk(tmp_path, "--text", "Hello", *options, *url)
    assert (status, out) == (2, "")
    assert word in err


class Speaker:
    """A microphone that says prepared sounds, each when its moment has come."""

    def __init__(self, *script: bytes | asyncio.Event) -> None:
        self._script = script

    async def chunks(self):
        for step in self._script:
            if isinstance(step, asyncio.Event):
                await step.wait()
                continue
            for start in range(0, len(step), 4800):
                yield step[start : start + 4800].ljust(4800, b"\0")
        await asyncio.Event().wait()


async def test_speaking_over_the_reply_silences_it_and_tells_what_was_heard(serve, connect) -> None:
    replies = iter(
        [
            [SpokenText("A long story"), SpokenAudio(bytes(4 * SECOND), "A long story"), Hang()],
            [SpokenText("Sorry."), SpokenAudio(bytes(4800), "Sorry.")],
        ]
    )
    responder = ScriptedResponder(rule=lambda _: next(replies))
    story_begins, outcomes, written = asyncio.Event(), [], []

    class Loudspeaker(Playback):
        def play(self, item: str, pcm: bytes) -> None:
            super().play(item, pcm)
            self.fill(480 * 48)
            story_begins.set()

    turn = to_pcm16(speech(500)) + bytes(SECOND)
    async with serve(responder=responder) as server, connect(server) as client:
        conversation = Conversation(RealtimeClient(client.socket), written.append, Loudspeaker())
        await client.send({"type": "session.update", "session": {"type": "realtime"}})
        assert await conversation.begin(Wishes()) == ""
        await conversation.listen(Speaker(turn, story_begins, turn), 1, outcomes.append)
        (outcome,) = outcomes
        assert (outcome.reply, outcome.status) == ("Sorry.", "completed")
        assert "antiphon: A long story …\n" in "".join(written)
        said = [each.text for each in responder.requests[1].context if hasattr(each, "text")]
        assert said[1] != "A long story"
