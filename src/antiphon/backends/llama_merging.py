"""What two JSON Schemas demand together, as one schema."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from antiphon.backends.llama_grammar import UnsupportedSchemaError

Schema = Mapping[str, object]

NOTHING: Schema = {"enum": []}
"""The schema that no value satisfies."""


def mapping(value: object) -> Schema:
    """Return a schema's part that should be an object; empty if it is none."""
    return cast("Schema", value) if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[object]:
    """Return a schema's part that should be a list; empty if it is none."""
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()


def as_schema(value: object) -> Schema:
    """Return a schema in the form of an object, where true and false stand for two of them."""
    return NOTHING if value is False else mapping(value)


def merged(first: Schema, second: Schema) -> Schema:
    """Return a schema whose values satisfy both."""
    if not first or not second:
        return first or second
    result: dict[str, object] = {**first, **second}
    for keyword in (first.keys() & second.keys()) - {"properties"}:
        if first[keyword] != second[keyword]:
            result[keyword] = _both(keyword, first[keyword], second[keyword])
    if "properties" in first or "properties" in second:
        result["properties"] = _properties(first, second)
    return result


def _both(keyword: str, first: object, second: object) -> object:
    combine = _COMBINATIONS.get(keyword)
    if combine is not None:
        return combine(first, second)
    if keyword in _ANNOTATIONS:
        return second
    raise UnsupportedSchemaError(keyword, "it is demanded twice, in different ways")


def _properties(first: Schema, second: Schema) -> dict[str, object]:
    names = [*mapping(first.get("properties")), *mapping(second.get("properties"))]
    return {
        name: merged(_property(first, name), _property(second, name))
        for name in dict.fromkeys(names)
    }


def _property(schema: Schema, name: str) -> Schema:
    properties = mapping(schema.get("properties"))
    return as_schema(properties.get(name, schema.get("additionalProperties", True)))


def _types(first: object, second: object) -> object:
    left, right = ([each] if isinstance(each, str) else sequence(each) for each in (first, second))
    common = [each for each in left if each in right or (each == "integer" and "number" in right)]
    common += [each for each in right if each == "integer" and "number" in left]
    return list(dict.fromkeys(common))


def _common(first: object, second: object) -> object:
    return [each for each in sequence(first) if each in sequence(second)]


def _united(first: object, second: object) -> object:
    return list(dict.fromkeys([*sequence(first), *sequence(second)]))


def _schemas(first: object, second: object) -> object:
    return merged(as_schema(first), as_schema(second))


def _alternatives(first: object, second: object) -> object:
    return [
        merged(as_schema(left), as_schema(right))
        for left in sequence(first)
        for right in sequence(second)
    ]


def _larger(first: object, second: object) -> object:
    return max(cast("float", first), cast("float", second))


def _smaller(first: object, second: object) -> object:
    return min(cast("float", first), cast("float", second))


def _constant(first: object, second: object) -> object:
    raise UnsupportedSchemaError("const", f"nothing is both {first!r} and {second!r}")


_COMBINATIONS: Mapping[str, Callable[[object, object], object]] = {
    "type": _types,
    "enum": _common,
    "const": _constant,
    "required": _united,
    "items": _schemas,
    "additionalProperties": _schemas,
    "contains": _schemas,
    "propertyNames": _schemas,
    "anyOf": _alternatives,
    "uniqueItems": lambda first, second: bool(first) or bool(second),
    **dict.fromkeys(
        ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), _larger
    ),
    **dict.fromkeys(
        ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), _smaller
    ),
}
_ANNOTATIONS = frozenset(
    (
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "$dynamicAnchor"),
        *("format", "contentEncoding", "contentMediaType", "contentSchema"),
        *("unevaluatedProperties", "unevaluatedItems", "nullable", "strict"),
    )
)
