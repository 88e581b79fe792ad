"""Every input of a session that is not a client event."""

from dataclasses import dataclass

from antiphon.core.limits import Standing
from antiphon.engines.responder import ResponsePiece
from antiphon.engines.stt import Segment, Token
from antiphon.protocol.items import McpError, McpToolListing


@dataclass(frozen=True, slots=True)
class Connected:
    """A client has connected. The first input of every session."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client has gone. The last input of every session."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClientMistake:
    """A frame arrived that is no valid client event; the codec says why."""

    code: str | None
    message: str
    param: str | None = None
    event_id: str | None = None
    type: str = "invalid_request_error"


@dataclass(frozen=True, slots=True)
class AudioReduced:
    """Appended audio without its noise, in the place of `input_audio_buffer.append`."""

    audio: bytes
    """PCM16 mono 24 kHz, sample for sample what was appended; the last few may come later."""
    event_id: str | None = None
    """The client event's."""


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The moment that `Session.deadline` named has come."""


@dataclass(frozen=True, slots=True)
class SpeechScored:
    """The speech probabilities of the frames that `ScoreSpeech` sent, in order."""

    job: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TurnEndPredicted:
    """How likely it is that the turn which `PredictTurnEnd` sent is over."""

    job: int
    probability: float


@dataclass(frozen=True, slots=True)
class TranscriptGrew:
    """The stable beginning of a running transcription: the whole of it so far."""

    job: int
    text: str
    tokens: tuple[Token, ...] = ()
    """Those of what it adds to the one before."""


@dataclass(frozen=True, slots=True)
class TranscriptDrafted:
    """The whole text of a running transcription as it stands; it may still change."""

    job: int
    text: str


@dataclass(frozen=True, slots=True)
class TranscriptSettled:
    """The full text up to a `SettleTranscription`, or to the end of the audio."""

    job: int
    text: str
    tokens: tuple[Token, ...] = ()
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseProduced:
    """The next piece of a response."""

    job: int
    piece: ResponsePiece


@dataclass(frozen=True, slots=True)
class ToolsListed:
    """The tools of an MCP server."""

    job: int
    tools: tuple[McpToolListing, ...]


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """What became of the call of an MCP tool: an output, or an error."""

    job: int
    output: str | None = None
    error: McpError | None = None


@dataclass(frozen=True, slots=True)
class JobFailed:
    """An engine failed; the message may be shown to the client."""

    job: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Draining:
    """The server shuts down: finish what runs, then close."""


@dataclass(frozen=True, slots=True)
class QuotaChanged:
    """Where the session's quotas stand.

    Told as it begins, after each `TakeQuota`, and when another session took the last of one.
    """

    standings: tuple[Standing, ...]
    response_id: str | None = None
    """The response that `TakeQuota` named."""
    refused_s: float | None = None
    """In how many seconds there is more, where there was nothing left to take; None: granted."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The connection of a client that may come back has been lost."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A client has come back on another connection."""

    after: str | None = None
    """The id of the last event that it has, where it says so."""


EngineResult = (
    SpeechScored
    | TurnEndPredicted
    | TranscriptGrew
    | TranscriptDrafted
    | TranscriptSettled
    | ResponseProduced
    | ToolsListed
    | ToolAnswered
    | JobFailed
)
ShellInput = (
    Connected
    | Disconnected
    | Interrupted
    | Resumed
    | ClientMistake
    | AudioReduced
    | DeadlineReached
    | Draining
    | QuotaChanged
    | EngineResult
)
