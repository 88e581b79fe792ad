"""What a responder is given to read: items as turns, cut to what the model can hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from msgspec import UNSET

from antiphon.core import mcp_turns
from antiphon.core.conversation import Entry
from antiphon.engines.llm import Picture
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
    InputImage,
    InputText,
    MessageItem,
    OutputAudio,
    OutputText,
)
from antiphon.protocol.session import Truncation

INAUDIBLE = "(The user said something that could not be made out.)"
"""Stands for speech in which no words were found; a responder must answer something."""

AUDIO_INPUT_BYTES_PER_TOKEN = 4_800
"""One token for 100 ms of PCM16 at 24 kHz."""
AUTOMATIC_RETENTION = 0.75
"""What truncation "auto" keeps of the room."""

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_TURN = 4
_CAUTIOUS_BYTES_PER_TOKEN = 3.2
"""Fewer than models need for most texts in most languages."""
_CAUTIOUS_TOKENS_PER_TURN = 8
_CAUTIOUS_TOKENS_PER_CALL = 40
"""What wraps calls and results for models that read them as text."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One item as a responder reads it, and what it weighs."""

    item_id: str
    turns: tuple[Turn, ...]
    size: int
    """Tokens of the model's context that it takes, cautiously estimated."""
    text_tokens: int
    """Roughly how many tokens its text takes, transcripts included."""
    audio_tokens: int = 0
    """Tokens of the user's speech, by the documented rule."""
    spoken_text_tokens: int = 0
    """Roughly how many text tokens the same speech takes as a transcript."""
    image_tokens: int = 0
    """Tokens of pictures, by the documented rule."""


@dataclass(frozen=True, slots=True)
class Context:
    """What one response reads, and what it weighs."""

    passages: tuple[Passage, ...] = ()
    turns: tuple[Turn, ...] = ()
    size: int = 0
    text_tokens: int = 0
    audio_tokens: int = 0
    spoken_text_tokens: int = 0
    image_tokens: int = 0

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> "Context":
        """Return the context of these passages."""
        return cls(
            tuple(passages),
            tuple(turn for each in passages for turn in each.turns),
            sum(each.size for each in passages),
            sum(each.text_tokens for each in passages),
            sum(each.audio_tokens for each in passages),
            sum(each.spoken_text_tokens for each in passages),
            sum(each.image_tokens for each in passages),
        )


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a conversation a response may read, and what happens when that is too little."""

    limit: int
    """The most tokens."""
    retained: int | None
    """What is kept of it when there are more; None: nothing may be left out."""

    @classmethod
    def of(cls, truncation: Truncation, budget_tokens: int) -> "Room":
        """Return the room that a setting leaves of what the model holds."""
        if truncation == "disabled":
            return cls(budget_tokens, None)
        if truncation == "auto":
            return cls(budget_tokens, int(budget_tokens * AUTOMATIC_RETENTION))
        limit = budget_tokens
        if truncation.token_limits is not UNSET:
            most = truncation.token_limits.post_instructions
            limit = limit if most is UNSET else min(limit, most)
        return cls(limit, int(limit * truncation.retention_ratio))

    def fit(self, context: Context, ahead: int = 0) -> Context:
        """Leave out the oldest turns if ``ahead`` more tokens would not fit beside all of them.

        The last one stays whatever it weighs. Raises `ClientError` when nothing may be left out.
        """
        if context.size + ahead <= self.limit:
            return context
        if self.retained is None:
            raise overflow(context.size + ahead, self.limit)
        passages, size = context.passages, context.size
        last, first = len(passages) - 1, 0
        while first < last and size + ahead > self.retained:
            size -= passages[first].size
            first += 1
        # A result without its call means nothing to a model.
        while first < last and isinstance(passages[first].turns[0], ResultTurn):
            first += 1
        return Context.of(passages[first:]) if first else context


def overflow(size: int, limit: int) -> ClientError:
    """Tell that a conversation is too long and nothing of it may be left out."""
    return ClientError(
        "context_length_exceeded",
        f"The conversation takes about {size} tokens and the model holds {limit}. "
        'Delete items, or set session.truncation to "auto".',
    )


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return (len(text) + _CHARACTERS_PER_TOKEN - 1) // _CHARACTERS_PER_TOKEN


def text_size(text: str) -> int:
    """Estimate cautiously what a text takes of a model's context."""
    return int(len(text.encode(errors="replace")) / _CAUTIOUS_BYTES_PER_TOKEN) + 1


def turn_size(turn: Turn) -> int:
    """Estimate cautiously what a turn without pictures takes of a model's context."""
    match turn:
        case UserTurn(text, audio):
            spoken = len(audio) // AUDIO_INPUT_BYTES_PER_TOKEN
            return _CAUTIOUS_TOKENS_PER_TURN + text_size(text) + spoken
        case SystemTurn(text) | AssistantTurn(text):
            return _CAUTIOUS_TOKENS_PER_TURN + text_size(text)
        case ResultTurn(_, output):
            return _CAUTIOUS_TOKENS_PER_CALL + text_size(output)
        case CallTurn(_, name, arguments):
            return _CAUTIOUS_TOKENS_PER_CALL + text_size(name) + text_size(arguments)
        case _:
            assert_never(turn)


def weigh(entry: Entry, *, as_audio: bool) -> Passage | None:
    """Read an item; speech as sound, or as what was heard. None: it says nothing."""
    turns = _turns(entry, as_audio=as_audio)
    if not turns:
        return None
    audio = spoken = 0
    if entry.is_spoken_by_user:
        audio = sum(len(sound) for sound in entry.audio) // AUDIO_INPUT_BYTES_PER_TOKEN
        spoken = text_tokens(entry.heard or "")
    return Passage(
        entry.id,
        turns,
        size=sum(turn_size(turn) for turn in turns) + entry.image_tokens,
        text_tokens=sum(_text_weight(turn) for turn in turns),
        audio_tokens=audio,
        spoken_text_tokens=spoken,
        image_tokens=entry.image_tokens,
    )


def _turns(entry: Entry, *, as_audio: bool) -> tuple[Turn, ...]:
    match entry.item:
        case MessageItem(role="system"):
            return (SystemTurn(_written(entry.item)),)
        case MessageItem(role="user"):
            sound = b"".join(entry.audio) if as_audio else b""
            # Speech that came as a transcript alone can be read, not heard.
            return (_user_turn(entry.item, None if sound else entry.heard, sound),)
        case MessageItem(phase=phase):
            text = _heard_by_user(entry, entry.item)
            return (AssistantTurn(text, None if phase is UNSET else phase),) if text else ()
        case FunctionCallItem(name=name, call_id=call_id, arguments=arguments):
            return (CallTurn(str(call_id), name, arguments),)
        case FunctionCallOutputItem(call_id=call_id, output=output):
            return (ResultTurn(call_id, output),)
        case _:
            # What the server did itself stands in MCP items, and is read as calls and results.
            return mcp_turns.turns(entry.item, entry.heard)


def _written(item: MessageItem) -> str:
    return "\n".join(part.text for part in item.content if isinstance(part, InputText))


def _user_turn(item: MessageItem, speech: str | None, sound: bytes) -> UserTurn:
    """Return what a user wrote, said and showed; ``speech`` stands for all of the spoken parts."""
    text = ""
    pictures: list[Picture] = []
    for part in item.content:
        match part:
            case InputImage(image_url=url, detail=detail):
                closely = "auto" if detail is UNSET else detail
                pictures.append(Picture(url, closely, len(text)))
                continue
            case InputText(text=words):
                pass
            case InputAudio() if speech is not None:
                words, speech = speech or INAUDIBLE, None
            case _:
                continue
        text = f"{text}\n{words}" if text else words
    return UserTurn(text, sound, tuple(pictures))


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


def _text_weight(turn: Turn) -> int:
    match turn:
        case UserTurn(text) | SystemTurn(text) | AssistantTurn(text) | ResultTurn(_, text):
            return _TOKENS_PER_TURN + text_tokens(text)
        case CallTurn(_, name, arguments):
            return _TOKENS_PER_TURN + text_tokens(name) + text_tokens(arguments)
