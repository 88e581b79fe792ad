"""What the tokens of a hypothesis wrote: its words, and how sure the model was of each.

A hypothesis without the quotation marks around it is a little shorter than what its tokens wrote;
tokens that wrote only what was dropped are left out.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from antiphon.backends.moonshine_model import Hypothesis
from antiphon.engines.stt import Token


def tokens_of(hypothesis: Hypothesis, *, continues: bool = False) -> tuple[Token, ...]:
    """Return the tokens of a text; with ``continues`` the space before it belongs to it."""
    begin, end = _place(hypothesis)
    if continues and begin and hypothesis.pieces[0][:1] == b" ":
        begin -= 1
    return tuple(
        Token(octets.decode("utf-8", "replace"), logprob, tuple(octets))
        for octets, logprob in _cut(hypothesis, begin, end)
    )


def spell(hypotheses: Sequence[Hypothesis]) -> tuple[Token, ...]:
    """Return the tokens of texts that stand one after the other."""
    found: list[Token] = []
    for hypothesis in hypotheses:
        found += tokens_of(hypothesis, continues=bool(found))
    return tuple(found)


def certainties(hypothesis: Hypothesis) -> list[float]:
    """Return the log-probability of each word; punctuation does not count."""
    begin, end = _place(hypothesis)
    found: list[float] = []
    is_new = True
    for octets, logprob in _cut(hypothesis, begin, end):
        if is_new or octets[:1] == b" ":
            found.append(0.0)
        is_new = octets.isspace()
        if any(byte >= 0x80 or chr(byte).isalnum() for byte in octets):
            found[-1] += logprob
    return found


def between(tokens: Sequence[Token], begin: int, end: int) -> tuple[Token, ...]:
    """Return the tokens that begin among these characters of the text that they write."""
    starts = accumulate((len(token.text) for token in tokens), initial=0)
    return tuple(
        token for token, start in zip(tokens, starts, strict=False) if begin <= start < end
    )


def _place(hypothesis: Hypothesis) -> tuple[int, int]:
    """Return where the text is in what the tokens wrote."""
    written = b"".join(hypothesis.pieces)
    text = hypothesis.text.encode()
    found = written.find(text)
    return (found, found + len(text)) if found >= 0 else (0, len(written))


def _cut(hypothesis: Hypothesis, begin: int, end: int) -> Iterator[tuple[bytes, float]]:
    start = 0
    for piece, logprob in zip(hypothesis.pieces, hypothesis.logprobs, strict=True):
        kept = piece[max(0, begin - start) : max(0, end - start)]
        start += len(piece)
        if kept:
            yield kept, logprob
