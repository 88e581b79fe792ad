"""A translation session in virtual time: what is said, what engines make of it, what comes back."""

import base64
import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from talk import LOUD, SILENCE, SPEECH, START, Event, pcm

from antiphon.core.commands import (
    CloseConnection,
    Command,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    ScoreSpeech,
    SettleTranscription,
    StartResponse,
)
from antiphon.core.configuration import TranscriptionOffer
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
)
from antiphon.core.routing import Input, Output
from antiphon.core.translation import TranslationSession
from antiphon.core.translation_settings import TranslationOffer
from antiphon.engines.responder import ResponseFinished, ResponsePiece, SpokenAudio, SpokenText
from antiphon.protocol import codec
from antiphon.protocol.dialects.translation import VOCABULARY
from antiphon.protocol.errors import ClientError
from antiphon.protocol.wire import Wire

CLOSE: Event = {"type": "session.close"}


def offer(**changes: Any) -> TranslationOffer:
    models = {
        "gpt-realtime-whisper": TranscriptionOffer(shares_hearing=True, streams=True),
        "whisper-1": TranscriptionOffer(shares_hearing=True, bills="duration"),
        "other-engine": TranscriptionOffer(streams=True),
    }
    settings: dict[str, Any] = {
        "model": "gpt-realtime-translate",
        "languages": ("en", "es", "de", "ja"),
        "language": "es",
        "transcription_models": MappingProxyType(models),
    }
    return TranslationOffer(**(settings | changes))


def update(**audio: Any) -> Event:
    return {"type": "session.update", "session": {"audio": audio}}


def show(model: str | None) -> Event:
    wanted = None if model is None else {"model": model}
    return update(input={"transcription": wanted})


def append(audio: bytes) -> Event:
    encoded = base64.b64encode(audio).decode()
    return {"type": "session.input_audio_buffer.append", "audio": encoded}


@dataclass
class Interpreting:
    """Drives one session and keeps what it said."""

    offer: TranslationOffer = field(default_factory=offer)
    now: float = START
    events: list[Event] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    transcript: str = ""
    """What the scripted transcriber makes of any sound; nothing: it waits to be told."""
    scores_at_once: bool = True
    translates_at_once: bool = False
    """Whether every passage comes back in capitals, with 10 ms of sound for each character."""

    def __post_init__(self) -> None:
        self.session = TranslationSession(self.offer, Ids(b"interpreting"), self.now)
        self.give(Connected())

    def give(self, received: Input) -> list[Output]:
        outputs = self.session.handle(received, self.now)
        for output in outputs:
            if isinstance(output, Wire):
                self.events.append(json.loads(codec.encode(output)))  # type: ignore[arg-type]
            else:
                self.commands.append(output)
        for output in outputs:
            self._answer(output)
        return outputs

    def client(self, event: Event | str) -> "Interpreting":
        frame = event if isinstance(event, str) else json.dumps(event)
        try:
            received: Input = VOCABULARY.decode(frame)
        except ClientError as error:
            received = ClientMistake(
                error.code, error.message, error.param, error.event_id, error.type
            )
        self.give(received)
        return self

    def says(self, ms: int) -> "Interpreting":
        """Append speech in real time."""
        return self._appends(ms, LOUD)

    def pauses(self, ms: int = 600) -> "Interpreting":
        """Append silence in real time."""
        return self._appends(ms, 0)

    def waits(self, seconds: float) -> "Interpreting":
        until = self.now + seconds
        while (deadline := self.session.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.give(DeadlineReached())
        self.now = until
        return self

    # What engines do

    def opened(self, model: str | None = None) -> list[int]:
        """The transcriptions ordered so far."""
        return [
            each.job
            for each in self.commands
            if isinstance(each, OpenTranscription) and each.model == model
        ]

    def understands(self, text: str, job: int | None = None) -> "Interpreting":
        """Let a transcriber bring a stable beginning."""
        self.give(TranscriptGrew(self.opened()[-1] if job is None else job, text))
        return self

    def hears(self, text: str, job: int | None = None) -> "Interpreting":
        """Let a transcriber give every full text that it was asked for."""
        number = self.opened()[-1] if job is None else job
        asked = [
            each
            for each in self.commands
            if isinstance(each, SettleTranscription | EndTranscription) and each.job == number
        ]
        for _ in asked:
            self.give(TranscriptSettled(number, text))
        return self

    @property
    def passages(self) -> list[StartResponse]:
        return [each for each in self.commands if isinstance(each, StartResponse)]

    @property
    def sources(self) -> list[str]:
        """What was given to be translated, passage by passage."""
        return [each.request.context[-1].text for each in self.passages]  # type: ignore[union-attr]

    def translates(self, text: str, audio_ms: int = 300, job: int | None = None) -> "Interpreting":
        """Let the engines translate the passage ordered last, to its end."""
        pieces: list[ResponsePiece] = [SpokenText(text), SpokenAudio(pcm(audio_ms), text)]
        return self.produces(*pieces, ResponseFinished("stop"), job=job)

    def produces(self, *pieces: ResponsePiece, job: int | None = None) -> "Interpreting":
        number = self.passages[-1].job if job is None else job
        for piece in pieces:
            self.give(ResponseProduced(number, piece))
        return self

    def fails(self, job: int) -> "Interpreting":
        self.give(JobFailed(job, "engine_unreachable", "The engine cannot be reached. Start it."))
        return self

    # What is seen

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def all(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    def text(self, side: str = "output") -> str:
        return "".join(each["delta"] for each in self.all(f"session.{side}_transcript.delta"))

    def sound(self) -> bytes:
        deltas = self.all("session.output_audio.delta")
        return b"".join(base64.b64decode(each["delta"]) for each in deltas)

    def error(self) -> Event:
        """The last event, which is an error."""
        assert self.types[-1] == "error", self.types
        body: Event = self.events[-1]["error"]
        return body

    def closed(self) -> list[CloseConnection]:
        return [each for each in self.commands if isinstance(each, CloseConnection)]

    def scored(self) -> np.ndarray[Any, Any]:
        """Every sample that the VAD was given."""
        frames = [
            each.frames.reshape(-1) for each in self.commands if isinstance(each, ScoreSpeech)
        ]
        return np.concatenate(frames) if frames else np.zeros(0, np.float32)

    def fed(self, job: int | None = None) -> np.ndarray[Any, Any]:
        """Every sample that a transcription was given, or all of them together."""
        samples = [
            each.samples
            for each in self.commands
            if isinstance(each, FeedTranscription) and (job is None or each.job == job)
        ]
        return np.concatenate(samples) if samples else np.zeros(0, np.float32)

    def _appends(self, ms: int, level: int) -> "Interpreting":
        for start in range(0, ms, 200):
            size = min(200, ms - start)
            self.client(append(pcm(size, level)))
            self.now += size / 1000
        return self

    def _answer(self, output: Output) -> None:
        match output:
            case ScoreSpeech(job, frames) if self.scores_at_once:
                loud = np.sqrt(np.mean(frames**2, axis=1)) > 0.01
                scores = tuple(SPEECH if each else SILENCE for each in loud)
                self.give(SpeechScored(job, scores))
            case SettleTranscription(job) | EndTranscription(job) if self.transcript:
                self.give(TranscriptSettled(job, self.transcript))
            case StartResponse(job, request) if self.translates_at_once:
                text = request.context[-1].text.upper()  # type: ignore[union-attr]
                self.translates(text, 10 * len(text), job)
            case _:
                """Left to the script."""
