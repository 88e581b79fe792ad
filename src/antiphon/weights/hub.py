"""Fetch files from the publishers' model hubs, when the network lets us.

Each hub is asked once in a run whether it answers at all, all hubs at the same time. Behind a
firewall that swallows packets this costs three seconds altogether, not three for each file.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from urllib.parse import urlsplit

import httpx

from antiphon.weights.errors import (
    FetchStoppedError,
    SourceError,
    SourceUnreachableError,
    WrongBytesError,
)
from antiphon.weights.manifest import WeightFile
from antiphon.weights.means import Limits
from antiphon.weights.workers import start

_OK = 200
_PARTIAL_CONTENT = 206
_CHUNK_BYTES = 256 * 1024
_TRIES = 4


@dataclass(frozen=True, slots=True)
class _Probe:
    result: Future[None]
    until: float


@dataclass(slots=True)
class Hubs:
    """The model hubs, and which of them answer in this run."""

    limits: Limits
    stop: Event
    _client: httpx.Client = field(init=False)
    _probes: dict[str, _Probe] = field(default_factory=dict[str, _Probe])
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        timeout = httpx.Timeout(self.limits.stall_s, connect=self.limits.hub_answer_s)
        self._client = httpx.Client(timeout=timeout, follow_redirects=True)

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()

    def probe(self, url: str) -> None:
        """Begin to find out whether the host of an address answers."""
        host = urlsplit(url).netloc
        with self._lock:
            if host not in self._probes:
                until = monotonic() + self.limits.hub_answer_s
                self._probes[host] = _Probe(start(lambda: self._ask(url)), until)

    def fetch(
        self, url: str, file: WeightFile, staged: Path, on_bytes: Callable[[int], None]
    ) -> None:
        """Bring a file to its full length, going on from what is there; the hash is not checked.

        `on_bytes` is told how much of it is there.
        """
        self._await_answer(url)
        for tries_left in reversed(range(_TRIES)):
            before = _size(staged)
            try:
                self._transfer(url, file, staged, on_bytes)
            except httpx.HTTPError as broken:
                # A connection that brought nothing since it was last made is not worth another.
                if tries_left == 0 or _size(staged) == before:
                    raise _unreachable(url, broken) from broken
            else:
                return

    def _await_answer(self, url: str) -> None:
        self.probe(url)
        host = urlsplit(url).netloc
        asked = self._probes[host]
        try:
            asked.result.result(timeout=max(0.0, asked.until - monotonic()))
        except TimeoutError as silent:
            raise SourceUnreachableError(
                f"{host} did not answer within {self.limits.hub_answer_s:g} s"
            ) from silent
        except httpx.HTTPError as refused:
            raise _unreachable(url, refused) from refused

    def _ask(self, url: str) -> None:
        # Any answer will do, even a refusal: what counts is that the host can be reached.
        with self._client.stream(
            "GET",
            url,
            headers={"Range": "bytes=0-0"},
            timeout=self.limits.hub_answer_s,
            follow_redirects=False,
        ):
            return

    def _transfer(
        self, url: str, file: WeightFile, staged: Path, on_bytes: Callable[[int], None]
    ) -> None:
        held = _size(staged)
        if held == file.size_bytes:
            return
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={held}-"}
        with self._client.stream("GET", url, headers=headers) as response:
            begins = _first_byte(response, held)
            with staged.open("r+b" if begins else "wb") as out:
                out.seek(begins)
                for chunk in response.iter_raw(_CHUNK_BYTES):
                    if self.stop.is_set():
                        raise FetchStoppedError
                    out.write(chunk)
                    _refuse_surplus(file, out.tell())
                    on_bytes(out.tell())


def _first_byte(response: httpx.Response, asked: int) -> int:
    """Return the position at which the body of an answer begins."""
    if response.status_code == _PARTIAL_CONTENT:
        return asked
    if response.status_code == _OK:
        return 0
    raise SourceError(f"{response.url.host} answered {response.status_code}")


def _refuse_surplus(file: WeightFile, held_bytes: int) -> None:
    if held_bytes > file.size_bytes:
        raise WrongBytesError(file.name, f"{file.size_bytes} bytes", "more")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _unreachable(url: str, error: httpx.HTTPError) -> SourceUnreachableError:
    detail = str(error) or type(error).__name__
    return SourceUnreachableError(f"{urlsplit(url).netloc} cannot be reached ({detail})")
