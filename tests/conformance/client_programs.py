"""Clients that are programs of their own: found or installed once, run, and read as JSON lines.

Under `CI` nothing is skipped: what is missing there fails. Elsewhere a missing tool skips its tests
and says how to get it.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NODE = HERE / "node"
CLIENTS = HERE / "clients"
PIPECAT = "pipecat-ai[openai]==1.14.0"


def missing(what: str) -> None:
    """Fail under `CI`, else skip."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    cwd: Path = HERE,
    stdin: str = "",
    timeout_s: float = 60,
) -> str:
    """Run a client to its end and return what it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def json_lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def _install(command: Sequence[str | Path], cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        missing(f"{command[0]} could not install: {done.stderr.strip()[-300:]}")


@pytest.fixture(scope="session")
def node_packages() -> Path:
    """Install the JavaScript clients beside their scripts, once; return that directory."""
    if shutil.which("npm") is None:
        missing("needs Node.js and npm")
    packages = json.loads((NODE / "package.json").read_text())["dependencies"]
    if not all((NODE / "node_modules" / name).exists() for name in packages):
        _install(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"], NODE)
    return NODE


@pytest.fixture(scope="session")
def pipecat_python() -> Path:
    """An interpreter with pipecat, which wants an older openai package than ours.

    That of `ANTIPHON_PIPECAT_PYTHON`, or one in `.venv-pipecat`, which is made under `CI` only: it
    takes 430 MB.
    """
    named = os.environ.get("ANTIPHON_PIPECAT_PYTHON")
    home = ROOT / ".venv-pipecat"
    python = Path(named) if named else home / "bin" / "python"
    if not python.exists():
        if not os.environ.get("CI"):
            make = f"python -m venv {home.name} && {home.name}/bin/pip install '{PIPECAT}'"
            pytest.skip(f"needs pipecat, beside openai<3: {make}")
        venv.create(home, with_pip=True)
        (home / ".gitignore").write_text("*\n")
        _install([python, "-m", "pip", "install", "--quiet", PIPECAT], ROOT)
    return python


@pytest.fixture(scope="session")
def java() -> str:
    found = shutil.which("java")
    if found is None or shutil.which("javac") is None:
        missing("needs a JDK, version 17 or newer")
    return found or ""


def run_python(
    script: Path, environment: Mapping[str, str], *arguments: str, **options: Any
) -> str:
    """Run a Python program with this interpreter."""
    return run([sys.executable, script, *arguments], environment, **options)
