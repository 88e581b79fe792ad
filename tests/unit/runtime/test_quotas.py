"""Quotas by a virtual clock: who takes from whom, and what is left."""

import asyncio
from dataclasses import dataclass, field

import pytest
from limits.errors import StorageError

from antiphon.core.commands import SettleQuota, TakeQuota
from antiphon.core.inputs import QuotaChanged
from antiphon.runtime.counters import Counters, ProcessStorage, open_storage
from antiphon.runtime.quotas import Account, Limits, Policy, Quotas
from antiphon.runtime.seats import Seats


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Redis(ProcessStorage):
    """Stands for a storage that others share, and that may be out of reach."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.is_up = True

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        if not self.is_up:
            raise StorageError(ConnectionError())
        return super().incr(key, expiry, amount)


@dataclass
class Client:
    """A session as its quotas see it."""

    account: Account
    told: list[QuotaChanged] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account.open(self.told.append)

    def take(self, tokens: int, response: str = "resp_1", requests: int = 1) -> float | None:
        """Take, and return for how long it was refused."""
        self.account.perform(TakeQuota(response, requests, tokens))
        return self.told[-1].refused_s if self.told else None

    def settle(self, tokens: int, response: str = "resp_1") -> None:
        self.account.perform(SettleQuota(response, tokens))

    def left(self, name: str = "tokens") -> list[int]:
        return [each.remaining for each in self.told[-1].standings if each.name == name]


KEY = Limits.parse("10/minute", "1000/minute; 5000/day", None)
WHOLE = Limits.parse(None, "1500/minute", None)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quotas(clock: Clock) -> Quotas:
    policy = Policy(KEY, {"small": Limits.parse(None, "100/minute", 1)}, {"gpt-realtime": WHOLE})
    return Quotas(policy, Counters(None, clock))


def client(quotas: Quotas, key: str = "anna", deployment: str = "gpt-realtime") -> Client:
    return Client(quotas.account(key, deployment))


def test_a_session_is_told_where_its_quotas_stand(quotas: Quotas) -> None:
    ours = client(quotas)
    assert ours.take(300) is None
    assert ours.left() == [700, 4700, 1200]
    assert ours.left("requests") == [9]
    assert [each.per for each in ours.told[-1].standings] == ["minute", "minute", "day", "minute"]
    assert {each.of for each in ours.told[-1].standings} == {"key", "deployment"}


def test_sessions_of_a_key_share_its_quota(quotas: Quotas) -> None:
    first, second = client(quotas), client(quotas)
    assert first.take(700) is None
    assert second.take(700) is None
    assert second.left()[0] == -400
    assert first.take(1, "resp_2") == 60.0


def test_keys_of_a_deployment_share_its_quota(quotas: Quotas) -> None:
    first, second = client(quotas), client(quotas, "ben")
    first.take(900)
    assert second.take(900) is None
    assert second.left() == [100, 4100, -300]
    assert client(quotas, "clara").take(1) == 60.0


def test_a_key_may_have_limits_of_its_own(quotas: Quotas) -> None:
    small = client(quotas, "small")
    assert small.take(100) is None
    assert small.take(1, "resp_2") == 60.0


def test_what_was_refused_is_not_taken(quotas: Quotas, clock: Clock) -> None:
    ours, other = client(quotas), client(quotas, "ben")
    ours.take(1000)
    for _ in range(20):
        assert ours.take(400, "resp_2") == 60.0
    other.take(1)
    assert other.left()[-1] == 499
    assert ours.left("requests") == [9]
    clock.now += 60
    assert ours.take(1, "resp_3") is None
    assert ours.left() == [999, 3999, 1499]


def test_a_quota_begins_anew_when_its_time_is_over(quotas: Quotas, clock: Clock) -> None:
    ours = client(quotas)
    ours.take(1000)
    clock.now += 59.5
    assert ours.take(1, "resp_2") == 0.5
    clock.now += 0.5
    assert ours.take(1, "resp_2") is None


def test_what_a_response_did_not_need_is_given_back(quotas: Quotas) -> None:
    ours = client(quotas)
    ours.take(400)
    ours.settle(150)
    ours.take(50, "resp_2")
    assert ours.left() == [800, 4800, 1300]


def test_what_a_response_needed_beyond_is_taken_whatever_is_left(quotas: Quotas) -> None:
    ours = client(quotas)
    ours.take(400)
    ours.take(100, requests=0)
    ours.settle(1200)
    assert ours.take(1, "resp_2") == 60.0
    assert ours.left()[0] == -200


def test_a_response_that_outlasts_a_quota_owes_the_next_one_nothing(
    quotas: Quotas, clock: Clock
) -> None:
    ours = client(quotas)
    ours.take(400)
    clock.now += 61
    ours.settle(150)
    ours.take(10, "resp_2")
    assert ours.left() == [990, 5000 - 150 - 10, 1490]


def test_whoever_takes_the_last_makes_it_known_to_the_others(quotas: Quotas) -> None:
    first, second, other = client(quotas), client(quotas), client(quotas, "ben", "elsewhere")
    second.take(1)
    first.take(1100)
    assert second.left()[0] == -101
    assert second.told[-1].response_id is None
    assert len(other.told) == 1
    second.account.close()
    told = len(second.told)
    first.take(400, "resp_2")
    assert len(second.told) == told


def test_whoever_gives_some_back_makes_that_known_too(quotas: Quotas) -> None:
    first, second = client(quotas), client(quotas)
    first.take(1000)
    assert second.left()[0] == 0
    first.settle(300)
    assert second.left()[0] == 700
    told = len(second.told)
    first.take(10, "resp_2")
    first.settle(10, "resp_2")
    assert len(second.told) == told


def test_nothing_may_be_taken_to_learn_where_quotas_stand(quotas: Quotas) -> None:
    first, second = client(quotas), client(quotas)
    first.take(500)
    assert second.take(0, requests=0) is None
    assert second.left()[0] == 500
    first.take(600, "resp_2")
    assert second.take(0, requests=0) is None
    assert second.left()[0] == -100


def test_a_session_without_quotas_hears_of_none() -> None:
    quotas = Quotas(Policy(), Counters(None, Clock()))
    assert client(quotas).told == []
    assert asyncio.run(quotas.account("anna", "x").request()).refused_s is None


def test_openings_count_as_requests(quotas: Quotas) -> None:
    async def open_sessions() -> list[float | None]:
        accounts = [quotas.account("anna", "gpt-realtime") for _ in range(11)]
        return [(await each.request()).refused_s for each in accounts]

    assert asyncio.run(open_sessions()) == [None] * 10 + [60.0]


@pytest.mark.parametrize("text", ["", "many", "5", "0/minute", "5/fortnight", "-1/minute"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    if not text:
        assert Limits.parse(text, None, None) == Limits()
        return
    with pytest.raises(ValueError, match=r"."):
        Limits.parse(text, None, None)


def test_times_are_told_in_words() -> None:
    quotas = Quotas(Policy(Limits.parse("1/5 minutes", None, None)), Counters(None, Clock()))
    (window,) = quotas.windows("anna", "x")
    assert window.per == "5 minutes"


# Shared counters


def shared(clock: Clock, storage: ProcessStorage) -> Quotas:
    return Quotas(Policy(KEY), Counters(storage, clock))


def test_servers_that_share_a_storage_share_quotas(clock: Clock) -> None:
    async def script() -> list[int]:
        storage = Redis(clock)
        here, there = shared(clock, storage), shared(clock, storage)
        ours, theirs = client(here), client(there)
        theirs.take(600)
        await counted(there)
        ours.take(300)
        ours.settle(100)
        ours.take(1, "resp_2")
        await counted(here)
        return ours.left()

    assert asyncio.run(script()) == [1000 - 600 - 100 - 1, 5000 - 701]


def test_a_server_counts_alone_while_the_storage_is_out_of_reach(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    storage = Redis(clock)
    counters = Counters(storage, clock)
    assert counters.add("a", 5, 60).total == 5
    storage.is_up = False
    assert counters.add("a", 1, 60).total == 1
    assert counters.add("a", 1, 60).total == 2
    assert [each.message for each in caplog.records] == ["limits_storage_failed"]
    storage.is_up = True
    assert counters.add("a", 1, 60).total == 3
    clock.now += 6
    assert counters.add("a", 1, 60).total == 6


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("redis", "write `memory`"),
        ("mysql://x", "write `memory`"),
        ("memory://", "write `memory`"),
        ("redis://host:port", "cannot be used"),
    ],
)
def test_an_address_that_is_none_is_refused_in_words(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_storage(address)


def test_memory_is_no_shared_storage() -> None:
    assert open_storage("memory") is None


def test_counters_of_this_process_are_forgotten(clock: Clock) -> None:
    storage = ProcessStorage(clock)
    storage.incr("a", 10, 3)
    storage.incr("b", 60, 3)
    assert storage.check()
    assert (storage.get("a"), storage.get_expiry("a")) == (3, clock.now + 10)
    clock.now += 11
    assert storage.get("a") == 0
    storage.clear("b")
    assert storage.get("b") == 0
    storage.incr("c", 10, 1)
    assert storage.reset() == 1


# Seats


def seats(clock: Clock, storage: ProcessStorage | None, limit: int = 2) -> Seats:
    return seats_and_quotas(clock, storage, limit)[0]


def seats_and_quotas(
    clock: Clock, storage: ProcessStorage | None, limit: int = 2
) -> tuple[Seats, Quotas]:
    counters = Counters(storage, clock)
    quotas = Quotas(Policy(Limits.parse(None, None, limit)), counters)
    return Seats(quotas, counters), quotas


async def counted(quotas: Quotas) -> None:
    """Wait until whatever was ordered before has been counted."""
    done = asyncio.Event()
    quotas.call(lambda: None, lambda _: done.set(), None)
    await done.wait()


def test_a_key_has_no_more_sessions_than_it_may(clock: Clock) -> None:
    async def script() -> None:
        ours = seats(clock, None)
        rooms = ours.rooms("anna", "x")
        assert await ours.take(rooms) is None
        assert await ours.take(rooms) is None
        full = await ours.take(rooms)
        assert full is not None
        assert (full.owner, full.limit) == ("key", 2)
        assert await ours.take(ours.rooms("ben", "x")) is None
        ours.leave(rooms)
        assert await ours.take(rooms) is None

    asyncio.run(script())


def test_where_nothing_is_limited_there_is_always_a_seat(clock: Clock) -> None:
    counters = Counters(None, clock)
    free = Seats(Quotas(Policy(), counters), counters)
    assert free.rooms("anna", "x") == ()
    assert asyncio.run(free.take(())) is None


def test_servers_that_share_a_storage_share_seats(clock: Clock) -> None:
    async def script() -> None:
        storage = Redis(clock)
        ours, quotas = seats_and_quotas(clock, storage)
        theirs = seats(clock, storage)
        rooms = ours.rooms("anna", "x")
        assert await ours.take(rooms) is None
        assert await theirs.take(rooms) is None
        assert await ours.take(rooms) is not None
        ours.leave(rooms)
        await counted(quotas)
        assert await theirs.take(rooms) is None
        assert await ours.take(rooms) is not None

    asyncio.run(script())


def test_seats_are_kept_for_as_long_as_their_server_counts_them(clock: Clock) -> None:
    async def script() -> None:
        storage = Redis(clock)
        ours, quotas = seats_and_quotas(clock, storage)
        theirs = seats(clock, storage)
        rooms = ours.rooms("anna", "x")
        assert await ours.take(rooms) is None
        assert await ours.take(rooms) is None
        for _ in range(20):
            clock.now += 30
            ours.renew()
            await counted(quotas)
        assert await theirs.take(rooms) is not None
        # A server that has crashed renews nothing.
        clock.now += 60
        assert await theirs.take(rooms) is None

    asyncio.run(script())
