"""Fetch a package from the npm registry that the user has configured, without npm.

Only for machines without Node.js. Where npm is installed it is used instead, for it knows more of
its configuration than is read here: the registry of a scope or of everything, and its credentials.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from antiphon.weights.errors import FetchStoppedError, SourceError, SourceUnreachableError
from antiphon.weights.manifest import Package

_ABBREVIATED = "application/vnd.npm.install-v1+json"
_REFERENCE = re.compile(r"\$\{([^}]+)\}")
_MAX_RELEASES_BYTES = 32 * 1024**2
_MAX_ARCHIVE_BYTES = 1024**3
_MAX_NPMRC_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Registry:
    """A package registry and how to be let in."""

    url: str
    """Ends with a slash."""
    credentials: Mapping[str, str]
    """Headers for addresses below `url`, and for no others."""

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers of a request to an address."""
        known = url.startswith(self.url)
        return {"Accept": _ABBREVIATED, **(self.credentials if known else {})}


class _Distribution(msgspec.Struct, frozen=True):
    tarball: str


class _Release(msgspec.Struct, frozen=True):
    dist: _Distribution


class _Releases(msgspec.Struct, frozen=True):
    versions: dict[str, _Release]


def configured(package: str, environment: Mapping[str, str], home: Path) -> Registry | None:
    """Return the registry that the environment or an .npmrc names for a package, if any does."""
    settings = _npmrc(home, environment) | _from_environment(environment)
    scope = package.split("/", 1)[0]
    url = settings.get(f"{scope}:registry") or settings.get("registry")
    if not url:
        return None
    url = url.rstrip("/") + "/"
    key = "//" + url.split("//", 1)[-1]
    for setting, scheme in ((f"{key}:_authToken", "Bearer"), (f"{key}:_auth", "Basic")):
        if secret := settings.get(setting):
            return Registry(url, {"Authorization": f"{scheme} {secret}"})
    return Registry(url, {})


def download(
    registry: Registry, package: Package, directory: Path, stall_s: float, stop: Event
) -> Path:
    """Fetch the tarball of a release."""
    archive = directory / "package.tgz"
    try:
        # Redirects are followed without the credentials as soon as they lead to another host.
        with httpx.Client(timeout=stall_s, follow_redirects=True) as client:
            address = _tarball(client, registry, package, stop)
            headers = registry.headers(address)
            with archive.open("wb") as out, client.stream("GET", address, headers=headers) as body:
                for chunk in _bounded(body, package, _MAX_ARCHIVE_BYTES, stop):
                    out.write(chunk)
    except httpx.HTTPError as broken:
        host = urlsplit(registry.url).hostname
        raise SourceUnreachableError(
            f"the npm registry {host} cannot be reached ({str(broken) or type(broken).__name__})"
        ) from broken
    return archive


def _tarball(client: httpx.Client, registry: Registry, package: Package, stop: Event) -> str:
    url = registry.url + quote(package.name, safe="@")
    with client.stream("GET", url, headers=registry.headers(url)) as response:
        body = b"".join(_bounded(response, package, _MAX_RELEASES_BYTES, stop))
    try:
        releases = msgspec.json.decode(body, type=_Releases)
    except msgspec.DecodeError as garbled:
        raise SourceError(f"the npm registry's answer cannot be read ({garbled})") from garbled
    release = releases.versions.get(package.version)
    if release is None:
        raise SourceError(f"the npm registry no longer offers {package}")
    return release.dist.tarball


def _bounded(
    response: httpx.Response, package: Package, limit_bytes: int, stop: Event
) -> Iterator[bytes]:
    """Yield the body of a good answer."""
    if not response.is_success:
        raise SourceError(f"the npm registry answered {response.status_code} for {package}")
    received = 0
    for chunk in response.iter_bytes():
        received += len(chunk)
        if stop.is_set():
            raise FetchStoppedError
        if received > limit_bytes:
            raise SourceError(f"the npm registry sent more than {limit_bytes} bytes for {package}")
        yield chunk


def _npmrc(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Read the settings of the user's .npmrc."""
    path = Path(environment.get("NPM_CONFIG_USERCONFIG", home / ".npmrc"))
    try:
        with path.open(encoding="utf-8") as opened:
            text = opened.read(_MAX_NPMRC_BYTES)
    except (OSError, UnicodeDecodeError):
        return {}
    settings: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.lstrip().startswith(("#", ";")):
            settings[name.strip()] = _REFERENCE.sub(
                lambda found: environment.get(found[1], ""), value.strip().strip("\"'")
            )
    return settings


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Read npm's settings from variables, whose prefix npm takes in either case."""
    prefix = "npm_config_"
    return {
        name[len(prefix) :].lower(): value
        for name, value in environment.items()
        if name.lower().startswith(prefix) and value
    }
