"""The texts of utterances, told in order, and cut into clauses."""

import pytest

from antiphon.core.source_text import Clauses, Strand, remainder, spaced


def strand(*jobs: int, streams: bool = True) -> Strand:
    made = Strand()
    for job in jobs:
        made.open(job, streams=streams)
    return made


def test_a_text_is_told_as_it_grows() -> None:
    text = strand(1)
    told = []
    for grown in ("Good", "Good morning", "Good morning"):
        text.grow(1, grown)
        told.append(text.take())
    assert told == [["Good"], [" morning"], []]
    text.end(1, "Good morning to you.")
    assert text.take() == [" to you.", ""]
    assert text.is_empty


def test_a_text_that_is_told_whole_waits_for_its_end() -> None:
    text = strand(1, streams=False)
    text.grow(1, "Good morning")
    assert text.take() == []
    text.end(1, "Good morning.")
    assert text.take() == ["Good morning.", ""]


def test_a_later_text_waits_for_the_earlier_one_and_gets_a_space() -> None:
    text = strand(1, 2)
    text.end(2, "Two.")
    assert text.take() == []
    text.grow(1, "One")
    assert text.take() == ["One"]
    text.end(1, "One.")
    assert text.take() == [".", "", " Two.", ""]


def test_a_text_that_fails_ends_where_it_was_told() -> None:
    text = strand(1, 2)
    text.grow(1, "One")
    assert text.take() == ["One"]
    text.grow(1, "One and a half")
    text.end(1, None)
    text.end(2, "two")
    assert text.take() == ["", " two", ""]


def test_an_empty_text_tells_its_end_alone() -> None:
    text = strand(1, 2)
    text.end(1, "")
    text.end(2, "Two.")
    assert text.take() == ["", "Two.", ""]


def test_jobs_of_others_change_nothing() -> None:
    text = strand(1)
    text.grow(9, "x")
    text.end(9, "x")
    assert text.take() == []
    assert not text.is_empty


@pytest.mark.parametrize(
    ("told", "text", "rest"),
    [
        ("", "One two", "One two"),
        ("One", "One two", " two"),
        ("One too", "One two three", " three"),
        ("One, two", "One two", ""),
        ("One two three", "One two", ""),
        ("一つ", "一つ二つ", "二つ"),
        ("一っ", "一つ二つ", "二つ"),
    ],
)
def test_what_is_left_of_a_text_is_what_follows_the_words_told(
    told: str, text: str, rest: str
) -> None:
    assert remainder(told, text) == rest


@pytest.mark.parametrize(
    ("before", "text", "joined"),
    [
        ("", "One", "One"),
        ("One.", "Two", " Two"),
        ("One. ", "Two", "Two"),
        ("One.", " Two", " Two"),
        ("一。", "二", "二"),
        ("One.", "二", "二"),
        ("하나.", "둘", " 둘"),
        ("One.", "", ""),
    ],
)
def test_texts_are_joined_as_their_scripts_do(before: str, text: str, joined: str) -> None:
    assert spaced(before, text) == joined


def test_clauses_end_at_marks_and_with_their_utterance() -> None:
    clauses = Clauses()
    assert clauses.take(["When the sun rose,", " everybody"]) == ["When the sun rose,"]
    assert clauses.take([" slept", ""]) == [" everybody slept"]
    assert clauses.take(["...", "", "?!", ""]) == []
