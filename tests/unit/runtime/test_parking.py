"""Tokens to come back with: for one socket each, for one key, for as long as the session waits."""

import pytest

from antiphon.core.resumption import ResumptionTerms
from antiphon.protocol.dialects.ga import Ga
from antiphon.runtime.parking import TOKEN_PREFIX, Parking
from antiphon.runtime.resumable_connection import ResumableConnection

MINE = frozenset({b"mine"})
YOURS = frozenset({b"yours"})
MODEL = "gpt-realtime"


@pytest.fixture
def parking() -> Parking:
    return Parking(ResumptionTerms(), limit=2)


@pytest.fixture
def session(parking: Parking) -> ResumableConnection:
    return parking.open(MINE, MODEL, Ga)


def test_a_token_is_redeemed_once(parking: Parking, session: ResumableConnection) -> None:
    token = parking.issue(session)
    assert parking.redeem(token, MINE, MODEL) is session
    assert parking.redeem(token, MINE, MODEL) is None
    assert parking.redeemed == 1


def test_a_new_token_voids_the_one_before(parking: Parking, session: ResumableConnection) -> None:
    old, new = parking.issue(session), parking.issue(session)
    assert parking.redeem(old, MINE, MODEL) is None
    assert parking.redeem(new, MINE, MODEL) is session


def test_a_token_is_for_its_key_and_its_model(
    parking: Parking, session: ResumableConnection
) -> None:
    token = parking.issue(session)
    assert parking.redeem(token, YOURS, MODEL) is None
    assert parking.redeem(token, frozenset(), MODEL) is None
    assert parking.redeem(token, MINE, "another") is None
    assert parking.redeem(token, MINE | YOURS, "") is session


def test_tokens_cannot_be_guessed_and_are_not_kept(
    parking: Parking, session: ResumableConnection
) -> None:
    tokens = {parking.issue(session) for _ in range(100)}
    assert len(tokens) == 100
    # 43 characters of base 64 hold 256 bits.
    assert all(len(each.removeprefix(TOKEN_PREFIX)) == 43 for each in tokens)
    assert not any(each in repr(vars(parking)) for each in tokens)


def test_the_session_that_waits_longest_makes_room(parking: Parking) -> None:
    first, second, third = (parking.open(MINE, MODEL, Ga) for _ in range(3))
    tokens = [parking.issue(each) for each in (first, second, third)]
    for each in (first, second):
        parking.park(each)
    parking.welcome(first)
    parking.park(first)
    parking.park(third)
    assert len(parking) == 2
    assert [parking.redeem(each, MINE, MODEL) for each in tokens] == [first, None, third]
