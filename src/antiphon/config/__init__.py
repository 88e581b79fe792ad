"""Settings: `antiphon.toml`, the environment and the command line, read by `app` and `cli` only."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from antiphon.config.checks import Keys, check
from antiphon.config.profiles import (
    EnginePlan,
    RealtimePlan,
    TranslationPlan,
    engines,
    plan,
    plan_translations,
    transcription_names,
)
from antiphon.config.reading import Reader
from antiphon.config.schema import (
    AuthSettings,
    DeploymentSettings,
    EngineSettings,
    LimitsSettings,
    McpSettings,
    QuotaSettings,
    ServerSettings,
    Settings,
    UsageSettings,
)
from antiphon.config.sources import (
    KeyPath,
    Layers,
    Problem,
    SettingsError,
    Value,
    read_environment,
    read_file,
    read_options,
)
from antiphon.config.stored_keys import KeyStore

__all__ = [
    "AuthSettings",
    "DeploymentSettings",
    "EnginePlan",
    "EngineSettings",
    "KeyPath",
    "KeyStore",
    "LimitsSettings",
    "Loaded",
    "McpSettings",
    "Problem",
    "QuotaSettings",
    "RealtimePlan",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "TranslationPlan",
    "UsageSettings",
    "engines",
    "find_file",
    "load",
    "plan",
    "plan_translations",
    "transcription_names",
    "usage_file",
]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Usable settings and where each of them came from."""

    settings: Settings
    values: Mapping[KeyPath, Value]
    """Whatever was set anywhere; all else has its default."""
    file: Path | None
    keys: frozenset[str]
    """SHA-256 of every accepted key, in hexadecimal digits; those of the key store included."""
    key_names: Mapping[str, str]
    """The names of keys that have one, by their SHA-256."""


def usage_file(usage: UsageSettings) -> Path:
    """Return where the usage ledger is."""
    users = platformdirs.user_data_path("antiphon")
    return (Path(usage.directory) if usage.directory else users) / "usage.sqlite3"


def find_file(environment: Mapping[str, str]) -> Path | None:
    """Return the settings file that is used when none is named: beside us, else the user's own."""
    if named := environment.get("ANTIPHON_CONFIG"):
        return Path(named)
    users = platformdirs.user_config_path("antiphon") / "antiphon.toml"
    return next((each for each in (Path("antiphon.toml"), users) if each.is_file()), None)


def load(
    file: Path | None = None,
    options: Mapping[KeyPath, tuple[str, object]] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read all sources and check them together.

    ``options`` are values of the command line by path, each with the option's name. Raises
    `SettingsError` with every problem found.
    """
    environment = os.environ if environment is None else environment
    file = file or find_file(environment)
    layers = Layers()
    if file is not None:
        layers.add(read_file(file))
    names = {path[1] for path in layers.values if path[0] == "deployments" and len(path) > 1}
    variables = read_environment(environment, names)
    layers.add(variables.values)
    layers.add(read_options(options or {}))
    reader = Reader(layers.values)
    settings = reader.read()
    store = KeyStore()
    problems = [*variables.problems, *reader.problems]
    keys = {each.rpartition(":")[2]: each.rpartition("=")[0] for each in settings.auth.keys}
    keys |= {each.sha256: each.name for each in store.stored()}
    key_names = {digest: name for digest, name in keys.items() if name}
    if not problems:
        problems = check(settings, layers.values, Keys(bool(keys), frozenset(key_names.values())))
    if problems:
        raise SettingsError(problems)
    return Loaded(settings, layers.values, file, frozenset(keys), key_names)
