"""Slots: who gets one, and who makes way."""

import asyncio
from collections.abc import Awaitable, Callable

from antiphon.backends.llama_slots import Lease, SlotPool


def script(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(body())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def waiting(work: Awaitable[Lease | None]) -> "asyncio.Task[Lease | None]":
    task = asyncio.ensure_future(work)
    await settle()
    return task


def test_a_session_gets_the_slot_that_it_had_before() -> None:
    async def body() -> None:
        pool = SlotPool(3)
        first = await pool.enter_reply("a")
        other = await pool.enter_reply("b")
        pool.leave(first)
        pool.leave(other)
        assert (await pool.enter_reply("b")).slot == other.slot
        assert (await pool.enter_reply("a")).slot == first.slot

    script(body)


def test_a_prompt_is_a_sessions_own_once_it_was_read_there() -> None:
    async def body() -> None:
        pool = SlotPool(1)

        async def use(session: str, *, reads: bool, edition: int = 0) -> bool:
            lease = await pool.enter_reply(session, edition)
            lease.has_read = reads
            pool.leave(lease)
            return lease.is_own

        assert not await use("a", reads=True)
        assert await use("a", reads=False)
        assert not await use("b", reads=False)
        # What is in the slot is still the other's.
        assert not await use("b", reads=True)
        assert await use("b", reads=True)
        assert not await use("a", reads=True)
        assert not await use("a", reads=True, edition=1)
        assert await use("a", reads=True, edition=1)
        assert not await use("", reads=True)
        assert not await use("", reads=True)

    script(body)


def test_a_new_session_gets_the_slot_that_was_used_longest_ago() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        old = await pool.enter_reply("a")
        pool.leave(old)
        recent = await pool.enter_reply("b")
        pool.leave(recent)
        assert (await pool.enter_reply("c")).slot == old.slot

    script(body)


def test_a_session_waits_for_its_own_slot_when_that_is_about_to_be_free() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        before = await pool.enter_reply("a")
        before.stopped = True
        entering = await waiting(pool.enter_reply("a"))
        assert not entering.done()
        pool.leave(before)
        assert (await entering).slot == before.slot

    script(body)


def test_two_replies_of_one_session_are_made_side_by_side() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        first, second = await pool.enter_reply("a"), await pool.enter_reply("a")
        assert first.slot != second.slot

    script(body)


def test_whoever_came_first_is_served_first() -> None:
    async def body() -> None:
        pool = SlotPool(1)
        holder = await pool.enter_reply("a")
        second = await waiting(pool.enter_reply("b"))
        third = await waiting(pool.enter_reply("c"))
        pool.leave(holder)
        await settle()
        assert second.done()
        assert not third.done()

    script(body)


def test_a_session_with_a_running_reply_waits_behind_one_without() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        await pool.enter_reply("greedy")
        holder = await pool.enter_reply("b")
        more = await waiting(pool.enter_reply("greedy"))
        other = await waiting(pool.enter_reply("c"))
        pool.leave(holder)
        await settle()
        assert other.done()
        assert not more.done()

    script(body)


def test_whoever_is_cancelled_while_waiting_never_gets_a_slot() -> None:
    async def body() -> None:
        pool = SlotPool(1)
        holder = await pool.enter_reply("a")
        gone = await waiting(pool.enter_reply("b"))
        next_one = await waiting(pool.enter_reply("c"))
        gone.cancel()
        pool.leave(holder)
        await settle()
        assert next_one.done()

    script(body)


def test_a_slot_granted_to_somebody_who_is_cancelled_at_that_moment_is_not_lost() -> None:
    async def body() -> None:
        pool = SlotPool(1)
        holder = await pool.enter_reply("a")
        gone = await waiting(pool.enter_reply("b"))
        pool.leave(holder)
        gone.cancel()
        await settle()
        assert (await waiting(pool.enter_reply("c"))).done()

    script(body)


def test_a_slot_granted_on_a_closed_loop_is_not_lost() -> None:
    pool = SlotPool(1)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    holder = loop.run_until_complete(pool.enter_reply("a"))
    abandoned = pool.enter_reply("b")
    waiting_forever = loop.create_task(abandoned)
    loop.run_until_complete(settle())
    loop.close()
    pool.leave(holder)
    assert asyncio.run(pool.enter_reply("c")).slot == 0
    abandoned.close()
    assert not waiting_forever.cancelled()


def test_reading_ahead_waits_until_no_reply_is_made() -> None:
    async def body() -> None:
        pool = SlotPool(4)
        reply = await pool.enter_reply("a")
        ahead = await waiting(pool.enter_ahead("b"))
        assert not ahead.done()
        pool.leave(reply)
        await settle()
        assert ahead.done()

    script(body)


def test_one_prompt_is_read_ahead_at_a_time() -> None:
    async def body() -> None:
        pool = SlotPool(4)
        first = await pool.enter_ahead("a")
        second = await waiting(pool.enter_ahead("b"))
        assert first is not None
        assert not second.done()
        assert not first.stopped
        pool.leave(first)
        await settle()
        assert second.done()

    script(body)


def test_a_reply_stops_all_reading_ahead_and_does_not_wait_for_that_of_others() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        ahead = await pool.enter_ahead("a")
        reply = await waiting(pool.enter_reply("b"))
        assert reply.done()
        assert ahead is not None
        assert ahead.stopped
        assert not ahead.superseded

    script(body)


def test_a_reply_takes_over_what_was_read_ahead_for_it() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        ahead = await pool.enter_ahead("a")
        reply = await waiting(pool.enter_reply("a"))
        assert ahead is not None
        assert ahead.superseded
        assert not reply.done()
        pool.leave(ahead)
        taken = await reply
        assert taken is not None
        assert taken.slot == ahead.slot

    script(body)


def test_a_newer_prompt_supersedes_the_older_one_of_the_session() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        reply = await pool.enter_reply("b")
        older = await waiting(pool.enter_ahead("a"))
        newer = await waiting(pool.enter_ahead("a"))
        assert older.result() is None
        pool.leave(reply)
        running = await newer
        await waiting(pool.enter_ahead("a"))
        assert running is not None
        assert running.stopped
        assert running.superseded

    script(body)


def test_requests_without_a_session_have_nothing_in_common() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        holder = await pool.enter_reply("other")
        first = await waiting(pool.enter_ahead(""))
        second = await waiting(pool.enter_ahead(""))
        pool.leave(holder)
        await settle()
        assert first.result() is not None
        assert not second.done()

    script(body)


def test_stopping_all_stops_every_holder() -> None:
    async def body() -> None:
        pool = SlotPool(2)
        leases = [await pool.enter_reply("a"), await pool.enter_reply("b")]
        pool.stop_all()
        assert all(lease.stopped and lease.superseded for lease in leases)

    script(body)
