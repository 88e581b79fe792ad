"""Tokens, words and how sure the model was of them."""

import pytest

from antiphon.backends.moonshine_model import Hypothesis
from antiphon.backends.moonshine_tokens import between, certainties, spell, tokens_of
from antiphon.engines.stt import Token


def hypothesis(text: str, *pieces: tuple[str | bytes, float]) -> Hypothesis:
    written = tuple(p if isinstance(p, bytes) else p.encode() for p, _ in pieces)
    return Hypothesis(text, tuple(range(len(pieces))), tuple(sure for _, sure in pieces), written)


RAIN = hypothesis("It rains.", (" It", -0.1), (" ra", -0.2), ("ins", -0.3), (".", -2.0))
QUOTED = hypothesis("Go on", (' "', -1.0), ("Go", -0.5), (" on", -0.25), ('"', -4.0))


def spelled(tokens: tuple[Token, ...]) -> list[tuple[str, float]]:
    return [(token.text, token.logprob) for token in tokens]


def test_tokens_write_the_text() -> None:
    tokens = tokens_of(RAIN)
    assert spelled(tokens) == [("It", -0.1), (" ra", -0.2), ("ins", -0.3), (".", -2.0)]
    assert tokens[0].octets == (73, 116)


def test_what_was_dropped_has_no_token() -> None:
    assert spelled(tokens_of(QUOTED)) == [("Go", -0.5), (" on", -0.25)]


def test_parts_are_joined_as_their_texts_are() -> None:
    tokens = spell([RAIN, RAIN])
    assert "".join(token.text for token in tokens) == "It rains. It rains."


def test_bytes_of_a_character_are_told_as_they_are() -> None:
    accent = hypothesis("é", (" ", 0.0), (b"\xc3", -0.5), (b"\xa9", -0.1))
    assert [token.octets for token in tokens_of(accent)] == [(0xC3,), (0xA9,)]


@pytest.mark.parametrize(
    ("heard", "sure"), [(RAIN, [-0.1, -0.5]), (QUOTED, [-0.5, -0.25]), (hypothesis(""), [])]
)
def test_a_word_is_as_sure_as_its_letters(heard: Hypothesis, sure: list[float]) -> None:
    assert certainties(heard) == pytest.approx(sure)


def test_tokens_of_some_characters() -> None:
    assert spelled(between(tokens_of(RAIN), 2, 9)) == [(" ra", -0.2), ("ins", -0.3), (".", -2.0)]
    assert between(tokens_of(RAIN), 9, 20) == ()
