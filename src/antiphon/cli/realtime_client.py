"""A small client of the Realtime API, for `antiphon talk`."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from antiphon.protocol.errors import AntiphonError

LARGEST_FRAME_BYTES = 32 * 1024 * 1024
_RESUME, _AFTER = "X-Antiphon-Resume", "X-Antiphon-After"
_OWN_EVENTS = "antiphon."
_RESUMABLE = "antiphon.session.resumable"
_ENDED = frozenset({1000, 1008, 3000, 4000, 4001})
"""Codes of connections to which there is nothing to come back."""
_RETRY_S = 0.5
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class UnreachableError(AntiphonError):
    """No conversation with the server is possible; the message tells what to do."""


class RealtimeClient:
    """An open session, over as many connections as it takes where the server allows it."""

    def __init__(self, connection: ClientConnection, connect: "Connect | None" = None) -> None:
        """``connect`` connects anew; without it a lost connection is the end."""
        self._connection = connection
        self._connect = connect
        self._token: str | None = None
        self._last_event: str | None = None
        self._patience_s = 0.0
        self._coming_back = asyncio.Lock()

    async def send(self, event: dict[str, Any]) -> None:
        """Send a client event. Raises `UnreachableError` when the server has gone."""
        connection = self._connection
        try:
            await connection.send(json.dumps(event))
        except ConnectionClosed as closed:
            await self._come_back(connection, closed)
            await self.send(event)

    async def receive(self) -> dict[str, Any]:
        """Wait for the next server event. Raises `UnreachableError` when the server has gone."""
        while True:
            connection = self._connection
            try:
                event = cast("dict[str, Any]", json.loads(await connection.recv()))
            except ConnectionClosed as closed:
                await self._come_back(connection, closed)
                continue
            self._last_event = event.get("event_id")
            if event["type"] == _RESUMABLE:
                self._token, self._patience_s = str(event["token"]), float(event["seconds"])
            if self._connect is not None and _is_refusal_to_resume(event):
                self._connection = await self._connect({})
            elif not event["type"].startswith(_OWN_EVENTS):
                return event

    async def close(self) -> None:
        """End the session."""
        await self._connection.close()

    async def _come_back(self, lost: ClientConnection, closed: ConnectionClosed) -> None:
        """Connect again, unless whoever noticed first has done so; raise `UnreachableError`."""
        async with self._coming_back:
            if self._connection is not lost:
                return
            code = closed.rcvd.code if closed.rcvd else None
            if self._connect is None or self._token is None or code in _ENDED:
                raise _hung_up(closed)
            headers = {_RESUME: self._token, _AFTER: self._last_event or ""}
            self._token = None
            self._connection = await self._try_again(self._connect, headers)

    async def _try_again(self, connect: "Connect", headers: dict[str, str]) -> ClientConnection:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        while True:
            try:
                return await connect(headers)
            except UnreachableError:
                if loop.time() > until:
                    raise
                # A network that comes back does not say so.
                await asyncio.sleep(_RETRY_S)


Connect = Callable[[dict[str, str]], Awaitable[ClientConnection]]
"""Connects with these headers besides; raises `UnreachableError`."""


@asynccontextmanager
async def open_session(
    url: str, key: str, model: str, trust: ssl.SSLContext
) -> AsyncGenerator[RealtimeClient, None]:
    """Connect to a server. Raises `UnreachableError`."""
    address = session_address(url, model)

    async def connect_with(headers: dict[str, str]) -> ClientConnection:
        return await _reach(url, address, {"Authorization": f"Bearer {key}", **headers}, trust)

    client = RealtimeClient(await connect_with({_RESUME: "1"}), connect_with)
    try:
        yield client
    finally:
        await client.close()


async def _reach(
    url: str, address: str, headers: dict[str, str], trust: ssl.SSLContext
) -> ClientConnection:
    try:
        return await connect(
            address,
            additional_headers=headers,
            ssl=trust if address.startswith("wss:") else None,
            max_size=LARGEST_FRAME_BYTES,
            compression=None,
        )
    except InvalidStatus as refused:
        raise UnreachableError(_refusal(refused)) from refused
    except (InvalidURI, InvalidHandshake) as error:
        raise UnreachableError(f"{url} does not speak the Realtime API. Check --url.") from error
    except ssl.SSLCertVerificationError as error:
        raise UnreachableError(
            f"The certificate of {url} is not trusted. `antiphon cert` tells how to trust the "
            "local authority of another machine."
        ) from error
    except (OSError, TimeoutError) as error:
        raise UnreachableError(
            f"No server answers at {url}. Start one with `antiphon serve`, or check --url."
        ) from error


def session_address(url: str, model: str) -> str:
    """Return the WebSocket address for a server's address, which may be as short as a host.

    Raises `UnreachableError` for what is no address.
    """
    parts = _split(url if "://" in url else f"http://{url}")
    if parts is None:
        raise UnreachableError(f"'{url}' is no address. Write one like http://127.0.0.1:8080.")
    path = parts.path.rstrip("/") or "/v1"
    path = path if path.endswith("/realtime") else f"{path}/realtime"
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "model"]
    query.append(("model", model))
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, urlencode(query), ""))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_address else None


def _refusal(refused: InvalidStatus) -> str:
    status = refused.response.status_code
    try:
        message = json.loads(refused.response.body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return (
            f"The server refused the connection with HTTP status {status}. Check --url and --key."
        )
    return f"The server refused the connection ({status}): {message}"


def _is_refusal_to_resume(event: dict[str, Any]) -> bool:
    error = cast("dict[str, Any]", event.get("error") or {})
    return bool(error.get("code") == "resumption_not_available")


def _hung_up(closed: ConnectionClosed) -> UnreachableError:
    frame = closed.rcvd
    why = f" ({frame.code} {frame.reason})".replace(" )", ")") if frame else ""
    return UnreachableError(f"The server ended the conversation{why}. Connect again to go on.")
