"""JSON Schema as a grammar: whatever a model writes under it satisfies the schema.

The grammar writes less than the schema allows: properties in their order and no undeclared ones,
texts, lists and nesting of bounded size. It is never more generous. What cannot be guaranteed is
refused by name. Two exceptions: both alternatives of a `oneOf` may be satisfied, and a text may
match its pattern but be too long. Then the finished text has to be checked.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from antiphon.backends.llama_formats import format_rule
from antiphon.backends.llama_grammar import (
    Rules,
    UnsupportedSchemaError,
    either,
    json_literal,
    literal,
    repeated,
)
from antiphon.backends.llama_merging import NOTHING, Schema, as_schema, mapping, merged, sequence
from antiphon.backends.llama_numbers import Bounds, integer_rule, multiple_rule, number_rule
from antiphon.backends.llama_pattern import pattern_rule
from antiphon.backends.tool_arguments import is_valid

_STRING_CHARACTERS = 200
"""The longest text, where the schema sets no limit."""
_ARRAY_ITEMS = 6
"""The longest list, where the schema sets no limit."""
_FREE_PROPERTIES = 4
"""How many properties of its own choice the model may write."""
_DEPTH = 6
"""How deep values are nested at most, in schemas that refer to themselves too."""
_FREE_DEPTH = 2
_LARGEST_REPETITION = 1024
_LARGEST_SCHEMA = 2_000
_LONGEST_CHOICE = 24

_CHARACTER = r'([^"\\\x00-\x1F\x7F-\x9F] | "\\" ["\\n])'
_REFUSED = ("not", "patternProperties", "dependencies", "$dynamicRef", "$recursiveRef")


class SchemaRules:
    """The grammar rules of one schema. `needs_check` tells whether they guarantee everything."""

    def __init__(self, root: Schema, rules: Rules) -> None:
        self.needs_check = False
        self._root = root
        self._rules = rules
        self._known: dict[tuple[str, int], str | None] = {}
        self._left = _LARGEST_SCHEMA

    def arguments(self) -> str:
        """Return the rule for an object that the root schema allows."""
        rule = self._value(merged({"type": "object"}, self._root), _DEPTH, top=True)
        if rule is None:
            raise UnsupportedSchemaError("parameters", "no object satisfies it")
        return self._rules.name(rule)

    def _value(self, schema: Schema, depth: int, *, top: bool = False) -> str | None:
        """Return the rule for a value; None if nothing can be written that the schema allows."""
        self._left -= 1
        if self._left < 0:
            raise UnsupportedSchemaError("parameters", "it is too large")
        if depth < 0:
            return None
        reference = schema.get("$ref")
        if isinstance(reference, str) and not top:
            key = (json.dumps(dict(schema), default=str), depth)
            if key not in self._known:
                self._known[key] = self._plain(self._expanded(schema), depth, top=top)
            return self._known[key]
        return self._plain(self._expanded(schema), depth, top=top)

    def _expanded(self, schema: Schema) -> Schema:
        """Fold references, `allOf`, conditions and dependencies into the schema itself."""
        for _ in range(_LARGEST_SCHEMA):
            if "$ref" in schema:
                schema = merged(_without(schema, "$ref"), self._referred(schema["$ref"]))
            elif "allOf" in schema:
                parts = [as_schema(each) for each in sequence(schema["allOf"])]
                schema = _merged_all([_without(schema, "allOf"), *parts])
            elif "if" in schema:
                # Whatever satisfies the condition and its consequence satisfies the whole.
                parts = [as_schema(schema["if"]), as_schema(schema.get("then", True))]
                schema = _merged_all([_without(schema, "if", "then", "else"), *parts])
            elif "dependentSchemas" in schema:
                parts = [as_schema(each) for each in mapping(schema["dependentSchemas"]).values()]
                schema = _merged_all([_without(schema, "dependentSchemas"), *parts])
            else:
                return schema
        raise UnsupportedSchemaError("$ref", "it leads in a circle")

    def _referred(self, reference: object) -> Schema:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise UnsupportedSchemaError("$ref", "it leads out of the schema")
        found: object = self._root
        for name in filter(None, reference[1:].split("/")):
            found = mapping(found).get(name.replace("~1", "/").replace("~0", "~"))
        if not isinstance(found, Mapping | bool):
            raise UnsupportedSchemaError("$ref", f"there is no {reference}")
        return as_schema(cast("object", found))

    def _plain(self, schema: Schema, depth: int, *, top: bool) -> str | None:
        for keyword in _REFUSED:
            if keyword in schema:
                raise UnsupportedSchemaError(keyword, "no grammar can guarantee it")
        if "const" in schema or "enum" in schema:
            return _choice(self._allowed_values(schema))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._alternatives(schema, keyword, depth, top=top)
        kinds = _kinds(schema)
        if len(kinds) == len(_ANYTHING):
            depth = min(depth, _FREE_DEPTH)
        rules = [self._typed(kind, schema, depth, top=top) for kind in kinds]
        return _either([rule for rule in rules if rule is not None])

    def _allowed_values(self, schema: Schema) -> list[object]:
        listed = sequence(schema["enum"]) if "enum" in schema else [schema["const"]]
        probe = {**mapping(self._root), "properties": {"value": schema}, "type": "object"}
        for keyword in ("required", "additionalProperties", "allOf", "anyOf", "oneOf", "$ref"):
            probe.pop(keyword, None)
        return [each for each in listed if is_valid(json.dumps({"value": each}), probe)]

    def _alternatives(self, schema: Schema, keyword: str, depth: int, *, top: bool) -> str | None:
        rest = _without(schema, keyword)
        options = [merged(rest, as_schema(each)) for each in sequence(schema[keyword])]
        self.needs_check = self.needs_check or (keyword == "oneOf" and len(options) > 1)
        rules = [self._value(option, depth, top=top) for option in options if option != NOTHING]
        return _either([rule for rule in rules if rule is not None])

    def _typed(self, kind: str, schema: Schema, depth: int, *, top: bool) -> str | None:
        match kind:
            case "object":
                return self._object(schema, depth, top=top)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return _number(kind, schema)
            case "boolean":
                return '("true" | "false")'
            case _:
                return '"null"'

    def _string(self, schema: Schema) -> str:
        lengths = "minLength" in schema or "maxLength" in schema
        rule: str | None = None
        if "pattern" in schema:
            rule = pattern_rule(str(schema["pattern"]))
        elif "format" in schema:
            rule = format_rule(schema["format"])
        if rule is not None:
            self.needs_check = self.needs_check or lengths
            return f'"\\"" {self._rules.name(rule)} "\\""'
        least, most = _counts(schema, "minLength", "maxLength", _STRING_CHARACTERS)
        text = repeated(self._rules.name(_CHARACTER), least, most)
        return f'"\\"" {self._rules.name(text)} "\\""'

    def _array(self, schema: Schema, depth: int) -> str | None:
        first = sequence(schema.get("prefixItems")) or sequence(schema.get("items"))
        rest = schema.get("additionalItems" if "prefixItems" not in schema and first else "items")
        item = merged(
            as_schema(True if rest is None else rest), as_schema(schema.get("contains", True))
        )
        least, most = _counts(schema, "minItems", "maxItems", max(_ARRAY_ITEMS, len(first)))
        if "contains" in schema:
            # All items are of the kind that is to be contained.
            least_of_kind, most_of_kind = _counts(schema, "minContains", "maxContains", most)
            least = max(least, least_of_kind if "minContains" in schema else 1)
            most = min(most, most_of_kind)
        if schema.get("uniqueItems"):
            return self._unique_array(item, least, most, first)
        heads = [self._value(as_schema(each), depth - 1) for each in first[:most]]
        if None in heads:
            return None if least else '"[]"'
        names = [self._rules.name(head) for head in heads if head is not None]
        return self._list(names, item, max(0, least - len(names)), most - len(names), depth)

    def _list(
        self, heads: list[str], item: Schema, least: int, most: int, depth: int
    ) -> str | None:
        """Return the rule for given items and then a number of equal ones."""
        rule = self._value(item, depth - 1) if most > 0 else None
        if rule is None and least:
            return None
        begin = f" {literal(', ')} ".join(heads)
        if rule is None or (heads and not least):
            return f'"[" {begin} "]"' if heads else '"[]"'
        name = self._rules.name(rule)
        if heads:
            more = repeated(f"({literal(', ')} {name})", least, most)
            return f'"[" {begin} {more} "]"'
        return f'"[" {repeated(name, least, most, literal(", "))} "]"'

    def _unique_array(
        self, item: Schema, least: int, most: int, first: Sequence[object]
    ) -> str | None:
        plain = self._expanded(item)
        values = self._allowed_values(plain) if "enum" in plain else []
        if first or (least > 1 and len(values) < least):
            raise UnsupportedSchemaError("uniqueItems", "different items cannot be guaranteed")
        if not values:
            return self._list([], item, least, max(least, 1), _DEPTH)
        literals = [json_literal(value) for value in values[:_LONGEST_CHOICE]]
        return f'"[" {self._members(literals, least, min(most, len(literals)))} "]"'

    def _object(self, schema: Schema, depth: int, *, top: bool) -> str | None:
        properties = mapping(schema.get("properties"))
        required = _required(schema)
        further = schema.get("additionalProperties", True)
        least, most = _counts(schema, "minProperties", "maxProperties", _LARGEST_REPETITION)
        if not properties and not required and (not top or "additionalProperties" in schema):
            return self._free_object(schema, least, most, depth)
        needed: list[str] = []
        optional: list[str] = []
        promoted = least - len(required)
        for name in dict.fromkeys([*properties, *required]):
            rule = self._value(as_schema(properties.get(name, further)), depth - 1)
            if rule is None:
                if name in required:
                    return None
                continue
            member = f"{json_literal(name)} {literal(': ')} {self._rules.name(rule)}"
            if name not in required and promoted <= 0:
                optional.append(member)
                continue
            promoted -= name not in required
            needed.append(member)
        if not least <= len(needed) <= most:
            return None
        return self._written_object(needed, optional[: most - len(needed)])

    def _written_object(self, needed: list[str], optional: list[str]) -> str:
        comma = literal(", ")
        if not needed:
            return f'"{{" {self._members(optional, 0, len(optional))} "}}"'
        further = [f"({comma} {member})?" for member in optional]
        return f'"{{" {f" {comma} ".join(needed)} {" ".join(further)} "}}"'

    def _free_object(self, schema: Schema, least: int, most: int, depth: int) -> str | None:
        if least > 1:
            raise UnsupportedSchemaError("minProperties", "different names cannot be guaranteed")
        value = as_schema(schema.get("additionalProperties", True))
        rule = self._value(value, min(depth - 1, _FREE_DEPTH))
        name = self._value(
            merged(
                {"type": "string", "maxLength": 40}, as_schema(schema.get("propertyNames", True))
            ),
            depth,
        )
        if rule is None or name is None or most == 0:
            return None if least else '"{}"'
        member = self._rules.name(f"{name} {literal(': ')} {self._rules.name(rule)}")
        members = repeated(member, least, min(most, _FREE_PROPERTIES), literal(", "))
        return f'"{{" {members} "}}"'

    def _members(self, members: list[str], least: int, most: int) -> str:
        """Return the rule for some of the members, in their order."""
        some = _SomeInOrder(members, self._rules)
        return some.rule(0, least, most, first=True) or '""'


class _SomeInOrder:
    """Rules for a number of members out of a list, in their order."""

    def __init__(self, members: list[str], rules: Rules) -> None:
        self._members = members
        self._rules = rules
        self._known: dict[tuple[int, int, int, bool], str | None] = {}

    def rule(self, index: int, least: int, most: int, *, first: bool) -> str | None:
        """Return the rule for what is written from a member on; None if too few are left."""
        most = min(most, len(self._members) - index)
        if least > most:
            return None
        if most == 0:
            return '""'
        key = (index, least, most, first)
        if key not in self._known:
            taken = self.rule(index + 1, max(0, least - 1), most - 1, first=False)
            passed = self.rule(index + 1, least, most, first=first)
            comma = "" if first else f"{literal(', ')} "
            options = [f"{comma}{self._members[index]} {taken}"] if taken is not None else []
            options += [passed] if passed is not None else []
            self._known[key] = self._rules.name(either(options))
        return self._known[key]


def _either(rules: list[str]) -> str | None:
    return either(rules) if rules else None


def _choice(values: list[object]) -> str | None:
    return _either([json_literal(value) for value in values])


def _without(schema: Schema, *keywords: str) -> Schema:
    return {keyword: value for keyword, value in schema.items() if keyword not in keywords}


def _merged_all(schemas: list[Schema]) -> Schema:
    whole = schemas[0]
    for part in schemas[1:]:
        whole = merged(whole, part)
    return whole


def _required(schema: Schema) -> list[str]:
    """Return the names that must be there; what a property depends on is always written."""
    names = [each for each in sequence(schema.get("required")) if isinstance(each, str)]
    for dependents in mapping(schema.get("dependentRequired")).values():
        names += [each for each in sequence(dependents) if isinstance(each, str)]
    return list(dict.fromkeys(names))


_HINTS = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_ANYTHING = ("string", "number", "boolean", "null", "array", "object")


def _kinds(schema: Schema) -> list[str]:
    """Return the types that a value may have; the ones that its keywords are about, if none."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if kind is not None:
        return [each for each in sequence(kind) if isinstance(each, str)]
    hinted = [name for name, keywords in _HINTS.items() if any(each in schema for each in keywords)]
    return hinted or list(_ANYTHING)


def _counts(schema: Schema, least: str, most: str, usual: int) -> tuple[int, int]:
    low = schema.get(least, 0)
    high = schema.get(most)
    minimum = int(low) if isinstance(low, int | float) else 0
    maximum = int(high) if isinstance(high, int | float) else max(minimum, usual)
    if minimum > min(maximum, _LARGEST_REPETITION):
        raise UnsupportedSchemaError(least, "it is too large")
    return minimum, min(maximum, max(minimum, usual))


def _number(kind: str, schema: Schema) -> str:
    bounds = _bounds(schema)
    step = schema.get("multipleOf")
    if isinstance(step, int | float):
        if kind == "integer" and step != int(step):
            raise UnsupportedSchemaError("multipleOf", "it is no integer")
        return multiple_rule(step, bounds)
    return integer_rule(bounds) if kind == "integer" else number_rule(bounds)


def _bounds(schema: Schema) -> Bounds:
    low, low_open = _bound(schema, "minimum", "exclusiveMinimum", max)
    high, high_open = _bound(schema, "maximum", "exclusiveMaximum", min)
    unlimited = Bounds()
    return Bounds(
        unlimited.low if low is None else low,
        unlimited.high if high is None else high,
        low_open=low_open,
        high_open=high_open,
    )


def _bound(
    schema: Schema, inclusive: str, exclusive: str, tighter: Callable[[float, float], float]
) -> tuple[float | None, bool]:
    value, beyond = schema.get(inclusive), schema.get(exclusive)
    limit = value if isinstance(value, int | float) else None
    if isinstance(beyond, bool):
        # Older drafts say by a flag that the bound is excluded.
        return limit, beyond
    if isinstance(beyond, int | float) and (limit is None or tighter(beyond, limit) == beyond):
        return beyond, True
    return limit, False
