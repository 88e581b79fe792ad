from typing import Literal

import pytest

from antiphon.core.end_of_turn import seems_finished


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("What time is it?", True),
        ("It is late.", True),
        ("Stop!", True),
        ("Who is it for?", True),
        ("I would like to", False),
        ("It was red, and.", False),
        ("Well…", False),
        ("One, two,", False),
        ("Wait -", False),
        ("Tell me a story", False),
        ("", False),
        ("   ", False),
    ],
)
def test_the_end_of_a_text_tells_whether_more_is_to_come(text: str, *, finished: bool) -> None:
    assert seems_finished(text, "medium") is finished


@pytest.mark.parametrize(
    ("eagerness", "finished"), [("low", False), ("medium", False), ("high", True)]
)
def test_the_eager_need_no_closing_mark(
    eagerness: Literal["low", "medium", "high"], *, finished: bool
) -> None:
    assert seems_finished("Tell me a story", eagerness) is finished
