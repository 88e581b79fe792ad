"""A small HTTP/1.1 server on loopback that remembers what it was asked and misbehaves on request.

It speaks HTTP by hand because its purpose is what a proper server never does: to say nothing, to
say half of it, to say nonsense, or to hang up in the middle, and to notice when the client leaves.
"""

import asyncio
import email.message
import email.parser
import json
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from antiphon.testing.scripts import Hang, give_way, meet

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Cut:
    """Hang up at once."""


AnswerStep = bytes | asyncio.Event | Hang | Cut


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, step by step; each piece of bytes leaves in a write of its own."""

    body: Iterable[AnswerStep] = ()
    content_type: str | None = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    before: Iterable[AnswerStep] = ()
    """Steps before the status line; bytes are sent as they are."""
    length_bytes: int | None = None
    """The length that the answer claims to have; None: the body is sent in chunks."""


@dataclass(slots=True, eq=False)
class Received:
    """A request, and what became of its answer. Times are those of `time.monotonic`."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    arrived_s: float
    answered_s: float | None = None
    """When the first byte of the answer's body left."""
    ended_s: float | None = None
    disconnected: bool = False
    """Whether the client left before the answer was complete."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the answer is complete or the client has left."""

    @property
    def fields(self) -> dict[str, object]:
        """The body's JSON object."""
        return cast("dict[str, object]", json.loads(self.body))

    @property
    def form(self) -> dict[str, bytes]:
        """The parts of a multipart body by name."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.parser.BytesParser().parsebytes(head + self.body)
        parts = cast("list[email.message.Message]", message.get_payload())
        return {
            str(part.get_param("name", header="content-disposition")): cast(
                "bytes", part.get_payload(decode=True)
            )
            for part in parts
        }


Route = Callable[[Received], Answer]


class LoopbackServer:
    """Answer requests by route, or with answers that were lined up for a path.

    An async context manager; it serves in the running event loop while the context is open.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Received] = []
        self.connections_made = 0
        self._routes = routes
        self._lined_up: dict[str, deque[Answer]] = defaultdict(deque)
        self._port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def origin(self) -> str:
        """The server's address: scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def answer_next(self, path: str, *answers: Answer) -> None:
        """Line up answers for the next requests to a path; after them its route answers again."""
        self._lined_up[path].extend(answers)

    def requests_to(self, path: str) -> list[Received]:
        """Return the requests to one path, oldest first."""
        return [each for each in self.requests if each.path == path]

    def answer_to(self, received: Received) -> Answer:
        """Remember a request and decide its answer."""
        self.requests.append(received)
        lined_up = self._lined_up[received.path]
        if lined_up:
            return lined_up.popleft()
        route = self._routes.get(received.path)
        return route(received) if route else Answer([b"{}"], status=404)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connect, "127.0.0.1", self._port, ssl=self._tls
        )
        self._port = cast("int", self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            await connection.end()

    def _connect(self) -> "_Connection":
        self.connections_made += 1
        return _Connection(self, self._connections)


class _Connection(asyncio.Protocol):
    """One client: requests one after the other, each answered by a task that ends with it."""

    def __init__(self, server: LoopbackServer, connections: "set[_Connection]") -> None:
        self._server = server
        self._connections = connections
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answering: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._connections.discard(self)
        if self._answering is not None:
            self._answering.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._answer_next()

    async def end(self) -> None:
        """Hang up and wait until nothing runs."""
        if self._transport is not None:
            self._transport.abort()
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.wait([self._answering])

    def _answer_next(self) -> None:
        if self._answering is not None and not self._answering.done():
            return
        received = _take_request(self._buffer)
        if received is not None and self._transport is not None:
            loop = asyncio.get_running_loop()
            self._answering = loop.create_task(self._answer(received, self._transport))
            self._answering.add_done_callback(lambda _: self._answer_next())

    async def _answer(self, received: Received, transport: asyncio.Transport) -> None:
        try:
            await self._write_answer(self._server.answer_to(received), received, transport)
        except asyncio.CancelledError:
            received.disconnected = True
        except Exception:
            # A route that fails is a fault of the test: it is reported, and the client is told.
            transport.abort()
            raise
        finally:
            received.ended_s = time.monotonic()
            received.ended.set()

    async def _write_answer(
        self, answer: Answer, received: Received, transport: asyncio.Transport
    ) -> None:
        for step in answer.before:
            await self._take(step, transport)
        transport.write(_head(answer))
        chunked = answer.length_bytes is None
        for step in answer.body:
            if isinstance(step, bytes):
                received.answered_s = received.answered_s or time.monotonic()
                transport.write(b"%x\r\n%b\r\n" % (len(step), step) if chunked else step)
                await self._writable.wait()
                await give_way()
            else:
                await self._take(step, transport)
        if chunked:
            transport.write(b"0\r\n\r\n")

    async def _take(self, step: AnswerStep, transport: asyncio.Transport) -> None:
        match step:
            case bytes():
                transport.write(step)
            case Cut():
                transport.close()
                await meet(Hang())
            case _:
                await meet(step)


def _take_request(buffer: bytearray) -> Received | None:
    """Remove a complete request from the buffer, if there is one."""
    end = buffer.find(_HEAD_END)
    if end < 0:
        return None
    request_line, *lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    begin = end + len(_HEAD_END)
    length = int(headers.get("content-length", "0"))
    if len(buffer) - begin < length:
        return None
    body = bytes(buffer[begin : begin + length])
    del buffer[: begin + length]
    method, path, _ = request_line.split(" ")
    return Received(method, path, headers, body, time.monotonic())


def _head(answer: Answer) -> bytes:
    headers = dict(answer.headers)
    if answer.content_type is not None:
        headers["content-type"] = answer.content_type
    if answer.length_bytes is None:
        headers["transfer-encoding"] = "chunked"
    else:
        headers["content-length"] = str(answer.length_bytes)
    lines = [f"HTTP/1.1 {answer.status} Answer", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
