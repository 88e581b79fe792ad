"""Everything the shell may be told to do. Results come back as inputs that name the job."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from antiphon.core.mcp_server import McpServer
from antiphon.core.output_audio import AudioLedger
from antiphon.engines.noise import Field
from antiphon.engines.responder import ResponseRequest
from antiphon.engines.stt import TranscriptionOptions


@dataclass(frozen=True, slots=True)
class ReduceNoise:
    """Reduce the noise of what is appended from now on; each append comes as `AudioReduced`."""

    format_name: str
    """What the client sends."""
    field: Field | None
    """Where the microphone is; None: reduce nothing."""
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class ScoreSpeech:
    """Score frames of the input audio; answered by `SpeechScored`."""

    job: int
    frames: NDArray[np.float32]
    """Shape (n, 512), 16 kHz mono, -1 to 1; they continue the frames ordered before."""


@dataclass(frozen=True, slots=True)
class PredictTurnEnd:
    """Tell from the sound of a turn whether it is over; answered by `TurnEndPredicted`."""

    job: int
    samples: NDArray[np.float32]
    """16 kHz mono, -1 to 1: the end of the turn and the silence after it."""


@dataclass(frozen=True, slots=True)
class OpenTranscription:
    """Begin to transcribe; audio follows by `FeedTranscription`."""

    job: int
    model: str | None
    """The name of a transcription deployment; None: the deployment's own transcriber."""
    options: TranscriptionOptions = field(default_factory=TranscriptionOptions)


@dataclass(frozen=True, slots=True)
class FeedTranscription:
    """Hand over the next samples of a transcription."""

    job: int
    samples: NDArray[np.float32]
    """16 kHz mono, -1 to 1, any length."""


@dataclass(frozen=True, slots=True)
class SettleTranscription:
    """Ask for the full text so far; answered by `TranscriptSettled`. More audio may follow."""

    job: int


@dataclass(frozen=True, slots=True)
class EndTranscription:
    """There is no more audio; answered by one last `TranscriptSettled`."""

    job: int


@dataclass(frozen=True, slots=True)
class StartResponse:
    """Make a response; answered by `ResponseProduced`, the last with `ResponseFinished`."""

    job: int
    request: ResponseRequest
    is_idle_work: bool = False
    """Whether it is to fail at once where the responder has anything else to do."""


@dataclass(frozen=True, slots=True)
class PrepareResponse:
    """Get ready for a response that begins like this one. Unanswered; the latest one counts."""

    request: ResponseRequest


@dataclass(frozen=True, slots=True)
class ListTools:
    """Ask an MCP server for its tools; answered by `ToolsListed`."""

    job: int
    server: McpServer


@dataclass(frozen=True, slots=True)
class CallTool:
    """Call a tool of an MCP server; answered by `ToolAnswered`."""

    job: int
    server: McpServer
    name: str
    arguments: str
    """JSON text of an object."""


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Stop a job at once; nothing of it may come back that matters."""

    job: int


@dataclass(frozen=True, slots=True)
class TakeQuota:
    """Take from the quotas that apply to this session; answered by `QuotaChanged`.

    Nothing at all may be taken, to learn where they stand.
    """

    response_id: str
    """The response that it is for."""
    requests: int
    tokens: int


@dataclass(frozen=True, slots=True)
class SettleQuota:
    """Take the rest of what a response has cost, or give back what it did not need."""

    response_id: str
    tokens: int
    """Below zero: to give back."""


@dataclass(frozen=True, slots=True)
class RecordAudio:
    """Keep the account of a response's audio, for the trace and the metrics."""

    ledger: AudioLedger


@dataclass(frozen=True, slots=True)
class NameSession:
    """Keep the names by which the application finds a session again, for the trace and the log."""

    workflow_name: str | None = None
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Hang up, after everything said before has been sent."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class ParkSession:
    """Hang up, after everything said before has been sent, and keep the session for its client."""

    code: int
    reason: str


Command = (
    ReduceNoise
    | ScoreSpeech
    | PredictTurnEnd
    | OpenTranscription
    | FeedTranscription
    | SettleTranscription
    | EndTranscription
    | StartResponse
    | PrepareResponse
    | ListTools
    | CallTool
    | CancelJob
    | TakeQuota
    | SettleQuota
    | RecordAudio
    | NameSession
    | CloseConnection
    | ParkSession
)
