"""`antiphon usage`: what keys have used of deployments."""

import csv
import sqlite3
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.output import COULD_NOT_RUN, fail, say, show, show_json

if TYPE_CHECKING:
    from antiphon.runtime.ledger import Grouping, Row

_BY = ("key", "deployment", "day")
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


def usage(
    since: Annotated[
        str,
        typer.Option(metavar="DATE", help="First day or hour, UTC: 2026-01-31, or with T14:00."),
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="DATE", help="Last day, or the hour to end before.")
    ] = "",
    by: Annotated[str, typer.Option(metavar="key|deployment|day", help="Sum by this alone.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="Settings file; as for `antiphon serve`.")
    ] = None,
) -> None:
    """Print what keys have used of deployments: sessions, tokens by modality, seconds of sound.

    Keys appear by name, or by the beginning of their hash. Use is written within a second.
    """
    from antiphon import config as settings
    from antiphon.runtime.ledger import read

    path = settings.usage_file(settings.load(config).settings.usage)
    try:
        grouping = _grouping(by)
        first = _moment(since) if since else datetime.fromtimestamp(0, UTC)
        last = _end(until) if until else _FOR_EVER
        rows = read(path, first.timestamp(), last.timestamp(), grouping)
    except ValueError as error:
        fail(str(error))
        raise typer.Exit(COULD_NOT_RUN) from error
    except (OSError, sqlite3.Error) as error:
        fail(f"The usage ledger cannot be read: {error} ({path}).")
        raise typer.Exit(COULD_NOT_RUN) from error
    if as_json:
        show_json([_plain(row) for row in rows])
    elif as_csv:
        _show_csv(rows)
    else:
        _show_table(rows)


def _grouping(by: str) -> "Grouping | None":
    match by:
        case "":
            return None
        case "key" | "deployment" | "day":
            return by
        case _:
            raise ValueError(f"Cannot sum by '{by}'. Choose one of: {', '.join(_BY)}.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"'{text}' is no date. Write 2026-01-31, or 2026-01-31T14:00."
        raise ValueError(message) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _end(text: str) -> datetime:
    """Return the moment before which an end lies; a day counts to its end."""
    moment = _moment(text)
    is_day = "T" not in text and " " not in text
    return moment + timedelta(days=1) if is_day else moment


def _plain(row: "Row") -> dict[str, object]:
    groups = {"day": row.day, "key": row.key, "deployment": row.deployment}
    used = {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in asdict(row.used).items()
    }
    named = {name: value for name, value in groups.items() if value is not None}
    return {**named, **used}


def _show_csv(rows: "list[Row]") -> None:
    from antiphon.runtime.usage import COLUMNS

    plain = [_plain(row) for row in rows]
    groups = [each for each in ("day", "key", "deployment") if plain and each in plain[0]]
    writer = csv.DictWriter(sys.stdout, [*groups, *COLUMNS], lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain)


def _show_table(rows: "list[Row]") -> None:
    if not rows:
        say("Nothing was used in that time.")
        return
    head = ("", "sessions", "minutes", "responses", "tokens in", "cached", "tokens out", "sound s")
    lines = [head, *(_line(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        name, *numbers = line
        cells = (f"{each:>{width}}" for each, width in zip(numbers, widths[1:], strict=True))
        show(f"{name:{widths[0]}}  {'  '.join(cells)}".rstrip())


def _line(row: "Row") -> tuple[str, ...]:
    used = row.used
    name = "  ".join(each for each in (row.day, row.key, row.deployment) if each is not None)
    read = used.input_text_tokens + used.input_audio_tokens + used.input_image_tokens
    cached = used.cached_text_tokens + used.cached_audio_tokens + used.cached_image_tokens
    said = used.output_text_tokens + used.output_audio_tokens
    return (
        name,
        str(used.sessions),
        f"{used.session_seconds / 60:.1f}",
        str(used.responses),
        str(read),
        str(cached),
        str(said),
        f"{used.input_audio_seconds + used.output_audio_seconds:.1f}",
    )
