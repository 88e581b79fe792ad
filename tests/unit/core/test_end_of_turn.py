from typing import Literal

import pytest

from antiphon.core.end_of_turn import (
    DOUBTFUL_WAIT_MS,
    FINISHED_WAIT_MS,
    LONGEST_WAIT_MS,
    Eagerness,
    Opinion,
    Opinions,
    of_voice,
    of_words,
    seems_finished,
)


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


@pytest.mark.parametrize(
    ("words", "voice", "waits"),
    [
        ("none", "none", LONGEST_WAIT_MS),
        ("pending", "pending", LONGEST_WAIT_MS),
        ("finished", "none", FINISHED_WAIT_MS),
        ("none", "finished", FINISHED_WAIT_MS),
        ("finished", "finished", FINISHED_WAIT_MS),
        ("finished", "pending", DOUBTFUL_WAIT_MS),
        ("pending", "finished", DOUBTFUL_WAIT_MS),
        ("finished", "unfinished", DOUBTFUL_WAIT_MS),
        ("unfinished", "finished", DOUBTFUL_WAIT_MS),
        ("unfinished", "unfinished", LONGEST_WAIT_MS),
        ("unfinished", "none", LONGEST_WAIT_MS),
        ("none", "unfinished", LONGEST_WAIT_MS),
        ("unfinished", "pending", LONGEST_WAIT_MS),
    ],
)
@pytest.mark.parametrize("eagerness", ["low", "medium", "high"])
def test_all_who_are_asked_have_to_agree(
    words: Opinion, voice: Opinion, waits: dict[str, int], eagerness: Eagerness
) -> None:
    assert Opinions(words, voice).wait_ms(eagerness) == waits[eagerness]


@pytest.mark.parametrize("waits", [FINISHED_WAIT_MS, DOUBTFUL_WAIT_MS, LONGEST_WAIT_MS])
def test_the_eager_never_wait_longer(waits: dict[str, int]) -> None:
    assert waits["high"] < waits["medium"] < waits["low"]


def test_doubt_waits_longer_than_certainty() -> None:
    for eagerness, longest in LONGEST_WAIT_MS.items():
        assert FINISHED_WAIT_MS[eagerness] < DOUBTFUL_WAIT_MS[eagerness] < longest


def test_opinions_come_from_words_and_probabilities() -> None:
    assert of_words("What time is it?", "low") == "finished"
    assert of_words("I would like to", "high") == "unfinished"
    assert [of_voice(0.4, each) for each in ("low", "medium", "high")] == [
        "unfinished",
        "unfinished",
        "finished",
    ]
    assert of_voice(0.7, "low") == of_voice(0.5, "medium") == "finished"
