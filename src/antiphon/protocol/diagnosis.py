"""Why a client event is no good: the first fault, in the API's words.

In an object, what is missing comes before what is unknown, and both before the values, which are
examined in the order of the type's fields.
"""

from collections.abc import Callable
from typing import Any

from msgspec import inspect

from antiphon.protocol import errors, preview
from antiphon.protocol.errors import ClientError
from antiphon.protocol.session import SessionPatch
from antiphon.protocol.shapes import (
    CLIENT_EVENT,
    Object,
    alternatives,
    by_tag,
    fields_of,
    is_object,
    kind_of,
    kinds,
    takers,
)
from antiphon.protocol.words import show, supported_values

_LONGEST_KEY_SHOWN = 64


def diagnose(event: Object, shape: inspect.Type = CLIENT_EVENT) -> ClientError:
    """Return the first fault of a client event that does not decode."""
    try:
        _examine(event, shape, "")
    except ClientError as error:
        return error
    return errors.invalid_event(
        "The event does not have the documented form. Compare it with the API reference."
    )


def _examine(value: Any, shape: inspect.Type, path: str) -> None:
    """Raise `ClientError` if the value is not of this shape."""
    candidates = takers(shape, value)
    if not candidates:
        raise _wrong_type(value, shape, path)
    try:
        if is_object(value):
            _examine_object(value, candidates, path)
        else:
            _EXAMINERS[type(candidates[0])](value, candidates[0], path)
    except ClientError as error:
        others = [one for one in alternatives(shape) if one not in candidates]
        if not others or error.param not in {path, _join(path, "type")}:
            raise
        raise _with_alternatives(error, others) from None


def _wrong_type(value: Any, shape: inspect.Type, path: str) -> ClientError:
    expected = dict.fromkeys(kinds(one)[0] for one in alternatives(shape))
    cure = (
        "Send a value, or leave the field out." if value is None else preview.cure_for_format(value)
    )
    return errors.invalid_type(path, " or ".join(expected), kind_of(value), cure)


def _with_alternatives(error: ClientError, others: list[inspect.Type]) -> ClientError:
    """Return the error with what else could stand at its place."""
    if error.code == "string_above_max_length":
        return error
    words = dict.fromkeys(_words(one) for one in others)
    message = f"{error.message} It may also be {' or '.join(words)}."
    return ClientError(error.code, message, error.param)


def _words(shape: inspect.Type) -> str:
    if isinstance(shape, inspect.LiteralType):
        return " or ".join(show(value) for value in shape.values)
    return kinds(shape)[0]


# Objects


def _examine_object(value: Object, candidates: tuple[inspect.Type, ...], path: str) -> None:
    tagged = by_tag(candidates)
    if tagged:
        _examine_struct(value, _choose(value, tagged, path), path)
        return
    for shape in candidates:
        match shape:
            case inspect.StructType():
                _examine_struct(value, shape, path)
            case inspect.DictType():
                _examine_map(value, shape, path)
            case _:
                """Anything goes."""


def _choose(
    value: Object, tagged: dict[object, inspect.StructType], path: str
) -> inspect.StructType:
    """Return the struct that an object says it is."""
    place = _join(path, "type")
    tags = [str(tag) for tag in tagged]
    if "type" not in value:
        raise errors.missing_parameter(place, supported_values(tags))
    tag = value["type"]
    if not isinstance(tag, str):
        raise errors.invalid_value(place, tag, tags)
    if tag not in tagged:
        cures = (
            preview.cure_for_event(tag),
            preview.cure_for_format(tag),
            preview.cure_for_content(tag, tags),
        )
        raise errors.invalid_value(place, tag, tags, next(filter(None, cures), ""))
    return tagged[tag]


def _examine_struct(value: Object, shape: inspect.StructType, path: str) -> None:
    for field in shape.fields:
        if field.required and field.encode_name not in value:
            raise _missing(shape, field.encode_name, path)
    shapes = fields_of(shape, value)
    for key in value:
        if key not in shapes and key != shape.tag_field:
            raise _unknown(key, path)
    for key, inner in shapes.items():
        if key in value:
            _examine(value[key], inner, _join(path, key))


def _missing(shape: inspect.StructType, key: str, path: str) -> ClientError:
    place = _join(path, key)
    if shape.cls is SessionPatch and key == "type":
        return errors.missing_parameter(place, 'Add "type": "realtime" to the session.')
    return errors.missing_parameter(place)


def _unknown(key: str, path: str) -> ClientError:
    place = _join(path, key)
    cure = preview.cure_for_field(place)
    return errors.unknown_parameter(place, cure) if cure else errors.unknown_parameter(place)


def _examine_map(value: Object, shape: inspect.DictType, path: str) -> None:
    if shape.max_length is not None and len(value) > shape.max_length:
        raise errors.object_above_max_properties(path, shape.max_length, len(value))
    for key, inner in value.items():
        longest = getattr(shape.key_type, "max_length", None)
        if longest is not None and len(key) > longest:
            raise errors.property_name_above_max_length(path, longest, len(key))
        _examine(inner, shape.value_type, _join(path, key))


def _join(path: str, key: str) -> str:
    shown = key if len(key) <= _LONGEST_KEY_SHOWN else f"{key[:_LONGEST_KEY_SHOWN]}…"
    return f"{path}.{shown}" if path else shown


# Other values


def _accept(_value: Any, _shape: Any, _path: str) -> None:
    """Take any value of the right JSON type."""


def _examine_literal(value: Any, shape: inspect.LiteralType, path: str) -> None:
    if value not in shape.values:
        raise errors.invalid_value(path, value, shape.values)


def _examine_string(value: str, shape: inspect.StrType, path: str) -> None:
    if shape.max_length is not None and len(value) > shape.max_length:
        raise errors.string_above_max_length(path, shape.max_length, len(value))
    if shape.min_length is not None and len(value) < shape.min_length:
        raise errors.string_below_min_length(path, shape.min_length, len(value))


def _examine_integer(value: int, shape: inspect.IntType, path: str) -> None:
    if shape.ge is not None and value < shape.ge:
        raise errors.integer_below_min_value(path, shape.ge, value)
    if shape.le is not None and value > shape.le:
        raise errors.integer_above_max_value(path, shape.le, value)


def _examine_decimal(value: float, shape: inspect.FloatType, path: str) -> None:
    if shape.ge is not None and value < shape.ge:
        raise errors.decimal_below_min_value(path, shape.ge, value)
    if shape.le is not None and value > shape.le:
        raise errors.decimal_above_max_value(path, shape.le, value)


def _examine_array(value: list[Any], shape: inspect.VarTupleType, path: str) -> None:
    if shape.max_length is not None and len(value) > shape.max_length:
        raise errors.array_above_max_length(path, shape.max_length, len(value))
    for index, element in enumerate(value):
        _examine(element, shape.item_type, f"{path}[{index}]")


def _examine_modalities(value: list[Any], shape: inspect.TupleType, path: str) -> None:
    # The only arrays of fixed length are the output modalities.
    try:
        for element, one in zip(value, shape.item_types, strict=True):
            _examine(element, one, path)
    except (ValueError, ClientError):
        raise errors.invalid_modalities(path, value) from None


_EXAMINERS: dict[type[inspect.Type], Callable[[Any, Any, str], None]] = {
    inspect.AnyType: _accept,
    inspect.NoneType: _accept,
    inspect.BoolType: _accept,
    inspect.LiteralType: _examine_literal,
    inspect.StrType: _examine_string,
    inspect.IntType: _examine_integer,
    inspect.FloatType: _examine_decimal,
    inspect.VarTupleType: _examine_array,
    inspect.TupleType: _examine_modalities,
}
