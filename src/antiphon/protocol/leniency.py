"""What is accepted from clients although it is not written as documented.

Only frames that do not decode as they are come here, so nobody else pays for it.
"""

from msgspec import inspect

from antiphon.protocol.session import (
    AudioInputPatch,
    AudioOutputPatch,
    AudioPatch,
    SessionPatch,
)
from antiphon.protocol.shapes import CLIENT_EVENT, Object, is_object, takers, transform

_HARMLESS_FIELDS = frozenset({"timestamp"})
"""Fields that clients add to any event, and that mean nothing."""

_PATCHES = frozenset({SessionPatch, AudioPatch, AudioInputPatch, AudioOutputPatch})
"""Where null is a value of its own: it clears. Elsewhere null is how some clients say nothing."""


def forgive(event: Object) -> Object:
    """Return a client event with its harmless deviations put right."""
    known = {key: value for key, value in event.items() if key not in _HARMLESS_FIELDS}
    forgiven: Object = transform(known, CLIENT_EVENT, _forgive_object)
    return forgiven


def _forgive_object(value: Object, shape: inspect.StructType) -> Object:
    forgiven = value
    if shape.cls not in _PATCHES:
        meaningful = {
            field.encode_name
            for field in shape.fields
            if field.required or takers(field.type, None)
        }
        forgiven = {
            key: inner for key, inner in value.items() if inner is not None or key in meaningful
        }
    if is_object(value.get("tool_choice")):
        forgiven = {**forgiven, "tool_choice": _flat_choice(value["tool_choice"])}
    return forgiven


def _flat_choice(choice: Object) -> Object:
    # The Chat Completions spelling, which Preview clients use: {type, function: {name}}.
    function = choice.get("function")
    if choice.get("type") != "function" or "name" in choice or not is_object(function):
        return choice
    return {key: value for key, value in choice.items() if key != "function"} | function
