"""Say in plain words what a setting expects and why a value is not that."""

from typing import cast

from msgspec import inspect

_WORDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a table"),
)


def explain(value: object, kind: object) -> str:
    """Return what was expected instead of a value that does not fit its type."""
    expected = _alternatives(inspect.type_info(kind))
    got = _word_of(value)
    if got == "a list" and any(isinstance(each, inspect.VarTupleType) for each in expected):
        return (
            "expected `sha256:` and 64 hexadecimal digits. `antiphon keys create` makes a key and "
            "stores its hash."
        )
    for each in expected:
        if isinstance(each, inspect.IntType | inspect.FloatType) and _is_number(value, each):
            return _bounds(cast("int | float", value), each)
    choices = [f"'{choice}'" for each in expected for choice in _choices(each)]
    others = [_word_for(each) for each in expected if not _choices(each)]
    if isinstance(value, str) and choices and "text" not in others:
        return f"'{value}' is none of: {', '.join([*choices, *(f'or {each}' for each in others)])}."
    wanted = " or ".join([*choices, *others])
    return f"expected {wanted}, got {got}."


def _alternatives(info: inspect.Type) -> list[inspect.Type]:
    match info:
        case inspect.Metadata():
            return _alternatives(info.type)
        case inspect.UnionType():
            return [each for member in info.types for each in _alternatives(member)]
        case inspect.NoneType():
            return []
        case _:
            return [info]


def _is_number(value: object, info: inspect.IntType | inspect.FloatType) -> bool:
    fitting = int if isinstance(info, inspect.IntType) else int | float
    return isinstance(value, fitting) and not isinstance(value, bool)


def _bounds(value: float, info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and value < info.ge:
        return f"expected at least {info.ge}."
    return f"expected at most {info.le}."


def _choices(info: inspect.Type) -> list[object]:
    return sorted(info.values, key=str) if isinstance(info, inspect.LiteralType) else []


def _word_for(info: inspect.Type) -> str:
    match info:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return "a number"
        case inspect.StrType():
            return "text"
        case inspect.VarTupleType():
            return "a list"
        case _:
            return "a table"


def _word_of(value: object) -> str:
    return next((word for kind, word in _WORDS if isinstance(value, kind)), "something else")
