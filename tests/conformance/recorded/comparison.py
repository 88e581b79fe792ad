"""What recordings are compared by: the order of event types, the keys of each object, the nulls.

Deltas are compared by their place alone: how a reply is cut into words and chunks is the model's
affair.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wire import Event, Wire, types

_OPENAI: dict[str, Any] = json.loads(Path(__file__).with_name("openai_turns.json").read_text())
_AZURE: dict[str, Any] = json.loads(Path(__file__).with_name("azure_turns.json").read_text())
TURNS: dict[str, list[tuple[str, int]]] = _OPENAI["turns"] | _AZURE["turns"]
KEYS: dict[str, list[str]] = _OPENAI["keys"] | _AZURE["keys"]
NULLS = frozenset(_OPENAI["nulls"])
SESSION: Event = _OPENAI["session"]
"""What a session is like before anything is set, without what differs by session."""
ASYNCHRONOUS = "conversation.item.input_audio_transcription."
"""Transcripts come when they come, between whatever else happens."""


def recorded(name: str) -> list[str]:
    return [kind for kind, _ in TURNS[name]]


def in_place(names: list[str]) -> list[str]:
    """Reduce each kind of delta to its first, and leave the transcripts of input out."""
    kept: list[str] = []
    for name in names:
        is_again = name.endswith(".delta") and name in kept[_last_created(kept) :]
        if not is_again and not name.startswith(ASYNCHRONOUS):
            kept.append(name)
    return kept


def _last_created(names: list[str]) -> int:
    return max((at for at, name in enumerate(names) if name == "response.created"), default=0)


def parts(event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object in an event whose keys were recorded, with its name there."""
    yield event["type"], {key: event[key] for key in event if key not in {"type", "event_id"}}
    items = [event["item"]] if "item" in event else []
    if "response" in event:
        yield from _parts_of_response(event["response"])
        items += event["response"]["output"]
    # OpenAI's recordings leave `object` out of items; its documentation demands it.
    for item in items:
        yield f"item {item['type']}", {key: item[key] for key in item if key != "object"}
    if event["type"].startswith(ASYNCHRONOUS):
        yield from _parts_of_transcript(event)
    if "session" in event:
        yield from _parts_of_session(event["session"])


def _parts_of_response(response: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "response", response
    if usage := response["usage"]:
        yield "usage", usage
        for name in ("input_token_details", "output_token_details"):
            yield name, usage[name]


def _parts_of_transcript(event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    if "error" in event:
        yield "transcription error", event["error"]
    if "usage" in event:
        yield f"transcription usage {event['usage']['type']}", event["usage"]


def _parts_of_session(session: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "session", session
    audio = session["audio"]
    yield "session.audio.input", audio["input"]
    yield "session.audio.output", audio["output"]
    for name in ("transcription", "turn_detection"):
        if audio["input"][name] is not None:
            yield f"session.audio.input.{name}", audio["input"][name]


def assert_recorded(wire: Wire, name: str) -> None:
    expected = recorded(name)
    # Some recordings end with the client's leaving, before the last event.
    assert in_place(types(wire.events))[: len(in_place(expected))] == in_place(expected)
    assert_formed(wire)


def assert_formed(wire: Wire) -> None:
    """Compare the keys of every object, and where nulls stand, with the recorded ones."""
    for event in wire.events:
        for part, value in parts(event):
            assert set(value) == set(KEYS[part]), (part, value)
            nulls = {f"{part}.{key}" for key, each in value.items() if each is None}
            assert nulls <= NULLS, nulls - NULLS
