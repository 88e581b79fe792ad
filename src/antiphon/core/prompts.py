"""Stored prompts: instructions and tools that the operator keeps and clients name and fill in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from antiphon.protocol import errors
from antiphon.protocol.errors import ClientError
from antiphon.protocol.session import Prompt, Tool

_PLACE = re.compile(r"\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """One version of a stored prompt."""

    instructions: str
    """Text with places such as `{{name}}` for variables."""
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType[str, str]({}))
    """What stands in places that the client does not fill."""
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A prompt in all its versions."""

    versions: Mapping[str, PromptVersion]
    """At least one; the last is the current one."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a prompt comes to."""

    instructions: str
    tools: tuple[Tool, ...] = ()


def places(text: str) -> tuple[str, ...]:
    """Return the variables of a text, in the order of their first places."""
    return tuple(dict.fromkeys(_PLACE.findall(text)))


def fill(prompt: Prompt, path: str, stored: Mapping[str, StoredPrompt]) -> Filled:
    """Return the instructions and tools that a prompt names; raise `ClientError` if it cannot be.

    ``path`` is where the prompt stands in its event.
    """
    version = _find(prompt, path, stored)
    given = prompt.variables or {}
    wanted = places(version.instructions)
    for name in given:
        if name not in wanted:
            known = ", ".join(wanted) or "none"
            raise errors.unknown_parameter(
                f"{path}.variables.{name:.64}", f"The prompt's variables: {known}."
            )
    values = {
        name: _text(given[name], f"{path}.variables.{name}") if name in given else default
        for name in wanted
        if (default := version.variables.get(name)) is not None or name in given
    }
    for name in wanted:
        if name not in values:
            raise errors.missing_parameter(
                f"{path}.variables.{name}", f"The prompt '{prompt.id}' needs a text for it."
            )
    return Filled(
        _PLACE.sub(lambda place: str(values[place[1]]), version.instructions), version.tools
    )


def _find(prompt: Prompt, path: str, stored: Mapping[str, StoredPrompt]) -> PromptVersion:
    known = stored.get(prompt.id)
    if known is None and not stored:
        raise errors.not_supported(
            path,
            "A stored prompt, as long as the server's settings hold none,",
            "Send its text as instructions, or have it added to the settings as "
            "[prompts.NAME.VERSION].",
        )
    if known is None:
        raise errors.invalid_value(f"{path}.id", prompt.id, sorted(stored))
    if prompt.version is None:
        return list(known.versions.values())[-1]
    version = known.versions.get(prompt.version)
    if version is None:
        raise errors.invalid_value(f"{path}.version", prompt.version, list(known.versions))
    return version


def _text(value: Any, path: str) -> str:
    """Return a variable's text, which may stand for itself or in a content part."""
    match value:
        case str():
            return value
        case {"type": "input_text", "text": str(text)}:
            return text
        case {"type": "input_image" | "input_file" as kind}:
            raise errors.not_supported(
                path, f"A variable of type '{kind}'", "Send text, or a part of type 'input_text'."
            )
        case _:
            raise ClientError(
                "invalid_type",
                f"Invalid type for '{path}': expected a string or a part of type 'input_text'.",
                path,
            )
