"""How this machine's tools are found."""

import subprocess
import sys
from pathlib import Path

from antiphon.weights.means import Means, ways_to_run_pip


def test_every_pip_that_is_found_runs() -> None:
    # uv would fetch pip before running it, which needs an index.
    ways = [pip for pip in ways_to_run_pip() if Path(pip.command[0]).stem != "uv"]
    assert ways
    for pip in ways:
        subprocess.run([*pip.command, "--version"], check=True, capture_output=True)


def test_the_pip_that_came_with_python_is_found() -> None:
    wheels = [pip for pip in ways_to_run_pip() if pip.command[-1].endswith(".whl/pip")]
    assert [pip.command[0] for pip in wheels] == [sys.executable] * len(wheels)
    assert wheels


def test_a_hub_of_another_name_has_no_mirror() -> None:
    means = Means(environment={"HF_ENDPOINT": "https://mirror.example/"})
    assert means.hub_url("https://huggingface.co/a/b") == "https://mirror.example/a/b"
    assert means.hub_url("https://elsewhere.example/a") == "https://elsewhere.example/a"
