import asyncio

import pytest

from antiphon.core.inputs import Connected, DeadlineReached, Disconnected, Draining
from antiphon.runtime.inbox import MAX_WAITING, Inbox


def test_inputs_come_out_in_the_order_in_which_they_came_in() -> None:
    async def scenario() -> None:
        inbox = Inbox()
        inbox.put_at_once(Connected())
        await inbox.put(Draining())
        inbox.put_at_once(Disconnected())
        taken = [await inbox.take(None) for _ in range(3)]
        assert taken == [Connected(), Draining(), Disconnected()]

    asyncio.run(scenario())


def test_a_reader_waits_for_the_next_input() -> None:
    async def scenario() -> None:
        inbox = Inbox()
        reading = asyncio.ensure_future(inbox.take(None))
        await asyncio.sleep(0)
        assert not reading.done()
        inbox.put_at_once(Connected())
        assert await reading == Connected()

    asyncio.run(scenario())


def test_nothing_in_time_is_nothing() -> None:
    async def scenario() -> None:
        inbox = Inbox()
        assert await inbox.take(0) is None
        inbox.put_at_once(Connected())
        assert await inbox.take(0) == Connected()

    asyncio.run(scenario())


def test_whoever_brings_too_much_waits() -> None:
    async def scenario() -> None:
        inbox = Inbox()
        for _ in range(MAX_WAITING):
            await inbox.put(DeadlineReached())
        late = [asyncio.ensure_future(inbox.put(Draining())) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(each.done() for each in late)
        inbox.put_at_once(Disconnected())
        taken = [await inbox.take(0) for _ in range(MAX_WAITING + 3)]
        assert all(each.done() for each in late)
        assert taken[MAX_WAITING] == Disconnected()
        assert taken[MAX_WAITING + 1 :] == [Draining(), Draining()]
        assert await inbox.take(0) is None

    asyncio.run(scenario())


def test_others_have_their_turn_between_waiting_inputs() -> None:
    async def scenario() -> None:
        inbox = Inbox()
        for _ in range(10):
            inbox.put_at_once(Connected())
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.ensure_future(other())
        for _ in range(10):
            await inbox.take(None)
        assert turns >= 9
        beside.cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_reader_that_is_cancelled_loses_nothing(waiting: int) -> None:
    async def scenario() -> None:
        inbox = Inbox()
        for _ in range(waiting):
            inbox.put_at_once(Draining())
        reading = asyncio.ensure_future(inbox.take(None))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        inbox.put_at_once(Connected())
        assert await inbox.take(0) == (Draining() if waiting else Connected())

    asyncio.run(scenario())
