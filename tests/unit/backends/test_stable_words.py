"""Which words of a growing transcript are given out."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from antiphon.backends.stable_words import Patience, StableWords, Sureness


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


SURE = Patience(first_words=Sureness(followed=-1.0, last=-0.4, alone=-0.2))


def test_a_first_word_is_given_at_once_when_the_model_is_sure() -> None:
    assert StableWords(SURE).take(["How?"], [-0.1]) == "How"


def test_a_first_word_needs_less_when_the_run_before_agrees() -> None:
    words = StableWords(SURE)
    assert words.take(["How?"], [-0.3]) is None
    assert words.take(["How?"], [-0.3]) == "How"


def test_a_first_word_needs_least_when_another_follows() -> None:
    words = StableWords(SURE)
    assert words.take(["How", "fast"], [-0.9, -2.0]) is None
    assert words.take(["How", "far"], [-0.9, -2.0]) == "How"


def test_nothing_is_given_beyond_a_word_that_is_doubted() -> None:
    assert StableWords(SURE).take(["How", "far", "is"], [-0.1, -5.0, -0.1]) == "How"


def test_later_words_need_agreement() -> None:
    words = StableWords(SURE)
    words.take(["How"], [-0.1])
    assert words.take(["How", "far", "is"], [0.0, 0.0, 0.0]) is None
    assert words.take(["How", "far", "is", "it"], [0.0] * 4) == "How far is"


def test_certainties_that_fit_other_words_do_not_count() -> None:
    assert StableWords(SURE).take(["How", "far"], [0.0]) is None


def test_three_runs_may_have_to_agree() -> None:
    words = StableWords(Patience(runs=3))
    runs = ["Go on", "Go on and", "Go on and on"]
    assert [words.take(run.split()) for run in runs] == [None, None, "Go on"]


def test_whoever_has_all_the_patience_is_given_nothing() -> None:
    words = StableWords(Patience(runs=0))
    assert [words.take(["It", "is", "so"]) for _ in range(4)] == [None] * 4
