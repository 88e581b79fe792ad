"""What a deployment says about an embedded speech engine, and where its files lie."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from antiphon import weights
from antiphon.protocol.errors import EngineError

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


def read_settings(engine: str, settings: Mapping[str, object], into: type[_Settings]) -> _Settings:
    """Check plain settings, or raise `EngineError` with the name of the wrong one."""
    try:
        return msgspec.convert(dict(settings), into)
    except msgspec.ValidationError as wrong:
        known = ", ".join(f"'{field}'" for field in into.__struct_fields__)
        raise misconfigured(
            engine, f"{wrong}. Correct it in the deployment; its settings are {known}"
        ) from None


def find_weights(engine: str, artifact: str, file: str, own: str | None) -> Path:
    """Return the path of a file of the manifest, or of the one that the deployment names.

    Raises `EngineError` when it is not there.
    """
    if own is None:
        try:
            return weights.locate(artifact, file)
        except weights.WeightsError as missing:
            raise EngineError("engine_unavailable", f"{missing}") from missing
    path = Path(own).expanduser()
    if not path.is_file():
        raise misconfigured(engine, f"there is no file {path}; correct the path, or leave it out")
    return path


def refuse_voice(engine: str, voice: str, known: frozenset[str]) -> None:
    """Raise `EngineError` unless the engine has the voice."""
    if voice not in known:
        names = ", ".join(sorted(known))
        raise EngineError(
            "engine_unsupported",
            f"The engine '{engine}' has no voice '{voice:.64}'. Choose one of these: {names}.",
        )


def misconfigured(engine: str, problem: str) -> EngineError:
    """Return the error of an engine that cannot be created from its settings."""
    return EngineError(
        "engine_misconfigured", f"The engine '{engine}' cannot be set up: {problem}."
    )
