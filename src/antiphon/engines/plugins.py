"""Find engines by name.

An engine is published as an entry point in one of the groups below; the entry point is a function
`create(settings)` that returns an object of the kind's Protocol. A third party adds an engine by
installing a package that declares one.
"""

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Literal, cast

from antiphon.protocol.errors import EngineError

EngineKind = Literal[
    "vad", "noise_reducer", "turn", "transcriber", "language_model", "synthesizer", "responder"
]
Create = Callable[[Mapping[str, object]], object]


def names(kind: EngineKind) -> list[str]:
    """List the engines of a kind that are installed, in alphabetical order."""
    return sorted({point.name for point in _entry_points(kind)})


def load(kind: EngineKind, name: str) -> Create:
    """Return the `create` function of an engine.

    Raises `EngineError` with code `engine_unknown` when no installed package offers it, and
    `engine_unavailable` when importing it fails.
    """
    for point in _entry_points(kind):
        if point.name == name:
            try:
                return cast("Create", point.load())
            except ImportError as missing:
                message = (
                    f"The {kind} engine '{name}' cannot be imported ({missing}). "
                    f"Reinstall the package '{point.dist.name if point.dist else name}'."
                )
                raise EngineError("engine_unavailable", message) from missing
    known = ", ".join(repr(each) for each in names(kind)) or "none"
    raise EngineError(
        "engine_unknown",
        f"There is no {kind} engine '{name}'. Installed: {known}. Correct the deployment.",
    )


def _entry_points(kind: EngineKind) -> importlib.metadata.EntryPoints:
    return importlib.metadata.entry_points(group=f"antiphon.{kind}")
