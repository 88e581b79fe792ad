"""`antiphon usage`: what is told of the ledger, to people and to programs."""

import csv
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from antiphon import config
from antiphon.cli import main
from antiphon.runtime.ledger import UsageLedger
from antiphon.runtime.usage import COLUMNS, Used

MARCH_1 = datetime(2026, 3, 1, 10, 30, tzinfo=UTC).timestamp()
DAY = 24 * 3600

Usage = Callable[..., tuple[int, str, str]]


@pytest.fixture
def usage(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Usage:
    """Runs the command; returns its exit status, its result and its words."""

    def run(*options: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["antiphon", "usage", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def ledger() -> None:
    """Two keys that used two deployments on two days."""
    now = [MARCH_1]
    ledger = UsageLedger(config.usage_file(config.UsageSettings()), 400, lambda: now[0])
    ledger.add("anna", "gpt-realtime", Used(sessions=2, responses=3, session_seconds=90.12345))
    ledger.add("ben", "mine", Used(responses=1, input_text_tokens=30, input_audio_tokens=12))
    now[0] += DAY
    ledger.add("anna", "mine", Used(responses=5, output_audio_tokens=100, cached_text_tokens=7))
    assert ledger.flush()


def told(usage: Usage, *options: str) -> list[dict[str, object]]:
    status, out, _ = usage("--json", *options)
    assert status == 0
    rows: list[dict[str, object]] = json.loads(out)
    return rows


@pytest.mark.usefixtures("ledger")
def test_programs_get_every_count_by_key_and_deployment(usage: Usage) -> None:
    rows = told(usage)
    names = [(row["key"], row["deployment"], row["responses"]) for row in rows]
    assert names == [("anna", "gpt-realtime", 3), ("anna", "mine", 5), ("ben", "mine", 1)]
    assert list(rows[0]) == ["key", "deployment", *COLUMNS]
    assert rows[0]["session_seconds"] == 90.123


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("key", [("anna", 8), ("ben", 1)]),
        ("deployment", [("gpt-realtime", 3), ("mine", 6)]),
        ("day", [("2026-03-01", 4), ("2026-03-02", 5)]),
    ],
)
def test_it_is_summed_by_what_is_asked_for(usage: Usage, by: str, expected: object) -> None:
    assert [(row[by], row["responses"]) for row in told(usage, "--by", by)] == expected


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--since", "2026-03-02"), 5),
        (("--until", "2026-03-01"), 4),
        (("--since", "2026-03-01T10:00", "--until", "2026-03-01T11:00"), 4),
        (("--since", "2026-03-01T11:00", "--until", "2026-03-02T10:00"), 0),
        (("--since", "2026-03-01T13:00+02:00", "--until", "2026-03-01"), 0),
    ],
)
def test_a_time_may_be_chosen(usage: Usage, options: tuple[str, ...], expected: int) -> None:
    assert sum(int(str(row["responses"])) for row in told(usage, *options)) == expected


@pytest.mark.usefixtures("ledger")
def test_spreadsheets_get_the_same_as_csv(usage: Usage) -> None:
    status, out, _ = usage("--csv", "--by", "day")
    assert status == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["day"] for row in rows] == ["2026-03-01", "2026-03-02"]
    assert rows[0].keys() == {"day", *COLUMNS}
    assert rows[1]["output_audio_tokens"] == "100"


@pytest.mark.usefixtures("ledger")
def test_people_get_a_table(usage: Usage) -> None:
    status, out, _ = usage()
    lines = out.splitlines()
    assert status == 0
    assert lines[0].endswith("tokens out  sound s")
    assert lines[1].split() == ["anna", "gpt-realtime", "2", "1.5", "3", "0", "0", "0", "0.0"]
    assert lines[3].split() == ["ben", "mine", "0", "0.0", "1", "42", "0", "0", "0.0"]


def test_where_nothing_was_used_that_is_said(usage: Usage) -> None:
    assert usage() == (0, "", "Nothing was used in that time.\n")
    assert usage("--json")[1] == "[]\n"
    assert usage("--csv")[1].startswith("requests,sessions,")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--by", "colour"), "Choose one of: key, deployment, day."),
        (("--since", "yesterday"), "Write 2026-01-31"),
        (("--until", "2026-13-01"), "Write 2026-01-31"),
    ],
)
def test_a_mistake_is_told_with_its_cure(
    usage: Usage, options: tuple[str, ...], words: str
) -> None:
    status, out, err = usage(*options)
    assert (status, out) == (2, "")
    assert words in err


def test_a_file_that_is_no_ledger_is_told(usage: Usage) -> None:
    path = config.usage_file(config.UsageSettings())
    path.parent.mkdir(parents=True)
    path.write_text("This is no database, though it is long enough to look like one. " * 20)
    status, _, err = usage()
    assert status == 2
    assert str(path) in err
