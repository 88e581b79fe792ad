"""Look up the address behind a name once, and use no other: a name may mean another one later."""

import asyncio
import socket
from urllib.parse import urlsplit

from antiphon.core.reach import Reach
from antiphon.protocol.errors import EngineError

_PORTS = {"http": 80, "https": 443}


class AddressError(EngineError):
    """A client's address leads nowhere, or to where it may not lead."""


async def resolve(url: str, reach: Reach) -> tuple[str, ...]:
    """Return the addresses that may be connected to for a URL, the best first.

    Raises `AddressError` when there are none.
    """
    refusal = reach.refusal(url)
    if refusal is not None:
        raise AddressError("address_refused", refusal)
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError:
        raise AddressError(
            "address_unknown", "The name of the host is not known. Check its address."
        ) from None
    addresses = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)
    admitted = tuple(each for each in addresses if reach.admits(url, each))
    if not admitted:
        raise AddressError(
            "address_refused",
            "The host's name leads to an address that is not public. The operator of this server "
            "can name its origin in `allow` in the section [mcp].",
        )
    return admitted
