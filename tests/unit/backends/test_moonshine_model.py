"""What the network writes, made into what was said."""

import pytest

from antiphon.backends.moonshine_model import unquoted


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (" \"'Could you recommend a good book?'\"", "Could you recommend a good book?"),
        ("“How are you?”", "How are you?"),
        ('He said "stop."', 'He said "stop."'),
        ("'Cause I like the dogs", "'Cause I like the dogs"),
        ('"', '"'),
        ("", ""),
    ],
)
def test_marks_around_everything_are_no_part_of_it(written: str, said: str) -> None:
    assert unquoted(written) == said
