"""Which words of a growing transcript are given out."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from antiphon.backends.stable_words import StableWords


def given_out(*runs: str) -> list[str | None]:
    stable = StableWords()
    return [stable.take(run.split()) for run in runs]


def test_one_run_proves_nothing() -> None:
    assert given_out("What is the capital") == [None]


def test_words_are_given_when_two_runs_agree_and_another_word_follows() -> None:
    runs = ("What is.", "What is the.", "What is the capital of.")
    assert given_out(*runs) == [None, "What", "What is"]


def test_the_last_word_is_held_back_even_when_runs_agree() -> None:
    assert given_out("Go on.", "Go on.") == [None, "Go"]


def test_disagreement_holds_back_the_rest() -> None:
    assert given_out("He was an old man", "He was not ill at", "He was not ill at all") == [
        None,
        "He was",
        "He was not ill at",
    ]


def test_given_words_are_never_taken_back() -> None:
    assert given_out("Well I think so too", "Well I think so too", "Well, I think so too, yes") == [
        None,
        "Well I think so",
        None,
    ]


def test_a_word_that_is_now_spelled_otherwise_still_marks_the_place() -> None:
    runs = ("one two three", "one two three", "one Two, three four", "one Two, three four five")
    assert given_out(*runs) == [None, "one two", None, "one two three four"]


def test_words_after_another_beginning_are_not_appended() -> None:
    runs = ("a b c d", "a b c d", "x y z w v", "x y z w v u")
    assert given_out(*runs) == [None, "a b c", None, None]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "B,", "c"]), max_size=6), max_size=8))
def test_each_text_extends_the_one_before(runs: list[list[str]]) -> None:
    stable = StableWords()
    texts = [text for run in runs if (text := stable.take(run)) is not None]
    assert all(later.startswith(f"{earlier} ") for earlier, later in pairwise(texts))
