"""Several processes at once, and processes that are interrupted."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from antiphon.weights.manifest import read

if TYPE_CHECKING:
    from conftest import Hub, Workplace

CONTENT = bytes(range(256)) * 8192
FETCH = """
import sys
from pathlib import Path
from antiphon.weights.cache import Cache
from antiphon.weights.fetch import Wishes, fetch
from antiphon.weights.manifest import read
from antiphon.weights.means import Means
from antiphon.weights.progress import Lines

toy = read(Path(sys.argv[1])).artifact("toy")
for each in fetch([toy], Wishes(Cache(Path(sys.argv[2])), None, False), Means(), Lines(sys.stdout)):
    print("origin", each.origin)
"""
IN_A_THREAD = f"""
import sys, threading
threading.Thread(target=lambda: exec({FETCH!r}), daemon=True).start()
sys.stdin.readline()
"""


def begun(place: "Workplace", program: str, manifest: Path) -> "subprocess.Popen[str]":
    """Start a process that fetches the toy artifact."""
    return subprocess.Popen(
        [sys.executable, "-c", program, str(manifest), str(place.cache.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=place.environment,
    )


@pytest.fixture
def manifest(place: "Workplace", hub: "Hub", sources: Any) -> Path:
    hub.files["/f"] = CONTENT
    return place.manifest({"toy": {"files": {"f": CONTENT}, "sources": [sources.hub(hub.url)]}})


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if words in line:
            return read
    raise AssertionError(f"it ended without saying {words!r}: {read} {process.communicate()}")


def test_a_second_process_waits_for_the_first_and_uses_what_it_brought(
    place: "Workplace", hub: "Hub", manifest: Path
) -> None:
    hub.stop_after_bytes = len(CONTENT) * 3 // 4
    with begun(place, FETCH, manifest) as first:
        read_until(first, "toy: 50%")
        with begun(place, FETCH, manifest) as second:
            read_until(second, "another process is fetching it; waiting for that one")
            hub.release.set()
            assert "origin hub" in read_until(first, "origin")
            assert "origin cache" in read_until(second, "origin")
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(hub.asked) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_process_leaves_what_the_next_one_goes_on_from(
    place: "Workplace", hub: "Hub", manifest: Path, how: signal.Signals
) -> None:
    hub.stop_after_bytes = len(CONTENT) * 3 // 4
    with begun(place, FETCH, manifest) as first:
        read_until(first, "toy: 50%")
        first.send_signal(how)
        assert first.wait(30) != 0
    hub.stop_after_bytes = None
    toy = read(manifest).artifact("toy")
    (fetched,) = place.fetch(toy)
    assert fetched.origin == "hub"
    assert place.content(toy) == {"f": CONTENT}
    (_, whole), (_, rest) = hub.asked
    assert whole == "bytes=0-"
    assert rest is not None
    assert int(rest.removeprefix("bytes=").removesuffix("-")) >= len(CONTENT) // 2


@pytest.mark.parametrize("how", ["interrupted", "over while a thread fetches"])
def test_pip_ends_with_the_program(
    place: "Workplace", sources: Any, manifest: Path, how: str
) -> None:
    source = sources.pypi("f", {"toy": CONTENT})
    place.manifest({"toy": {"files": {"f": CONTENT}, "sources": [source]}})
    with socket.create_server(("127.0.0.1", 0)) as silent_index:
        silent_index.settimeout(30)
        port = silent_index.getsockname()[1]
        del place.environment["PIP_NO_INDEX"]
        place.environment["PIP_INDEX_URL"] = f"http://127.0.0.1:{port}/simple"
        place.environment["PIP_DEFAULT_TIMEOUT"] = "120"
        program = FETCH if how == "interrupted" else IN_A_THREAD
        with begun(place, program, manifest) as process:
            pip, _ = silent_index.accept()
            if how == "interrupted":
                process.send_signal(signal.SIGINT)
            process.communicate("\n", timeout=30)
        with pip:
            pip.settimeout(30)
            # The connection ends because pip has, long before it would have given up by itself.
            while pip.recv(4096):
                pass


def test_a_start_with_nothing_to_fetch_loads_no_network_code() -> None:
    program = (
        "import sys; from antiphon import weights; assert weights.ensure([]) == [];"
        "assert not {'httpx', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
