"""Abbreviations and symbols as words."""

import re

_Found = re.Match[str]

_BEFORE_A_NAME = {
    "Mr.": "Mister",
    "Mrs.": "Missus",
    "Ms.": "Miz",
    "Dr.": "Doctor",
    "Prof.": "Professor",
    "Gen.": "General",
    "Gov.": "Governor",
    "Sen.": "Senator",
    "Rep.": "Representative",
    "Capt.": "Captain",
    "Lt.": "Lieutenant",
    "Sgt.": "Sergeant",
    "Rev.": "Reverend",
    "Mt.": "Mount",
    "Ft.": "Fort",
    "Fig.": "Figure",
    "fig.": "figure",
    "Vol.": "Volume",
    "vol.": "volume",
    "e.g.": "for example",
    "eg.": "for example",
    "i.e.": "that is",
    "vs.": "versus",
    "approx.": "approximately",
    "incl.": "including",
    "excl.": "excluding",
    "cf.": "compare",
}
"""They never end a sentence, so their full stop goes."""
_ANYWHERE = {
    "etc.": "et cetera",
    "resp.": "respectively",
    "a.k.a.": "also known as",
    "a.m.": "AM",
    "p.m.": "PM",
    "Jr.": "Junior",
    "Sr.": "Senior",
    "Inc.": "Incorporated",
    "Ltd.": "Limited",
    "Corp.": "Corporation",
    "Co.": "Company",
    "Dept.": "Department",
    "St.": "Street",
    "Ave.": "Avenue",
    "Blvd.": "Boulevard",
    "Rd.": "Road",
    "Ph.D.": "PhD",
    "Jan.": "January",
    "Feb.": "February",
    "Apr.": "April",
    "Aug.": "August",
    "Sept.": "September",
    "Oct.": "October",
    "Nov.": "November",
    "Dec.": "December",
    "Mon.": "Monday",
    "Tue.": "Tuesday",
    "Wed.": "Wednesday",
    "Thu.": "Thursday",
    "Fri.": "Friday",
}
"""Their full stop may end the sentence too."""
_WITHOUT_STOP = {
    "vs": "versus",
    "aka": "also known as",
    "w/o": "without",
    "w/": "with",
    "C++": "C plus plus",
    "C#": "C sharp",
    "F#": "F sharp",
    ".NET": "dot net",
    "and/or": "and or",
}


def _any_of(words: list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_SAINT = re.compile(r"\bSt\. ?(?=[A-Z][a-z])")
_LEADING = re.compile(rf"(?<![\w.])(?:{_any_of(list(_BEFORE_A_NAME))})(?!\w)")
_TRAILING = re.compile(rf"(?<![\w.])({_any_of(list(_ANYWHERE))})(?!\w)(?P<last>\s*$|\s+(?=[A-Z]))?")
_BARE = re.compile(rf"(?<![\w/])(?:{_any_of(list(_WITHOUT_STOP))})(?!\w|/)")

_PAIRS = {
    "!=": "does not equal",
    "==": "equals",
    "<=": "at most",
    ">=": "at least",
    "->": "to",
    "=>": "to",
    "&&": "and",
}
_SINGLES = {
    "&": "and",
    "@": "at",
    "+": "plus",
    "=": "equals",
    "%": "percent",
    "<": "less than",
    ">": "greater than",
    "×": "times",
    "÷": "divided by",
    "−": "minus",
    "±": "plus or minus",
    "≈": "about",
    "≠": "does not equal",
    "≤": "at most",
    "≥": "at least",
    "→": "to",
    "⇒": "to",
    "√": "square root of",
    "∞": "infinity",
    "π": "pi",
    "°": "degrees",
    "§": "section",
    "²": "squared",
    "³": "cubed",
}
_ONLY_BETWEEN = frozenset("+=<>&@%−→⇒²³")
"""Signs that mean something only next to a word."""
_SYMBOL = re.compile(f"{_any_of(list(_PAIRS))}|[{re.escape(''.join(_SINGLES))}]")
_ABOUT = re.compile(r"(?<!\w)~ ?(?=[\d$€£])")
_HASHTAG = re.compile(r"(?<![\w&#])#(?=[^\W\d_])")
_OR = re.compile(r"(?<![\w/.])([A-Za-z][a-z]+) ?/ ?([a-z]{2,})(?![\w/.])")


def say_abbreviations(text: str) -> str:
    """Replace abbreviations by the words they stand for."""
    text = _SAINT.sub("Saint ", text)
    text = _LEADING.sub(lambda found: _BEFORE_A_NAME[found[0]], text)
    text = _TRAILING.sub(_trailing, text)
    return _ABOUT.sub("about ", _BARE.sub(lambda found: _WITHOUT_STOP[found[0]], text))


def _trailing(found: _Found) -> str:
    if found["last"] is None:
        return _ANYWHERE[found[1]]
    return f"{_ANYWHERE[found[1]]}.{found['last']}"


def say_symbols(text: str) -> str:
    """Replace symbols by the words they stand for; signs without a neighbour are left alone."""
    text = _HASHTAG.sub("hashtag ", _OR.sub(r"\1 or \2", text))
    return _SYMBOL.sub(_symbol, text)


def _symbol(found: _Found) -> str:
    sign = found[0]
    if sign in _ONLY_BETWEEN and not _has_neighbour(found):
        return " "
    return f" {_PAIRS.get(sign) or _SINGLES[sign]} "


def _has_neighbour(found: _Found) -> bool:
    around = found.string[max(0, found.start() - 2) : found.end() + 2]
    return any(character.isalnum() for character in around)
