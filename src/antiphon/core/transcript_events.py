"""How a transcript is told: in deltas, and complete, with what it cost and how sure it is."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msgspec import UNSET, UnsetType

from antiphon.core.context import text_tokens
from antiphon.core.ids import Ids
from antiphon.core.speakers import Speakers
from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.engines.stt import FinalTranscript, Segment, Token
from antiphon.protocol import server_events as server
from antiphon.protocol.response import (
    LogProb,
    TranscriptionDurationUsage,
    TranscriptionInputTokenDetails,
    TranscriptionTokenUsage,
    TranscriptionUsage,
)

_SPEECH_TOKEN_MS = 100


@dataclass(frozen=True, slots=True)
class Telling:
    """What the client was promised of one item's transcript."""

    item_id: str
    offer: TranscriptionOffer
    logprobs: bool
    read_tokens: int = 0
    """What the transcriber read besides the sound: a prompt, keywords."""


def delta(telling: Telling, piece: str, tokens: Sequence[Token], ids: Ids) -> server.ServerEvent:
    """Tell the next piece of a transcript."""
    return server.ConversationItemInputAudioTranscriptionDelta(
        event_id=ids.event(),
        item_id=telling.item_id,
        content_index=0,
        delta=piece,
        logprobs=_logprobs(telling, tokens),
    )


def segments(
    telling: Telling, heard: FinalTranscript, speakers: Speakers, ids: Ids
) -> list[server.ServerEvent]:
    """Tell who said what."""
    if not telling.offer.diarizes:
        return []
    told: list[Segment] = []
    for segment in heard.segments:
        named = replace(segment, speaker=speakers.name(segment))
        if told and told[-1].speaker == named.speaker:
            text = f"{told[-1].text} {named.text}"
            named = replace(told.pop(), text=text, end_ms=named.end_ms)
        told.append(named)
    return [
        server.ConversationItemInputAudioTranscriptionSegment(
            event_id=ids.event(),
            item_id=telling.item_id,
            content_index=0,
            id=ids.segment(),
            text=segment.text,
            speaker=segment.speaker,
            start=segment.start_ms / 1000,
            end=segment.end_ms / 1000,
        )
        for segment in told
    ]


def completed(
    telling: Telling, heard: FinalTranscript, told: str, duration_ms: int, ids: Ids
) -> list[server.ServerEvent]:
    """Tell a whole transcript, of which ``told`` is known already."""
    events = [
        delta(telling, piece, tokens, ids) for piece, tokens in _pieces(telling.offer, heard, told)
    ]
    complete = server.ConversationItemInputAudioTranscriptionCompleted(
        event_id=ids.event(),
        item_id=telling.item_id,
        content_index=0,
        transcript=heard.text,
        usage=_usage(telling, duration_ms, heard.text),
        logprobs=_logprobs(telling, heard.tokens),
    )
    return [*events, complete]


def _pieces(
    offer: TranscriptionOffer, heard: FinalTranscript, told: str
) -> Iterator[tuple[str, tuple[Token, ...]]]:
    """Yield what is still to be told, and the tokens that it consists of."""
    begin = _known(heard.text, told)
    rest = heard.text[begin:]
    # Observed: whisper-1 sends its whole text as one delta; the others send it word by word.
    pieces = [rest] if offer.bills == "duration" and not offer.streams else _words(rest)
    for piece in pieces:
        if piece:
            yield piece, _between(heard, begin, begin + len(piece))
        begin += len(piece)


def _known(text: str, told: str) -> int:
    """Return how much of the text need not be told again.

    What was told while one spoke cannot be taken back. Where the words are the same but written
    otherwise, the rest of them follows; where they are others, the complete transcript tells all.
    """
    if text.startswith(told):
        return len(told)
    words, before = text.split(" "), told.split(" ")
    same = words[: len(before)]
    if list(map(_bare, same)) == list(map(_bare, before)):
        return len(" ".join(same))
    return len(text)


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold()


def _between(heard: FinalTranscript, begin: int, end: int) -> tuple[Token, ...]:
    """Return the tokens that begin among these characters; none where they spell another text."""
    if "".join(token.text for token in heard.tokens) != heard.text:
        return ()
    found: list[Token] = []
    at = 0
    for token in heard.tokens:
        if begin <= at < end:
            found.append(token)
        at += len(token.text)
    return tuple(found)


def _logprobs(telling: Telling, tokens: Sequence[Token]) -> tuple[LogProb, ...] | UnsetType:
    if not telling.logprobs:
        return UNSET
    return tuple(
        LogProb(token=token.text, logprob=token.logprob, bytes=token.octets) for token in tokens
    )


def _usage(telling: Telling, duration_ms: int, text: str) -> TranscriptionUsage:
    if telling.offer.bills == "duration":
        return TranscriptionDurationUsage(seconds=math.ceil(duration_ms / 1000))
    heard = math.ceil(duration_ms / _SPEECH_TOKEN_MS)
    written = text_tokens(text)
    return TranscriptionTokenUsage(
        total_tokens=telling.read_tokens + heard + written,
        input_tokens=telling.read_tokens + heard,
        input_token_details=TranscriptionInputTokenDetails(
            text_tokens=telling.read_tokens, audio_tokens=heard
        ),
        output_tokens=written,
    )


def _words(text: str) -> list[str]:
    words = text.split(" ")
    return [words[0]] + [f" {word}" for word in words[1:]]
