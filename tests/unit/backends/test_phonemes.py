"""Text as phonemes, in pieces that the models can speak."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.backends.phonemes import LONGEST, cut, identify, phonemizer


def test_each_sentence_is_read_on_its_own() -> None:
    hello, question = phonemizer().read("Hello. How are you?")
    assert hello.endswith(".")
    assert question.endswith("?")


def test_accents_differ() -> None:
    assert phonemizer().read("dance") != phonemizer(british=True).read("dance")


def test_an_accent_is_loaded_once() -> None:
    assert phonemizer() is phonemizer()


@pytest.mark.parametrize("text", ["", " ", "...", "你好"])
def test_what_has_no_english_words_is_not_read(text: str) -> None:
    assert phonemizer().read(text) == []


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    text = "I would leave at a quarter to seven, because there is traffic on the bridge until nine."
    whole = phonemizer().read(text)
    first, second = phonemizer().read(text, 60)
    assert len(whole) == 1
    assert whole == [f"{first} {second}"]
    assert first.endswith(",")


def test_a_clause_is_not_cut_for_being_longer_than_wished() -> None:
    assert len(phonemizer().read("one of the longest clauses that anybody has ever said", 10)) == 1


PHONEMES = st.text(st.sampled_from("aəʃkt ˈ,.;—"), max_size=1500)


@given(PHONEMES, st.integers(10, LONGEST))
def test_no_piece_is_too_long_for_the_models_and_no_sound_is_lost(
    phonemes: str, at_once: int
) -> None:
    pieces = cut(phonemes, at_once)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert letters("".join(pieces)) == letters(phonemes)


def letters(phonemes: str) -> str:
    return "".join(filter(str.isalpha, phonemes))


def test_numbers_are_padded_and_unknown_signs_are_skipped() -> None:
    assert identify("a☃b") == [0, *identify("a")[1:-1], *identify("b")[1:-1], 0]
    assert identify("") == [0, 0]
