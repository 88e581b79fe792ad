"""A small client of the Realtime API, for `antiphon talk`."""

import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from antiphon.protocol.errors import AntiphonError

LARGEST_FRAME_BYTES = 32 * 1024 * 1024
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class UnreachableError(AntiphonError):
    """No conversation with the server is possible; the message tells what to do."""


class RealtimeClient:
    """An open session."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, event: dict[str, Any]) -> None:
        """Send a client event. Raises `UnreachableError` when the server has gone."""
        try:
            await self._connection.send(json.dumps(event))
        except ConnectionClosed as closed:
            raise _hung_up(closed) from closed

    async def receive(self) -> dict[str, Any]:
        """Wait for the next server event. Raises `UnreachableError` when the server has gone."""
        try:
            return cast("dict[str, Any]", json.loads(await self._connection.recv()))
        except ConnectionClosed as closed:
            raise _hung_up(closed) from closed


@asynccontextmanager
async def open_session(
    url: str, key: str, model: str, trust: ssl.SSLContext
) -> AsyncGenerator[RealtimeClient, None]:
    """Connect to a server. Raises `UnreachableError`."""
    address = session_address(url, model)
    try:
        connection = await connect(
            address,
            additional_headers={"Authorization": f"Bearer {key}"},
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
    async with connection:
        yield RealtimeClient(connection)


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


def _hung_up(closed: ConnectionClosed) -> UnreachableError:
    frame = closed.rcvd
    why = f" ({frame.code} {frame.reason})".replace(" )", ")") if frame else ""
    return UnreachableError(f"The server ended the conversation{why}. Connect again to go on.")
