"""Where speech is cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.backends.speaker_turns import LEAST_MS, MOST_MS, Span, spans

Step = tuple[int, float]


def sound(*steps: Step) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return a hum for each length in ms and level."""
    noise = np.random.default_rng(1)
    pieces = [level * noise.standard_normal(16 * ms) for ms, level in steps]
    return np.concatenate([*pieces, np.zeros(0)]).astype(np.float32)


def test_pauses_part_speech() -> None:
    found = spans(sound((100, 0.0), (1000, 0.1), (200, 0.0), (900, 0.1), (300, 0.0)))
    assert found == [Span(100, 1100), Span(1300, 2200)]


def test_a_short_break_parts_nothing() -> None:
    assert spans(sound((1000, 0.1), (100, 0.0), (1000, 0.1))) == [Span(0, 2100)]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (200, 400, [Span(0, 1400), Span(1800, 2800)]),
        (400, 200, [Span(0, 1000), Span(1400, 2800)]),
    ],
)
def test_a_word_belongs_to_the_neighbour_that_is_nearer(
    before: int, after: int, found: list[Span]
) -> None:
    steps = ((1000, 0.1), (before, 0.0), (200, 0.1), (after, 0.0), (1000, 0.1))
    assert spans(sound(*steps)) == [Span(f.start_ms, f.end_ms) for f in found]


@pytest.mark.parametrize("silence", [sound(), sound((2000, 0.0)), sound((2000, 1e-5))])
def test_silence_holds_nobody(silence: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    assert spans(silence) == []


def test_a_long_speech_is_cut_where_it_is_quietest() -> None:
    found = spans(sound((7000, 0.1), (80, 0.03), (7000, 0.1)))
    assert len(found) == 2
    assert 6900 <= found[0].end_ms <= 7200
    assert found[0].end_ms == found[1].start_ms


@given(st.lists(st.tuples(st.integers(50, 4000), st.sampled_from([0.0, 0.05, 0.2])), max_size=8))
def test_spans_follow_each_other_and_none_is_too_long(steps: list[Step]) -> None:
    found = spans(sound(*steps))
    for span, following in itertools.pairwise(found):
        assert span.end_ms <= following.start_ms
        assert span.length_ms <= MOST_MS
    if len(found) > 1:
        assert all(span.length_ms >= LEAST_MS for span in found)
