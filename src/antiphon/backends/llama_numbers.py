"""Grammar rules that write the numbers between two bounds, and multiples."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor

from antiphon.backends.llama_grammar import UnsupportedSchemaError, either, literal

_DIGITS = 15
"""What a float holds exactly."""
_LARGEST = 10**_DIGITS - 1
_DECIMALS = 6
_LISTED = 128
"""So many numbers are listed where no shorter rule is known."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where numbers may lie."""

    low: float = -_LARGEST
    high: float = _LARGEST
    low_open: bool = False
    """The lower bound itself is excluded."""
    high_open: bool = False

    @property
    def least(self) -> int:
        """The least integer within."""
        return int(max(-_LARGEST, floor(self.low) + 1 if self.low_open else ceil(self.low)))

    @property
    def greatest(self) -> int:
        """The greatest integer within."""
        return int(min(_LARGEST, ceil(self.high) - 1 if self.high_open else floor(self.high)))

    def contains(self, value: float) -> bool:
        """Tell whether a number lies within."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below


def integer_rule(bounds: Bounds) -> str:
    """Return the rule that writes an integer."""
    rules = list(_integers(bounds.least, bounds.greatest))
    if not rules:
        raise UnsupportedSchemaError("minimum", "no integer lies between the bounds")
    return either(rules)


def number_rule(bounds: Bounds) -> str:
    """Return the rule that writes a number, with decimals or without."""
    rules = [*_integers(bounds.least, bounds.greatest), *_decimals(bounds)]
    if not rules:
        # The bounds are within one unit of each other.
        rules = [literal(text) for text in _finer(bounds)]
    if not rules:
        raise UnsupportedSchemaError("minimum", "no number of six decimals lies between the bounds")
    return either(rules)


def multiple_rule(step: float, bounds: Bounds) -> str:
    """Return the rule that writes a multiple of a number."""
    if step <= 0:
        raise UnsupportedSchemaError("multipleOf", "it is not positive")
    rules = list(_by_endings(int(step), bounds)) if step == int(step) else []
    rules = rules or [literal(text) for text in _listed(step, bounds)]
    if not rules:
        raise UnsupportedSchemaError("multipleOf", "no multiple lies between the bounds")
    return either(rules)


def _integers(low: int, high: int) -> Iterator[str]:
    if low <= high and low < 0:
        negative = either(list(_naturals(max(1, -high), -low)))
        yield f'"-" {negative}'
    if low <= high and high >= 0:
        yield from _naturals(max(0, low), high)


def _naturals(low: int, high: int) -> Iterator[str]:
    """Yield a rule for each number of digits."""
    for digits in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (digits - 1) if digits > 1 else 0)
        yield _between(str(first), str(min(high, 10**digits - 1)))


def _between(low: str, high: str) -> str:
    """Return the rule for digit sequences of one length, compared as numbers."""
    if low == high:
        return literal(low)
    rest = len(low) - 1
    zeros, nines = "0" * rest, "9" * rest
    first, last = int(low[0]), int(high[0])
    rules: list[str] = []
    if first == last:
        return f"{literal(low[0])} {_between(low[1:], high[1:])}"
    if low[1:] != zeros:
        rules.append(f"{literal(low[0])} {_between(low[1:], nines)}")
        first += 1
    if high[1:] != nines:
        rules.append(f"{literal(high[0])} {_between(zeros, high[1:])}")
        last -= 1
    if first <= last:
        rules.append(f"[{first}-{last}]" + (f" [0-9]{{{rest}}}" if rest else ""))
    return either(rules)


def _decimals(bounds: Bounds) -> Iterator[str]:
    # A last digit other than zero keeps the number away from the integers on both of its sides.
    fraction = f'"." [0-9]{{0,{_DECIMALS - 1}}} [1-9]'
    low, high = max(bounds.low, -(10**9)), min(bounds.high, 10**9)
    if (last := floor(high) - 1) >= 0 and (first := max(0, ceil(low))) <= last:
        yield f"{either(list(_naturals(first, last)))} {fraction}"
    if (last := floor(-low) - 1) >= 0 and (first := max(0, ceil(-high))) <= last:
        yield f'"-" {either(list(_naturals(first, last)))} {fraction}'


def _finer(bounds: Bounds) -> list[str]:
    """Return numbers between bounds that hold no integer, with as few decimals as do."""
    low, high = Decimal(str(bounds.low)), Decimal(str(bounds.high))
    for decimals in range(1, _DECIMALS + 1):
        scale = 10**decimals
        numbers = _spread(ceil(low * scale), floor(high * scale))
        texts = [f"{Decimal(number) / scale:f}" for number in numbers]
        if found := [text for text in texts if bounds.contains(float(text))]:
            return found
    return []


def _spread(first: int, last: int) -> range:
    return range(first, last + 1, max(1, (last - first) // _LISTED))


def _by_endings(step: int, bounds: Bounds) -> Iterator[str]:
    """Yield rules for the multiples of numbers that can be told by the last digits."""
    digits = next((digits for digits in range(4) if 10**digits % step == 0), None)
    if digits is None:
        return
    scale = 10**digits
    least, greatest = bounds.least, bounds.greatest
    yield from (
        literal(str(number)) for number in range(0, scale, step) if least <= number <= greatest
    )
    endings = [literal(str(number).zfill(digits)) for number in range(0, scale, step)]
    for sign, low, high in (("", least, greatest), ('"-" ', -greatest, -least)):
        # Every ending must fit after the first and after the last beginning.
        first, last = max(1, -(-low // scale)), (high - scale + step) // scale
        if first <= last:
            beginning = either(list(_naturals(first, last)))
            yield f"{sign}{beginning} {either(endings)}" if digits else f"{sign}{beginning}"


def _listed(step: float, bounds: Bounds) -> list[str]:
    exact = Decimal(str(step))
    low, high = Decimal(str(bounds.low)), Decimal(str(bounds.high))
    first = ceil(max(low, min(high, Decimal(0)) - _LISTED * exact) / exact)
    found: list[str] = []
    for number in range(first, first + 2 * _LISTED + 1):
        text = f"{exact * number:f}"
        value = float(text)
        # Binary fractions: some multiples are none when they are divided.
        if bounds.contains(value) and (value / step).is_integer():
            found.append(text)
    return found
