import asyncio
from typing import Any

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from antiphon.core.inputs import ClientMistake
from antiphon.protocol.client_events import InputAudioBufferClear
from antiphon.protocol.dialects.ga import Ga
from antiphon.protocol.server_events import InputAudioBufferCleared
from antiphon.runtime.connection import ConnectionLost
from antiphon.transports.base import DEFAULT_LIMITS, OutboxLimits
from antiphon.transports.websocket import ABORT_EXTENSION, WebSocketConnection

pytestmark = pytest.mark.anyio

EVENT = InputAudioBufferCleared(event_id="event_1")
GONE: Message = {"type": "websocket.disconnect", "code": 1006}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Peer:
    """The other side of a socket: what it sends, what it was sent, and whether it reads."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.aborted = False
        self.incoming.put_nowait({"type": "websocket.connect"})

    def abort(self) -> None:
        self.aborted = True
        self.reads.set()

    async def take(self, message: Message) -> None:
        await self.reads.wait()
        if self.aborted:
            raise OSError
        self.sent.append(message)

    def say(self, **message: Any) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", **message})

    async def accept(self, limits: OutboxLimits = DEFAULT_LIMITS) -> WebSocketConnection:
        scope = {
            "type": "websocket",
            "path": "/",
            "headers": [],
            "query_string": b"",
            "extensions": {ABORT_EXTENSION: self.abort},
        }
        socket = WebSocket(scope, self.incoming.get, self.take)
        await socket.accept()
        return WebSocketConnection(socket, Ga(), limits)


@pytest.fixture
def peer() -> Peer:
    return Peer()


async def test_text_and_binary_frames_are_events(peer: Peer) -> None:
    connection = await peer.accept()
    peer.say(text='{"type":"input_audio_buffer.clear"}')
    peer.say(bytes=b'{"type":"input_audio_buffer.clear"}')
    for _ in range(2):
        assert isinstance(await connection.receive(), InputAudioBufferClear)


@pytest.mark.parametrize("frame", [{"text": "no json"}, {"bytes": b"\xff"}, {"text": "[]"}])
async def test_a_frame_that_is_no_event_is_a_mistake_with_a_cure(peer: Peer, frame) -> None:
    connection = await peer.accept()
    peer.say(**frame)
    mistake = await connection.receive()
    assert isinstance(mistake, ClientMistake)
    assert "Send" in mistake.message


async def test_events_are_written_and_the_close_comes_last(peer: Peer) -> None:
    connection = await peer.accept()
    connection.send([EVENT, EVENT])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.write())
        await connection.close(1001, "going")
    kinds = [each["type"] for each in peer.sent]
    assert kinds == ["websocket.accept", "websocket.send", "websocket.send", "websocket.close"]
    assert peer.sent[-1]["code"] == 1001
    assert connection.ending == "server"


async def test_the_first_close_counts_and_nothing_can_be_sent_after_it(peer: Peer) -> None:
    connection = await peer.accept()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.write())
        await connection.close(4000, "first")
        await connection.close(1000, "")
    assert [each["code"] for each in peer.sent if each["type"] == "websocket.close"] == [4000]
    assert await connection.receive() is None
    with pytest.raises(ConnectionLost):
        connection.send([EVENT])


async def test_a_long_reason_is_cut_between_characters(peer: Peer) -> None:
    connection = await peer.accept()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.write())
        await connection.close(1000, "é" * 100)
    assert peer.sent[-1]["reason"] == "é" * 61


async def test_a_client_that_leaves_is_not_written_to(peer: Peer) -> None:
    connection = await peer.accept()
    peer.incoming.put_nowait(GONE)
    assert await connection.receive() is None
    assert await connection.receive() is None
    with pytest.raises(ConnectionLost):
        connection.send([EVENT])
    await connection.write()
    assert [each["type"] for each in peer.sent] == ["websocket.accept"]
    assert connection.ending == "client"


async def test_a_stuck_client_is_told_and_then_dropped(peer: Peer) -> None:
    connection = await peer.accept(OutboxLimits(waiting_frames=1, farewell_s=0.05))
    peer.reads.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.write())
        with pytest.raises(ConnectionLost):
            connection.send([EVENT] * 3)
        await connection.close(1000, "")
    assert peer.aborted
    assert connection.ending == "too slow"


async def test_a_stuck_client_that_reads_again_learns_why_it_was_cut(peer: Peer) -> None:
    connection = await peer.accept(OutboxLimits(waiting_frames=1))
    with pytest.raises(ConnectionLost):
        connection.send([EVENT] * 3)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.write())
        await connection.close(1000, "")
    assert peer.sent[-1]["code"] == 1008
    assert "too slowly" in peer.sent[-1]["reason"]
    assert not peer.aborted
