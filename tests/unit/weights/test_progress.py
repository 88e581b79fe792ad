"""What people see of a fetch."""

import io

from antiphon.weights.progress import Silent, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_at_each_quarter() -> None:
    log = io.StringIO()
    with shown(log) as report:
        report.begin("toy", "fetching", 200 * 1024 * 1024)
        for percent in range(0, 101, 5):
            report.advance("toy", percent * 2 * 1024 * 1024)
        report.say("toy", "model hub: silent")
        report.end("toy", "done")
    assert log.getvalue().splitlines() == [
        "toy: fetching 200 MiB",
        "toy: 25%",
        "toy: 50%",
        "toy: 75%",
        "toy: model hub: silent",
        "toy: done",
    ]


def test_a_log_gets_nothing_twice_when_another_source_begins_anew() -> None:
    log = io.StringIO()
    with shown(log) as report:
        report.begin("toy", "fetching", 100)
        for held in (60, 0, 60):
            report.advance("toy", held)
    assert log.getvalue().count("50%") == 1


def test_a_terminal_gets_a_bar_for_each_artifact() -> None:
    terminal = Terminal()
    with shown(terminal) as report:
        report.begin("toy", "fetching", 100)
        report.begin("other", "fetching", 100)
        report.advance("toy", 50)
        report.say("toy", "model hub: [silent]")
        report.end("toy", "done")
        report.say("unbegun", "already there")
        report.advance("unbegun", 1)
        report.end("unbegun", "done")
    drawn = terminal.getvalue()
    for words in ("toy", "other", "model hub: [silent]", "done", "unbegun: already there"):
        assert words in drawn


def test_silence_is_a_report_too() -> None:
    report = Silent()
    report.begin("toy", "fetching", 1)
    report.advance("toy", 1)
    report.say("toy", "words")
    report.end("toy", "done")
