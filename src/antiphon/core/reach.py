"""Which addresses a client can make this server call.

A client of a realtime session may name addresses that the server then connects to, from where the
server stands: inside somebody's network. Only public addresses are called unless the settings name
an origin. The names here are checked before anything is done; the addresses that they stand for are
checked once more when the connection is made, because names can be made to mean anything.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}
_ANY = "*"
_LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True)
class Reach:
    """What the settings allow."""

    allow: tuple[str, ...] = (_ANY,)
    """Hosts (`mcp.example.com`, `*.example.com`, `*` for all), reached by https at public addresses
    only, and origins (`http://10.0.0.5:9000`), reached as they are written, wherever they lead."""
    loopback: bool = False
    """Whether `*` means this machine's own ports as well: its server is for this machine alone."""

    def refusal(self, url: str) -> str | None:
        """Return why this address cannot be called and what can be done, None if it can."""
        parts = _split(url)
        if parts is None:
            return "It is no http or https address. Write it as https://host/path."
        if parts.username is not None or parts.password is not None:
            return "It holds a user name or a password. Send them in `authorization` or `headers`."
        host = str(parts.hostname)
        address = _literal(host)
        if self._names(parts):
            return None
        if _is_local(host, address):
            return None if self._may_call_itself() else _not_allowed(parts)
        if address is not None and not _is_public(address):
            return _not_allowed(parts)
        if not self._matches(host):
            return _not_allowed(parts)
        if parts.scheme != "https":
            return f"It is not encrypted. Use https, or have {_cure(parts)}."
        return None

    def admits(self, url: str, address: str) -> bool:
        """Tell whether an address that a checked URL's host stands for may be connected to."""
        parts = _split(url)
        if parts is None:
            return False
        if self._names(parts):
            return True
        found = ip_address(address)
        if _is_local(str(parts.hostname), _literal(str(parts.hostname))):
            return self._may_call_itself() and _unwrapped(found).is_loopback
        return _is_public(found)

    def _may_call_itself(self) -> bool:
        return self.loopback and _ANY in self.allow

    def _names(self, parts: SplitResult) -> bool:
        origin = _origin(parts)
        return any(origin == _origin(named) for named in map(_split, self.allow) if named)

    def _matches(self, host: str) -> bool:
        return any(_covers(each.lower(), host) for each in self.allow)


def is_pattern(text: str) -> bool:
    """Tell whether a text can stand in `Reach.allow`."""
    if "://" in text:
        parts = _split(text)
        return parts is not None and parts.path in ("", "/") and not parts.query
    name = text.removeprefix("*.")
    return text == _ANY or (bool(name) and not any(each in name for each in "*/:@ "))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    is_plain = url.isprintable() and " " not in url
    return parts if parts.scheme in _PORTS and parts.hostname and is_plain else None


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, str(parts.hostname), parts.port or _PORTS[parts.scheme]


def _covers(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern in (_ANY, host)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_local(host: str, address: IPv4Address | IPv6Address | None) -> bool:
    if address is None:
        return host == _LOCALHOST or host.endswith("." + _LOCALHOST)
    return _unwrapped(address).is_loopback


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    found = _unwrapped(address)
    return found.is_global and not found.is_multicast


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the address of version 4 that one of version 6 stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    teredo = address.teredo
    inner = address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
    if inner is None and address.packed.startswith(_NAT64):
        inner = IPv4Address(address.packed[-4:])
    return inner or address


_NAT64 = bytes.fromhex("0064ff9b") + bytes(8)


def _not_allowed(parts: SplitResult) -> str:
    return f"This server may not call it. Use a public https address, or have {_cure(parts)}."


def _cure(parts: SplitResult) -> str:
    scheme, host, port = _origin(parts)
    shown = f"[{host}]" if ":" in host else host
    return f'the operator add "{scheme}://{shown}:{port}" to `allow` in the section [mcp]'
