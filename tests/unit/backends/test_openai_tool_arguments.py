import json
from collections.abc import Mapping

import pytest

from antiphon.backends.tool_arguments import is_valid, parse_object

STRING = {"type": "string"}


def an_object(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (an_object(a=STRING), {"a": "x"}, {"a": 1}),
        (an_object(a={"type": "integer"}), {"a": 2}, {"a": 2.5}),
        (an_object(a={"type": "integer"}), {"a": 2.0}, {"a": True}),
        (an_object(a={"type": "number"}), {"a": 2.5}, {"a": False}),
        (an_object(a={"type": "boolean"}), {"a": False}, {"a": 0}),
        (an_object(a={"type": "null"}), {"a": None}, {"a": 0}),
        (an_object(a={"type": ["string", "null"]}), {"a": None}, {"a": 0}),
        (an_object(a={"enum": ["x", 1]}), {"a": 1}, {"a": "y"}),
        (an_object(a={"const": "x"}), {"a": "x"}, {"a": "y"}),
        (an_object(a={"type": "array", "items": STRING}), {"a": ["x"]}, {"a": ["x", 1]}),
        (an_object(a={"type": "array", "minItems": 1}), {"a": [0]}, {"a": []}),
        (an_object(a={"type": "array", "maxItems": 1}), {"a": [0]}, {"a": [0, 0]}),
        (an_object(a={"minimum": 1}), {"a": 1}, {"a": 0}),
        (an_object(a={"maximum": 1}), {"a": 1}, {"a": 2}),
        (an_object(a={"minLength": 2}), {"a": "xx"}, {"a": "x"}),
        (an_object(a={"maxLength": 1}), {"a": "x"}, {"a": "xx"}),
        (an_object(a=an_object(b=STRING)), {"a": {"b": "x"}}, {"a": {"b": 1}}),
        (an_object(a=STRING) | {"required": ["a"]}, {"a": "x"}, {}),
        (an_object(a=STRING) | {"additionalProperties": False}, {"a": "x"}, {"b": "x"}),
        ({"additionalProperties": STRING}, {"b": "x"}, {"b": 1}),
        (an_object(a={"anyOf": [STRING, {"type": "null"}]}), {"a": None}, {"a": 1}),
        (an_object(a={"oneOf": [{"minimum": 1}, {"minimum": 5}]}), {"a": 2}, {"a": 6}),
        (an_object(a={"allOf": [STRING, {"minLength": 2}]}), {"a": "xx"}, {"a": "x"}),
        (
            an_object(a={"$ref": "#/$defs/x~1y"}) | {"$defs": {"x/y": STRING}},
            {"a": "x"},
            {"a": 1},
        ),
        (an_object(a=False), {}, {"a": 1}),
    ],
)
def test_a_schema_allows_what_suits_it_and_nothing_else(
    schema: Mapping[str, object], good: object, bad: object
) -> None:
    assert is_valid(json.dumps(good), schema)
    assert not is_valid(json.dumps(bad), schema)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"a": 1} x', "\ud800", "[" * 100_000])
def test_arguments_that_are_no_object_are_not_valid(text: str) -> None:
    assert parse_object(text) is None
    assert not is_valid(text, {})


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "unheard-of"},
        {"type": 7, "properties": 7, "required": 7, "anyOf": 7},
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.com/schema"},
        {"properties": {"a": {"pattern": "(a+)+$"}}},
    ],
)
def test_what_a_schema_does_not_say_clearly_restricts_nothing(
    schema: Mapping[str, object],
) -> None:
    assert is_valid('{"a": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}', schema)


def test_a_schema_may_refer_to_itself() -> None:
    tree = an_object(name=STRING, children={"type": "array", "items": {"$ref": "#"}})
    assert is_valid('{"name": "a", "children": [{"name": "b", "children": []}]}', tree)
    assert not is_valid('{"name": "a", "children": [{"name": 1}]}', tree)


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}],
)
def test_a_schema_that_refers_to_nothing_but_itself_ends(schema: Mapping[str, object]) -> None:
    assert is_valid("{}", schema)
