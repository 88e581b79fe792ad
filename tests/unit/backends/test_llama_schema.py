"""Schemas as grammars: everything that such a grammar can write satisfies the schema.

No model takes part: texts are drawn from the grammar at random, as the worst of models would.
"""

import json
import random
import re
from dataclasses import dataclass

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.backends.llama_grammar import Rules, UnsupportedSchemaError
from antiphon.backends.llama_schema import SchemaRules
from antiphon.backends.tool_arguments import is_valid

TOKEN = re.compile(
    r"""\s*(?: "(?P<text>(?:\\.|[^"\\])*)" | \[(?P<set>(?:\\.|[^\]\\])*)\] | (?P<name>[a-z]\w*)
    | \{(?P<least>\d+)(?P<comma>,(?P<most>\d+)?)?\} | (?P<mark>[()|?]) )""",
    re.VERBOSE,
)


@dataclass
class Writer:
    """Write something at random that a grammar allows."""

    rules: dict[str, str]
    random: random.Random

    @classmethod
    def of(cls, grammar: str, seed: int) -> "Writer":
        rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())
        return cls(rules, random.Random(seed))  # noqa: S311 - a draw of lots, no secret

    def write(self, name: str = "root") -> str:
        tokens = list(TOKEN.finditer(self.rules[name]))
        assert "".join(match[0] for match in tokens).strip() == self.rules[name].strip()
        text, position = self._alternatives(tokens, 0)
        assert position == len(tokens)
        return text()

    def _alternatives(self, tokens, position):
        options = []
        while True:
            option, position = self._sequence(tokens, position)
            options.append(option)
            if position == len(tokens) or tokens[position]["mark"] != "|":
                return (lambda: self._one_of(options)), position
            position += 1

    def _one_of(self, options):
        return self.random.choice(options)()

    def _sequence(self, tokens, position):
        parts = []
        while position < len(tokens) and tokens[position]["mark"] not in ("|", ")"):
            part, position = self._atom(tokens, position)
            least = most = 1
            if position < len(tokens) and tokens[position]["mark"] == "?":
                least, most, position = 0, 1, position + 1
            elif position < len(tokens) and tokens[position]["least"] is not None:
                token = tokens[position]
                least = int(token["least"])
                most = int(token["most"]) if token["comma"] else least
                position += 1
            parts.append((part, least, most))
        return (
            lambda: "".join(
                part()
                for part, low, high in parts
                for _ in range(self.random.randint(low, min(high, low + 9)))
            )
        ), position

    def _atom(self, tokens, position):
        token = tokens[position]
        if token["mark"] == "(":
            inner, position = self._alternatives(tokens, position + 1)
            assert tokens[position]["mark"] == ")"
            return inner, position + 1
        if token["text"] is not None:
            text = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], token["text"])
            return (lambda: text), position + 1
        if token["set"] is not None:
            characters = self._set(token["set"])
            return (lambda: self.random.choice(characters)), position + 1
        assert token["name"], token[0]
        return (lambda: self.write(token["name"])), position + 1

    def _set(self, text: str) -> list[str]:
        pattern = re.compile(f"[{text}]")
        codes = [*range(0x250), 0x4F60, 0x1F600]
        return [chr(code) for code in codes if pattern.match(chr(code))]


def grammar_of(schema: dict) -> tuple[str, bool]:
    rules = Rules()
    compiled = SchemaRules(schema, rules)
    root = compiled.arguments()
    return rules.grammar(root), compiled.needs_check


def written(schema: dict, seeds: int = 30) -> list[str]:
    grammar, needs_check = grammar_of(schema)
    texts = [Writer.of(grammar, seed).write() for seed in range(seeds)]
    return [text for text in texts if not needs_check or is_valid(text, schema)]


def assert_all_valid(schema: dict, seeds: int = 30) -> list:
    judge = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    values = [json.loads(text) for text in written(schema, seeds)]
    assert values
    for value in values:
        judge.validate(value)
    return values


def with_value(schema: object, **more: object) -> dict:
    return {"type": "object", "properties": {"v": schema}, "required": ["v"], **more}


def written_values(schema: object, seeds: int = 60) -> list:
    return [value["v"] for value in assert_all_valid(with_value(schema), seeds)]


WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
    },
    "required": ["city"],
}


def test_required_properties_are_always_written_and_optional_ones_sometimes() -> None:
    values = assert_all_valid(WEATHER, 100)
    assert all("city" in value for value in values)
    assert {len(value) for value in values} == {1, 2, 3}


def test_optional_properties_alone_may_all_be_absent() -> None:
    schema = {"type": "object", "properties": {name: {"type": "null"} for name in "abc"}}
    values = assert_all_valid(schema, 200)
    assert {tuple(value) for value in values} == {
        (),
        ("a",),
        ("b",),
        ("c",),
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
        ("a", "b", "c"),
    }


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_a_tool_without_parameters_is_called_without_arguments(schema: dict) -> None:
    assert set(written(schema)) == {"{}"}


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 0),
        (0, 9),
        (5, 5),
        (1, 14),
        (7, 123),
        (99, 1000),
        (-5, 5),
        (-120, -17),
        (0, 65535),
        (998, 1002),
    ],
)
def test_integers_keep_their_bounds(low: int, high: int) -> None:
    values = written_values({"type": "integer", "minimum": low, "maximum": high}, 300)
    assert min(values) >= low
    assert max(values) <= high
    if high - low < 10:
        assert set(values) == set(range(low, high + 1))


@given(bounds=st.tuples(st.integers(-(10**7), 10**7), st.integers(-(10**7), 10**7)).map(sorted))
@settings(max_examples=60, deadline=None)
def test_integers_keep_any_bounds(bounds: list[int]) -> None:
    low, high = bounds
    written_values({"type": "integer", "minimum": low, "maximum": high}, 20)


millionths = st.integers(-(10**12), 10**12).map(lambda number: number / 10**6)


@given(low=millionths, width=st.integers(3, 10**9), exclusive=st.booleans())
@settings(max_examples=60, deadline=None)
def test_numbers_keep_any_bounds(low: float, width: int, exclusive: bool) -> None:
    words = ("exclusiveMinimum", "exclusiveMaximum") if exclusive else ("minimum", "maximum")
    written_values({"type": "number", words[0]: low, words[1]: low + width / 10**6}, 20)


def test_exclusive_bounds_are_never_reached() -> None:
    schema = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    assert all(0 < value < 1 for value in written_values(schema, 200))
    schema = {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 3}
    assert set(written_values(schema)) == {1, 2}


@pytest.mark.parametrize("step", [1, 2, 5, 10, 25, 7, 64, 1000, 0.5, 0.01, 0.1])
def test_multiples_are_multiples(step: float) -> None:
    schema = {"type": "number", "multipleOf": step, "minimum": -2500, "maximum": 120_000}
    assert len(set(written_values(schema, 200))) > 20


def test_texts_keep_their_lengths() -> None:
    values = written_values({"type": "string", "minLength": 2, "maxLength": 5}, 200)
    assert {len(value) for value in values} <= {2, 3, 4, 5}


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]+$",
        r"^\d{3}-\d{4}$",
        "^(foo|bar)?baz$",
        r"^[A-Z]{2}\d{2,4}$",
        "colou?r",
        "^$",
        r"^\w+@\w+\.com$",
        '^"quoted"$',
        r"^C:\\\\[^\\]*$",
        "^[^a-z]{1,3}$",
        "^(?:a|b){2,3}$",
        r"^[\w.+-]+$",
        "^.{3}$",
        r"^\+?[1-9]\d{1,14}$",
        "^(?P<year>[0-9]{4})-(0[1-9]|1[0-2])$",
        "^a|b$",
        r"[\u00e4-\u00fc]",
        "^[-a]$",
        "^[a-]$",
        r"^\S+ \S+$",
    ],
)
def test_texts_match_their_pattern(pattern: str) -> None:
    written_values({"type": "string", "pattern": pattern}, 100)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a)\1",
        "(?=a)b",
        "(?<!a)b",
        r"\bword\b",
        "a^b",
        "a$b",
        "(a",
        "a)",
        "[a",
        "a{3000}",
        r"\p{L}",
        "(?i)a",
    ],
)
def test_a_pattern_beyond_grammars_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(UnsupportedSchemaError, match="pattern"):
        grammar_of(with_value({"type": "string", "pattern": pattern}))


@pytest.mark.parametrize(
    "name",
    ["date", "time", "date-time", "uuid", "email", "ipv4", "uri", "hostname", "no-such-format"],
)
def test_texts_have_their_format(name: str) -> None:
    written_values({"type": "string", "format": name}, 100)


def test_lists_keep_their_lengths() -> None:
    values = written_values(
        {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4}
    )
    assert {len(value) for value in values} == {2, 3, 4}


def test_lists_of_different_values_hold_each_once() -> None:
    schema = {
        "type": "array",
        "items": {"enum": ["a", "b", "c", "d"]},
        "uniqueItems": True,
        "minItems": 2,
    }
    assert {len(value) for value in written_values(schema, 100)} == {2, 3, 4}


@pytest.mark.parametrize(
    "schema",
    [
        {
            "enum": [
                "plain",
                'with "quotes"',
                "ünïcode",
                "back\\slash",
                "line\nbreak",
                3,
                None,
                [1, {"a": 2}],
            ]
        },
        {"const": {"deep": [1, 2, {"x": None}]}},
        {"type": ["string", "null"], "enum": ["a", None, 5]},
        {"type": ["integer", "boolean"]},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
        {"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 3},
        {"type": "array", "items": False},
        {"type": "array", "contains": {"type": "integer"}, "minContains": 2, "maxContains": 3},
        {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "additionalProperties": False},
        {"type": "object", "additionalProperties": False, "properties": {"a": {"const": 1}}},
        {"type": "object", "required": ["undeclared"]},
        {
            "type": "object",
            "properties": {"a": {}, "b": {}, "c": {}},
            "minProperties": 2,
            "maxProperties": 2,
        },
        {"type": "object", "propertyNames": {"pattern": "^[a-z]{2}$"}, "minProperties": 1},
        {
            "type": "object",
            "properties": {"card": {"type": "integer"}, "address": {"type": "string"}},
            "dependentRequired": {"card": ["address"]},
        },
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "dependentSchemas": {"a": {"properties": {"b": {"const": 1}}, "required": ["b"]}},
        },
        {
            "if": {"properties": {"kind": {"const": "x"}}, "required": ["kind"]},
            "then": {"properties": {"size": {"type": "integer"}}, "required": ["size"]},
            "type": "object",
        },
        {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "integer", "minimum": 5}]},
        {"oneOf": [{"type": "integer"}, {"type": "string"}]},
        {
            "oneOf": [
                {"type": "integer", "multipleOf": 5, "minimum": 0, "maximum": 100},
                {"type": "integer", "maximum": 50, "minimum": 0},
            ]
        },
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"a": {"minimum": 3}, "b": {"type": "boolean"}}, "required": ["b"]},
            ]
        },
        {"type": "number", "allOf": [{"type": "integer"}, {"minimum": 3}, {"maximum": 4}]},
        {
            "properties": {"x": {"type": "integer"}},
            "anyOf": [{"required": ["x"]}, {"required": ["y"]}],
        },
        {},
        True,
        {"description": "anything"},
        {"type": "string", "pattern": "^[a-z]+$", "maxLength": 4},
    ],
)
def test_whatever_is_written_is_valid(schema: object) -> None:
    written_values(schema)


def test_a_schema_that_refers_to_itself_ends() -> None:
    tree = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
        },
        "required": ["name", "children"],
    }
    assert_all_valid({**with_value({"$ref": "#/$defs/tree"}), "$defs": {"tree": tree}})


def test_a_schema_that_nothing_finite_satisfies_is_refused() -> None:
    endless = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    with pytest.raises(UnsupportedSchemaError, match="no object satisfies it"):
        grammar_of(endless)


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"not": {"type": "string"}}, "not"),
        ({"type": "object", "patternProperties": {"^a": {}}}, "patternProperties"),
        ({"$ref": "https://example.com/schema"}, r"\$ref"),
        ({"$ref": "#/$defs/missing"}, r"\$ref"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "minimum"),
        (
            {"type": "array", "uniqueItems": True, "minItems": 2, "items": {"type": "string"}},
            "uniqueItems",
        ),
        ({"type": "string", "minLength": 5000}, "minLength"),
        ({"allOf": [{"pattern": "^a$"}, {"pattern": "^b$"}]}, "pattern"),
    ],
)
def test_what_cannot_be_guaranteed_is_refused_by_name(schema: object, keyword: str) -> None:
    with pytest.raises(UnsupportedSchemaError, match=keyword):
        grammar_of(with_value(schema))


def test_a_schema_that_branches_into_itself_is_compiled_in_no_time() -> None:
    node = {"type": "object", "properties": {name: {"$ref": "#/$defs/node"} for name in "abcdefgh"}}
    grammar, _ = grammar_of({**with_value({"$ref": "#/$defs/node"}), "$defs": {"node": node}})
    assert len(grammar) < 20_000


def test_a_schema_without_end_is_refused() -> None:
    wide = {
        "type": "object",
        "properties": {
            str(n): {"type": "object", "properties": {"a": {}, "b": {}}} for n in range(2000)
        },
    }
    with pytest.raises(UnsupportedSchemaError, match="too large"):
        grammar_of(wide)


scalars = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 7},
        {"type": "integer", "minimum": 1, "maximum": 99},
        {"type": "number", "minimum": -1.5, "maximum": 2.5},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["red", "green", 3]},
        {"const": "fixed"},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "^[A-Z]{3}[0-9]{2}$"},
        {"type": ["string", "null"]},
        {},
        {"type": "integer", "multipleOf": 15},
        {"type": "number", "exclusiveMinimum": 0},
    ]
)


def objects(parts: st.SearchStrategy) -> st.SearchStrategy:
    names = st.sampled_from(["a", "b", "city", "größe", 'q"t', "x y"])
    return st.builds(
        lambda properties, required, closed: {
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name in required],
            **({"additionalProperties": False} if closed else {}),
        },
        st.dictionaries(names, parts, max_size=4),
        st.sets(names),
        st.booleans(),
    )


def containers(parts: st.SearchStrategy) -> st.SearchStrategy:
    lists = st.builds(
        lambda items, least, more: {
            "type": "array",
            "items": items,
            "minItems": least,
            "maxItems": least + more,
        },
        parts,
        st.integers(0, 2),
        st.integers(0, 3),
    )
    choices = st.lists(parts, min_size=1, max_size=3)
    return (
        objects(parts)
        | lists
        | choices.map(lambda each: {"anyOf": each})
        | choices.map(lambda each: {"oneOf": each})
    )


schemas = objects(st.recursive(scalars, containers, max_leaves=8))


@given(schema=schemas, seed=st.integers(0, 1000))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_is_written_for_any_schema_is_valid(schema: dict, seed: int) -> None:
    grammar, needs_check = grammar_of(schema)
    text = Writer.of(grammar, seed).write()
    if not needs_check or is_valid(text, schema):
        jsonschema.Draft202012Validator(schema).validate(json.loads(text))
