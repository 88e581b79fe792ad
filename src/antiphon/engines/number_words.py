"""English number words, as they are said in the United States."""

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen"),
    *("sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}

LONGEST = 15
"""Numbers with more figures are read digit by digit."""
_LONGEST_PLAIN = 6


def cardinal(number: int) -> str:
    """Say how many: 1250 is "one thousand two hundred fifty"."""
    if number < len(_SMALL):
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return f"{_TENS[tens]}-{_SMALL[ones]}" if ones else _TENS[tens]
    if number < 1000:
        return _with_rest(number, 100, "hundred")
    if number >= 10**LONGEST:
        raise ValueError(f"There are no words for numbers of more than {LONGEST} figures.")
    scale, name = next(each for each in _SCALES if number >= each[0])
    return _with_rest(number, scale, name)


def _with_rest(number: int, scale: int, name: str) -> str:
    head, rest = divmod(number, scale)
    return f"{cardinal(head)} {name}" + (f" {cardinal(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """Say which one: 21 is "twenty-first"."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _IRREGULAR_ORDINALS:
        return head + _IRREGULAR_ORDINALS[last]
    return head + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year(number: int) -> str:
    """Say a year of four digits: 1905 is "nineteen oh five", 2005 "two thousand five"."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(figures: str) -> str:
    """Say figures one by one."""
    return " ".join(_SMALL[int(figure)] for figure in figures)


def whole(figures: str) -> str:
    """Say an integer as it is written: 007 and long identifiers digit by digit."""
    plain = figures.replace(",", "")
    leading_zero = len(plain) > 1 and plain.startswith("0")
    identifier = len(figures) > _LONGEST_PLAIN and plain == figures and not plain.endswith("000")
    if leading_zero or identifier or len(plain) > LONGEST:
        return digits(plain)
    count = int(plain)
    # Fifteen hundred, as people say, but two thousand.
    if figures.isdigit() and 1000 < count < 10_000 and count % 100 == 0 and count % 1000:
        return f"{cardinal(count // 100)} hundred"
    return cardinal(count)


def number(figures: str) -> str:
    """Say an integer or a decimal fraction as it is written: 3.50 is "three point five zero"."""
    before, point, after = figures.partition(".")
    if not point:
        return whole(before)
    return f"{whole(before)} point {digits(after)}" if before else f"point {digits(after)}"


def plural(word: str) -> str:
    """Return the plural of a number word: "nineties", "sixes"."""
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("x") else f"{word}s"
