"""The simplest value that a JSON Schema allows, for scripted models that must call a tool."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

_Schema = Mapping[str, object]

_EXAMPLES: _Schema = {
    "string": "example",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "null": None,
}


def example_arguments(schema: _Schema) -> str:
    """Return JSON text of arguments that satisfy an ordinary object schema."""
    return json.dumps(example({"type": "object", **schema}))


def example(schema: _Schema) -> object:
    """Return a value for a schema made of types, enums, constants, alternatives and bounds."""
    if "const" in schema:
        return schema["const"]
    if values := _sequence(schema.get("enum")):
        return values[0]
    if schemas := _sequence(schema.get("anyOf")) or _sequence(schema.get("oneOf")):
        return example(_mapping(schemas[0]))
    if types := _sequence(schema.get("type")):
        return example({**schema, "type": types[0]})
    return _example_of_type(schema, schema.get("type"))


def _example_of_type(schema: _Schema, kind: object) -> object:
    match kind:
        case "object":
            return _example_object(schema)
        case None if "properties" in schema:
            return _example_object(schema)
        case "array":
            return [example(_mapping(schema.get("items")))] * cast("int", schema.get("minItems", 0))
        case "integer" | "number" if "minimum" in schema or "maximum" in schema:
            return schema.get("minimum", schema.get("maximum"))
        case "string" if "minLength" in schema:
            return "x" * cast("int", schema["minLength"])
        case str():
            return _EXAMPLES.get(kind)
        case _:
            return None


def _example_object(schema: _Schema) -> dict[str, object]:
    properties = _mapping(schema.get("properties"))
    return {
        str(name): example(_mapping(properties.get(str(name))))
        for name in _sequence(schema.get("required"))
    }


def _mapping(value: object) -> _Schema:
    return cast("_Schema", value) if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else ()
