"""Tools: how the model is told of them, and how its calls are told from its speech.

Shows Tools: arguments valid against the schema when forced
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.backends.llama_calls import CallGate, answered_calls
from antiphon.backends.llama_grammar import UnsupportedSchemaError
from antiphon.backends.llama_tools import (
    CallReader,
    CallSpotter,
    call_grammar,
    call_text,
    instructions,
)
from antiphon.engines.llm import (
    AssistantMessage,
    CallArguments,
    CallStarted,
    Tool,
    ToolCall,
    ToolMessage,
    UserMessage,
)

WEATHER = Tool(
    "get_weather",
    "Get the weather\nof a city.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where to look"},
            "unit": {"enum": ["celsius", "kelvin"]},
            "days": {"type": "array", "items": {"type": ["integer", "null"]}},
            "place": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
        },
        "required": ["city"],
    },
)
HANG_UP = Tool("hang-up", "End the call.", {})
IMPOSSIBLE = Tool("odd", "", {"type": "object", "not": {"required": ["a"]}})


def test_tools_are_described_by_their_signatures() -> None:
    told = instructions([WEATHER, HANG_UP])
    assert (
        '- get_weather(city: string, unit?: "celsius"|"kelvin", days?: integer|null[], '
        "place?: {x: number}) - Get the weather of a city.\n  city: Where to look\n"
        "- hang-up() - End the call.\n"
    ) in told


def test_without_tools_there_is_nothing_to_tell() -> None:
    assert instructions([]) == ""


def spot(text: str, piece: int) -> tuple[str, str | None]:
    spotter = CallSpotter()
    spoken = ""
    for start in range(0, len(text), piece):
        spoken += spotter.push(text[start : start + piece])
        if spotter.opening is not None:
            return spoken, spotter.opening
    return spoken + spotter.flush(), None


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    "written",
    [
        call_text("get_weather", '{"city": "Paris"}'),
        '{"name": "get_weather", "arguments": {}}',
        '<tool_call>\n{"name": "get_weather", "arguments": {}}\n</tool_call>',
        '```\n[\n  {\n "name" : "get_weather"}]',
        '{"function": "get_weather"',
    ],
)
@pytest.mark.parametrize("said", ["", "Let me look.", "Is 1 < 2? Look at [this] `code`:"])
def test_a_call_is_never_spoken(said: str, written: str, piece: int) -> None:
    spoken, opening = spot(f"{said}\n{written}", piece)
    assert spoken.strip() == said
    assert opening == "get_weather"


@pytest.mark.parametrize(
    "text",
    [
        "Plain words.",
        "```python\nprint('hi')\n```",
        'An object: {"city": "Paris"}',
        "[1, 2, 3] and <b>bold</b> and {x}",
        "Half a fence: ``",
        '{"nam',
        '{"names": ["a"]}',
    ],
)
def test_what_is_no_call_is_spoken_whole(text: str) -> None:
    assert spot(text, 1) == (text, None)


@settings(deadline=None)
@given(st.text(alphabet='`<{["name:function} \n', max_size=60), st.integers(1, 9))
def test_nothing_of_speech_is_lost(text: str, piece: int) -> None:
    spoken, opening = spot(text, piece)
    assert spoken == text if opening is None else text.startswith(spoken)


TWO_CALLS = (
    '{"name": "get_weather", "arguments": {"city": "a \\"}{ b", "days": [1, {"c": "]"}]}}\n'
    '{"name": "hang-up", "arguments": {}}'
)


@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
def test_calls_are_read_piece_by_piece(piece: int) -> None:
    reader = CallReader()
    names: list[str] = []
    arguments: list[str] = []
    for start in range(0, len(TWO_CALLS), piece):
        for each in reader.push(TWO_CALLS[start : start + piece]):
            match each:
                case CallStarted(name):
                    names.append(name)
                    arguments.append("")
                case CallArguments(delta):
                    arguments[-1] += delta
    assert names == ["get_weather", "hang-up"]
    assert arguments == ['{"city": "a \\"}{ b", "days": [1, {"c": "]"}]}', "{}"]
    assert all(call.complete for call in reader.calls)


def passed(text: str, gate: CallGate) -> list[tuple[str, str]]:
    calls: list[tuple[str, str]] = []
    for character in text:
        for piece in gate.push(character):
            match piece:
                case CallStarted(name):
                    calls.append((name, ""))
                case CallArguments(delta):
                    calls[-1] = (calls[-1][0], calls[-1][1] + delta)
    return calls


def call(name: str, arguments: str) -> str:
    return f'{{"name": "{name}", "arguments": {arguments}}}'


def test_different_calls_pass() -> None:
    text = "\n".join([call("get_weather", '{"city": "A"}'), call("get_weather", '{"city": "B"}')])
    gate = CallGate([WEATHER], ())
    assert passed(text, gate) == [
        ("get_weather", '{"city": "A"}'),
        ("get_weather", '{"city": "B"}'),
    ]
    assert (gate.passed, gate.closed) == (2, False)


def test_a_call_that_repeats_another_closes_the_gate() -> None:
    gate = CallGate([WEATHER], ())
    text = "\n".join([call("get_weather", '{"city": "A"}'), call("get_weather", '{ "city":"A" }')])
    assert len(passed(text, gate)) == 1
    assert gate.closed


def test_a_call_that_has_just_been_answered_is_not_made_again() -> None:
    made = answered_calls(
        [
            UserMessage("Where?"),
            AssistantMessage("", (ToolCall("c", "hang-up", "{}"),)),
            ToolMessage("c", "done"),
        ]
    )
    gate = CallGate([HANG_UP], (), made)
    assert passed(call("hang-up", "{}"), gate) == []
    assert gate.closed


def test_calls_answered_before_the_user_spoke_again_may_be_repeated() -> None:
    assert not answered_calls(
        [
            AssistantMessage("", (ToolCall("c", "f", "{}"),)),
            ToolMessage("c", "1"),
            UserMessage("Go"),
        ]
    )
    assert not answered_calls([])
    assert not answered_calls([ToolMessage("c", "1")])


def test_arguments_that_are_not_guaranteed_are_checked_before_they_pass() -> None:
    gate = CallGate([WEATHER], {"get_weather"})
    assert passed(call("get_weather", '{"town": "A"}'), gate) == []
    assert gate.closed
    gate.begin()
    assert passed(call("get_weather", '{"city": "A"}'), gate) == [("get_weather", '{"city": "A"}')]


def test_a_named_first_call_leaves_the_others_free() -> None:
    grammar = call_grammar([WEATHER, HANG_UP], first="hang-up", several=True, strict=True)
    root = grammar.text.splitlines()[0]
    assert root.count("{0,3}") == 1
    single = call_grammar([WEATHER, HANG_UP], first="hang-up", several=False, strict=True)
    assert "get_weather" not in single.text.splitlines()[0]


def test_a_forced_tool_that_cannot_be_guaranteed_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedSchemaError) as refused:
        call_grammar([IMPOSSIBLE], first=None, several=True, strict=True)
    assert (refused.value.tool, refused.value.keyword) == ("odd", "not")


def test_a_required_call_is_made_with_one_of_the_tools_that_can_be_guaranteed() -> None:
    grammar = call_grammar([IMPOSSIBLE, HANG_UP], first=None, several=True, strict=True)
    assert "hang-up" in grammar.text
    assert "odd" not in grammar.text


def test_a_tool_of_the_models_own_choice_may_get_any_arguments_but_is_checked() -> None:
    grammar = call_grammar([IMPOSSIBLE], first="odd", several=False, strict=False)
    assert grammar.unsure == {"odd"}


def test_no_tool_to_call_is_refused() -> None:
    with pytest.raises(UnsupportedSchemaError):
        call_grammar([], first=None, several=True, strict=True)
