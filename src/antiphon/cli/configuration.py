"""`antiphon config`: check the settings, or show each with its source."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, cast

import typer

from antiphon import config
from antiphon.cli.output import FINDINGS, say, show, show_json
from antiphon.config import EnginePlan, Loaded, RealtimePlan

app = typer.Typer(help="Check the settings, or show each with its source.", no_args_is_help=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; without: antiphon.toml here, then the user's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_MASK = "•••"
_SECRET = re.compile(r"key|token\b|secret|password|authorization|headers|proxy", re.IGNORECASE)
_CREDENTIALS = re.compile(r"//[^/@\s]*@")
_WIDEST = 60
_SHOWN_DIGITS = 1 + 8

Row = tuple[str, object, str]
"""Key, value and source."""


@app.command()
def check(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Explain every error in the settings, with its file and line."""
    problems: list[config.Problem] = []
    file = config_file
    try:
        file = config.load(config_file).file
    except config.SettingsError as error:
        problems = list(error.problems)
    if as_json:
        told = [{"place": each.place, "message": each.message} for each in problems]
        show_json({"ok": not problems, "problems": told})
    elif problems:
        for problem in problems:
            show(str(problem))
    else:
        show(f"{file}: no errors" if file else "No settings file, and none is needed: no errors.")
    if problems:
        raise typer.Exit(FINDINGS)


@app.command("show")
def show_settings(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every setting with its value and where it comes from; secrets are masked."""
    loaded = config.load(config_file)
    rows = list(_rows(loaded))
    if as_json:
        show_json([{"key": key, "value": value, "source": source} for key, value, source in rows])
        return
    lines = [(f"{key} = {_in_toml(value)}", source) for key, value, source in rows]
    width = min(_WIDEST, max(len(line) for line, _ in lines))
    for line, source in lines:
        show(f"{line:{width}}  # {source}")
    if loaded.file is None:
        say("No settings file: put antiphon.toml here, or name one with --config.")


def _rows(loaded: Loaded) -> Iterator[Row]:
    for section in ("server", "auth", "mcp", "usage"):
        settings = getattr(loaded.settings, section)
        for key in settings.__struct_fields__:
            path = (section, key)
            found = loaded.values.get(path)
            value = (
                _shorten(getattr(settings, key)) if section == "auth" else getattr(settings, key)
            )
            yield ".".join(path), value, found.place if found else "default"
    yield from _limits_rows(loaded)
    yield "auth (key store)", len(config.KeyStore().stored()), str(config.KeyStore().path)
    plans = config.plan(loaded.settings)
    if not any(each.kind == "realtime" for each in loaded.settings.deployments.values()):
        yield "deployments", [each.name for each in plans], "default"
        plans = plans[:1]
    for plan in plans:
        yield from _deployment_rows(plan, loaded)


def _limits_rows(loaded: Loaded) -> Iterator[Row]:
    limits = loaded.settings.limits
    sections: dict[config.KeyPath, config.QuotaSettings] = {("limits",): limits}
    sections |= {("limits", "keys", name): each for name, each in limits.keys.items()}
    sections |= {
        ("deployments", name, "limits"): each.limits
        for name, each in loaded.settings.deployments.items()
    }
    storage = loaded.values.get(("limits", "storage"))
    yield "limits.storage", _masked(limits.storage), storage.place if storage else "default"
    for section, each in sections.items():
        for key in ("requests", "tokens", "sessions"):
            found = loaded.values.get((*section, key))
            if found is not None or section == ("limits",):
                name = ".".join((*section, key))
                yield name, getattr(each, key), found.place if found else "default"


def _deployment_rows(plan: RealtimePlan, loaded: Loaded) -> Iterator[Row]:
    stages: dict[str, EnginePlan] = {"vad": plan.vad, "stt": plan.stt}
    if plan.turn is not None:
        stages["turn"] = plan.turn
    if isinstance(plan.answer, EnginePlan):
        stages["responder"] = plan.answer
    else:
        stages["llm"], stages["tts"] = plan.answer
    profile = f"profile {loaded.settings.server.profile}"
    for stage, engine in stages.items():
        path = ("deployments", plan.name, stage)
        found = loaded.values.get((*path, "engine"))
        shown = {"engine": engine.name, **cast("dict[str, object]", _masked(engine.settings))}
        yield ".".join(path), shown, found.place if found else profile
    named = [
        ("voice", plan.voice or plan.preferred_voice),
        ("silence_duration_ms", plan.silence_duration_ms),
    ]
    for key, value in named:
        found = loaded.values.get(("deployments", plan.name, key))
        yield f"deployments.{plan.name}.{key}", value, found.place if found else "default"


def _masked(value: object, key: str = "") -> object:
    match value:
        case dict():
            table = cast("Mapping[str, object]", value)
            return {name: _masked(each, key or name) for name, each in table.items()}
        case list():
            return [_masked(each, key) for each in cast("list[object]", value)]
        case _ if _SECRET.search(key):
            return _MASK if value else value
        case str():
            return _CREDENTIALS.sub(f"//{_MASK}@", value)
        case _:
            return value


def _shorten(digests: tuple[str, ...]) -> list[str]:
    return [f"{each[: each.index(':') + _SHOWN_DIGITS]}…" for each in digests]


def _in_toml(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case dict():
            table = cast("Mapping[str, object]", value)
            return (
                "{ " + ", ".join(f"{key} = {_in_toml(each)}" for key, each in table.items()) + " }"
            )
        case list() | tuple():
            return "[" + ", ".join(map(_in_toml, cast("list[object]", value))) + "]"
        case _:
            return str(value)
