"""What a session uses, read off the events that pass between client and session.

So every transport and every kind of session is counted alike, and the sums are those that clients
were told: the tokens of `response.done` and of transcriptions, and the sound that was sent.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

from antiphon.audio.formats import FORMATS, PCM
from antiphon.audio.pcm import SAMPLE_RATE_HZ
from antiphon.core.output_audio import AudioLedger
from antiphon.protocol.families import AnyServerEvent
from antiphon.protocol.response import (
    TranscriptionDurationUsage,
    TranscriptionTokenUsage,
    TranscriptionUsage,
    Usage,
)
from antiphon.protocol.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
)
from antiphon.protocol.translation import SessionOutputAudioDelta

_LONGEST_S = 60.0
"""After which a session is counted though nothing was done: a crash loses no more."""


@dataclass(frozen=True, slots=True)
class Used:
    """What was used; sums of it are what the ledger holds."""

    requests: int = 0
    sessions: int = 0
    session_seconds: float = 0.0
    responses: int = 0
    failed_responses: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cached_text_tokens: int = 0
    cached_audio_tokens: int = 0
    cached_image_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    input_audio_seconds: float = 0.0
    output_audio_seconds: float = 0.0
    transcriptions: int = 0
    transcription_input_tokens: int = 0
    transcription_output_tokens: int = 0
    transcription_seconds: float = 0.0

    def __add__(self, other: "Used") -> "Used":
        """Return both together."""
        return Used(*(getattr(self, each) + getattr(other, each) for each in COLUMNS))


COLUMNS = tuple(each.name for each in fields(Used))
"""What is counted, by name."""

NOTHING = Used()


class UsageMeter:
    """Counts one session."""

    def __init__(self, record: Callable[[Used], None], clock: Callable[[], float]) -> None:
        """Record into a ledger, by a clock that never goes back."""
        self._record = record
        self._clock = clock
        self._counted_at = clock()
        self._format = FORMATS[PCM]
        self._heard = 0.0

    def now(self) -> float:
        """Return the time that it goes by."""
        return self._clock()

    def open(self) -> None:
        """Count the session itself."""
        self._record(Used(requests=1, sessions=1))

    def close(self) -> None:
        """Count what has not been counted yet."""
        self._settle(NOTHING)

    def hear(self, audio: str) -> None:
        """Take note of sound of the client, in base64."""
        self._heard += self._seconds(audio)
        if self._clock() - self._counted_at >= _LONGEST_S:
            self._settle(NOTHING)

    def send(self, event: AnyServerEvent) -> None:
        """Take note of an event of the session."""
        match event:
            case ResponseDone():
                self._settle(_response(event.response.usage, event.response.status))
            case ConversationItemInputAudioTranscriptionCompleted():
                self._settle(_transcription(event.usage))
            case SessionCreated() | SessionUpdated():
                self._format = FORMATS[str(event.session.audio.input.format.__struct_config__.tag)]
            case SessionOutputAudioDelta():
                self._record(Used(output_audio_seconds=self._seconds(event.delta)))
            case _:
                pass  # costs nothing

    def speak(self, ledger: AudioLedger) -> None:
        """Take note of the sound of a response."""
        if ledger.sent_samples:
            self._record(Used(output_audio_seconds=ledger.sent_samples / SAMPLE_RATE_HZ))

    def _seconds(self, audio: str) -> float:
        size = len(audio) * 3 // 4
        return size / (self._format.bytes_per_sample * self._format.sample_rate_hz)

    def _settle(self, used: Used) -> None:
        """Count this, and the time and sound since the last time: a crash loses no more."""
        now = self._clock()
        seconds, self._counted_at = now - self._counted_at, now
        heard, self._heard = self._heard, 0.0
        self._record(used + Used(session_seconds=seconds, input_audio_seconds=heard))


def _response(usage: Usage | None, status: str) -> Used:
    spent = usage or Usage()
    read, said = spent.input_token_details, spent.output_token_details
    cached = read.cached_tokens_details
    return Used(
        requests=1,
        responses=1,
        failed_responses=int(status == "failed"),
        input_text_tokens=read.text_tokens,
        input_audio_tokens=read.audio_tokens,
        input_image_tokens=read.image_tokens,
        cached_text_tokens=cached.text_tokens,
        cached_audio_tokens=cached.audio_tokens,
        cached_image_tokens=cached.image_tokens,
        output_text_tokens=said.text_tokens,
        output_audio_tokens=said.audio_tokens,
    )


def _transcription(usage: TranscriptionUsage) -> Used:
    match usage:
        case TranscriptionTokenUsage():
            return Used(
                transcriptions=1,
                transcription_input_tokens=usage.input_tokens,
                transcription_output_tokens=usage.output_tokens,
            )
        case TranscriptionDurationUsage():
            return Used(transcriptions=1, transcription_seconds=usage.seconds)
