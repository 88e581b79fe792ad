"""A conversation with a session core in virtual time: what the client sends, says and sees."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from antiphon.core.commands import (
    CancelJob,
    CloseConnection,
    Command,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    PredictTurnEnd,
    PrepareResponse,
    RecordAudio,
    ScoreSpeech,
    SettleTranscription,
    StartResponse,
)
from antiphon.core.configuration import SessionOffer
from antiphon.core.ids import Ids
from antiphon.core.inputs import (
    ClientMistake,
    Connected,
    DeadlineReached,
    JobFailed,
    ResponseProduced,
    SpeechScored,
    TranscriptGrew,
    TranscriptSettled,
    TurnEndPredicted,
)
from antiphon.core.kinds import open_session
from antiphon.core.resumption import ResumptionTerms
from antiphon.core.routing import Input, Output
from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.engines.llm import TokenUsage
from antiphon.engines.responder import (
    CallTurn,
    FunctionCallArguments,
    FunctionCallStarted,
    ResponseFinished,
    ResponsePiece,
    ResponseRequest,
    ResultTurn,
    SpokenAudio,
    SpokenText,
    Turn,
    WrittenText,
)
from antiphon.engines.stt import Token
from antiphon.protocol import codec
from antiphon.protocol.errors import ClientError
from antiphon.protocol.wire import Wire

START = 1_800_000_000.0
APPEND_MS = 100
LOUD = 8_000
SPEECH, SILENCE = 0.95, 0.02

Event = dict[str, Any]
Tokens = tuple[Token, ...]


def offer(**changes: Any) -> SessionOffer:
    models = {
        "whisper-1": TranscriptionOffer(shares_hearing=True, bills="duration"),
        "gpt-4o-transcribe": TranscriptionOffer(
            frozenset({"en"}), shares_hearing=True, bills="tokens"
        ),
        "gpt-realtime-whisper": TranscriptionOffer(
            shares_hearing=True, streams=True, logprobs=True
        ),
        "sure": TranscriptionOffer(logprobs=True),
        "gpt-4o-transcribe-diarize": TranscriptionOffer(diarizes=True, speakers=True),
        "alone": TranscriptionOffer(diarizes=True),
        "other-engine": TranscriptionOffer(prompts=True),
    }
    settings: dict[str, Any] = {
        "model": "gpt-realtime",
        "voices": frozenset({"alloy", "marin", "cedar"}),
        "transcription_models": MappingProxyType(models),
    }
    return SessionOffer(**(settings | changes))


def server_vad(**changes: Any) -> Event:
    return {"type": "server_vad"} | changes


def session_update(**fields: Any) -> Event:
    """An update; `turn_detection`, `transcription`, `voice` and `format` go where they belong."""
    session: Event = {"type": "realtime"}
    nested = {
        "turn_detection": ("input", "turn_detection"),
        "transcription": ("input", "transcription"),
        "input_format": ("input", "format"),
        "output_format": ("output", "format"),
        "voice": ("output", "voice"),
        "speed": ("output", "speed"),
    }
    for name, value in fields.items():
        if name in nested:
            side, key = nested[name]
            session.setdefault("audio", {}).setdefault(side, {})[key] = value
        else:
            session[name] = value
    return {"type": "session.update", "session": session}


def user_text(text: str, **fields: Any) -> Event:
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content} | fields
    return {"type": "conversation.item.create", "item": item}


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""


def user_image(url: str, text: str = "", **fields: Any) -> Event:
    written = [{"type": "input_text", "text": text}] if text else []
    content = [*written, {"type": "input_image", "image_url": url, "detail": "low"}]
    item = {"type": "message", "role": "user", "content": content} | fields
    return {"type": "conversation.item.create", "item": item}


def assistant_text(text: str, **fields: Any) -> Event:
    content = [{"type": "output_text", "text": text}]
    item = {"type": "message", "role": "assistant", "content": content} | fields
    return {"type": "conversation.item.create", "item": item}


def user_audio(audio: bytes, **fields: Any) -> Event:
    content = [{"type": "input_audio", "audio": base64.b64encode(audio).decode()}]
    item = {"type": "message", "role": "user", "content": content} | fields
    return {"type": "conversation.item.create", "item": item}


def call_output(call_id: str, output: str, **fields: Any) -> Event:
    item = {"type": "function_call_output", "call_id": call_id, "output": output} | fields
    return {"type": "conversation.item.create", "item": item}


def function(name: str) -> Event:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {"type": "function", "name": name, "description": "Does it.", "parameters": parameters}


def response_create(**response: Any) -> Event:
    return {"type": "response.create", "response": response}


def retrieve(item_id: str) -> Event:
    return {"type": "conversation.item.retrieve", "item_id": item_id}


def delete(item_id: str) -> Event:
    return {"type": "conversation.item.delete", "item_id": item_id}


def truncate(item_id: str, audio_end_ms: int, content_index: int = 0) -> Event:
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": audio_end_ms,
    }


def sound_of(part: Event) -> bytes:
    return base64.b64decode(part["audio"])


TEXT: Event = {"type": "response.create", "response": {"output_modalities": ["text"]}}
RESPOND: Event = {"type": "response.create"}
CANCEL: Event = {"type": "response.cancel"}
COMMIT: Event = {"type": "input_audio_buffer.commit"}
CLEAR: Event = {"type": "input_audio_buffer.clear"}
MANUAL: Event = session_update(turn_detection=None)


def pcm(ms: int, level: int = LOUD) -> bytes:
    return np.full(ms * 24, level, "<i2").tobytes()


@dataclass
class Talk:
    """Drives one session and keeps what it said."""

    offer: Any = field(default_factory=offer)
    """Of whichever kind of session."""
    now: float = START
    events: list[Event] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    transcript: str = "What the user said."
    """What the scripted transcriber hears in any audio."""
    hears_at_once: bool = True
    """Whether the transcriber answers by itself."""
    probability: float | None = 0.9
    """How finished any turn sounds to the scripted turn predictor; None: it does not answer."""
    scores_at_once: bool = True
    """Whether the VAD answers by itself."""
    seed: bytes = b"talk"
    terms: ResumptionTerms | None = None
    """Those on which the client may come back; None: it may not."""

    def __post_init__(self) -> None:
        self.session: Any = open_session(self.offer, Ids(self.seed), self.now, self.terms)
        self._read = 0
        self.give(Connected())

    # What happens

    def give(self, received: Input) -> list[Output]:
        """Hand one input to the session, and answer what it orders where the script is simple."""
        outputs = self.session.handle(received, self.now)
        for output in outputs:
            if isinstance(output, Wire):
                self.events.append(json.loads(codec.encode(output)))
            else:
                self.commands.append(output)
        for output in outputs:
            self._answer(output)
        return outputs

    def client(self, event: Event | str) -> "Talk":
        """Send a client event as the wire would bring it."""
        frame = event if isinstance(event, str) else json.dumps(event)
        try:
            received: Input = codec.decode(frame)
        except ClientError as error:
            received = ClientMistake(
                error.code, error.message, error.param, error.event_id, error.type
            )
        self.give(received)
        return self

    def says(self, ms: int) -> "Talk":
        """Append speech in real time."""
        return self._appends(ms, LOUD)

    def pauses(self, ms: int) -> "Talk":
        """Append silence in real time."""
        return self._appends(ms, 0)

    def append(self, audio: bytes) -> "Talk":
        return self.client(
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}
        )

    def waits(self, seconds: float) -> "Talk":
        """Let time pass, keeping the session's deadlines."""
        until = self.now + seconds
        while (deadline := self.session.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.give(DeadlineReached())
        self.now = until
        return self

    # What engines do

    @property
    def ordered(self) -> StartResponse:
        """The response ordered last."""
        return next(c for c in reversed(self.commands) if isinstance(c, StartResponse))

    @property
    def started(self) -> list[StartResponse]:
        """All responses ordered."""
        return [c for c in self.commands if isinstance(c, StartResponse)]

    @property
    def memory(self) -> list[str]:
        """The texts of what the responder was given to read last."""
        return [_text_of(turn) for turn in self.request.context]

    @property
    def request(self) -> ResponseRequest:
        """What the responder was asked last."""
        return self.ordered.request

    def produces(self, *pieces: ResponsePiece, job: int | None = None) -> "Talk":
        """Let the responder bring pieces."""
        number = self.ordered.job if job is None else job
        for piece in pieces:
            self.give(ResponseProduced(number, piece))
        return self

    def replies(
        self, text: str = "Hello there.", *, audio_ms: int = 400, finish: bool = False
    ) -> "Talk":
        """Let the responder speak."""
        self.produces(SpokenText(text), SpokenAudio(pcm(audio_ms), text))
        return self.finishes() if finish else self

    def writes(self, text: str, *, finish: bool = True) -> "Talk":
        """Let the responder write."""
        self.produces(*(WrittenText(word) for word in text.split(" ")))
        return self.finishes() if finish else self

    def calls(self, name: str, arguments: str) -> "Talk":
        """Let the responder call a function."""
        half = len(arguments) // 2
        return self.produces(
            FunctionCallStarted(name),
            FunctionCallArguments(arguments[:half]),
            FunctionCallArguments(arguments[half:]),
        )

    def finishes(self, reason: Any = "stop", usage: TokenUsage | None = None) -> "Talk":
        return self.produces(ResponseFinished(reason, usage or TokenUsage(20, 5, 7)))

    def fails(self, job: int, code: str = "engine_unreachable") -> "Talk":
        self.give(JobFailed(job, code, "The engine cannot be reached. Start it."))
        return self

    def hears(self, text: str, job: int | None = None, tokens: Tokens = ()) -> "Talk":
        """Let the transcriber settle."""
        opened = [c for c in self.commands if isinstance(c, OpenTranscription)]
        self.give(TranscriptSettled(opened[-1].job if job is None else job, text, tokens))
        return self

    @property
    def listened(self) -> list[PredictTurnEnd]:
        """All turns whose end was to be predicted."""
        return [c for c in self.commands if isinstance(c, PredictTurnEnd)]

    def predicts(self, probability: float, job: int | None = None) -> "Talk":
        """Let the turn predictor answer."""
        self.give(TurnEndPredicted(self.listened[-1].job if job is None else job, probability))
        return self

    def understands(self, text: str, tokens: Tokens = ()) -> "Talk":
        """Let the transcriber bring a stable beginning."""
        opened = [c for c in self.commands if isinstance(c, OpenTranscription)]
        self.give(TranscriptGrew(opened[-1].job, text, tokens))
        return self

    # What is seen

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def expect(self, kind: str, **fields: Any) -> Event:
        """Return the next event of this type after the last one expected; others may lie between.

        Fields are compared wherever they occur in the event, e.g. ``status="cancelled"``.
        """
        for index in range(self._read, len(self.events)):
            event = self.events[index]
            if event["type"] == kind and all(_has(event, k, v) for k, v in fields.items()):
                self._read = index + 1
                return event
        seen = [event["type"] for event in self.events[self._read :]]
        raise AssertionError(f"No {kind} {fields or ''} among {seen}")

    def expect_error(self, code: str | None, param: str | None = None) -> Event:
        error: Event = self.expect("error")["error"]
        assert (error["code"], error["param"]) == (code, param), error
        return error

    def expect_nothing(self) -> None:
        assert self.types[self._read :] == []

    def since(self, mark: int) -> list[str]:
        return self.types[mark:]

    def all(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    def cancelled(self) -> list[int]:
        return [command.job for command in self.commands if isinstance(command, CancelJob)]

    def closed(self) -> CloseConnection | None:
        return next((c for c in self.commands if isinstance(c, CloseConnection)), None)

    def last(self, kind: str) -> Event:
        return self.all(kind)[-1]

    def item(self, item_id: str) -> Event:
        """Return an item as it is stored, with its sound."""
        self.client(retrieve(item_id))
        item: Event = self.last("conversation.item.retrieved")["item"]
        assert item["id"] == item_id
        return item

    def sound(self) -> bytes:
        """All sound that was sent."""
        deltas = self.all("response.output_audio.delta")
        return b"".join(base64.b64decode(delta["delta"]) for delta in deltas)

    def ledgers(self) -> list[Any]:
        return [c.ledger for c in self.commands if isinstance(c, RecordAudio)]

    def prepared(self) -> list[ResponseRequest]:
        return [c.request for c in self.commands if isinstance(c, PrepareResponse)]

    def _appends(self, ms: int, level: int) -> "Talk":
        for start in range(0, ms, APPEND_MS):
            size = min(APPEND_MS, ms - start)
            self.append(pcm(size, level))
            self.now += size / 1000
        return self

    def _answer(self, output: Output) -> None:
        match output:
            case ScoreSpeech(job, frames) if self.scores_at_once:
                loud = np.abs(frames).max(axis=1) > 0.05
                scores = tuple(SPEECH if each else SILENCE for each in loud)
                self.give(SpeechScored(job, scores))
            case PredictTurnEnd(job) if self.probability is not None:
                self.give(TurnEndPredicted(job, self.probability))
            case SettleTranscription(job) | EndTranscription(job) if self.hears_at_once:
                self.give(TranscriptSettled(job, self.transcript))
            case FeedTranscription() | _:
                pass


def pairs(events: list[Event]) -> Iterator[str]:
    """Yield what is unpaired among events: whatever began and did not end, or ended twice."""
    yield from _responses(events)
    for added, done in (
        ("conversation.item.added", "conversation.item.done"),
        ("response.output_item.added", "response.output_item.done"),
    ):
        yield from _unequal(events, added, done, lambda event: event["item"]["id"])
    yield from _unequal(
        events,
        "response.content_part.added",
        "response.content_part.done",
        lambda event: event["item_id"],
    )


def _responses(events: list[Event]) -> Iterator[str]:
    """Yield what is wrong with the lives of responses."""
    alive: set[str] = set()
    for event in events:
        about = event.get("response_id") or event.get("response", {}).get("id")
        if event["type"] == "response.created":
            alive.add(about)
        elif about is not None and about not in alive:
            yield f"{event['type']} of {about}, which is not alive"
        if event["type"] == "response.done":
            alive.discard(about)
            used = event["response"]["usage"]
            if used["total_tokens"] != used["input_tokens"] + used["output_tokens"]:
                yield f"usage {used}"
    yield from (f"no response.done for {each}" for each in alive)


def _unequal(
    events: list[Event], added: str, done: str, key: Callable[[Event], str]
) -> Iterator[str]:
    begun = sorted(key(event) for event in events if event["type"] == added)
    ended = sorted(key(event) for event in events if event["type"] == done)
    if begun != ended:
        yield f"{added} {begun} against {done} {ended}"


def _text_of(turn: Turn) -> str:
    match turn:
        case CallTurn(_, name, arguments):
            return f"{name}({arguments})"
        case ResultTurn(_, output):
            return output
        case _:
            return turn.text


def _has(value: Any, key: str, expected: Any) -> bool:
    if isinstance(value, dict):
        if key in value and value[key] == expected:
            return True
        return any(_has(each, key, expected) for each in value.values())
    if isinstance(value, list):
        return any(_has(each, key, expected) for each in value)
    return False
