"""How a client's own values are quoted in messages to it."""

from collections.abc import Sequence

_SHOWN_CHARACTERS = 64


def show(value: object) -> str:
    """Return a client's value as it is quoted in messages: short, whatever it is."""
    match value:
        case str():
            return f"'{_shorten(value)}'"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case _:
            return _shorten(repr(value))


def supported_values(supported: Sequence[object]) -> str:
    """Return the sentence that lists the supported values."""
    shown = [show(value) for value in supported]
    match shown:
        case [] | [_]:
            listed = "".join(shown)
        case [first, second]:
            listed = f"{first} and {second}"
        case _:
            listed = f"{', '.join(shown[:-1])}, and {shown[-1]}"
    return f"Supported values are: {listed}."


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
