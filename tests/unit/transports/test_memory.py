"""The connection in memory keeps the rules of every transport."""

import asyncio
import json

import pytest

from antiphon.core.inputs import ClientMistake
from antiphon.protocol.client_events import InputAudioBufferCommit
from antiphon.protocol.dialects.ga import Ga
from antiphon.protocol.server_events import InputAudioBufferCleared
from antiphon.runtime.connection import ConnectionLost
from antiphon.transports.base import OutboxLimits
from antiphon.transports.memory import MemoryConnection

COMMIT = '{"type":"input_audio_buffer.commit"}'


def cleared(name: str) -> InputAudioBufferCleared:
    return InputAudioBufferCleared(event_id=name)


def test_what_a_client_says_is_understood_or_a_mistake() -> None:
    async def scenario() -> None:
        connection = MemoryConnection(Ga())
        await connection.say(COMMIT)
        await connection.say(b"{")
        await connection.leave()
        assert await connection.receive() == InputAudioBufferCommit()
        assert isinstance(await connection.receive(), ClientMistake)
        assert await connection.receive() is None

    asyncio.run(scenario())


def test_what_a_session_sends_is_heard_in_order_to_the_end() -> None:
    async def scenario() -> None:
        connection = MemoryConnection(Ga())
        connection.send([cleared("a"), cleared("b")])
        await connection.close(1001, "Bye.")
        await connection.close(1000, "Too late.")
        frames = [await connection.hear() for _ in range(3)]
        assert [frame and json.loads(frame)["event_id"] for frame in frames] == ["a", "b", None]
        assert connection.closed == (1001, "Bye.")
        await connection.leave()

    asyncio.run(scenario())


def test_a_client_that_does_not_read_is_lost() -> None:
    async def scenario() -> None:
        connection = MemoryConnection(Ga(), OutboxLimits(waiting_frames=1))
        connection.send([cleared("a")])
        with pytest.raises(ConnectionLost):
            connection.send([cleared("b")])
        assert await connection.hear() is None

    asyncio.run(scenario())


def test_a_client_that_has_left_is_lost() -> None:
    async def scenario() -> None:
        connection = MemoryConnection(Ga())
        await connection.leave()
        with pytest.raises(ConnectionLost):
            connection.send([cleared("a")])
        await connection.close(1000, "")
        assert connection.closed is None

    asyncio.run(scenario())


def test_a_client_that_says_too_much_waits() -> None:
    async def scenario() -> None:
        connection = MemoryConnection(Ga())
        said = 0

        async def talk() -> None:
            nonlocal said
            while True:
                await connection.say(COMMIT)
                said += 1

        talking = asyncio.ensure_future(talk())
        for _ in range(200):
            await asyncio.sleep(0)
        assert said == 64
        await connection.receive()
        for _ in range(5):
            await asyncio.sleep(0)
        assert said == 65
        talking.cancel()

    asyncio.run(scenario())
