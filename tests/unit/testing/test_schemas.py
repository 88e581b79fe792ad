import pytest

from antiphon.backends.tool_arguments import is_valid
from antiphon.testing.schemas import example_arguments


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "string"}}},
        {"properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]},
        {"properties": {"a": {"const": 7}}, "required": ["a"]},
        {"properties": {"a": {"type": ["integer", "null"], "minimum": 3}}, "required": ["a"]},
        {"properties": {"a": {"type": "number", "maximum": -1}}, "required": ["a"]},
        {"properties": {"a": {"type": "string", "minLength": 9}}, "required": ["a"]},
        {"properties": {"a": {"type": "boolean"}, "b": {"type": "null"}}, "required": ["a", "b"]},
        {
            "properties": {"a": {"type": "array", "minItems": 2, "items": {"type": "integer"}}},
            "required": ["a"],
        },
        {"properties": {"a": {"anyOf": [{"type": "string"}]}}, "required": ["a"]},
        {
            "properties": {"a": {"type": "object", "properties": {"b": {}}, "required": ["b"]}},
            "required": ["a"],
            "additionalProperties": False,
        },
    ],
)
def test_an_example_satisfies_its_schema(schema: dict[str, object]) -> None:
    assert is_valid(example_arguments(schema), schema)
