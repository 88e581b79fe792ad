"""HTTP to an MCP server that nobody vouches for: one address, bounded answers, nothing followed."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx2

from antiphon.core.mcp_server import McpServer
from antiphon.core.reach import Reach
from antiphon.protocol.errors import EngineError
from antiphon.runtime.addresses import resolve
from antiphon.runtime.mcp_exchange import Exchange, exchange

MAX_ANSWER_BYTES = 2 * 1024 * 1024
"""The most that is read of one answer."""

_TIMEOUT = httpx2.Timeout(10, read=300)
"""The session decides how long it waits for an answer; this only ends what everyone forgot."""


def http_client(server: McpServer, reach: Reach) -> httpx2.AsyncClient:
    """Return a client that talks to one MCP server and nowhere else."""
    return httpx2.AsyncClient(
        transport=PinnedTransport(reach),
        headers={name: secret.value for name, secret in server.headers},
        timeout=_TIMEOUT,
        # A proxy of the environment would connect to addresses that were not checked.
        trust_env=False,
    )


class PinnedTransport(httpx2.AsyncBaseTransport):
    """Connects to the addresses that a host's name had when it was first used, and to no other."""

    def __init__(self, reach: Reach, inner: httpx2.AsyncBaseTransport | None = None) -> None:
        self._reach = reach
        self._inner = inner or httpx2.AsyncHTTPTransport()
        self._addresses: dict[str, tuple[str, ...]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and note what becomes of it."""
        noted = exchange.get() or Exchange()
        try:
            response = await self._send(request)
            if response.headers.get("content-encoding", "identity") != "identity":
                await response.aclose()
                raise _unasked_encoding()
        except EngineError as refused:
            noted.trouble = refused
            raise
        except httpx2.TransportError:
            noted.trouble = _unreachable()
            raise
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            noted.status = response.status_code
        body = response.stream
        assert isinstance(body, httpx2.AsyncByteStream)  # noqa: S101
        response.stream = _Bounded(body, noted)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first address that answers, and stay with that one."""
        url = request.url
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        if origin not in self._addresses:
            self._addresses[origin] = await resolve(str(url), self._reach)
        *others, last = self._addresses[origin]
        for address in others:
            try:
                response = await self._inner.handle_async_request(_pinned(request, address))
            except httpx2.ConnectError:
                continue  # a server on `localhost` often has one of its two addresses only
            self._addresses[origin] = (address,)
            return response
        return await self._inner.handle_async_request(_pinned(request, last))


def _pinned(request: httpx2.Request, address: str) -> httpx2.Request:
    """Return a request that goes to an address, in the name of its host."""
    headers = request.headers.copy()
    # What is unpacked here could be a thousand times what was sent.
    headers["accept-encoding"] = "identity"
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


class _Bounded(httpx2.AsyncByteStream):
    """An answer's body, up to a size."""

    def __init__(self, body: httpx2.AsyncByteStream, noted: Exchange) -> None:
        self._body = body
        self._noted = noted

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._body:
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                self._noted.trouble = _too_large()
                raise self._noted.trouble
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


def _unreachable() -> EngineError:
    return EngineError("mcp_unreachable", "The MCP server cannot be reached. Check that it runs.")


def _too_large() -> EngineError:
    mebibytes = MAX_ANSWER_BYTES // (1024 * 1024)
    return EngineError(
        "mcp_answer_too_large",
        f"The MCP server's answer is larger than {mebibytes} MiB and was not read. "
        "Have it answer with less.",
    )


def _unasked_encoding() -> EngineError:
    return EngineError(
        "mcp_invalid_answer", "The MCP server packed its answer, although it was asked not to."
    )
