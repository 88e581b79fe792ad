"""What is left of a written answer when its layout is taken away: Markdown, HTML, emoji, emoticons.

A text may be cut anywhere (clauses are spoken before the rest is written), so marks that have lost
their partner go as well. Line ends become the pauses that a reader would make.
"""

import html
import re
import unicodedata

_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ \t]*(?:\|[ \t]*)?:?-{2,}:?[ \t]*(?:\|[ \t:|-]*)?$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$", re.MULTILINE)
_COMMENT = re.compile(r"<!--[^>]{0,500}-->")
_BREAK = re.compile(r"(?i)<(?:br|/p|/li|/h[1-6]|/tr|/div)\s*/?>")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+|[^\s<>@]+@[^\s<>]+)>")
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()\s]*(?:\s+\"[^\"]*\")?\)|\[[^\[\]]*\])")
_NOTE = re.compile(r"\[\^?[\d,\s–-]+\]|\[\^\w+\]|【[^】]*】")
_TASK = re.compile(r"^([ \t]*[-*+] )\[[ xX]\] ", re.MULTILINE)
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+(.*)$", re.MULTILINE)
_QUOTE = re.compile(r"^(?:[ \t]*>)+[ \t]?", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*+•‣◦▪●○–—][ \t]+|(\d{1,3})[.)][ \t]+(?=\S))(.*)$", re.MULTILINE)
_EMPHASIS = re.compile(r"\*{2,}|~~|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)|(?<!\d)\*|\*(?!\s?\d)|`+")
_LATEX = re.compile(r"\\[()\[\]]|\$\$|\\(?:text|mathrm|mathbf)\b|\\(?=[A-Za-z])|\\")
_EMOTICON = re.compile(
    r"(?:(?<=\s)|^)(?:[:;=8][-^']?[()\[\]DPpOo3|/\\*]+|[xX]D+|<3+|\^_+\^|\(y\))(?=[\s.,!?]|$)"
)
_SHORTCODE = re.compile(r"(?<![\w:]):[a-z][a-z0-9_+-]{1,30}:(?![\w:])")
_UNFINISHED = re.compile(r"[\w)\]\"'”’%°]\s*$")
_BLANK = re.compile(r"\n[ \t]*\n\s*")

_STAND_FOR_WORDS = frozenset("°©®™№℃℉→←↑↓⇒⇔↔√∞")
"""Symbols by category, but read aloud or dropped later, by name."""


def plain_text(text: str) -> str:
    """Return the text in one line, without layout, markup or pictures."""
    text = _without_markup(html.unescape(text))
    text = _SHORTCODE.sub(" ", _EMOTICON.sub(" ", text))
    return _joined("".join(map(_drawn_as_space, text)))


def _without_markup(text: str) -> str:
    for pattern in (_FENCE, _TABLE_RULE, _RULE, _COMMENT):
        text = pattern.sub("", text)
    text = _BREAK.sub("\n", _AUTOLINK.sub(r"\1", text))
    text = _TAG.sub("", text)
    # Innermost first: an image may be the text of a link.
    text = _LINK.sub(r"\1", _LINK.sub(r"\1", text))
    text = _TASK.sub(r"\1", _NOTE.sub("", text))
    text = _HEADING.sub(_heading, _QUOTE.sub("", text))
    text = _ITEM.sub(_item, text)
    return _LATEX.sub(" ", _EMPHASIS.sub("", text))


def _heading(found: re.Match[str]) -> str:
    return _closed(found[1].rstrip(" \t#"), ".")


def _item(found: re.Match[str]) -> str:
    number = f"{found[1]}: " if found[1] else ""
    return number + _closed(found[2], ",")


def _closed(line: str, mark: str) -> str:
    """End a line with a mark unless it has one."""
    bare = line.rstrip(" \t*_`")
    return f"{bare}{mark}" if _UNFINISHED.search(bare) else line


def _joined(text: str) -> str:
    paragraphs = _BLANK.split(text.strip())
    closed = [_closed(paragraph, ".") for paragraph in paragraphs[:-1]]
    return " ".join(" ".join([*closed, *paragraphs[-1:]]).split())


def _drawn_as_space(character: str) -> str:
    if character < "\x7f" or character in _STAND_FOR_WORDS:
        return character
    category = unicodedata.category(character)
    # Pictures, private and unassigned characters; joiners and selectors vanish without a trace.
    if category in ("So", "Sk", "Co", "Cn", "Cs"):
        return " "
    return "" if category in ("Cf", "Me", "Cc") or "\ufe00" <= character <= "\ufe0f" else character
