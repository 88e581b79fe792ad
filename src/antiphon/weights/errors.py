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

from collections.abc import Mapping, Sequence
from pathlib import Path

from antiphon.protocol.errors import AntiphonError


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

    def __init__(
        self, missing: Mapping[str, Sequence[str]], cache: Path, directory: Path | None = None
    ) -> None:
        listed = ", ".join(
            f"{name} ({', '.join(files)})" if files else name for name, files in missing.items()
        )
        places = f"{cache} nor in {directory}" if directory else f"{cache}"
        super().__init__(
            f"These weights are not in {places}: {listed}. Run `antiphon models pull "
            f"{' '.join(missing)}` where there is a network, or set `server.weights_dir` to a "
            "directory that holds the files."
        )
        self.missing = {name: tuple(files) for name, files in missing.items()}
        """For each artifact the files that are not there; none means all of them."""


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
    """No source could give some artifacts."""

    def __init__(self, reasons: Mapping[str, Sequence[str]]) -> None:
        tried = "".join(
            f"\n{artifact}:" + "".join(f"\n  - {reason}" for reason in each)
            for artifact, each in reasons.items()
        )
        super().__init__(
            f"Some weights could not be fetched. For each, what was tried:{tried}\n"
            "Cure one cause for each and run the command again (what has arrived is kept), or copy "
            "the files from another machine and set `server.weights_dir` to their directory."
        )
        self.reasons = {artifact: tuple(each) for artifact, each in reasons.items()}
        """For each artifact, why each source failed."""


class NoSpaceError(WeightsError):
    """The disk cannot hold what is to be fetched."""

    def __init__(self, directory: Path, detail: str) -> None:
        super().__init__(
            f"Not enough space in {directory}: {detail}. Free some, choose a smaller profile, or "
            "set XDG_CACHE_HOME to a directory on another disk."
        )


class FetchStoppedError(WeightsError):
    """A fetch is being interrupted; the next one goes on from there."""

    def __init__(self) -> None:
        super().__init__("The fetch was interrupted. Run the command again to go on from there.")
