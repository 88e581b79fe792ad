"""Loops: when a model has lost its thread."""

import pytest

from antiphon.backends.llama_loops import LoopWatch


def is_loop(text: str, piece: int = 4) -> bool:
    watch = LoopWatch()
    pieces = [text[start : start + piece] for start in range(0, len(text), piece)]
    return any(watch.push(each) for each in pieces)


@pytest.mark.parametrize(
    "text",
    [
        "I am here to help you. " * 4,
        "I am here to help you.\n\nIt rains. " * 4,
        "and so it goes on " * 20,
        "ha" * 120,
        "Can I help you? I can. Can I help you? " * 3,
    ],
)
def test_what_is_said_again_and_again_is_a_loop(text: str) -> None:
    assert is_loop(text)


@pytest.mark.parametrize(
    "text",
    [
        "Yes. Yes. Yes. Yes. I am sure.",
        "The fox ran. The raven flew. The fox ran again, and the raven flew again.",
        " ".join(f"{number}," for number in range(200)),
        "I am here to help you. It rains. I am here to help you.",
        "Ha ha ha, that is a good one! " + "x" * 100,
    ],
)
def test_ordinary_repetition_is_none(text: str) -> None:
    assert not is_loop(text)
