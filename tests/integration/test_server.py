"""What the server does at the wire's edge: limits, mistakes, rude clients, and its own end.

Shows Operation: `/ready`, `/metrics`, draining; slow and rude clients
"""

import asyncio
import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from antiphon.audio.pcm import to_pcm16
from antiphon.engines.responder import SpokenAudio, SpokenText
from antiphon.runtime.trace import replay
from antiphon.testing.engines import ScriptedResponder
from antiphon.testing.scripts import Hang
from antiphon.testing.speech import speech
from antiphon.transports.base import OutboxLimits

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
SOUND = bytes(4800)


def asking(text: str) -> list[dict[str, Any]]:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return [{"type": "conversation.item.create", "item": item}, {"type": "response.create"}]


async def test_an_append_of_16_mib_is_an_error_and_the_session_goes_on(serve, connect) -> None:
    async with serve() as server, connect(server) as client:
        await client.append(bytes(16 * MIB))
        error = await client.receive()
        assert error["type"] == "error"
        assert error["error"]["param"] == "audio"
        await client.append(SOUND)
        await client.send({"type": "input_audio_buffer.clear"})
        assert (await client.receive())["type"] == "input_audio_buffer.cleared"


async def test_a_frame_beyond_all_limits_closes_with_1009(serve, connect) -> None:
    async with serve() as server, connect(server) as client:
        with suppress(websockets.ConnectionClosed):
            await client.append(bytes(24 * MIB))
        assert (await client.closed()).rcvd.code == 1009
        await server.wait_for_end()


async def test_a_binary_frame_is_read_as_json(serve, connect) -> None:
    async with serve() as server, connect(server) as client:
        await client.socket.send(json.dumps({"type": "input_audio_buffer.clear"}).encode())
        assert (await client.receive())["type"] == "input_audio_buffer.cleared"


@pytest.mark.parametrize("frame", [b"\xff\xfe\x00", b"RIFF\x00\x00WAVE", b"", "", "[]", "nonsense"])
async def test_a_frame_that_is_no_event_gets_one_error(serve, connect, frame) -> None:
    async with serve() as server, connect(server) as client:
        await client.socket.send(frame)
        await client.send({"type": "input_audio_buffer.clear"})
        assert (await client.receive())["type"] == "error"
        assert (await client.receive())["type"] == "input_audio_buffer.cleared"


async def test_a_fragmented_event_is_one_event(serve, connect) -> None:
    async with serve() as server, connect(server) as client:
        await client.socket.send(['{"type":', '"input_audio_buffer', '.clear"}'])
        assert (await client.receive())["type"] == "input_audio_buffer.cleared"


async def test_a_client_that_does_not_read_is_cut_off(serve, connect) -> None:
    endless = ScriptedResponder(rule=lambda _: (SpokenAudio(bytes(48_000)) for _ in range(10_000)))
    limits = OutboxLimits(waiting_bytes=MIB, farewell_s=0.05)
    async with (
        serve(responder=endless, outbox=limits) as server,
        connect(server) as patient,
        connect(server, max_queue=1) as stuck,
    ):
        await stuck.send(*asking("Talk."))
        await server.wait_for_end()
        ended = server.measured("antiphon_session_seconds_count")
        assert ended == {'{end="too slow",model="gpt-realtime"}': 1}
        assert endless.runs.running == 0
        await patient.send({"type": "input_audio_buffer.clear"})
        assert (await patient.receive())["type"] == "input_audio_buffer.cleared"
        stuck.socket.transport.abort()


async def test_a_client_that_vanishes_in_mid_answer_stops_the_engines(serve, connect) -> None:
    stuck = ScriptedResponder(rule=lambda _: [SpokenText("One"), Hang()])
    async with serve(responder=stuck) as server, connect(server) as client:
        await client.send(*asking("Count."))
        await client.until("response.output_audio_transcript.delta")
        client.socket.transport.abort()
        await server.wait_for_end()
        assert (stuck.runs.stopped, stuck.runs.running) == (1, 0)
        assert len(server.sessions) == 0


async def test_a_half_closed_socket_ends_the_session(serve, connect) -> None:
    async with serve() as server, connect(server) as client:
        client.socket.transport.write_eof()
        await server.wait_for_end()
        assert len(server.sessions) == 0


async def test_one_session_too_many_is_told_when_to_come_back(serve, connect) -> None:
    async with serve(limit=1) as server, connect(server):
        refused = await upgrade(server.url)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert int(refused.headers["retry-after"]) > 0
    async with serve(limit=1) as server:
        async with connect(server):
            pass
        await server.wait_for_end()
        async with connect(server):
            pass


async def test_while_engines_load_sessions_wait_and_the_page_says_for_what(serve) -> None:
    async with serve(is_open=False) as server, httpx.AsyncClient(trust_env=False) as http:
        server.catalogue.begin(["language model llama", "synthesizer kokoro"])
        server.catalogue.finish("synthesizer kokoro")
        ready = await http.get(server.url + "/ready")
        assert (ready.status_code, ready.json()["loading"]) == (503, ["language model llama"])
        assert (await http.get(server.url + "/health")).status_code == 200
        refused = await upgrade(server.url)
        assert refused.status_code == 503
        assert "language model llama" in refused.json()["error"]["message"]
        server.catalogue.open({})
        assert (await http.get(server.url + "/ready")).status_code == 200


async def test_draining_lets_the_running_response_finish(serve, connect) -> None:
    go_on = asyncio.Event()
    answer = ScriptedResponder(
        rule=lambda _: [SpokenText("One"), go_on, SpokenText(" two"), SpokenAudio(SOUND, "One two")]
    )
    async with serve(responder=answer) as server, connect(server) as busy, connect(server) as idle:
        await busy.send(*asking("Count."))
        await busy.until("response.output_audio_transcript.delta")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.sessions.drain(60))
            assert (await idle.closed()).rcvd.code == 1001
            refused = await upgrade(server.url)
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                503,
                "server_shutting_down",
            )
            go_on.set()
            done = await busy.until("response.done")
            assert done["response"]["status"] == "completed"
            assert (await busy.closed()).rcvd.code == 1001


async def test_what_outlasts_the_drain_is_closed(serve, connect) -> None:
    stuck = ScriptedResponder(rule=lambda _: [SpokenText("One"), Hang()])
    async with serve(responder=stuck) as server, connect(server) as client:
        await client.send(*asking("Count."))
        await client.until("response.output_audio_transcript.delta")
        await server.sessions.drain(0)
        assert (await client.closed()).rcvd.code == 1001
        assert len(server.sessions) == 0


async def test_a_session_is_counted_in_the_metrics(serve, connect) -> None:
    async with serve() as server:
        async with connect(server) as client:
            assert server.measured("antiphon_sessions")['{model="gpt-realtime"}'] == 1
            await client.append(spoken_turn())
            await client.until("response.done")
            await client.send({"type": "response.cancel"})
            await client.until("error")
        await server.wait_for_end()
        async with httpx.AsyncClient(trust_env=False) as http:
            page = (await http.get(server.url + "/metrics")).text
        assert 'antiphon_turns_total{model="gpt-realtime"} 1.0' in page
        assert 'antiphon_responses_total{model="gpt-realtime",status="completed"} 1.0' in page
        assert 'antiphon_answer_seconds_count{model="gpt-realtime"} 1.0' in page
        assert 'antiphon_errors_total{code="response_cancel_not_active"} 1.0' in page
        assert 'antiphon_sessions{model="gpt-realtime"} 0.0' in page
        assert server.measured("antiphon_audio_base64_bytes_total")['{direction="in"}'] > 0


async def test_a_recorded_session_replays_to_the_same_outputs(
    serve, connect, tmp_path: Path
) -> None:
    async with serve(traces=tmp_path) as server:
        async with connect(server) as client:
            await client.append(spoken_turn())
            await client.until("response.done")
        await server.wait_for_end()
    (trace,) = tmp_path.iterdir()
    assert trace.stat().st_mode & 0o077 == 0
    assert list(replay(trace)) == []


async def test_a_session_whose_trace_cannot_be_written_goes_on_without(
    serve, connect, tmp_path: Path
) -> None:
    nowhere = tmp_path / "file"
    nowhere.touch()
    async with serve(traces=nowhere) as server:
        async with connect(server) as client:
            await client.ask("Are you there?")
            await client.until("response.done")
        await server.wait_for_end()
        ended = server.measured("antiphon_session_seconds_count")
        assert ended == {'{end="client",model="gpt-realtime"}': 1}


async def test_a_client_that_pings_and_does_not_read_is_dropped(serve) -> None:
    ping = b"\x89\xfd" + bytes(4) + b"p" * 125
    async with serve() as server, asyncio.timeout(60):
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(
            b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\napi-key: any\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        with suppress(ConnectionError):
            while True:
                writer.write(ping * 1000)
                await writer.drain()
        await server.wait_for_end()
        assert len(server.sessions) == 0


async def test_a_request_that_never_ends_its_head_is_bounded_in_size(serve) -> None:
    async with serve() as server:
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 100_000)
        head = await reader.read()
        assert head.startswith(b"HTTP/1.1 400")
        writer.close()


async def test_a_handshake_with_an_absurd_header_does_not_harm_the_server(serve, connect) -> None:
    async with serve() as server:
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nAuthorization: Bearer " + b"a" * 20_000 + b"\r\n\r\n"
        )
        assert (await reader.read()).startswith(b"HTTP/1.1 431")
        writer.close()
        async with connect(server):
            pass


def spoken_turn() -> bytes:
    return to_pcm16(speech(600)) + bytes(48_000)


async def upgrade(url: str, path: str = "/v1/realtime?model=gpt-realtime") -> httpx.Response:
    """Ask for an upgrade over plain HTTP, so that the body of the refusal can be read."""
    handshake = {
        "Authorization": "Bearer any",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url + path, headers=handshake)
