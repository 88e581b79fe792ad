"""Where a server listens: sockets, certificates, and what clients call them."""

import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import certifi
from starlette.types import ASGIApp

from antiphon import certificates
from antiphon.certificates import Authority
from antiphon.config import Loaded, Problem, SettingsError
from antiphon.web.listener import Listener, bind


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server can be reached."""

    http: str
    https: str | None
    authority: Authority | None
    """Who vouches for the https address; None: no https, or a certificate of the operator's."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """What a server listens on, bound before anything slow begins."""

    plain: socket.socket
    secure: socket.socket | None
    context: ssl.SSLContext | None
    addresses: Addresses

    @classmethod
    def bind(cls, loaded: Loaded) -> "Sockets":
        """Take the ports and prepare TLS. Raises `SettingsError` with the key at fault."""
        server = loaded.settings.server
        plain = _bind(server.host, server.port, "port")
        http = f"http://{_shown(server.host)}:{plain.getsockname()[1]}"
        if not server.tls:
            return cls(plain, None, None, Addresses(http, None, None))
        secure = _bind(server.host, server.tls_port, "tls_port")
        https = f"https://{_shown(server.host)}:{secure.getsockname()[1]}"
        context, authority = _context(loaded)
        return cls(plain, secure, context, Addresses(http, https, authority))

    def listeners(self, application: ASGIApp) -> list[Listener]:
        """Return what serves an application on each socket."""
        listeners = [Listener(application, self.plain)]
        if self.secure is not None:
            listeners.append(Listener(application, self.secure, self.context))
        return listeners


def _bind(host: str, port: int, key: str) -> socket.socket:
    option = key.replace("_", "-")
    try:
        return bind(host, port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        cure = f"Choose another with --{option} (0 takes a free one), or end what uses it."
        raise SettingsError(
            [Problem(f"Cannot listen on {host}:{port}: {reason}. {cure}", f"server.{key}")]
        ) from error


def _context(loaded: Loaded) -> tuple[ssl.SSLContext, Authority | None]:
    server = loaded.settings.server
    try:
        if server.tls_certificate and server.tls_key:
            given = certificates.server_context(Path(server.tls_certificate), Path(server.tls_key))
            return given, None
        authority = prepare_authority(server.host)
        return certificates.server_context(authority.server), authority
    except (OSError, ValueError) as error:
        cure = "Correct `tls_certificate` and `tls_key`, or serve without TLS (--no-tls)."
        raise SettingsError(
            [Problem(f"TLS is not possible: {error}. {cure}", "server.tls")]
        ) from error


def prepare_authority(host: str = "127.0.0.1") -> Authority:
    """Make the local authority and the server's certificate, or renew what is out of date."""
    directory = certificates.default_directory()
    public = Path(os.environ.get("SSL_CERT_FILE") or certifi.where())
    if public == Authority(directory).bundle or not public.is_file():
        public = Path(certifi.where())
    return certificates.prepare(directory, _reachable_as(host), public)


def _reachable_as(host: str) -> Sequence[str]:
    if not _is_unspecified(host):
        return [host]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing: it only asks which address a packet to the outside would come from.
        probe.connect(("192.0.2.1", 9))
        return [cast("str", probe.getsockname()[0])]
    return []


def _shown(host: str) -> str:
    if _is_unspecified(host):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_unspecified(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    return False
