"""Whether the arguments of a tool call satisfy the tool's JSON Schema.

Knows the vocabulary that tools are described with: types, enums, constants, properties, items,
alternatives, references within the schema, and bounds. Other keywords are not looked at; patterns
among them, because a client could send one that takes forever.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

_Schema = Mapping[str, object]

_MAX_DEPTH = 64
_MAX_STEPS = 5_000


def is_valid(arguments: str, schema: _Schema) -> bool:
    """Tell whether JSON text is an object that the schema allows."""
    value = parse_object(arguments)
    return value is not None and _Check(schema).allows(value, schema, _MAX_DEPTH)


def parse_object(text: str) -> dict[str, object] | None:
    """Return the object that a JSON text holds; None if it is incomplete or something else."""
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


class _Check:
    """One schema, with the definitions that its parts may refer to."""

    def __init__(self, root: _Schema) -> None:
        self._root = root
        self._left_steps = _MAX_STEPS

    def allows(self, value: object, schema: object, depth: int) -> bool:
        # A schema may refer to itself without end, and more than once: what lies deeper than the
        # limits is not looked at.
        self._left_steps -= 1
        if not isinstance(schema, Mapping) or depth == 0 or self._left_steps < 0:
            return schema is not False
        rules = self._resolve(cast("_Schema", schema), depth)
        return (
            _has_type(value, rules)
            and _is_listed(value, rules)
            and _is_within_bounds(value, rules)
            and self._suits_alternatives(value, rules, depth - 1)
            and all(self.allows(part, rule, depth - 1) for part, rule in _parts(value, rules))
        )

    def _resolve(self, schema: _Schema, depth: int) -> _Schema:
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#") or depth == 0:
            return schema
        found: object = self._root
        for name in filter(None, reference[1:].split("/")):
            key = name.replace("~1", "/").replace("~0", "~")
            found = _mapping(found).get(key)
        # A reference that leads nowhere restricts nothing.
        return self._resolve(_mapping(found), depth - 1)

    def _suits_alternatives(self, value: object, rules: _Schema, depth: int) -> bool:
        fits = [
            [self.allows(value, each, depth) for each in _sequence(rules.get(word))]
            for word in ("allOf", "anyOf", "oneOf")
        ]
        all_of, any_of, one_of = fits
        return all(all_of) and (any(any_of) or not any_of) and (sum(one_of) == 1 or not one_of)


def _parts(value: object, rules: _Schema) -> Iterator[tuple[object, object]]:
    """Yield the parts of a value, each with the schema that it must satisfy."""
    if isinstance(value, dict):
        properties = _mapping(rules.get("properties"))
        further = rules.get("additionalProperties", True)
        for name, part in cast("dict[str, object]", value).items():
            yield part, properties.get(name, further)
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield part, rules.get("items", True)


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _has_type(value: object, rules: _Schema) -> bool:
    wanted = rules.get("type")
    names = [wanted] if isinstance(wanted, str) else _sequence(wanted)
    known = [_TYPES[name] for name in names if isinstance(name, str) and name in _TYPES]
    return not known or any(is_of_type(value) for is_of_type in known)


def _is_listed(value: object, rules: _Schema) -> bool:
    listed = rules.get("enum", [value])
    return value in _sequence(listed) and value == rules.get("const", value)


def _is_within_bounds(value: object, rules: _Schema) -> bool:
    if isinstance(value, str):
        return _is_between(len(value), rules, "minLength", "maxLength")
    if isinstance(value, list):
        return _is_between(len(cast("list[object]", value)), rules, "minItems", "maxItems")
    if isinstance(value, dict):
        return all(name in value for name in _sequence(rules.get("required")))
    if isinstance(value, int | float):
        return _is_between(value, rules, "minimum", "maximum")
    return True


def _is_between(size: float, rules: _Schema, least: str, most: str) -> bool:
    low, high = rules.get(least), rules.get(most)
    return (not isinstance(low, int | float) or size >= low) and (
        not isinstance(high, int | float) or size <= high
    )


def _mapping(value: object) -> _Schema:
    return cast("_Schema", value) if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
