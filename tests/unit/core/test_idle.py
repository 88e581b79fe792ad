import pytest

from antiphon.core.idle import FLOWS_FOR_S, IdleClock


@pytest.fixture
def clock() -> IdleClock:
    """A clock on which a reply with two unplayed seconds ended at 100 s, 7000 ms into the audio."""
    clock = IdleClock()
    clock.start(7_000, 2.0, 100.0)
    return clock


def test_nothing_is_counted_before_a_reply() -> None:
    clock = IdleClock()
    assert clock.deadline(5_000) is None
    assert clock.start_of(10**6, 5_000) is None
    assert clock.end(70) == 70


def test_it_counts_from_the_end_of_the_playback(clock: IdleClock) -> None:
    assert clock.deadline(5_000) == 107
    assert clock.start_of(13_999, 5_000) is None
    assert clock.start_of(14_000, 5_000) == 9_000
    assert clock.end(14_000) == 9_000


def test_without_a_timeout_it_never_ends(clock: IdleClock) -> None:
    assert clock.deadline(None) is None
    assert clock.start_of(10**6, None) is None


def test_audio_that_flows_puts_the_clock_off(clock: IdleClock) -> None:
    clock.hear(106.5)
    assert clock.deadline(5_000) == 106.5 + FLOWS_FOR_S
    assert clock.deadline(30_000) == 132


def test_it_can_begin_anew(clock: IdleClock) -> None:
    assert clock.is_running
    clock.stop()
    assert not clock.is_running
    clock.hear(110.0)
    clock.restart(20_000)
    assert clock.deadline(5_000) == 115
    assert clock.start_of(25_000, 5_000) == 20_000


def test_it_is_held_while_nobody_is_there(clock: IdleClock) -> None:
    clock.hold()
    assert clock.deadline(5_000) is None
    clock.release(9_500, 150.0)
    assert clock.deadline(5_000) == 155
    assert clock.start_of(14_500, 5_000) == 9_500


def test_what_was_not_counted_is_not_counted_after_a_hold() -> None:
    clock = IdleClock()
    clock.hold()
    clock.release(0, 150.0)
    assert clock.deadline(5_000) is None


def test_it_can_be_stopped(clock: IdleClock) -> None:
    clock.stop()
    assert clock.deadline(5_000) is None


def test_silence_of_which_no_audio_came_is_empty(clock: IdleClock) -> None:
    assert clock.end(7_500) == 7_500
    assert clock.deadline(5_000) is None
