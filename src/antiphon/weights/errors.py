"""What can go wrong with weights, and what to do about it.

::

    AntiphonError
    └── WeightsError                    weights cannot be used; the message holds the cure
        ├── UnknownWeightsError         a name that the manifest does not know
        ├── MissingWeightsError         not in the cache, and nothing was to be fetched
        ├── WrongBytesError             SHA-256 or size differs from the manifest
        ├── SourceError                 one source could not give a file; another may
        │   └── SourceUnreachableError  the network did not carry us there
        ├── WeightsUnavailableError     no source could give a file
        ├── NoSpaceError                the disk cannot hold it
        └── FetchStoppedError           the fetch was interrupted; the next one goes on from there
"""

from collections.abc import Sequence
from pathlib import Path

from antiphon.protocol.errors import AntiphonError

_MIB = 1024 * 1024


class WeightsError(AntiphonError):
    """Weights cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class UnknownWeightsError(WeightsError):
    """A profile, artifact or file has a name that the manifest does not know."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no {kind} '{name}'. Known: {', '.join(known)}.")
        self.name = name


class MissingWeightsError(WeightsError):
    """Weights are not in the cache, and nothing was to be fetched."""

    def __init__(self, artifacts: Sequence[str], cache: Path, files: Sequence[str] = ()) -> None:
        listed = ", ".join(f"'{name}'" for name in artifacts)
        detail = f" Files not there: {', '.join(files)}." if files else ""
        super().__init__(
            f"The weights {listed} are not in {cache}.{detail} "
            f"Run `antiphon models pull {' '.join(artifacts)}` where there is a network, or set "
            "`weights_dir` to a directory that holds the files."
        )
        self.artifacts = tuple(artifacts)


class WrongBytesError(WeightsError):
    """A file is not the one that the manifest names."""

    def __init__(self, file: str, expected: str, actual: str) -> None:
        super().__init__(f"{file} is not the file it should be: expected {expected}, got {actual}.")
        self.file = file


class SourceError(WeightsError):
    """One source could not give a file."""


class SourceUnreachableError(SourceError):
    """The network did not carry us to a source, so there is no use in asking it again."""


class WeightsUnavailableError(WeightsError):
    """No source could give an artifact."""

    def __init__(self, artifact: str, reasons: Sequence[str]) -> None:
        tried = "".join(f"\n  - {reason}" for reason in reasons)
        super().__init__(
            f"The weights '{artifact}' could not be fetched. Tried:{tried}\n"
            "Cure one of these and run the command again (what has arrived is kept), or copy the "
            "files from another machine and set `weights_dir` to their directory."
        )
        self.artifact = artifact
        self.reasons = tuple(reasons)


class NoSpaceError(WeightsError):
    """The disk cannot hold what is to be fetched."""

    def __init__(self, directory: Path, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"Not enough space in {directory}: {needed_bytes / _MIB:.0f} MiB are needed while "
            f"fetching, {free_bytes / _MIB:.0f} MiB are free. Free some, choose a smaller profile, "
            "or set XDG_CACHE_HOME to a directory on another disk."
        )


class FetchStoppedError(WeightsError):
    """A fetch was interrupted; the next one goes on from there."""

    def __init__(self) -> None:
        super().__init__("The fetch was interrupted. Run the command again to go on from there.")
