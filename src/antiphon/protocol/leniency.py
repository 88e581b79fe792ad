"""What is accepted from clients although it is not written as documented.

Only frames that do not decode as they are come here, so nobody else pays for it.
"""

from msgspec import inspect

from antiphon.protocol.shapes import CLIENT_EVENT, Object, is_object, takers, transform

_HARMLESS_FIELDS = frozenset({"timestamp"})
"""Fields that clients add to any event, and that mean nothing."""


def forgive(event: Object, shape: inspect.Type = CLIENT_EVENT) -> Object:
    """Return a client event with its harmless deviations put right."""
    known = {key: value for key, value in event.items() if key not in _HARMLESS_FIELDS}
    forgiven: Object = transform(known, shape, _forgive_object)
    return forgiven


def _forgive_object(value: Object, shape: inspect.StructType) -> Object:
    forgiven = {key: inner for key, inner in value.items() if not _says_nothing(key, inner, shape)}
    if is_object(value.get("tool_choice")):
        forgiven["tool_choice"] = _flat_choice(value["tool_choice"])
    return forgiven


def _says_nothing(key: str, value: object, shape: inspect.StructType) -> bool:
    """Tell whether a field is null only because the client did not leave it out."""
    if value is not None:
        return False
    for field in shape.fields:
        if field.encode_name == key:
            return not field.required and not takers(field.type, None)
    # SDKs write all variants of a union with one class: the fields of the others come as null.
    return shape.tag is not None


def _flat_choice(choice: Object) -> Object:
    # The Chat Completions spelling, which Preview clients use: {type, function: {name}}.
    function = choice.get("function")
    if choice.get("type") != "function" or "name" in choice or not is_object(function):
        return choice
    return {key: value for key, value in choice.items() if key != "function"} | function
