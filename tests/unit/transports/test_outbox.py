import asyncio

import pytest

from antiphon.transports.base import Outbox, OutboxLimits

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_frames_leave_in_the_order_in_which_they_came() -> None:
    outbox = Outbox(OutboxLimits())
    assert all(outbox.put(frame) for frame in ("a", "b", "c"))
    assert [await outbox.take() for _ in range(3)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("limits", "frames", "taken"),
    [
        (OutboxLimits(waiting_bytes=10), ["12345", "12345"], [True, True]),
        (OutboxLimits(waiting_bytes=10), ["12345", "123456"], [True, False]),
        (OutboxLimits(waiting_bytes=10), ["larger than all of it"], [True]),
        (OutboxLimits(waiting_bytes=10), ["larger than all of it", "x"], [True, False]),
        (OutboxLimits(waiting_frames=2), ["a", "b", "c"], [True, True, False]),
    ],
)
async def test_what_waits_is_bounded_in_bytes_and_frames(limits, frames, taken) -> None:
    outbox = Outbox(limits)
    assert [outbox.put(frame) for frame in frames] == taken


async def test_what_was_taken_makes_room() -> None:
    outbox = Outbox(OutboxLimits(waiting_bytes=4))
    assert outbox.put("abcd")
    assert await outbox.take() == "abcd"
    assert outbox.put("efgh")


async def test_a_closed_outbox_gives_what_it_holds_and_takes_nothing() -> None:
    outbox = Outbox(OutboxLimits())
    outbox.put("a")
    outbox.close()
    assert not outbox.put("b")
    assert [await outbox.take(), await outbox.take()] == ["a", None]


async def test_a_cleared_outbox_gives_nothing() -> None:
    outbox = Outbox(OutboxLimits())
    outbox.put("a")
    outbox.clear()
    assert await outbox.take() is None


async def test_taking_waits_for_a_frame() -> None:
    outbox = Outbox(OutboxLimits())
    async with asyncio.TaskGroup() as tasks:
        taken = tasks.create_task(outbox.take())
        assert not taken.done()
        outbox.put("late")
    assert taken.result() == "late"
