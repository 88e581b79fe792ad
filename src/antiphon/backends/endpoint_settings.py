"""What the operator says about an endpoint, checked before anything is sent to it."""

import re
import ssl
from collections.abc import Mapping
from typing import Annotated, TypeVar

import httpx
import msgspec
from msgspec import Meta

from antiphon.protocol.errors import EngineError

_HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,128}\Z")]
_HeaderValue = Annotated[str, Meta(pattern=r"^[\x20-\x7e]*\Z", max_length=8192)]
_Seconds = Annotated[float, Meta(gt=0, le=600)]

_MAX_PORT = 65_535
_VERSION = re.compile(r"/v\d\w*(?:/|$)")


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every engine behind an endpoint is told."""

    base_url: Annotated[str, Meta(max_length=2048)]
    """The address of the API, ending in /v1."""
    model: Annotated[str, Meta(min_length=1, max_length=512)]
    """The model's name, as the endpoint knows it."""
    api_key: Annotated[str, Meta(pattern=r"^[\x21-\x7e]*\Z", max_length=8192)] = ""
    """Sent as a Bearer token; empty: none is sent."""
    headers: dict[_HeaderName, _HeaderValue] = {}
    """Further request headers."""
    timeout_s: _Seconds = 30.0
    """How long the first piece of an answer may take, a second try included."""
    idle_timeout_s: _Seconds = 15.0
    """How long each further piece may take."""
    proxy: str | None = None
    """The address of an HTTP proxy; the environment's proxies are not used."""
    ca_file: str | None = None
    """A PEM file with the authorities to trust instead of the public ones."""


_Settings = TypeVar("_Settings", bound=EndpointSettings)


def read_settings(kind: str, settings: Mapping[str, object], into: type[_Settings]) -> _Settings:
    """Check plain settings, or raise `EngineError` with the name of the wrong one."""
    try:
        return msgspec.convert(dict(settings), into)
    except msgspec.ValidationError as wrong:
        raise misconfigured(kind, f"{wrong}") from None


def misconfigured(kind: str, problem: str) -> EngineError:
    """Return the error of an engine that cannot be created from its settings."""
    return EngineError(
        "engine_misconfigured",
        f"The {kind} engine 'openai' cannot be set up: {problem}. Correct it in the deployment.",
    )


def check_url(kind: str, base_url: str) -> httpx.URL:
    """Return the address, or raise `EngineError` if requests cannot be sent there."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise misconfigured(kind, "'base_url' is no address") from None
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise misconfigured(kind, "'base_url' must be an http or https address without a query")
    if not 0 < (url.port or 1) <= _MAX_PORT:
        raise misconfigured(kind, f"the port in 'base_url' must be at most {_MAX_PORT}")
    if not _VERSION.search(url.path):
        raise misconfigured(kind, "'base_url' must end in /v1, as in 'http://127.0.0.1:8000/v1'")
    return url


def check_proxy(kind: str, proxy: str | None) -> httpx.Proxy | None:
    """Return the proxy, or raise `EngineError` if it is none."""
    try:
        return None if proxy is None else httpx.Proxy(proxy)
    except (ValueError, httpx.InvalidURL):
        raise misconfigured(kind, "'proxy' must be an http or https address") from None


def load_trust(kind: str, url: httpx.URL, ca_file: str | None) -> ssl.SSLContext | bool:
    """Load the authorities to trust, or raise `EngineError`.

    Takes tens of milliseconds, so it belongs in `create`; plain HTTP needs none.
    """
    if url.scheme == "http":
        return False
    try:
        if ca_file is None:
            return httpx.create_ssl_context(trust_env=False)
        return ssl.create_default_context(cafile=ca_file)
    except OSError:
        raise misconfigured(kind, "'ca_file' is not a readable PEM file") from None
