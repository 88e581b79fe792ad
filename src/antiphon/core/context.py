"""What a responder is given to read: items as turns, cut to what the model can hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from antiphon.core.conversation import Entry
from antiphon.engines.responder import (
    AssistantTurn,
    CallTurn,
    ResultTurn,
    SystemTurn,
    Turn,
    UserTurn,
)
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputText,
    MessageItem,
    OutputAudio,
    OutputText,
)
from antiphon.protocol.session import RetentionRatio, Truncation

INAUDIBLE = "(The user said something that could not be made out.)"
"""Stands for speech in which no words were found; a responder must answer something."""

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_TURN = 4
AUDIO_INPUT_BYTES_PER_TOKEN = 4_800
"""One token for 100 ms of PCM16 at 24 kHz."""


@dataclass(frozen=True, slots=True)
class Context:
    """The turns of one response and what they weigh."""

    turns: tuple[Turn, ...]
    text_tokens: int
    """Roughly how many tokens the text of the turns takes."""
    audio_tokens: int
    """Tokens of the user's speech among them, by the documented rule."""
    spoken_text_tokens: int
    """Roughly how many text tokens the same speech takes as transcripts."""


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return (len(text) + _CHARACTERS_PER_TOKEN - 1) // _CHARACTERS_PER_TOKEN


def read(entries: Iterable[Entry], *, as_audio: bool) -> Context:
    """Turn entries into what a responder reads; speech as audio, or as what was heard."""
    turns: list[Turn] = []
    written = audio_tokens = spoken = 0
    for entry in entries:
        turn = _turn(entry, as_audio=as_audio)
        if turn is not None:
            turns.append(turn)
            written += _text_weight(turn)
        if entry.is_spoken_by_user:
            audio_tokens += sum(len(sound) for sound in entry.audio) // AUDIO_INPUT_BYTES_PER_TOKEN
            spoken += text_tokens(entry.heard or "")
    return Context(tuple(turns), written, audio_tokens, spoken)


def fit(turns: Sequence[Turn], truncation: Truncation, budget_tokens: int) -> tuple[Turn, ...]:
    """Drop the oldest turns until the rest fits; nothing is deleted from the conversation.

    Raises `ClientError` when truncation is disabled and the turns do not fit.
    """
    weights = [_weight(turn) for turn in turns]
    limit = budget_tokens
    if isinstance(truncation, RetentionRatio) and truncation.token_limits is not UNSET:
        most = truncation.token_limits.post_instructions
        limit = min(limit, most) if most is not UNSET else limit
    total = sum(weights)
    if total <= limit:
        return tuple(turns)
    if truncation == "disabled":
        raise ClientError(
            "context_length_exceeded",
            f"The conversation takes about {total} tokens and the model holds {limit}. "
            'Delete items, or set session.truncation to "auto".',
        )
    if isinstance(truncation, RetentionRatio):
        limit = int(limit * truncation.retention_ratio)
    first = 0
    while first < len(turns) - 1 and total > limit:
        total -= weights[first]
        first += 1
    # A result without its call means nothing to a model.
    while first < len(turns) - 1 and isinstance(turns[first], ResultTurn):
        first += 1
    return tuple(turns[first:])


def _turn(entry: Entry, *, as_audio: bool) -> Turn | None:
    match entry.item:
        case MessageItem(role="system"):
            return SystemTurn(_written(entry.item))
        case MessageItem(role="user"):
            sound = b"".join(entry.audio) if as_audio else b""
            # Speech that came as a transcript alone can be read, not heard.
            return UserTurn(_written(entry.item) if sound else _heard(entry, entry.item), sound)
        case MessageItem():
            text = _heard_by_user(entry, entry.item)
            return AssistantTurn(text) if text else None
        case FunctionCallItem(name=name, call_id=call_id, arguments=arguments):
            return CallTurn(str(call_id), name, arguments)
        case FunctionCallOutputItem(call_id=call_id, output=output):
            return ResultTurn(call_id, output)
        case _:
            # MCP items describe what the server did; the model reads their results as calls.
            return None


def _written(item: MessageItem) -> str:
    return "\n".join(part.text for part in item.content if isinstance(part, InputText))


def _heard(entry: Entry, item: MessageItem) -> str:
    texts: list[str] = []
    speech = entry.heard
    for part in item.content:
        if isinstance(part, InputText):
            texts.append(part.text)
        elif isinstance(part, InputAudio) and speech is not None:
            texts.append(speech or INAUDIBLE)
            speech = None
    return "\n".join(texts)


def _heard_by_user(entry: Entry, item: MessageItem) -> str:
    texts: list[str] = []
    for part in item.content:
        if isinstance(part, OutputText):
            texts.append(part.text)
        elif isinstance(part, OutputAudio) and entry.heard is None and part.transcript is not UNSET:
            texts.append(part.transcript)
    if entry.heard:
        texts.append(entry.heard)
    return "\n".join(texts)


def _weight(turn: Turn) -> int:
    spoken = len(turn.audio) // AUDIO_INPUT_BYTES_PER_TOKEN if isinstance(turn, UserTurn) else 0
    return _text_weight(turn) + spoken


def _text_weight(turn: Turn) -> int:
    match turn:
        case UserTurn(text) | SystemTurn(text) | AssistantTurn(text) | ResultTurn(_, text):
            return _TOKENS_PER_TURN + text_tokens(text)
        case CallTurn(_, name, arguments):
            return _TOKENS_PER_TURN + text_tokens(name) + text_tokens(arguments)
