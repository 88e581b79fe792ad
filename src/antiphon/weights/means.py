"""What a fetch works with: limits, the package tools of this machine and their configuration.

Package hosts, proxies, certificates and credentials are the business of pip and npm. They are asked
to fetch, and nothing about them is written here.
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata, util
from pathlib import Path

_HUB_ADDRESS = "https://huggingface.co/"
_RAW_PROGRESS_SINCE = (24, 1)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long anything may take, and how much may go on at once."""

    hub_answer_s: float = 3.0
    """A hub that has not answered by then is not asked again in this run."""
    stall_s: float = 30.0
    """A transfer that brings nothing for so long is given up."""
    package_s: float = 1800.0
    """pip or npm is ended when one package takes longer."""
    lock_s: float = 3600.0
    """The longest wait for another process that fetches the same artifact."""
    transfers: int = 4


@dataclass(frozen=True, slots=True)
class Pip:
    """A way to run pip."""

    command: tuple[str, ...]
    tells_progress: bool
    """Whether it knows `--progress-bar raw`."""


def _free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free


def _environment() -> Mapping[str, str]:
    # Not a setting of ours: pip, npm and their proxies are configured here, and inherit all of it.
    return dict(os.environ)


def ways_to_run_pip() -> Iterator[Pip]:
    """Yield them, best first: this interpreter's, the one that came with it, another's, uv's."""
    if util.find_spec("pip") is not None:
        yield _pip((sys.executable, "-m", "pip"), metadata.version("pip"))
    # An environment made without pip still has the wheel from which Python would install it, and
    # a wheel of pip runs as it is.
    for wheel in _bundled_wheels():
        yield _pip((sys.executable, str(wheel / "pip")), wheel.name.split("-")[1])
    if pip := shutil.which("pip3") or shutil.which("pip"):
        yield Pip((pip,), tells_progress=False)
    if uv := shutil.which("uv"):
        yield Pip((uv, "tool", "run", "--quiet", "pip"), tells_progress=False)


def _best_pip() -> Pip | None:
    return next(ways_to_run_pip(), None)


def _pip(command: tuple[str, ...], version: str) -> Pip:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return Pip(command, numbers >= _RAW_PROGRESS_SINCE)


def _bundled_wheels() -> list[Path]:
    folders: list[Path] = []
    if packaged := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        folders.append(Path(packaged))
    spec = util.find_spec("ensurepip")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "_bundled")
    return [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))]


def _npm() -> str | None:
    return shutil.which("npm")


@dataclass(frozen=True, slots=True)
class Means:
    """What a fetch works with; a test or an unusual machine gives its own."""

    limits: Limits = field(default_factory=Limits)
    environment: Mapping[str, str] = field(default_factory=_environment)
    pip: Callable[[], Pip | None] = _best_pip
    npm: Callable[[], str | None] = _npm
    home: Path = field(default_factory=Path.home)
    free_bytes: Callable[[Path], int] = _free_bytes

    def hub_url(self, url: str) -> str:
        """Return where a hub's file is to be had, which is a mirror if one is configured."""
        mirror = self.environment.get("HF_ENDPOINT", "").rstrip("/")
        if mirror and url.startswith(_HUB_ADDRESS):
            return f"{mirror}/{url.removeprefix(_HUB_ADDRESS)}"
        return url
