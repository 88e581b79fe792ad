"""How the model is told of tools, and how the calls that it writes are read.

Tools have one written form for every model and template: a fenced JSON object with the name and
the arguments. Small models write it of their own accord when they are shown it. What begins like
such an object is never spoken: it is held back until it is a call or certainly none.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from antiphon.backends.llama_grammar import Rules, UnsupportedSchemaError, either, literal, repeated
from antiphon.backends.llama_merging import as_schema, mapping, sequence
from antiphon.backends.llama_schema import SchemaRules
from antiphon.engines.llm import CallArguments, CallStarted, Tool

CALLS = 4
"""How many calls one reply makes at most."""

_SHOWN_CHARACTERS = 400
_SHOWN_DEPTH = 3
_FENCE = "```"

SPEECH_GRAMMAR = r"root ::= [^`{<\x5B\x20\n] [^`{]{0,2000}"
"""Lets the model write nothing that looks like a call."""


def instructions(tools: Sequence[Tool]) -> str:
    """Return what the system message says about the tools; empty without any."""
    if not tools:
        return ""
    signatures = "\n".join(f"- {_signature(tool)}" for tool in tools)
    return (
        f"You have these functions:\n{signatures}\n"
        "When the user asks for something that one of them does, call it: answer with nothing but\n"
        f'{_FENCE}json\n{{"name": "...", "arguments": {{...}}}}\n{_FENCE}\n'
        "Otherwise, for questions and small talk, answer in plain words."
    )


def call_text(name: str, arguments: str) -> str:
    """Write a call down the way the model is asked to."""
    return f'{_FENCE}json\n{{"name": {json.dumps(name)}, "arguments": {arguments}}}\n{_FENCE}'


def result_text(name: str | None, output: str) -> str:
    """Tell the model what a call has brought, and that somebody waits to hear of it."""
    function = f"The function {name}" if name else "The function"
    return f"({function} has returned: {output} Tell me this in plain words.)"


def _signature(tool: Tool) -> str:
    schema = as_schema(tool.parameters)
    described = [
        f"\n  {name}: {_shown(mapping(part).get('description'))}"
        for name, part in mapping(schema.get("properties")).items()
        if mapping(part).get("description")
    ]
    return f"{tool.name}({_members(schema, _SHOWN_DEPTH)}) - {_shown(tool.description)}" + "".join(
        described
    )


def _shown(text: object) -> str:
    return " ".join(str(text).split())[:_SHOWN_CHARACTERS]


def _members(schema: Mapping[str, object], depth: int) -> str:
    required = sequence(schema.get("required"))
    return ", ".join(
        f"{name}{'' if name in required else '?'}: {_type(as_schema(part), depth - 1)}"
        for name, part in mapping(schema.get("properties")).items()
    )


def _type(schema: Mapping[str, object], depth: int) -> str:
    if values := sequence(schema.get("enum")):
        return "|".join(json.dumps(value, ensure_ascii=False) for value in values)[
            :_SHOWN_CHARACTERS
        ]
    kind = schema.get("type")
    if kind == "object" and depth > 0 and schema.get("properties"):
        return f"{{{_members(schema, depth)}}}"
    if kind == "array":
        return f"{_type(as_schema(schema.get('items', True)), depth - 1)}[]"
    if isinstance(kind, str):
        return kind
    return "|".join(str(each) for each in sequence(kind)) or "any"


@dataclass(frozen=True, slots=True)
class CallGrammar:
    """The grammar of one call or several."""

    text: str
    unsure: frozenset[str]
    """Tools whose arguments the grammar does not guarantee."""


def call_grammar(
    tools: Sequence[Tool], *, first: str | None, several: bool, strict: bool
) -> CallGrammar:
    """Return the grammar for calls of these tools, the first of them of the tool ``first``.

    With ``strict``, tools whose schemas cannot be guaranteed are left out, and
    `UnsupportedSchemaError` is raised when none is left; else they may get any arguments.
    """
    rules = Rules()
    written: dict[str, str] = {}
    unsure: set[str] = set()
    refused: UnsupportedSchemaError | None = None
    for tool in tools:
        compiled = SchemaRules(tool.parameters, rules)
        try:
            arguments = compiled.arguments()
        except UnsupportedSchemaError as unsupported:
            refused = unsupported.of_tool(tool.name)
            if strict:
                continue
            arguments = SchemaRules({"additionalProperties": True}, rules).arguments()
            unsure.add(tool.name)
        if compiled.needs_check:
            unsure.add(tool.name)
        written[tool.name] = _call_rule(tool.name, arguments)
    begin = written if first is None else {first: written[first]} if first in written else {}
    if not begin:
        raise refused or UnsupportedSchemaError("tools", "there is none to call")
    root = rules.name(either(list(begin.values())))
    if several:
        any_call = rules.name(either(list(written.values())))
        root = f"{root} {repeated(f'({literal(chr(10))} {any_call})', 0, CALLS - 1)}"
    return CallGrammar(rules.grammar(root), frozenset(unsure))


def _call_rule(name: str, arguments: str) -> str:
    head = f'{{"name": {json.dumps(name)}, "arguments": '
    return f"{literal(head)} {arguments} {literal('}')}"


_OPENING = re.compile(
    r'(?:```\w*\s*|<\w+>\s*)?[\[\s]*\{\s*"(?:name|function)"\s*:\s*"(?P<name>[^"]{0,64})"'
)
_MAY_OPEN = re.compile(
    r"(?:`{1,2}|```\w{0,10}\s*|<\w{0,10}>?\s*)?[\[\s]*"
    r'(?:\{\s*(?:"\w{0,8}|"(?:name|function)"\s*(?::\s*(?:"[^"]{0,64})?)?)?)?'
)
_SIGN = re.compile(r"[`<{\[]")


class CallSpotter:
    """Tell speech from calls while both are written."""

    def __init__(self) -> None:
        self._held = ""
        self.opening: str | None = None
        """The name of the tool, once the text goes on as a call."""

    def push(self, text: str) -> str:
        """Take the next piece; return what can be spoken."""
        self._held += text
        if opening := _OPENING.search(self._held):
            self.opening = opening["name"]
            spoken, self._held = self._held[: opening.start()], ""
            return spoken.rstrip()
        spoken = self._held[: self._certain()]
        self._held = self._held[len(spoken) :]
        return spoken

    def flush(self) -> str:
        """End the text; return what was held back for nothing."""
        held, self._held = self._held, ""
        return held

    def _certain(self) -> int:
        """Return how much of what is held is certainly no beginning of a call."""
        for sign in _SIGN.finditer(self._held):
            if _MAY_OPEN.fullmatch(self._held, sign.start()):
                return sign.start()
        return len(self._held)


_HEAD = re.compile(r'\s*\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ')


@dataclass(slots=True)
class WrittenCall:
    """A call as far as it is written."""

    name: str
    arguments: str = ""
    complete: bool = False


@dataclass(slots=True)
class CallReader:
    """Read calls written under a `CallGrammar`, piece by piece."""

    calls: list[WrittenCall] = field(default_factory=list[WrittenCall])
    _unread: str = ""
    _depth: int = 0
    _in_text: bool = False
    _escaped: bool = False

    def push(self, text: str) -> Iterator[CallStarted | CallArguments]:
        """Take the next piece and yield what it says; the last of `calls` is spoken of."""
        self._unread += text
        while self._unread:
            if not self.calls or self.calls[-1].complete:
                # What stands between two calls is the end of one and the beginning of the other.
                head = _HEAD.match(self._unread.removeprefix("}"))
                if head is None:
                    return
                self._unread = self._unread.removeprefix("}")[head.end() :]
                self.calls.append(WrittenCall(json.loads(head[1])))
                yield CallStarted(self.calls[-1].name)
            elif delta := self._arguments():
                self.calls[-1].arguments += delta
                yield CallArguments(delta)

    def _arguments(self) -> str:
        for index, character in enumerate(self._unread):
            self._step(character)
            if self._depth == 0:
                delta, self._unread = self._unread[: index + 1], self._unread[index + 1 :]
                self.calls[-1].complete = True
                return delta
        delta, self._unread = self._unread, ""
        return delta

    def _step(self, character: str) -> None:
        if self._in_text:
            self._in_text = self._escaped or character != '"'
            self._escaped = character == "\\" and not self._escaped
        elif character == '"':
            self._in_text = True
        else:
            self._depth += (character in "{[") - (character in "}]")
