"""Record sessions, and replay them: the same inputs give the same outputs.

A trace is a file of JSON lines. The first tells how the session was opened; each other one holds a
moment, an input and the outputs that followed from it. It holds what was said and heard: whoever
turns tracing on keeps it as carefully as a recording.

Samples for engines are kept as their number and loudness alone: they follow from the input, and
their last bits differ from one processor to the next.
"""

import hashlib
import json
import logging
import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from antiphon.core import inputs
from antiphon.core.ids import Ids
from antiphon.core.kinds import OFFERS, AnySession, Offer, interpret, open_session
from antiphon.core.mcp_server import Secret
from antiphon.core.resumption import ResumptionTerms
from antiphon.core.routing import Input, Output
from antiphon.engines import responder
from antiphon.engines.llm import Picture
from antiphon.protocol.session import McpTool
from antiphon.protocol.shapes import is_array, is_object
from antiphon.protocol.wire import Wire

_logger = logging.getLogger(__name__)

VERSION = 1
_KIND = "kind"
"""Which input, output or part of one an object is; `type` is the wire's."""

_CLIENT_EVENT = "client_event"
_SECRET = "<secret>"  # noqa: S105 - what stands for one
_TOLERANCE = 1e-4
"""By how much numbers may differ, which are computed on another processor."""
_TURNS_SHOWN = 4
"""Of a conversation that a responder is given."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """An input whose replayed outputs are not the recorded ones."""

    line: int
    recorded: list[Json]
    replayed: list[Json]


@dataclass(frozen=True, slots=True)
class Opening:
    """How a session is opened; everything else about it follows from its inputs."""

    offer: Offer
    seed: bytes
    at: float
    """Unix time in seconds."""
    terms: ResumptionTerms | None = None
    """Those of a session to which its client may come back."""

    def open(self) -> AnySession:
        """Open the session."""
        return open_session(self.offer, Ids(self.seed), self.at, self.terms)


class Trace:
    """The recording of one session."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._has_failed = False
        self._secrets: dict[str, int] = {}

    @classmethod
    def begin(cls, folder: Path, session_id: str, opening: Opening) -> "Trace":
        """Create the file of a session, readable by its owner alone."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{session_id}.jsonl"
        path.touch(mode=0o600)
        trace = cls(path.open("wb"))
        head: Json = {
            "antiphon_trace": VERSION,
            "seed": opening.seed.hex(),
            "opened_at": opening.at,
            "offer": plain(opening.offer),
        }
        if opening.terms is not None:
            head["terms"] = plain(opening.terms)
        trace._write(head)
        return trace

    def record(self, now: float, received: Input, outputs: list[Output]) -> None:
        """Add an input and what followed from it."""
        told = [plain(o) for o in outputs]
        self._write({"at": now, "in": self._without_secrets(_from_input(received)), "out": told})

    def close(self) -> None:
        """End the recording."""
        with self._forgiving():
            self._file.close()

    def _without_secrets(self, line: Json) -> Json:
        """Put numbers in place of credentials: equal ones stay equal, and nothing else is kept."""
        event = line.get("event")
        for tool in _mcp_tools(event) if is_object(event) else ():
            if "authorization" in tool:
                tool["authorization"] = self._numbered(tool["authorization"])
            if "headers" in tool:
                given: Json = tool["headers"]
                tool["headers"] = {name: self._numbered(each) for name, each in given.items()}
        return line

    def _numbered(self, secret: str) -> str:
        number = self._secrets.setdefault(secret, len(self._secrets) + 1)
        return f"<secret {number}>"

    def _write(self, line: Json) -> None:
        if not self._has_failed:
            with self._forgiving():
                self._file.write(_encode(line) + b"\n")

    @contextmanager
    def _forgiving(self) -> Generator[None]:
        """Stop recording, and let the conversation go on, when the disk takes no more."""
        try:
            yield
        except OSError as fault:
            self._has_failed = True
            _logger.error("trace_failed", extra={"fault": type(fault).__name__})


def replay(path: Path) -> Iterator[Difference]:
    """Drive a new session with a trace's inputs; yield where its outputs differ."""
    with path.open("rb") as file:
        head = msgspec.json.decode(file.readline())
        if head.get("antiphon_trace") != VERSION:
            raise ValueError(f"{path.name} is no trace of version {VERSION}. Record it again.")
        kind, held = _split(head["offer"])
        terms = head.get("terms")
        opening = Opening(
            offer=msgspec.convert(held, OFFERS[kind]),
            seed=bytes.fromhex(head["seed"]),
            at=head["opened_at"],
            terms=None if terms is None else msgspec.convert(terms, ResumptionTerms),
        )
        session = opening.open()
        for number, text in enumerate(file, start=2):
            line = msgspec.json.decode(text)
            outputs = [
                plain(o) for o in session.handle(_to_input(line["in"], opening.offer), line["at"])
            ]
            replayed = msgspec.json.decode(msgspec.json.encode(outputs))
            if not _alike(line["out"], replayed):
                yield Difference(number, line["out"], replayed)


def plain(value: object) -> Any:
    """Turn an input, output or part of one into what JSON can hold."""
    if isinstance(value, Wire | Secret):
        return _told(value)
    if isinstance(value, responder.ResponseRequest):
        return _asked(value)
    if is_dataclass(value) and not isinstance(value, type):
        held = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        return {_KIND: type(value).__name__, **held}
    if isinstance(value, np.ndarray):
        return _measures(cast("NDArray[np.float32]", value))
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[str]", value))
    if isinstance(value, tuple | list):
        return [plain(each) for each in cast("list[object]", value)]
    if hasattr(value, "items"):
        return {key: plain(each) for key, each in cast("Json", value).items()}
    return value


def _told(value: Wire | Secret) -> Any:
    if isinstance(value, Secret):
        return _SECRET
    told = msgspec.to_builtins(value)
    if isinstance(value, McpTool):
        told |= {name: _SECRET for name in ("authorization", "headers") if name in told}
    return told


def _asked(request: responder.ResponseRequest) -> Json:
    """Keep the end of the conversation and a mark of all of it.

    The rest stands further up in the trace. With all of it in every request, the trace of a long
    session would grow with the square of its length.
    """
    mark = hashlib.sha256()
    for turn in request.context:
        mark.update(repr(_brief(turn)).encode(errors="replace"))
    latest = [_brief(turn) for turn in request.context[-_TURNS_SHOWN:]]
    held = {
        each.name: plain(getattr(request, each.name))
        for each in fields(request)
        if each.name != "context"
    }
    context = {"turns": len(request.context), "mark": mark.hexdigest()[:16], "latest": latest}
    return {_KIND: type(request).__name__, "context": context, **held}


def _brief(turn: responder.Turn) -> Json:
    """Return a turn with its sound and pictures as their sizes."""
    told: Json = {_KIND: type(turn).__name__}
    for each in fields(turn):
        value: object = getattr(turn, each.name)
        if isinstance(value, bytes):
            value = len(value)
        elif isinstance(value, tuple):
            value = [len(picture.url) for picture in cast("tuple[Picture, ...]", value)]
        told[each.name] = value
    return told


def _mcp_tools(event: Json) -> Iterator[Json]:
    """Yield the MCP tools that a client event defines, wherever they stand in it."""
    for place in ("session", "response"):
        held = event.get(place)
        for tool in held.get("tools", ()) if is_object(held) else ():
            if is_object(tool) and tool.get("type") == "mcp":
                yield tool


def _measures(samples: NDArray[np.float32]) -> Json:
    loudness = float(np.sqrt(np.mean(np.square(samples)))) if samples.size else 0.0
    return {"shape": list(samples.shape), "loudness": loudness}


def _alike(recorded: object, replayed: object) -> bool:
    if is_object(recorded) and is_object(replayed):
        return recorded.keys() == replayed.keys() and all(
            _alike(value, replayed[key]) for key, value in recorded.items()
        )
    if is_array(recorded) and is_array(replayed):
        return len(recorded) == len(replayed) and all(map(_alike, recorded, replayed))
    if isinstance(recorded, float) and isinstance(replayed, float):
        return math.isclose(recorded, replayed, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return recorded == replayed


def _encode(line: Json) -> bytes:
    try:
        return msgspec.json.encode(line)
    except UnicodeEncodeError:
        # An engine's text can hold half of a surrogate pair, which no file of JSON can.
        text = json.dumps(msgspec.to_builtins(line), ensure_ascii=False)
        return text.encode(errors="replace")


def _from_input(received: Input) -> Json:
    if isinstance(received, Wire):
        return {_KIND: _CLIENT_EVENT, "event": msgspec.to_builtins(received)}
    held: Json = plain(received)
    return held


def _to_input(line: Json, offer: Offer) -> Input:
    kind, held = _split(line)
    if kind == _CLIENT_EVENT:
        return interpret(held["event"], offer)
    if kind == inputs.ResponseProduced.__name__:
        return inputs.ResponseProduced(held["job"], _to_piece(held["piece"]))
    restored: Input = msgspec.convert(held, getattr(inputs, kind))
    return restored


def _to_piece(line: Json) -> responder.ResponsePiece:
    kind, held = _split(line)
    piece: responder.ResponsePiece = msgspec.convert(held, getattr(responder, kind))
    return piece


def _split(line: Json) -> tuple[str, Json]:
    return line[_KIND], {name: value for name, value in line.items() if name != _KIND}
