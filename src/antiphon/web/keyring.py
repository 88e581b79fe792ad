"""API keys: where a client may put one, and which are accepted."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from starlette.requests import HTTPConnection

_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_LONGEST_KEY = 8192
_SHOWN_DIGITS = 12

ANYBODY = "anybody"
"""The id of all clients of a server that accepts any key."""


class Keyring:
    """The keys that open this server. Without any, whichever key is presented opens it."""

    def __init__(
        self,
        digests: Iterable[str],
        names: Mapping[str, str] = MappingProxyType[str, str]({}),
    ) -> None:
        self._ids = {each: names.get(each, f"sha256:{each[:_SHOWN_DIGITS]}") for each in digests}

    @property
    def accepts_any(self) -> bool:
        """Whether no key is configured, so that only this machine is served."""
        return not self._ids

    def accepts(self, keys: Iterable[str]) -> bool:
        """Tell whether one of the presented keys opens this server."""
        return self.identify(keys) is not None

    def identify(self, keys: Iterable[str]) -> str | None:
        """Return the id of the presented key that opens this server; None: none of them does.

        An id is the key's name, else the beginning of its hash. It opens nothing and may be logged.
        """
        presented = [key for key in keys if key and len(key) <= _LONGEST_KEY]
        if self.accepts_any:
            return ANYBODY if presented else None
        # Every pair is compared, so that the time tells nothing about which one matched.
        matches = [
            key_id
            for key in presented
            for known, key_id in self._ids.items()
            if hmac.compare_digest(hashlib.sha256(key.encode()).hexdigest(), known)
        ]
        return next(iter(matches), None)

    def digests_of(self, keys: Iterable[str]) -> frozenset[bytes]:
        """Return the SHA-256 of each presented key that opens this server."""
        return frozenset(
            hashlib.sha256(key.encode()).digest() for key in keys if self.accepts([key])
        )


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
