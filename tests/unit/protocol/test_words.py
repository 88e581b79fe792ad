import pytest

from antiphon.protocol.words import show, supported_values


def test_values_are_quoted_as_json_and_never_at_length() -> None:
    assert show("it") == "'it'"
    assert [show(value) for value in (None, True, False, 5, 0.5)] == [
        "null",
        "true",
        "false",
        "5",
        "0.5",
    ]
    assert show("x" * 1000) == f"'{'x' * 64}…'"
    assert len(show(10**4000)) == 65
    assert len(show(["x"] * 1000)) == 65


@pytest.mark.parametrize(
    ("supported", "sentence"),
    [
        ((), "Supported values are: ."),
        (("a",), "Supported values are: 'a'."),
        (("a", 2), "Supported values are: 'a' and 2."),
        (("a", "b", "c"), "Supported values are: 'a', 'b', and 'c'."),
    ],
)
def test_supported_values_are_listed_in_words(supported: tuple[object, ...], sentence: str) -> None:
    assert supported_values(supported) == sentence
