"""What all structs of the wire have in common."""

from msgspec import Struct


class Wire(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object with fixed fields."""


class Tagged(Wire, frozen=True, kw_only=True, tag_field="type"):
    """A JSON object that says in `type` which one it is."""
