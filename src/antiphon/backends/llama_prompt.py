"""Turn a conversation into messages that every chat template renders, and that fit.

Templates differ in what they accept. All take a system message first and then user and assistant
in turn, so adjacent messages of one role are joined, results of tools are told by the user, and
the last word is never the assistant's. What was sent before stays a prefix of what is sent later
wherever that is possible: the slot of the session holds it evaluated.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from antiphon.backends.llama_tools import call_text, result_text
from antiphon.engines.llm import (
    AssistantMessage,
    ChatMessage,
    ChatRequest,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

RenderedMessage = dict[str, str]

BYTES_PER_TOKEN = 3.2
"""A cautious guess; English has about four."""
_MESSAGE_TOKENS = 8
"""What a template adds to each message."""
_PERSONA = "You are a helpful assistant."
"""Without a system message, templates name the maker of the model."""
_INAUDIBLE = "(inaudible)"
_GO_ON = "(Please go on.)"
_BEGIN = "(The conversation begins.)"

_CONTROL = re.compile(r"<(?=[|｜]|/?s>|start_of|end_of|bos>|eos>|pad>|unk>)|\[(?=/?INST\])")


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a slot the conversation may fill, and how large its text is guessed to be."""

    prompt_tokens: int
    bytes_per_token: float = BYTES_PER_TOKEN

    def tokens(self, text: str) -> float:
        """Guess the size of a message."""
        return len(text.encode()) / self.bytes_per_token + _MESSAGE_TOKENS

    def refined(self, guessed: float, counted: int) -> "Room":
        """Return the room with a guess that would have been right, and a little more careful."""
        return replace(self, bytes_per_token=self.bytes_per_token * guessed / counted * 0.95)


def render(request: ChatRequest, tool_instructions: str, *, ahead: bool) -> list[RenderedMessage]:
    """Return the messages, in full length.

    ``ahead`` leaves the end open, for a prompt that is read before the conversation goes on.
    """
    instructions, rest = _split(request.messages)
    system = "\n\n".join(filter(None, [*instructions, _defused(tool_instructions)]))
    rendered = [_message("system", system or _PERSONA)]
    names = {
        call.call_id: call.name
        for message in rest
        if isinstance(message, AssistantMessage)
        for call in message.calls
    }
    for message in rest:
        _append(rendered, _rendered(message, names))
    if rendered[-1]["role"] in {"assistant", "system"}:
        if ahead:
            # An empty message: what the user says will begin where it begins.
            _append(rendered, _message("user", ""))
        elif rendered[-1]["role"] == "assistant":
            _append(rendered, _message("user", _GO_ON))
        elif len(rendered) == 1:
            _append(rendered, _message("user", _BEGIN))
    return rendered


def fit(messages: Sequence[RenderedMessage], room: Room) -> list[RenderedMessage]:
    """Drop the oldest messages after the first until the rest fits.

    Messages go in batches of a quarter of the room, so that the prompt of the next turn still
    begins with that of this one.
    """
    system, rest = messages[0], messages[1:]
    system = _shortened(system, room.prompt_tokens // 2, room)
    budget = room.prompt_tokens - room.tokens(system["content"])
    ends = [0.0, *accumulate(room.tokens(message["content"]) for message in rest)]
    if ends[-1] <= budget:
        return [system, *rest]
    starts = [index for index, message in enumerate(rest) if message["role"] == "user"]
    starts = starts or [len(rest) - 1]
    batch = max(1.0, budget / 4)
    begins_batch = [
        index
        for before, index in pairwise([-1, *starts])
        if before < 0 or ends[index] // batch > ends[before] // batch
    ]
    fits = (index for index in begins_batch if ends[-1] - ends[index] <= budget)
    kept = next(fits, starts[-1])
    return [system, *_beginning_shortened(rest[kept:], budget, room)]


def guess_tokens(messages: Sequence[RenderedMessage], room: Room) -> float:
    """Guess the size of a prompt."""
    return sum(room.tokens(message["content"]) for message in messages)


def without_late_system(messages: Sequence[RenderedMessage]) -> list[RenderedMessage]:
    """Let the user say what system messages say, for templates that know only a first one."""
    rendered = [messages[0]]
    for message in messages[1:]:
        role = "user" if message["role"] == "system" else message["role"]
        _append(rendered, _message(role, message["content"]))
    return rendered


def without_system(messages: Sequence[RenderedMessage]) -> list[RenderedMessage]:
    """Let the user say what the system messages say, for templates that know none."""
    return without_late_system([_message("system", ""), *messages])[1:]


def _split(messages: Sequence[ChatMessage]) -> tuple[list[str], Sequence[ChatMessage]]:
    instructions: list[str] = []
    for index, message in enumerate(messages):
        if not isinstance(message, SystemMessage):
            return instructions, messages[index:]
        instructions.append(_defused(message.text))
    return instructions, ()


def _rendered(message: ChatMessage, names: Mapping[str, str]) -> RenderedMessage:
    match message:
        case SystemMessage(text):
            return _message("system", _defused(text))
        case UserMessage(text):
            return _message("user", _defused(text) if text.strip() else _INAUDIBLE)
        case AssistantMessage(text, calls):
            written = [call_text(call.name, _defused(call.arguments)) for call in calls]
            return _message("assistant", "\n".join(filter(None, [_defused(text), *written])))
        case ToolMessage(call_id, output):
            return _message("user", result_text(names.get(call_id), _defused(output)))


def _defused(text: str) -> str:
    """Keep text from being read as the control tokens of a chat template."""
    return _CONTROL.sub(lambda control: f"{control[0]} ", text)


def _message(role: str, content: str) -> RenderedMessage:
    return {"role": role, "content": content}


def _append(rendered: list[RenderedMessage], message: RenderedMessage) -> None:
    last = rendered[-1] if rendered else None
    if last is None or last["role"] != message["role"]:
        rendered.append(message)
        return
    rendered[-1] = _message(last["role"], f"{last['content']}\n\n{message['content']}")


def _beginning_shortened(
    messages: Sequence[RenderedMessage], budget: float, room: Room
) -> list[RenderedMessage]:
    rest = sum(room.tokens(message["content"]) for message in messages[1:])
    # Templates want the user to begin.
    first = _message("user", messages[0]["content"])
    return [_shortened(first, budget - rest, room), *messages[1:]]


def _shortened(message: RenderedMessage, tokens: float, room: Room) -> RenderedMessage:
    """Cut the middle out of a message that is too long by itself."""
    content = message["content"]
    if room.tokens(content) <= tokens:
        return message
    half = max(16, int((tokens - _MESSAGE_TOKENS) * room.bytes_per_token / 2) - 8)
    encoded = content.encode()
    head = encoded[:half].decode(errors="ignore")
    tail = encoded[-half:].decode(errors="ignore")
    return _message(message["role"], f"{head} […] {tail}")
