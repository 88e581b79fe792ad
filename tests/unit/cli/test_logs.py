import io
import logging

import pytest

from antiphon.cli.logs import set_up


@pytest.fixture
def lines():
    """Log lines, and the loggers as they were afterwards."""
    root, ours, theirs = (logging.getLogger(name) for name in ("", "antiphon", "uvicorn"))
    before = (root.handlers, root.level, ours.level, theirs.level)
    stream = io.StringIO()
    set_up("info", stream)
    yield stream
    root.handlers = before[0]
    for logger, level in zip((root, ours, theirs), before[1:], strict=True):
        logger.setLevel(level)


def test_a_line_has_a_moment_a_severity_an_event_and_its_fields(lines) -> None:
    logging.getLogger("antiphon.x").info("session_closed", extra={"session": "sess_1", "s": 1.5})
    moment, rest = lines.getvalue().split(" ", 1)
    assert moment.endswith("Z")
    assert rest == "info session_closed session=sess_1 s=1.5\n"


def test_a_value_with_spaces_or_line_breaks_stays_one_value_on_one_line(lines) -> None:
    extra = {"a": "b c", "d": "e\nf", "g": "", "h": 'i"j'}
    logging.getLogger("antiphon").info("x", extra=extra)
    assert lines.getvalue().endswith(' info x a="b c" d="e\\nf" g="" h="i"j"\n')
    assert lines.getvalue().count("\n") == 1


def test_an_exception_is_told_by_type_and_place_never_by_its_text(lines) -> None:
    try:
        raise ValueError("what the user said")
    except ValueError as error:
        logging.getLogger("antiphon").error("session_failed", exc_info=error)
    line = lines.getvalue()
    assert "fault=ValueError" in line
    assert "at=test_logs.py:" in line
    assert "user said" not in line


def test_addresses_that_may_hold_keys_are_not_logged(lines) -> None:
    logging.getLogger("uvicorn.error").info('"WebSocket /v1/realtime?api-key=secret" [accepted]')
    assert lines.getvalue() == ""


def test_less_severe_lines_are_left_out(lines) -> None:
    logging.getLogger("antiphon").debug("x")
    logging.getLogger("another.package").info("x")
    assert lines.getvalue() == ""
    logging.getLogger("another.package").warning("x")
    assert lines.getvalue().endswith(" warning x\n")
