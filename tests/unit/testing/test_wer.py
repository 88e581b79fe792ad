import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.testing.wer import normalise, word_error_rate, word_errors

WORDS = st.lists(st.sampled_from(["one", "two", "three"]), max_size=6).map(" ".join)


def test_case_and_punctuation_do_not_count() -> None:
    assert normalise("It’s “FINE”, isn't it?  ") == ["it's", "fine", "isn't", "it"]


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("", "", 0),
        ("one two three", "One, two, three!", 0),
        ("one two three", "one three", 1),
        ("one two three", "one two two three", 1),
        ("one two three", "one too three", 1),
        ("one two three", "", 3),
        ("", "one two", 2),
        ("one two three four", "two three four five", 2),
    ],
)
def test_each_word_lost_added_or_changed_is_one_error(said: str, heard: str, errors: int) -> None:
    assert word_errors(said, heard) == errors


def test_the_rate_is_relative_to_what_was_said() -> None:
    assert word_error_rate("one two three four", "one two") == 0.5
    assert word_error_rate("", "one") == 1.0


@given(WORDS, WORDS, WORDS)
def test_errors_measure_a_distance(one: str, two: str, three: str) -> None:
    assert word_errors(one, two) == word_errors(two, one)
    assert (word_errors(one, two) == 0) == (one == two)
    assert word_errors(one, three) <= word_errors(one, two) + word_errors(two, three)
