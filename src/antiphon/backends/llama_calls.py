"""Which of the calls that a model writes are made."""

from collections.abc import Collection, Iterator, Sequence

from antiphon.backends.llama_tools import CallReader, WrittenCall
from antiphon.backends.tool_arguments import is_valid, parse_object
from antiphon.engines.llm import (
    AssistantMessage,
    CallArguments,
    CallStarted,
    ChatMessage,
    Tool,
    ToolMessage,
)

MadeCall = tuple[str, dict[str, object] | None]
"""A tool's name and its arguments."""


def answered_calls(messages: Sequence[ChatMessage]) -> list[MadeCall]:
    """Return the calls whose results the model is to speak about now."""
    ended = next(
        (n for n, each in enumerate(reversed(messages)) if not isinstance(each, ToolMessage)), 0
    )
    last = messages[-1 - ended] if 0 < ended < len(messages) else None
    if not isinstance(last, AssistantMessage):
        return []
    return [(call.name, parse_object(call.arguments)) for call in last.calls]


class CallGate:
    """Pass calls on piece by piece, or as a whole where something may be wrong with them.

    A small model repeats itself: a call that has just been made or answered is not made again, and
    what it would write after that is not worth waiting for.
    """

    def __init__(
        self, tools: Sequence[Tool], unsure: Collection[str], made: Sequence[MadeCall] = ()
    ) -> None:
        self._schemas = {tool.name: tool.parameters for tool in tools}
        self._unsure = unsure
        self._made = list(made)
        self._reader = CallReader()
        self.passed = 0
        """How many calls were passed on."""
        self.closed = False
        """Nothing more will pass."""

    def begin(self) -> None:
        """Get ready for the beginning of another text."""
        self._reader = CallReader()
        self.closed = False

    def push(self, text: str) -> Iterator[CallStarted | CallArguments]:
        """Take the next piece of text and yield what of it is passed on."""
        for piece in self._reader.push(text):
            call = self._reader.calls[-1]
            if not self._must_wait(call):
                yield piece
            elif call.complete and self._is_wanted(call):
                yield CallStarted(call.name)
                yield CallArguments(call.arguments)
            if call.complete and not self.closed:
                self.passed += 1
                self._made.append((call.name, parse_object(call.arguments)))

    def _must_wait(self, call: WrittenCall) -> bool:
        return bool(self._made) or call.name in self._unsure

    def _is_wanted(self, call: WrittenCall) -> bool:
        repeated = (call.name, parse_object(call.arguments)) in self._made
        valid = call.name not in self._unsure or is_valid(call.arguments, self._schemas[call.name])
        self.closed = repeated or not valid
        return not self.closed
