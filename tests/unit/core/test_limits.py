from antiphon.core.limits import NominalAllowance


def test_tokens_are_taken_from_the_allowance() -> None:
    allowance = NominalAllowance(600)
    (limit,) = allowance.use(100, 1000.0)
    assert (limit.name, limit.limit, limit.remaining, limit.reset_seconds) == (
        "tokens",
        600,
        500,
        10.0,
    )


def test_the_allowance_refills_with_time_and_never_above_its_limit() -> None:
    allowance = NominalAllowance(600)
    allowance.use(300, 1000.0)
    (limit,) = allowance.use(0, 1015.0)
    assert limit.remaining == 450
    (limit,) = allowance.use(0, 9000.0)
    assert (limit.remaining, limit.reset_seconds) == (600, 0.0)


def test_more_than_the_allowance_leaves_nothing() -> None:
    (limit,) = NominalAllowance(600).use(1200, 1000.0)
    assert (limit.remaining, limit.reset_seconds) == (0, 120.0)


def test_a_clock_that_goes_back_refills_nothing() -> None:
    allowance = NominalAllowance(600)
    allowance.use(300, 1000.0)
    (limit,) = allowance.use(0, 900.0)
    assert limit.remaining == 300


def test_the_time_to_refill_is_told_to_the_millisecond() -> None:
    (limit,) = NominalAllowance(7_000).use(1, 1000.0)
    assert limit.reset_seconds == 0.009
