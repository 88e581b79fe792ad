"""Lost connections and sessions that go on, over real sockets.

Shows Session length: coming back after a lost connection, and after the end (where asked for)
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from talk import pairs

from antiphon.core.resumption import ResumptionTerms
from antiphon.engines.responder import SpokenAudio, SpokenText
from antiphon.runtime.parking import Parking
from antiphon.runtime.resumable_connection import ResumableConnection
from antiphon.runtime.trace import replay
from antiphon.testing.engines import ScriptedResponder

pytestmark = pytest.mark.anyio

Event = dict[str, Any]
PATIENCE_S = 30
SOUND = bytes(24_000)
OPENS = "/v1/realtime?model=gpt-realtime&antiphon_resume=1"


class Visitor:
    """A client that keeps what it hears, over all of its connections."""

    def __init__(self, url: str, key: str = "any") -> None:
        self.url = url
        self.key = key
        self.events: list[Event] = []
        self.token = ""
        self._socket: websockets.ClientConnection | None = None

    @property
    def socket(self) -> websockets.ClientConnection:
        assert self._socket is not None
        return self._socket

    async def connect(self, path: str = OPENS) -> None:
        self._socket = await websockets.connect(
            self.url + path,
            additional_headers={"Authorization": f"Bearer {self.key}"},
            max_size=None,
            proxy=None,
        )

    async def come_back(self, *, after: str | None = None) -> Event:
        """Connect with the token; return the first event."""
        marker = "" if after is None else f"&antiphon_after={after}"
        await self.connect(f"/v1/realtime?antiphon_resume={self.token}{marker}")
        return await self.receive()

    async def receive(self) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            event: Event = json.loads(await self.socket.recv())
        self.events.append(event)
        self.token = event.get("token", self.token)
        return event

    async def until(self, kind: str) -> Event:
        while (event := await self.receive())["type"] != kind:
            pass
        return event

    async def send(self, *events: Event) -> None:
        for event in events:
            await self.socket.send(json.dumps(event))

    async def ask(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send({"type": "conversation.item.create", "item": item})
        await self.send({"type": "response.create"})

    def vanish(self) -> None:
        """Cut the TCP connection without a word."""
        self.socket.transport.abort()

    async def closed(self) -> websockets.ConnectionClosed:
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    await self.receive()
            except websockets.ConnectionClosed as closed:
                return closed

    async def refused(self, path: str | None = None) -> Event:
        """Connect in vain; return the error."""
        await self.connect(path or f"/v1/realtime?antiphon_resume={self.token}")
        error: Event = (await self.receive())["error"]
        closed = await self.closed()
        assert closed.rcvd is not None
        assert closed.rcvd.code == 4000
        return error

    @property
    def protocol(self) -> list[Event]:
        """What was heard of the API itself."""
        return [each for each in self.events if not each["type"].startswith("antiphon.")]


@asynccontextmanager
async def visiting(server: Any, **changes: Any) -> AsyncIterator[Visitor]:
    """Open a session that can be resumed."""
    visitor = Visitor(server.websocket, **changes)
    await visitor.connect()
    assert (await visitor.receive())["type"] == "session.created"
    assert (await visitor.receive())["type"] == "antiphon.session.resumable"
    yield visitor
    await visitor.socket.close()


class WatchedParking(Parking):
    """Says when a session waits for its client."""

    def __init__(self, terms: ResumptionTerms, limit: int) -> None:
        super().__init__(terms, limit)
        self.is_used = asyncio.Event()

    def park(self, connection: ResumableConnection) -> None:
        super().park(connection)
        self.is_used.set()

    def welcome(self, connection: ResumableConnection) -> None:
        super().welcome(connection)
        self._look()

    def forget(self, connection: ResumableConnection) -> None:
        super().forget(connection)
        self._look()

    def _look(self) -> None:
        if not len(self):
            self.is_used.clear()


def parking(wait_s: int = 60, limit: int = 32) -> WatchedParking:
    return WatchedParking(ResumptionTerms(wait_s=wait_s), limit)


def counting(*gates: asyncio.Event) -> ScriptedResponder:
    """Counts aloud, and waits at each gate."""
    numbers = ["One ", "two ", "three ", "four "]
    script: list[Any] = []
    for index, number in enumerate(numbers):
        script += [SpokenText(number), SpokenAudio(SOUND, number), *gates[index : index + 1]]
    return ScriptedResponder(rule=lambda _: list(script))


async def lost(server: Any) -> None:
    """Wait until the server has noticed that a client is lost."""
    async with asyncio.timeout(PATIENCE_S):
        await server.parking.is_used.wait()


async def test_an_answer_survives_the_loss_of_its_connection(serve) -> None:
    first, second = asyncio.Event(), asyncio.Event()
    answer = counting(first, second)
    async with serve(responder=answer, parking=parking()) as server, visiting(server) as visitor:
        await visitor.ask("Count.")
        heard = await visitor.until("response.output_audio.delta")
        visitor.vanish()
        await lost(server)
        first.set()
        resumed = await visitor.come_back(after=heard["event_id"])
        assert resumed["type"] == "antiphon.session.resumed"
        assert resumed["session"] == visitor.events[0]["session"]
        assert (len(resumed["item_ids"]), resumed["events_lost"]) == (2, False)
        second.set()
        done = await visitor.until("response.done")
        assert done["response"]["status"] == "completed"
        content = done["response"]["output"][0]["content"][0]
        assert content["transcript"].split() == ["One", "two", "three", "four"]
        await visitor.until("rate_limits.updated")
        assert not list(pairs(visitor.protocol))
        ids = [each["event_id"] for each in visitor.events]
        assert len(ids) == len(set(ids))
        await visitor.ask("Again.")
        await visitor.until("response.done")


async def test_a_session_on_two_connections_is_one_in_the_metrics_and_in_its_trace(
    serve, tmp_path: Path
) -> None:
    async with serve(parking=parking(), traces=tmp_path) as server:
        async with visiting(server) as visitor:
            visitor.vanish()
            await lost(server)
            assert server.measured("antiphon_sessions{") == {'model="gpt-realtime"}': 1}
            assert server.measured("antiphon_parked_sessions") == {"": 1}
            await visitor.come_back()
            assert server.measured("antiphon_parked_sessions") == {"": 0}
            await visitor.ask("Hello?")
            await visitor.until("response.done")
        await server.wait_for_end()
        await server.wait_for_end()
        assert len(server.sessions) == 0
        assert server.measured("antiphon_sessions_resumed_total") == {"": 1}
    (trace,) = tmp_path.iterdir()
    assert list(replay(trace)) == []
    assert "antiphon.session.resumed" in trace.read_text(encoding="utf-8")
    assert "resume_" not in trace.read_text(encoding="utf-8")


async def test_what_is_told_again_is_counted_once(serve) -> None:
    async with serve(parking=parking()) as server, visiting(server) as visitor:
        first = visitor.events[1]["event_id"]
        await visitor.ask("Hello?")
        await visitor.until("rate_limits.updated")
        told = len(visitor.events) - 2
        spoken = server.measured("antiphon_audio_base64_bytes_total")
        for _ in range(2):
            assert (await visitor.come_back(after=first))["redelivered"] == told
            first = (await visitor.receive())["event_id"]
            await visitor.until("rate_limits.updated")
        assert server.measured("antiphon_audio_base64_bytes_total") == spoken
        (done,) = server.measured("antiphon_responses_total").values()
        assert done == 1
        await visitor.ask("Still there?")
        await visitor.until("response.done")
        (done,) = server.measured("antiphon_responses_total").values()
        assert done == 2


async def test_a_client_takes_its_session_over_from_a_connection_that_still_stands(serve) -> None:
    async with serve(parking=parking()) as server, visiting(server) as visitor:
        old = visitor.socket
        resumed = await visitor.come_back(after=visitor.events[-1]["event_id"])
        assert resumed["redelivered"] == 0
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await old.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4001
        await visitor.ask("Hello?")
        await visitor.until("response.done")
        assert len(server.sessions) == 1


async def test_a_token_works_once(serve) -> None:
    async with serve(parking=parking()) as server, visiting(server) as visitor:
        used = visitor.token
        await visitor.come_back()
        await visitor.until("antiphon.session.resumable")
        assert visitor.token != used
        thief = Visitor(server.websocket)
        thief.token = used
        error = await thief.refused()
        assert error["code"] == "session_not_resumable"
        await visitor.ask("Are you still there?")
        await visitor.until("response.done")


async def test_a_stolen_token_opens_nothing_and_stays_good_for_its_owner(serve) -> None:
    async with (
        serve(parking=parking(), keys=["mine", "yours"]) as server,
        visiting(server, key="mine") as visitor,
    ):
        visitor.vanish()
        await lost(server)
        thief = Visitor(server.websocket, "yours")
        thief.token = visitor.token
        stolen = await thief.refused()
        thief.token = "resume_" + "x" * 43
        invented = await thief.refused()
        assert stolen == invented
        assert (await visitor.come_back())["type"] == "antiphon.session.resumed"


async def test_a_session_of_another_model_is_not_given_out(serve) -> None:
    async with serve(parking=parking()) as server, visiting(server) as visitor:
        path = f"/v1/realtime?model=second&antiphon_resume={visitor.token}"
        other = Visitor(server.websocket)
        assert (await other.refused(path))["code"] == "session_not_resumable"


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("antiphon_resume=yes", "invalid_value", "antiphon_resume"),
        ("antiphon_resume=resume_" + "x" * 200, "invalid_value", "antiphon_resume"),
        ("antiphon_resume=resume_x", "session_not_resumable", "antiphon_resume"),
        ("antiphon_resume=resume_x&antiphon_after=" + "e" * 600, "invalid_value", "antiphon_after"),
    ],
)
async def test_what_is_no_token_is_refused_in_words(serve, query, code, param) -> None:
    async with serve(parking=parking()) as server:
        error = await Visitor(server.websocket).refused(f"/v1/realtime?model=gpt-realtime&{query}")
        assert (error["code"], error["param"]) == (code, param)


async def test_where_nothing_can_be_resumed_asking_for_it_is_refused(serve) -> None:
    async with serve() as server:
        for wish in ("1", "resume_" + "x" * 43):
            visitor = Visitor(server.websocket)
            error = await visitor.refused(f"/v1/realtime?model=gpt-realtime&antiphon_resume={wish}")
            assert error["code"] == "resumption_not_available"


async def test_a_session_that_nobody_comes_back_to_ends(serve) -> None:
    async with serve(parking=parking(wait_s=0)) as server, visiting(server) as visitor:
        visitor.vanish()
        await server.wait_for_end()
        assert len(server.sessions) == 0
        ended = server.measured("antiphon_session_seconds_count")
        assert ended == {'{end="lost",model="gpt-realtime"}': 1}
        assert (await visitor.refused())["code"] == "session_not_resumable"


async def test_a_client_that_says_goodbye_leaves_no_session_behind(serve) -> None:
    async with serve(parking=parking()) as server, visiting(server) as visitor:
        await visitor.socket.close()
        await server.wait_for_end()
        assert len(server.sessions) == 0
        ended = server.measured("antiphon_session_seconds_count")
        assert ended == {'{end="client",model="gpt-realtime"}': 1}


async def test_the_session_that_waits_longest_makes_room(serve) -> None:
    async with (
        serve(parking=parking(limit=1)) as server,
        visiting(server) as oldest,
        visiting(server) as newest,
    ):
        oldest.vanish()
        await lost(server)
        newest.vanish()
        await server.wait_for_end()
        assert len(server.sessions) == 1
        assert (await oldest.refused())["code"] == "session_not_resumable"
        assert (await newest.come_back())["type"] == "antiphon.session.resumed"


async def test_a_draining_server_keeps_no_session_waiting(serve) -> None:
    async with serve(parking=parking()) as server, visiting(server) as visitor:
        visitor.vanish()
        await lost(server)
        await server.sessions.drain(PATIENCE_S)
        assert len(server.sessions) == 0


async def test_what_outlasts_the_drain_is_closed_on_the_second_connection_too(serve) -> None:
    forever = asyncio.Event()
    async with (
        serve(responder=counting(forever), parking=parking()) as server,
        visiting(server) as visitor,
    ):
        await visitor.come_back()
        await visitor.ask("Count.")
        await visitor.until("response.output_audio.delta")
        await server.sessions.drain(0)
        closed = await visitor.closed()
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1001


async def test_a_session_that_has_expired_goes_on_with_its_conversation(serve) -> None:
    async with serve(parking=parking(), max_session_s=2) as server, visiting(server) as visitor:
        await visitor.ask("My name is Anna.")
        await visitor.until("response.done")
        await visitor.until("antiphon.session.expiring")
        error = (await visitor.until("error"))["error"]
        closed = await visitor.closed()
        assert closed.rcvd is not None
        assert (error["code"], closed.rcvd.code) == ("session_expired", 1001)
        assert closed.rcvd.reason == error["message"]
        resumed = await visitor.come_back(after=visitor.events[-1]["event_id"])
        assert len(resumed["item_ids"]) == 2
        expires_at = visitor.events[0]["session"]["expires_at"]
        assert resumed["session"]["expires_at"] > expires_at
        await visitor.ask("What is my name?")
        await visitor.until("response.done")
        said = [getattr(turn, "text", "") for turn in server.responder.requests[-1].context]
        assert said[0] == "My name is Anna."


async def test_a_client_that_did_not_ask_hears_nothing_new_and_is_not_kept(serve, connect) -> None:
    async with serve(parking=parking()) as server, connect(server) as client:
        await client.send({"type": "input_audio_buffer.clear"})
        assert (await client.receive())["type"] == "input_audio_buffer.cleared"
        client.socket.transport.abort()
        await server.wait_for_end()
        assert len(server.sessions) == 0


async def test_a_header_asks_as_well_as_the_address_does(serve, connect) -> None:
    headers = {"Authorization": "Bearer any", "X-Antiphon-Resume": "1"}
    async with serve(parking=parking()) as server:
        async with connect(server, additional_headers=headers) as client:
            told = await client.receive()
            assert told["type"] == "antiphon.session.resumable"
            last = told["event_id"]
        # The goodbye of the block above has ended that session; its token is void.
        await server.wait_for_end()
        headers |= {"X-Antiphon-Resume": told["token"], "X-Antiphon-After": last}
        async with websockets.connect(
            server.websocket + "/v1/realtime", additional_headers=headers, proxy=None
        ) as socket:
            assert json.loads(await socket.recv())["error"]["code"] == "session_not_resumable"
