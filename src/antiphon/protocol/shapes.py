"""The types of client events as data: what a JSON value may be at each place.

msgspec decodes fast but names one fault at a time in words of its own. Leniency and diagnosis walk
this description beside the raw JSON instead.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

from msgspec import inspect

from antiphon.protocol.client_events import ClientEvent
from antiphon.protocol.items import AssistantContent, MessageItem, SystemContent, UserContent

Object: TypeAlias = dict[str, Any]
"""A JSON object that has no type yet."""

Change: TypeAlias = Callable[[Object, inspect.StructType], Object]
"""Returns another object in place of one of known type."""

_KIND_OF_VALUE: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}

_KINDS_OF_SHAPE: dict[type[inspect.Type], tuple[str, ...]] = {
    inspect.AnyType: tuple(_KIND_OF_VALUE.values()),
    inspect.NoneType: ("null",),
    inspect.BoolType: ("a boolean",),
    inspect.IntType: ("an integer",),
    inspect.FloatType: ("a decimal", "an integer"),
    inspect.StrType: ("a string",),
    inspect.VarTupleType: ("an array",),
    inspect.TupleType: ("an array",),
    inspect.DictType: ("an object",),
    inspect.StructType: ("an object",),
}

CLIENT_EVENT: inspect.Type = inspect.type_info(ClientEvent)
"""The shape of every client event."""

_CONTENT_OF_ROLE: dict[object, inspect.Type] = {
    "system": inspect.type_info(tuple[SystemContent, ...]),
    "user": inspect.type_info(tuple[UserContent, ...]),
    "assistant": inspect.type_info(tuple[AssistantContent, ...]),
}


def is_object(value: object) -> TypeGuard[Object]:
    """Tell whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a decoded value is a JSON array."""
    return isinstance(value, list)


def kind_of(value: object) -> str:
    """Return the JSON type of a decoded value, with its article."""
    return _KIND_OF_VALUE[type(value)]


def kinds(shape: inspect.Type) -> tuple[str, ...]:
    """Return the JSON types that a shape takes, the one to recommend first."""
    if isinstance(shape, inspect.LiteralType):
        return (kind_of(shape.values[0]),)
    return _KINDS_OF_SHAPE[type(shape)]


def alternatives(shape: inspect.Type) -> tuple[inspect.Type, ...]:
    """Return the members of a union, or the shape alone."""
    return shape.types if isinstance(shape, inspect.UnionType) else (shape,)


def takers(shape: inspect.Type, value: object) -> tuple[inspect.Type, ...]:
    """Return the alternatives that take values of this JSON type."""
    kind = kind_of(value)
    return tuple(one for one in alternatives(shape) if kind in kinds(one))


def by_tag(shapes: tuple[inspect.Type, ...]) -> dict[object, inspect.StructType]:
    """Return the tagged objects among some shapes, by their `type`."""
    return {
        one.tag: one
        for one in shapes
        if isinstance(one, inspect.StructType) and one.tag is not None
    }


def fields_of(shape: inspect.StructType, value: Object) -> dict[str, inspect.Type]:
    """Return what each field of an object takes; the content of a message follows its role."""
    shapes = {field.encode_name: field.type for field in shape.fields}
    role = value.get("role")
    if shape.cls is MessageItem and isinstance(role, str):
        shapes["content"] = _CONTENT_OF_ROLE.get(role, shapes["content"])
    return shapes


def transform(value: Any, shape: inspect.Type, change: Change) -> Any:
    """Return a copy of a value with every object of known type changed, outer ones first."""
    if is_object(value):
        return _transform_object(value, takers(shape, value), change)
    arrays = [one for one in takers(shape, value) if isinstance(one, inspect.VarTupleType)]
    if is_array(value) and arrays:
        return [transform(element, arrays[0].item_type, change) for element in value]
    return value


def _transform_object(value: Object, shapes: tuple[inspect.Type, ...], change: Change) -> Object:
    tag = value.get("type")
    untagged = (one for one in shapes if isinstance(one, inspect.StructType) and one.tag is None)
    tagged = by_tag(shapes).get(tag) if isinstance(tag, str) else None
    shape = tagged or next(untagged, None)
    if shape is None:
        return value
    fields = fields_of(shape, value)
    return {
        key: transform(inner, fields[key], change) if key in fields else inner
        for key, inner in change(value, shape).items()
    }
