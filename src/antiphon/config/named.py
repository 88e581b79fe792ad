"""The sections whose tables have names of the operator's choice: stored prompts, and voices."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import msgspec

from antiphon.config.expectations import explain
from antiphon.config.schema import BUILT_IN_VOICES, PromptVersionSettings, VoiceSettings
from antiphon.config.sources import KeyPath, Value
from antiphon.core.prompts import places

Report = Callable[[Value, str], None]
_Table = TypeVar("_Table", PromptVersionSettings, VoiceSettings)

_LONGEST_NAME = 64
_VOICE_SOURCES = ("mix", "style", "endpoint_voice")


def read_prompts(
    values: Mapping[KeyPath, Value], report: Report
) -> dict[str, dict[str, PromptVersionSettings]]:
    """Return the sections `[prompts.ID.VERSION]`, each prompt's versions in their order."""
    prompts: dict[str, dict[str, PromptVersionSettings]] = {}
    tables = _tables(values, "prompts", 2, "Write [prompts.ID.VERSION] above its keys.", report)
    for (_, name, version), keys in tables.items():
        table = _read(PromptVersionSettings(), keys, report)
        prompts.setdefault(name, {})[version] = table
        _check_prompt(table, next(iter(keys.values())), report)
    return prompts


def read_voices(values: Mapping[KeyPath, Value], report: Report) -> dict[str, VoiceSettings]:
    """Return the sections `[voices.ID]`."""
    voices: dict[str, VoiceSettings] = {}
    tables = _tables(values, "voices", 1, "Write [voices.ID] above its keys.", report)
    for (_, name), keys in tables.items():
        table = voices[name] = _read(VoiceSettings(), keys, report)
        first = next(iter(keys.values()))
        given = [each for each in _VOICE_SOURCES if getattr(table, each) is not None]
        if name in BUILT_IN_VOICES:
            report(first, f"'{name}' is a built-in voice. Choose another id, such as voice_{name}.")
        elif len(given) != 1:
            either = "Set `mix`, `style` or `endpoint_voice`"
            report(first, f"{either}, and only one of them, for the voice '{name}'.")
        elif table.mix is not None and (not table.mix or min(table.mix.values()) <= 0):
            report(first, "`mix` names voices and their shares: { alloy = 0.6, echo = 0.4 }.")
    return voices


def _tables(
    values: Mapping[KeyPath, Value], section: str, names: int, cure: str, report: Report
) -> dict[KeyPath, dict[str, Value]]:
    """Return the keys of each named table of a section; a table among them is put together."""
    tables: dict[KeyPath, dict[str, Value]] = {}
    for path, value in values.items():
        if path[0] != section:
            continue
        table, key = path[: names + 1], path[names + 1 :]
        if not key:
            if value.value != {}:
                report(value, cure)
        elif not all(_is_name(each) for each in table[1:]):
            report(value, f"A name in [{section}] has 1 to {_LONGEST_NAME} printable characters.")
        else:
            _put(tables.setdefault(table, {}), key, value)
    return tables


def _put(keys: dict[str, Value], key: KeyPath, value: Value) -> None:
    if len(key) == 1:
        keys[key[0]] = value
        return
    whole = keys.get(key[0])
    content = cast("dict[str, object]", whole.value) if whole is not None else {}
    place = value.place if whole is None else whole.place
    keys[key[0]] = Value({**content, ".".join(key[1:]): value.value}, place, value.is_text)


def _read(defaults: _Table, keys: Mapping[str, Value], report: Report) -> _Table:
    fields = {each.name: each.type for each in msgspec.structs.fields(type(defaults))}
    read: dict[str, Any] = {}
    for key, value in keys.items():
        if key not in fields:
            report(value, f"Unknown key '{key}'. Known: {', '.join(fields)}.")
            continue
        try:
            read[key] = msgspec.convert(value.value, fields[key], strict=not value.is_text)
        except msgspec.ValidationError as wrong:
            is_nested = isinstance(value.value, list | dict)
            report(value, f"'{key}': {wrong if is_nested else explain(value.value, fields[key])}")
    return msgspec.structs.replace(defaults, **read)


def _check_prompt(table: PromptVersionSettings, first: Value, report: Report) -> None:
    if not table.instructions and not table.tools:
        report(first, "A prompt has `instructions`, `tools` or both.")
    known = places(table.instructions)
    for name in table.variables:
        if name not in known:
            place = "{{" + name + "}}"
            report(first, f"`variables`: the instructions have no place {place} for '{name}'.")


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable() and bool(text.strip())
