"""One OpenAI-compatible endpoint: its connections, its time limits and its failures.

Every failure becomes an `EngineError` that names the engine, the endpoint's host and the cure. The
body of an answer never enters a message, since servers repeat keys and prompts in their errors.

A request is tried a second time if nothing of its answer has arrived: after a lost connection, or
when the endpoint says that it is busy. Once the first byte is here it never is, because what came
may already have been spoken.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypedDict, Unpack

import httpx
import msgspec

from antiphon import __version__
from antiphon.backends.endpoint_settings import EndpointSettings, check_proxy, check_url, load_trust
from antiphon.protocol.errors import EngineError

_BUSY = frozenset({429, 502, 503, 504})
_MAX_RETRY_DELAY_S = 2.0
_RETRY_DELAY_S = 0.2
_ERROR_BODY_BYTES = 16_384
_ERROR_BODY_S = 1.0
_TRAILER_S = 0.5
_TRAILER_BYTES = 65_536
# A conversation pauses for longer than most clients keep a connection; a new one costs up to three
# round trips. One that the endpoint has closed meanwhile is noticed before it is used.
_KEEP_ALIVE_S = 120.0
_MAX_CONNECTIONS = 512
_HUNG_UP = re.compile("disconnected|closed")
# Only these are named in messages; a header may hold anything.
_USUAL_TYPES = frozenset(
    {
        "application/json",
        "audio/aac",
        "audio/flac",
        "audio/mpeg",
        "audio/ogg",
        "audio/opus",
        "audio/wav",
        "text/event-stream",
        "text/html",
        "text/plain",
    }
)
_SAFE_REASON = re.compile(r"[a-z][a-z_]{0,63}")


Form = Mapping[str, str | tuple[str, ...]]
"""Fields by name; several values are sent as several fields."""


class Endpoint:
    """An endpoint and the connections to it, which belong to one event loop."""

    def __init__(self, kind: str, settings: EndpointSettings) -> None:
        self._kind = kind
        self._settings = settings
        url = check_url(kind, settings.base_url)
        self._base_url = str(url).rstrip("/")
        # Without the user and password that an address may hold.
        self._host = url.netloc.decode("ascii")
        self._trust = load_trust(kind, url, settings.ca_file)
        self._proxy = check_proxy(kind, settings.proxy)
        # Made here and not at the first request, which it would delay by tens of milliseconds; it
        # connects, and binds itself to an event loop, only when it is used.
        self._open_client: httpx.AsyncClient | None = self._new_client()

    @asynccontextmanager
    async def post_json(
        self, path: str, fields: Mapping[str, object], *, max_bytes: int
    ) -> AsyncGenerator["Answer"]:
        """Send a JSON object; the request ends when the context does, complete or not."""
        body = msgspec.json.encode(fields)
        headers = {"content-type": "application/json"}
        async with self._post(path, max_bytes, content=body, headers=headers) as answer:
            yield answer

    @asynccontextmanager
    async def post_form(
        self, path: str, fields: Form, file: tuple[str, bytes, str], *, max_bytes: int
    ) -> AsyncGenerator["Answer"]:
        """Send a form with one file: its name, its bytes and its type."""
        async with self._post(path, max_bytes, data=fields, files={"file": file}) as answer:
            yield answer

    async def close(self) -> None:
        """Close all connections. The next request opens new ones."""
        client, self._open_client = self._open_client, None
        if client is not None:
            await client.aclose()

    def error(self, code: str, problem: str, cure: str) -> EngineError:
        """Return a failure in words that a client may read."""
        name = f"{self._kind} '{self._settings.model}' at {self._host}"
        return EngineError(code, f"The {name} {problem}. {cure}")

    def invalid_answer(self, problem: str) -> EngineError:
        """Return the failure of an endpoint that does not speak the API."""
        return self.error(
            "engine_invalid_answer",
            f"gave an answer that cannot be used: {problem}",
            "Check that 'base_url' is an OpenAI-compatible API and 'model' a model of this kind.",
        )

    def interrupted(self) -> EngineError:
        """Return the failure of an answer that stopped in the middle."""
        return self.error(
            "engine_interrupted", "stopped in the middle of its answer", "See the endpoint's log."
        )

    def refused(self, status: int, body: bytes) -> EngineError:
        """Return the failure of a request that the endpoint does not accept."""
        problem = f"refused the request with status {status}{_reason(body)}"
        return self.error("engine_rejected", problem, _cure(status))

    def broken_off(self, body: bytes) -> EngineError:
        """Return the failure of an answer in which the endpoint reports an error."""
        problem = f"broke its answer off with an error{_reason(body)}"
        return self.error("engine_interrupted", problem, "See the endpoint's log.")

    def timed_out(self) -> EngineError:
        """Return the failure of an endpoint that says nothing."""
        return self.error(
            "engine_timeout",
            "did not answer in time",
            "See whether the endpoint is overloaded, or raise 'timeout_s' or 'idle_timeout_s'.",
        )

    @asynccontextmanager
    async def _post(
        self, path: str, max_bytes: int, **content: Unpack["_Content"]
    ) -> AsyncGenerator["Answer"]:
        try:
            async with asyncio.timeout(self._settings.timeout_s) as limit:
                answer = await self._try_twice(path, max_bytes, content)
        except TimeoutError:
            raise self.timed_out() from None
        answer.expect_before(limit.when())
        try:
            yield answer
        finally:
            await answer.close()

    async def _try_twice(self, path: str, max_bytes: int, content: "_Content") -> "Answer":
        try:
            return await self._try(path, max_bytes, content)
        except _Retriable as failure:
            if failure.delay_s > _MAX_RETRY_DELAY_S:
                raise
            await asyncio.sleep(failure.delay_s)
        return await self._try(path, max_bytes, content)

    async def _try(self, path: str, max_bytes: int, content: "_Content") -> "Answer":
        client = self._client()
        request = client.build_request("POST", self._base_url + path, **content)
        try:
            response = await client.send(request, stream=True)
            answer = Answer(self, response, self._settings.idle_timeout_s, max_bytes)
            try:
                await self._check(response)
                await answer.begin()
            except BaseException:
                await answer.close()
                raise
        except httpx.TransportError as lost:
            raise self._lost(lost) from lost
        return answer

    async def _check(self, response: httpx.Response) -> None:
        """Raise unless the request was accepted."""
        if not response.is_success:
            failure = self.refused(response.status_code, await _error_body(response))
            if response.status_code in _BUSY:
                raise _Retriable(failure, _retry_delay_s(response))
            raise failure
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise self.invalid_answer("it is compressed although that was not asked for")

    def _lost(self, lost: httpx.TransportError) -> EngineError:
        """Return the failure of a connection that brought nothing."""
        words = str(lost)
        if isinstance(lost, httpx.RemoteProtocolError) and not _HUNG_UP.search(words):
            return self.invalid_answer("it is no HTTP")
        cure = "Start the endpoint, or correct 'base_url'."
        if "CERTIFICATE_VERIFY_FAILED" in words:
            cure = "Its certificate is not trusted; name the authority's file in 'ca_file'."
        failure = self.error("engine_unreachable", "cannot be reached", cure)
        # An endpoint that starts again needs a moment; one that only closed a connection does not.
        return _Retriable(failure, _RETRY_DELAY_S if isinstance(lost, httpx.ConnectError) else 0.0)

    def _client(self) -> httpx.AsyncClient:
        if self._open_client is None:
            self._open_client = self._new_client()
        return self._open_client

    def _new_client(self) -> httpx.AsyncClient:
        settings = self._settings
        headers = {"accept-encoding": "identity", "user-agent": f"antiphon/{__version__}"}
        if settings.api_key:
            headers["authorization"] = f"Bearer {settings.api_key}"
        return httpx.AsyncClient(
            headers=headers | {name.lower(): text for name, text in settings.headers.items()},
            # Time limits are kept here, where they can tell an answer from a sign of life.
            timeout=None,  # noqa: S113 - see above
            limits=httpx.Limits(max_connections=_MAX_CONNECTIONS, keepalive_expiry=_KEEP_ALIVE_S),
            verify=self._trust,
            proxy=self._proxy,
            trust_env=False,
        )


class Answer:
    """The body of an endpoint's answer, as it arrives."""

    def __init__(
        self, endpoint: Endpoint, response: httpx.Response, idle_timeout_s: float, max_bytes: int
    ) -> None:
        self._endpoint = endpoint
        self._response = response
        self._pieces = response.aiter_raw()
        self._first: bytes | None = None
        self._idle_timeout_s = idle_timeout_s
        self._patience_s = idle_timeout_s
        self._left_bytes = max_bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if the endpoint names none."""
        content_type: str = self._response.headers.get("content-type", "")
        return content_type.partition(";")[0].strip().lower()

    def require_type(self, *accepted: str) -> None:
        """Raise `EngineError` unless the endpoint names one of these types, or none."""
        content_type = self.content_type
        if content_type and not content_type.startswith(accepted):
            shown = content_type if content_type in _USUAL_TYPES else "another"
            raise self._endpoint.invalid_answer(f"its type is {shown}, not {accepted[0]}")

    async def begin(self) -> None:
        """Wait for the first piece, and keep it for `next_piece`."""
        self._first = await anext(self._pieces, None)

    def expect_before(self, deadline_s: float | None) -> None:
        """Allow the first useful piece no more than the time until a moment of the loop's clock."""
        if deadline_s is not None:
            self._patience_s = max(0.0, deadline_s - asyncio.get_running_loop().time())

    def progress(self) -> None:
        """Note that what came was useful: the next useful piece may take its own time.

        Whoever reads says so, because only it can tell a piece from a sign of life.
        """
        self._patience_s = self._idle_timeout_s

    async def next_piece(self) -> bytes | None:
        """Return the next bytes; None at the end.

        Only time spent in here counts against the endpoint, not the time that the caller takes
        between two calls.
        """
        piece = self._first
        self._first = None
        if piece is None:
            piece = await self._receive()
        self._left_bytes -= len(piece or b"")
        if self._left_bytes < 0:
            raise self._endpoint.invalid_answer("it does not end")
        return piece

    async def read(self) -> bytes:
        """Return the whole body."""
        body = bytearray()
        while (piece := await self.next_piece()) is not None:
            self.progress()
            body += piece
        return bytes(body)

    async def read_trailer(self) -> bytes:
        """Return what still follows when all that matters has come.

        Reading to the end lets the connection be used again; an endpoint that does not end its
        answer is not waited for.
        """
        trailer = bytearray()
        with suppress(TimeoutError, httpx.TransportError):
            async with asyncio.timeout(_TRAILER_S):
                while len(trailer) < _TRAILER_BYTES and (piece := await anext(self._pieces, None)):
                    trailer += piece
        return bytes(trailer)

    async def close(self) -> None:
        """End the request. Hangs up if the answer is not complete."""
        await self._response.aclose()

    async def _receive(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            async with asyncio.timeout(self._patience_s):
                piece = await anext(self._pieces, None)
        except TimeoutError:
            raise self._endpoint.timed_out() from None
        except httpx.TransportError as lost:
            raise self._endpoint.interrupted() from lost
        self._patience_s = max(0.0, self._patience_s - (loop.time() - begun_s))
        return piece


def _reason(body: bytes) -> str:
    """Return the code or type of an error in parentheses if it is a plain word; else "".

    The error's message is left alone: servers repeat keys and prompts in it.
    """
    try:
        error = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    inner = error.error if isinstance(error.error, _ErrorBody) else error
    for word in (inner.code, inner.type):
        if isinstance(word, str) and _SAFE_REASON.fullmatch(word):
            return f" ({word})"
    return ""


class _ErrorBody(msgspec.Struct, frozen=True):
    """The error of an answer: in its own object, as the API has it, or at the top."""

    error: "_ErrorBody | str | None" = None
    code: str | int | None = None
    type: str | None = None


class _Content(TypedDict, total=False):
    """What a request carries."""

    content: bytes
    headers: Mapping[str, str]
    data: Form
    files: Mapping[str, tuple[str, bytes, str]]


class _Retriable(EngineError):  # noqa: N818 - an error by its base
    """A failure before the first byte; a second try may help."""

    def __init__(self, failure: EngineError, delay_s: float) -> None:
        super().__init__(failure.code, failure.message)
        self.delay_s = delay_s


async def _error_body(response: httpx.Response) -> bytes:
    """Return as much of an error's body as an honest one has."""
    body = bytearray()
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(_ERROR_BODY_S):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _ERROR_BODY_BYTES:
                    break
    return bytes(body[:_ERROR_BODY_BYTES])


def _retry_delay_s(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        # Absent, or a date, which tells nothing that clocks agree on.
        return _RETRY_DELAY_S


def _cure(status: int) -> str:
    match status:
        case 401 | 403:
            return "Check 'api_key' in the deployment."
        case 404 | 405:
            return "Check 'base_url' and 'model' in the deployment."
        case 413:
            return "Speak in shorter turns, or raise the endpoint's limit."
        case 429:
            return "Try again later, or raise the endpoint's limits."
        case _ if 300 <= status < 400:
            return "Set 'base_url' to the address that it redirects to."
        case _:
            return "See the endpoint's log; its model may not support what was asked."
