"""Where settings come from, and which source wins.

Each source is flattened to single values by path, each with its place: defaults are weaker than the
file, the file is weaker than the environment, the environment is weaker than the command line.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from antiphon.config.lines import Lines
from antiphon.config.profiles import REALTIME_MODELS, TRANSCRIPTION_MODELS
from antiphon.config.schema import (
    STAGES,
    AuthSettings,
    LimitsSettings,
    ServerSettings,
    UsageSettings,
)
from antiphon.protocol.errors import AntiphonError

KeyPath = tuple[str, ...]

ENVIRONMENT_PREFIX = "ANTIPHON_"
_LARGEST_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the settings, and what to do about it."""

    message: str
    place: str
    """File and line, environment variable or option."""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class SettingsError(AntiphonError):
    """The settings cannot be used; holds every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(each) for each in self.problems))


@dataclass(frozen=True, slots=True)
class Value:
    """One value and its place."""

    value: object
    place: str
    is_text: bool = False
    """Whether it was written without a type, as in the environment."""


@dataclass(slots=True)
class Layers:
    """All values by path, the strongest source of each, and what could not be read."""

    values: dict[KeyPath, Value] = field(default_factory=dict[KeyPath, Value])
    problems: list[Problem] = field(default_factory=list[Problem])

    def add(self, layer: Mapping[KeyPath, Value]) -> None:
        """Lay stronger values over the present ones."""
        for path in layer:
            # Another engine has other settings: those of the weaker source would not fit it.
            if _is_engine_name(path) and self._names_another(path, layer[path].value):
                self._drop(path[:-1])
        self.values.update(layer)

    def _names_another(self, path: KeyPath, engine: object) -> bool:
        present = self.values.get(path)
        return present is not None and present.value != engine

    def _drop(self, stage: KeyPath) -> None:
        for path in [each for each in self.values if each[: len(stage)] == stage]:
            del self.values[path]


def read_file(path: Path) -> dict[KeyPath, Value]:
    """Read a settings file. Raises `SettingsError` when it cannot be read or is no TOML."""
    try:
        with path.open("rb") as opened:
            content = opened.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise SettingsError(
            [Problem(f"Cannot read the settings: {reason}. Check --config.", str(path))]
        ) from error
    if len(content) > _LARGEST_FILE_BYTES:
        raise SettingsError(
            [Problem("The file is larger than 1 MiB; that is no settings file.", str(path))]
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise SettingsError([Problem("The file is not UTF-8. Save it so.", str(path))]) from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([_toml_problem(path, text, error)]) from error
    lines = Lines(text)

    def place(key: KeyPath) -> str:
        line = lines.find(key)
        return str(path) if line is None else f"{path}:{line}"

    return {key: Value(value, place(key)) for key, value in _flatten((), table)}


def read_environment(environment: Mapping[str, str], names: Iterable[str]) -> Layers:
    """Read the variables that set something.

    ``names`` are the deployments that may be meant. A variable cannot have a hyphen or a dot in its
    name, so `ANTIPHON_DEPLOYMENTS__GPT_REALTIME__LLM` sets `deployments.gpt-realtime.llm`.
    """
    read = Layers()
    known = {_as_variable(each): each for each in (*REALTIME_MODELS, *TRANSCRIPTION_MODELS, *names)}
    for variable in sorted(environment):
        path = _variable_path(variable)
        if path is None:
            if (meant := _near_miss(variable)) is not None:
                message = f"One underscore is missing: write {meant}."
                read.problems.append(Problem(message, variable))
            continue
        if path[0] == "deployments" and len(path) > 1:
            name = known.get(path[1].upper())
            if name is None:
                read.problems.append(_unknown_deployment(variable, path[1], known))
                continue
            path = ("deployments", name, *path[2:])
        value = Value(environment[variable], variable, is_text=True)
        read.values[_engine_name_path(path)] = value
    return read


def read_options(options: Mapping[KeyPath, tuple[str, object]]) -> dict[KeyPath, Value]:
    """Take the command line's values: path -> option and value."""
    return {path: Value(value, option) for path, (option, value) in options.items()}


def _flatten(prefix: KeyPath, table: Mapping[str, object]) -> Iterator[tuple[KeyPath, object]]:
    for key, value in table.items():
        path = (*prefix, key)
        # An engine's settings are the engine's business: a table among them is a value.
        if isinstance(value, dict) and value and len(path) < _ENGINE_SETTING_DEPTH:
            yield from _flatten(path, cast("dict[str, object]", value))
        else:
            yield _engine_name_path(path), value


_ENGINE_SETTING_DEPTH = 4  # deployments.NAME.STAGE.KEY


def _engine_name_path(path: KeyPath) -> KeyPath:
    # `llm = "llama"` is short for `llm = { engine = "llama" }`.
    is_stage = len(path) == _ENGINE_SETTING_DEPTH - 1 and path[0] == "deployments"
    return (*path, "engine") if is_stage and path[2] in STAGES else path


def _is_engine_name(path: KeyPath) -> bool:
    return len(path) == _ENGINE_SETTING_DEPTH and path[0] == "deployments" and path[3] == "engine"


def _toml_problem(path: Path, text: str, error: tomllib.TOMLDecodeError) -> Problem:
    found = re.search(r"(.*) \(at line (\d+), column (\d+)\)", str(error))
    if found is not None:
        message = f"Not valid TOML: {found[1]} (column {found[3]})."
        return Problem(message, f"{path}:{found[2]}")
    reason = str(error).removesuffix(" (at end of document)")
    return Problem(f"Not valid TOML: {reason}.", f"{path}:{text.rstrip().count(chr(10)) + 1}")


def _variable_path(variable: str) -> KeyPath | None:
    if not variable.startswith(ENVIRONMENT_PREFIX):
        return None
    parts = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    return tuple(parts) if len(parts) > 1 and all(parts) else None


def _near_miss(variable: str) -> str | None:
    for section, settings in _SECTIONS:
        prefix = f"{ENVIRONMENT_PREFIX}{section}_"
        key = variable.removeprefix(prefix)
        if variable.startswith(prefix) and key.lower() in settings.__struct_fields__:
            return f"{prefix}_{key}"
    return None


_SECTIONS = (
    ("SERVER", ServerSettings),
    ("AUTH", AuthSettings),
    ("LIMITS", LimitsSettings),
    ("USAGE", UsageSettings),
)


def _as_variable(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def _unknown_deployment(variable: str, name: str, known: Mapping[str, str]) -> Problem:
    close = difflib.get_close_matches(name.upper(), known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return Problem(
        f"No deployment is called '{name}' (letters and digits compared).{hint} "
        "Define it in the settings file first.",
        variable,
    )
