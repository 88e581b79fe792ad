"""Numbers in running text, spelled out as an American reads them aloud.

A number is read by what stands around it: a time, a date, an amount of money, a measure, a year.
The readings below are tried in order, the most telling first; each leaves words behind, so that
none after it sees the number again. Whatever is left at the end is a plain number.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial

from antiphon.engines.number_words import cardinal, digits, number, ordinal, plural, whole, year
from antiphon.engines.spoken_units import (
    CURRENCIES,
    DEGREES,
    SCALES,
    SUBUNITS,
    UNITS,
    UNITS_APART,
)

_Found = re.Match[str]
_Reading = tuple[re.Pattern[str], Callable[[_Found], str]]

# Groups of three figures, or of two as in India; the last one has three.
_NUMBER = r"(?:\d{1,3}(?:,\d{2,3}){1,5}(?<=,\d{3})(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_MINUS = r"(?:(?<![\w.)])[-−])?"
_AMOUNT = rf"{_MINUS}{_NUMBER}"
_TO = r"\s?[-–—]\s?"
_ALONE = r"(?<![\w.,])"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?(?![\d:%]|\.\d|,\d)"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)}|(?:{'|'.join(m[:3] for m in _MONTHS)}|Sept)\b\.?)"
_ITS_YEAR = r"(?:,? (?P<year>[12]\d{3})(?!\d))?"
_TH = "(?:st|nd|rd|th)"
_HALF_DAY = r"(?:\s?(?P<half>[AaPp])\.?[Mm]\b\.?)"
_SCALE = rf"(?:\s?(?P<scale>hundred|{'|'.join(SCALES.values())}|(?:{'|'.join(SCALES)})\b))?"
_MONEY = "[" + "".join(sign for sign in CURRENCIES if len(sign) == 1) + "]"


def _longest_first(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_CODE = _longest_first(code for code in CURRENCIES if len(code) > 1)


def spell_numbers(text: str) -> str:
    """Replace every number by the words that a reader would say."""
    for pattern, reading in _READINGS:
        text = pattern.sub(reading, text)
    return text


def _amount(figures: str) -> str:
    if figures[0] in "-−":
        return f"minus {number(figures[1:])}"
    return number(figures)


# Telephone numbers


def _telephone(found: _Found) -> str:
    plus = "plus " if found[0].startswith("+") else ""
    return plus + ", ".join(digits(group) for group in re.findall(r"\d+", found[0]))


def _short_telephone(found: _Found) -> str:
    return f"{found[1]}{digits(found[2])}"


# Dates and times


def _month_name(written: str) -> str:
    return next(month for month in _MONTHS if month.startswith(written[:3]))


def _date(month: int, day: int, year_figures: str | None) -> str:
    spoken = f"{_MONTHS[month - 1]} {ordinal(day)}"
    return f"{spoken}, {_year_of_date(year_figures)}" if year_figures else spoken


def _year_of_date(figures: str) -> str:
    if len(figures) == 2:
        return year(int(figures) + (1900 if int(figures) > 50 else 2000))
    return year(int(figures))


def _is_date(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _iso_date(found: _Found) -> str:
    month, day = int(found["m"]), int(found["d"])
    if not _is_date(month, day):
        return " ".join(whole(part) for part in (found["y"], found["m"], found["d"]))
    return _date(month, day, found["y"]) + (" at " if found["at"] else "")


def _slash_date(found: _Found) -> str:
    first, second = int(found["a"]), int(found["b"])
    month, day = (first, second) if first <= 12 else (second, first)
    if not _is_date(month, day):
        return " slash ".join(whole(part) for part in (found["a"], found["b"], found["y"]))
    return _date(month, day, found["y"])


def _month_day(found: _Found) -> str:
    day = int(found["day"])
    spoken = f"{_month_name(found['month'])} {ordinal(day) if 1 <= day <= 31 else cardinal(day)}"
    if found["last"]:
        spoken += f" to {ordinal(int(found['last']))}"
    return f"{spoken}, {_year_of_date(found['year'])}" if found["year"] else spoken


def _day_month(found: _Found) -> str:
    spoken = f"the {ordinal(int(found['day']))} of {_month_name(found['month'])}"
    return f"{spoken}, {_year_of_date(found['year'])}" if found["year"] else spoken


def _month_year(found: _Found) -> str:
    return f"{_month_name(found['month'])} {year(int(found['year']))}"


def _time(found: _Found) -> str:
    hour, minute, second = int(found["h"]), int(found["m"]), found["s"]
    half = f" {found['half'].upper()}M" if found["half"] else ""
    spoken = cardinal(hour)
    if second and int(second):
        return f"{spoken} {_minutes(minute)} and {cardinal(int(second))} seconds{half}"
    if minute:
        return f"{spoken} {_minutes(minute)}{half}"
    return spoken + (half or (" o'clock" if 1 <= hour <= 12 else " hundred hours"))


def _minutes(minute: int) -> str:
    return f"oh {cardinal(minute)}" if minute < 10 else cardinal(minute)


def _hour(found: _Found) -> str:
    return f"{cardinal(int(found['h']))} {found['half'].upper()}M"


def _year_range(found: _Found) -> str:
    return f"{year(int(found[1]))} to {_later_year(found[2])}"


def _later_year(figures: str) -> str:
    return cardinal(int(figures)) if len(figures) == 2 else year(int(figures))


def _decade(found: _Found) -> str:
    figures = found[1]
    return plural(year(int(figures)) if len(figures) == 4 else cardinal(int(figures)))


def _year(found: _Found) -> str:
    return year(int(found[0]))


def _year_after(found: _Found) -> str:
    return f"{found[1]} {year(int(found[2]))}"


# Money


def _money(found: _Found) -> str:
    amount = re.sub(r",(?=\d\d$)", ".", found["amount"])
    return _say_money(found[0], found["sign"], amount, found["scale"])


def _say_money(written: str, sign: str, figures: str, scale: str | None) -> str:
    one, many = CURRENCIES[sign]
    minus = "minus " if written[0] in "-−" else ""
    if scale:
        return f"{minus}{number(figures)} {SCALES.get(scale, scale)} {many}"
    before, _, after = figures.partition(".")
    if len(after) != 2 or sign not in SUBUNITS:
        return f"{minus}{number(figures)} {one if figures == '1' else many}"
    big, small = int(before.replace(",", "") or 0), int(after)
    parts = [f"{whole(before)} {one if big == 1 else many}"] if big or not small else []
    if small:
        parts.append(f"{cardinal(small)} {SUBUNITS[sign][small != 1]}")
    return minus + " and ".join(parts)


def _money_range(found: _Found) -> str:
    many = CURRENCIES[found["sign"]][1]
    scale = f" {SCALES.get(found['scale'], found['scale'])}" if found["scale"] else ""
    return f"{number(found['low'])} to {number(found['high'])}{scale} {many}"


def _coded_money(found: _Found) -> str:
    return _say_money(found["amount"], found["sign"], found["amount"], found["scale"])


# Measures


def _percent(found: _Found) -> str:
    low = f"{_amount(found['low'])} to " if found["low"] else ""
    return f"{low}{_amount(found['amount'])} percent"


def _degrees(found: _Found) -> str:
    low = f"{_amount(found['low'])} to " if found["low"] else ""
    word = "degree" if found["amount"] in ("1", "-1", "−1") and not low else "degrees"
    scale = f" {DEGREES[found['scale']]}" if found["scale"] else ""
    return f"{low}{_amount(found['amount'])} {word}{scale}"


def _measure(names: dict[str, tuple[str, str]], found: _Found) -> str:
    one, many = names[found["unit"]]
    low = f"{_amount(found['low'])} to " if found["low"] else ""
    # A five-minute walk, but five minutes.
    single = "-" in found["joint"] or (found["amount"] == "1" and not low)
    return f"{low}{_amount(found['amount'])}{found['joint'] or ' '}{one if single else many}"


def _seconds(found: _Found) -> str:
    return f"{number(found[1])} {'second' if found[1] == '1' else 'seconds'}"


def _feet_and_inches(found: _Found) -> str:
    return f"{cardinal(int(found[1]))} foot {cardinal(int(found[2]))}"


# Everything else


def _numbered(found: _Found) -> str:
    return f"number {number(found[1])}"


def _mixed_fraction(found: _Found) -> str:
    part = _say_fraction(int(found[2]), int(found[3]), found[3])
    return f"{whole(found[1])} and {part.replace('one ', 'a ', 1)}"


def _fraction(found: _Found) -> str:
    return _say_fraction(int(found[1]), int(found[2]), found[2])


def _say_fraction(above: int, below: int, written: str) -> str:
    if (above, below) == (24, 7):
        return "twenty-four seven"
    if below in (10, 100) or above == below:
        return f"{cardinal(above)} out of {cardinal(below)}"
    if not 2 <= below <= 20 or above > below:
        return f"{cardinal(above)} over {whole(written)}"
    name = {2: "half", 4: "quarter"}.get(below) or ordinal(below)
    return f"{cardinal(above)} {_several(name) if above > 1 else name}"


def _several(name: str) -> str:
    return "halves" if name == "half" else f"{name}s"


def _ordinal(found: _Found) -> str:
    return ordinal(int(found[1].replace(",", "")))


def _ratio(found: _Found) -> str:
    return f"{number(found[1])} to {number(found[2])}"


def _version(found: _Found) -> str:
    word = "version " if found["v"] else ""
    return word + " point ".join(whole(part) for part in found["parts"].split("."))


def _between(word: str, _: _Found) -> str:
    return f" {word} "


def _exponent(found: _Found) -> str:
    power = {"2": "squared", "3": "cubed"}.get(found[1])
    return f" {power}" if power else f" to the power of {_amount(found[1])}"


def _signed(found: _Found) -> str:
    return f"{'plus' if found[0][0] == '+' else 'minus'} {number(found[1])}"


def _plain(found: _Found) -> str:
    return number(found[0])


def _readings(*pairs: tuple[str, Callable[[_Found], str]]) -> tuple[_Reading, ...]:
    return tuple((re.compile(pattern), reading) for pattern, reading in pairs)


_UNIT = _longest_first(list(UNITS))
_UNIT_APART = _longest_first(list(UNITS_APART))
_LOW = rf"(?:(?P<low>{_AMOUNT}){_TO})?"
_BEFORE_YEARS = "in|of|by|since|circa|year|until|till|before|after|from|to|around|early|late|mid"

_READINGS: tuple[_Reading, ...] = _readings(
    # Runs that no number has; with them gone, every search below takes linear time.
    (r"\d{17,}", lambda found: digits(found[0])),
    # Telephone numbers.
    (
        r"(?<![\w.,+-])(?:\+?\d{1,3}[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])",
        _telephone,
    ),
    (r"(?<![\w+])\+\d{1,3}(?:[ .-]?\(?\d{2,4}\)?){2,5}(?![\w-])", _telephone),
    (r"(?<![\w.,-])\d{3}-\d{4}(?![\w-])", _telephone),
    (r"(?<![\w.,-])\d{1,4}(?:-\d{1,4}){2,5}(?![\w-])(?<=-\d{4})", _telephone),
    (r"(?i)\b((?:call|dial|text)(?:ing|ed|s)? )(\d{3})\b(?![.,:-]?\d)", _short_telephone),
    # Dates.
    (
        rf"{_ALONE}(?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})(?!\d)(?P<at>T(?=\d))?",
        _iso_date,
    ),
    (
        rf"{_ALONE}(?P<a>\d{{1,2}})/(?P<b>\d{{1,2}})/(?P<y>\d{{4}}|\d{{2}})(?![\w/])",
        _slash_date,
    ),
    (
        rf"\b{_MONTH} {_DAY}(?:{_TO}(?P<last>[1-3]?\d){_TH}?(?![\d:]))?{_ITS_YEAR}",
        _month_day,
    ),
    (
        rf"{_ALONE}(?:the )?(?P<day>[12]?\d|3[01]){_TH}?(?: of)? {_MONTH}(?!\w){_ITS_YEAR}",
        _day_month,
    ),
    (rf"\b{_MONTH},? (?P<year>[12]\d{{3}})(?![\d,.]\d)\b", _month_year),
    # Times.
    (rf"(?<=\d){_TO}(?=\d{{1,2}}:[0-5]\d)|(?<=:[0-5]\d){_TO}(?=\d)", partial(_between, "to")),
    (rf"(?<=\d){_TO}(?=\d{{1,2}}\s?[AaPp]\.?[Mm]\b)", partial(_between, "to")),
    (rf"(?<=[AaPp][Mm]){_TO}(?=\d)", partial(_between, "to")),
    (
        rf"{_ALONE}(?P<h>[01]?\d|2[0-4]):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?{_HALF_DAY}?(?![:\d])",
        _time,
    ),
    (rf"{_ALONE}(?P<h>1[0-2]|[1-9]){_HALF_DAY}(?!\w)", _hour),
    # Money.
    (
        rf"(?P<sign>{_MONEY})\s?(?P<low>{_NUMBER}){_TO}(?:(?P=sign)\s?)?(?P<high>{_NUMBER}){_SCALE}",
        _money_range,
    ),
    (rf"\b(?P<sign>{_CODE})\s?(?P<amount>{_NUMBER}){_SCALE}", _coded_money),
    (rf"{_MINUS}(?P<sign>€)\s?(?P<amount>\d+,\d\d)(?!\d)(?P<scale>)", _money),
    (rf"{_MINUS}(?P<sign>{_MONEY})\s?(?P<amount>{_NUMBER}){_SCALE}", _money),
    (
        rf"{_ALONE}(?P<amount>{_NUMBER}){_SCALE}\s?(?P<sign>{_MONEY}|¢|(?:{_CODE})\b)",
        _coded_money,
    ),
    # Measures.
    (rf"{_LOW}(?P<amount>{_AMOUNT})\s?%", _percent),
    (rf"{_LOW}(?P<amount>{_AMOUNT})\s?°\s?(?:(?P<scale>[{''.join(DEGREES)}])\b)?", _degrees),
    (rf"{_ALONE}([3-8])['′]\s?(1[01]|\d)(?:[\"″]|'')", _feet_and_inches),
    (
        rf"{_LOW}(?P<amount>{_AMOUNT})(?P<joint>[\s-]?)(?P<unit>{_UNIT})(?![\w²³/])",
        partial(_measure, UNITS),
    ),
    (
        rf"{_LOW}(?P<amount>{_AMOUNT})(?P<joint>\s)(?P<unit>{_UNIT_APART})(?![\w'/-])",
        partial(_measure, UNITS_APART),
    ),
    # Sums and powers.
    (r"(?<=\d)\s?[×*]\s?(?=\d)|(?<=\d) x (?=\d)", partial(_between, "times")),
    (rf"(?<=[\w)])\^({_AMOUNT})", _exponent),
    (r"(?<=\d) ?\+ ?(?=\d)", partial(_between, "plus")),
    (r"(?<=\d)(?: − | - (?=\d+(?:\.\d+)? ?=))(?=\d)", partial(_between, "minus")),
    # Fractions, ranges, years and the rest.
    (r"(?<![\w./])(\d{1,3}) (\d{1,2})/(\d{1,2})(?![\w./])", _mixed_fraction),
    (r"(?<![\w./])(\d{1,3})/(\d{1,3})(?![\w/]|\.\d)", _fraction),
    (
        rf"(?<![\w.,-])(1[1-9]\d\d|20\d\d)(?:{_TO}|/)((?:1[1-9]|20)\d\d|\d\d)(?![\w,/-]|\.\d)",
        _year_range,
    ),
    (rf"(?<![\w.,-])({_NUMBER}){_TO}({_NUMBER})(?![\w-])", _ratio),
    (rf"{_ALONE}({_NUMBER}):({_NUMBER})(?![\w:])", _ratio),
    (r"(?<![\w.,])'?((?:1[1-9]|20)\d0|[2-9]0)'?s\b", _decade),
    (rf"{_ALONE}(\d+)s\b", _seconds),
    (rf"(?<![\w.])(\d{{1,3}}(?:,\d{{3}})+|\d{{1,12}}){_TH}\b", _ordinal),
    (rf"(?:#|№ ?|\b[Nn]o\. ?)({_NUMBER})", _numbered),
    (
        r"(?:\b(?P<v>(?:[vV]ersion )?[vV])\.? ?(?=\d+\.)|(?<![\w.]))(?P<parts>\d+(?:\.\d+){2,})",
        _version,
    ),
    (r"\b(?P<v>(?:[vV]ersion )?[vV])(?P<parts>\d+(?:\.\d+)*)\b", _version),
    (r"(?<![\w.,])(?:19|20)\d\d(?![\w,]|\.\d)|(?<![\w.,])(?:19|20)\d\d(?=,\D)", _year),
    (rf"(?i)\b({_BEFORE_YEARS}) (1[0-8]\d\d)(?![\w,]|\.\d)", _year_after),
    (rf"(?:(?<![\w.)])[-−]|(?<!\w)\+ ?)({_NUMBER})", _signed),
    # Letters and figures that stick together: GPT-4, H2O.
    (r"(?<=[^\W\d_])-?(?=\d)|(?<=\d)-?(?=[^\W\d_])", lambda _: " "),
    (_NUMBER, _plain),
)
