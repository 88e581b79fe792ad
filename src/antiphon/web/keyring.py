"""API keys: where a client may put one, and which are accepted."""

import hashlib
import hmac
from collections.abc import Iterable

from starlette.requests import HTTPConnection

_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_LONGEST_KEY = 8192


class Keyring:
    """The keys that open this server. Without any, whichever key is presented opens it."""

    def __init__(self, digests: Iterable[str]) -> None:
        self._digests = tuple(digests)

    @property
    def accepts_any(self) -> bool:
        """Whether no key is configured, so that only this machine is served."""
        return not self._digests

    def accepts(self, keys: Iterable[str]) -> bool:
        """Tell whether one of the presented keys opens this server."""
        presented = [key for key in keys if key and len(key) <= _LONGEST_KEY]
        if self.accepts_any:
            return bool(presented)
        # Every pair is compared, so that the time tells nothing about which one matched.
        matches = [
            hmac.compare_digest(hashlib.sha256(key.encode()).hexdigest(), known)
            for key in presented
            for known in self._digests
        ]
        return any(matches)


def presented_keys(connection: HTTPConnection) -> list[str]:
    """Return the keys that a request carries, wherever clients put them."""
    headers, query = connection.headers, connection.query_params
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = [token.strip()] if scheme.lower() == "bearer" else []
    found += [headers.get("api-key", "").strip(), query.get("api-key", "")]
    # Spec: browsers cannot set headers on a WebSocket; they hide the key in a subprotocol.
    found += [
        offered.removeprefix(_KEY_SUBPROTOCOL)
        for offered in offered_subprotocols(connection)
        if offered.startswith(_KEY_SUBPROTOCOL)
    ]
    return [key for key in found if key]


def offered_subprotocols(connection: HTTPConnection) -> list[str]:
    """Return the WebSocket subprotocols that a client offers."""
    header = ",".join(connection.headers.getlist("sec-websocket-protocol"))
    return [offered.strip() for offered in header.split(",") if offered.strip()]
