"""Run what a session orders: engine calls whose results come back through its inbox."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import PurePath
from typing import Any, assert_never, cast

import numpy as np
from numpy.typing import NDArray

from antiphon.core.commands import (
    CallTool,
    CancelJob,
    CloseConnection,
    Command,
    EndTranscription,
    FeedTranscription,
    ListTools,
    NameSession,
    OpenTranscription,
    ParkSession,
    PredictTurnEnd,
    PrepareResponse,
    RecordAudio,
    ReduceNoise,
    ScoreSpeech,
    SettleQuota,
    SettleTranscription,
    StartResponse,
    TakeQuota,
)
from antiphon.core.inputs import (
    EngineResult,
    JobFailed,
    ResponseProduced,
    SpeechScored,
    TranscriptDrafted,
    TranscriptGrew,
    TranscriptSettled,
    TurnEndPredicted,
)
from antiphon.engines.responder import ResponseFinished, ResponsePiece, ResponseRequest
from antiphon.engines.stt import (
    DraftTranscript,
    FinalTranscript,
    PartialTranscript,
    Settle,
    Transcriber,
    TranscriptionOptions,
)
from antiphon.protocol.errors import EngineError
from antiphon.runtime.inbox import Inbox
from antiphon.runtime.mcp_sessions import McpSessions
from antiphon.runtime.pipelines import Pipeline

_logger = logging.getLogger(__name__)

_FAULT = "The engine failed for a reason of its own. Try again; the server's log has the details."

_BUSY = "The engine has other work to do. Try again."

_Audio = asyncio.Queue["NDArray[np.float32] | Settle | None"]


class Jobs:
    """The running jobs of one session; they end with the task group they run in."""

    def __init__(self, pipeline: Pipeline, inbox: Inbox, tasks: asyncio.TaskGroup) -> None:
        self._pipeline = pipeline
        self._inbox = inbox
        self._tasks = tasks
        self._speech = pipeline.speech.open()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._audio: dict[int, _Audio] = {}
        self._preparing: asyncio.Task[None] | None = None
        self._mcp = McpSessions(pipeline.reach, tasks)

    def perform(self, command: Command) -> None:
        """Carry out one command; never waits."""
        match command:
            case ScoreSpeech() | PredictTurnEnd():
                self._listen(command)
            case FeedTranscription() | SettleTranscription() | EndTranscription():
                self._hand(command)
            case OpenTranscription():
                self._open_transcription(command)
            case StartResponse() | PrepareResponse():
                self._answer(command)
            case ListTools() | CallTool():
                self._start(command.job, self._mcp.ask(command))
            case CancelJob(job):
                self._cancel(job)
            case (
                CloseConnection()
                | ParkSession()
                | RecordAudio()
                | NameSession()
                | ReduceNoise()
                | TakeQuota()
                | SettleQuota()
            ):
                pass  # the runner's own
            case _:
                assert_never(command)

    def cancel_all(self) -> None:
        """Stop everything that runs."""
        self._stop_preparing()
        for task in self._running.values():
            task.cancel()
        self._mcp.close()

    def _listen(self, command: ScoreSpeech | PredictTurnEnd) -> None:
        match command:
            case ScoreSpeech():
                self._score(command)
            case PredictTurnEnd(job, samples):
                self._start(job, self._predict(job, samples))

    def _score(self, command: ScoreSpeech) -> None:
        def deliver(probabilities: tuple[float, ...] | None) -> None:
            self._inbox.put_at_once(
                JobFailed(command.job, "server_error", _FAULT)
                if probabilities is None
                else SpeechScored(command.job, probabilities)
            )

        self._pipeline.speech.order(self._speech, command.frames, deliver)

    def _hand(self, command: FeedTranscription | SettleTranscription | EndTranscription) -> None:
        queue = self._audio.get(command.job)
        if queue is None:
            return
        match command:
            case FeedTranscription(_, samples):
                queue.put_nowait(samples)
            case SettleTranscription():
                queue.put_nowait(Settle())
            case EndTranscription():
                queue.put_nowait(None)

    def _open_transcription(self, command: OpenTranscription) -> None:
        transcriber = (
            self._pipeline.transcriber
            if command.model is None
            else self._pipeline.transcription_models.get(command.model)
        )
        if transcriber is None:
            message = "The deployment has no transcriber. Name one in its settings."
            self._inbox.put_at_once(JobFailed(command.job, "engine_unavailable", message))
            return
        queue: _Audio = asyncio.Queue()
        self._audio[command.job] = queue
        work = self._transcribe(command.job, transcriber, command.options, queue)
        self._start(command.job, work)

    def _answer(self, command: StartResponse | PrepareResponse) -> None:
        self._stop_preparing()
        if isinstance(command, PrepareResponse):
            self._preparing = self._tasks.create_task(self._prepare(command.request))
            return
        if command.is_idle_work and self._pipeline.answering.is_busy_beside(self):
            self._inbox.put_at_once(JobFailed(command.job, "engine_overloaded", _BUSY))
            return
        self._start(command.job, self._respond(command.job, command.request))

    def _start(self, job: int, work: "Work") -> None:
        task = self._tasks.create_task(self._guard(job, work))
        self._running[job] = task
        task.add_done_callback(lambda _: self._forget(job))

    def _cancel(self, job: int) -> None:
        task = self._running.get(job)
        if task is not None:
            task.cancel()

    def _forget(self, job: int) -> None:
        self._running.pop(job, None)
        self._audio.pop(job, None)

    def _stop_preparing(self) -> None:
        if self._preparing is not None:
            self._preparing.cancel()
            self._preparing = None

    async def _guard(self, job: int, work: "Work") -> None:
        """Feed the results of a job back; whatever goes wrong fails this job and nothing else."""
        try:
            async with aclosing(cast("Any", work)) as results:
                async for result in results:
                    await self._inbox.put(result)
        except EngineError as failure:
            await self._inbox.put(JobFailed(job, failure.code, failure.message))
        except Exception as fault:  # noqa: BLE001 - an engine may raise anything
            _logger.error("job_failed", extra={"job": job, **_where(fault)})
            await self._inbox.put(JobFailed(job, "server_error", _FAULT))

    async def _predict(self, job: int, samples: NDArray[np.float32]) -> AsyncIterator[EngineResult]:
        predictor = self._pipeline.turn_predictor
        if predictor is None:
            raise EngineError("engine_unavailable", "The deployment has no turn predictor.")
        probability = await predictor.predict(samples)
        if not 0 <= probability <= 1:
            raise EngineError("engine_invalid_answer", "The turn predictor gave no probability.")
        yield TurnEndPredicted(job, probability)

    async def _transcribe(
        self, job: int, transcriber: Transcriber, options: TranscriptionOptions, queue: _Audio
    ) -> AsyncIterator[EngineResult]:
        audio = _Handed(queue)
        async with aclosing(cast("Any", transcriber.transcribe(audio.pieces(), options))) as heard:
            async for transcript in heard:
                match transcript:
                    case PartialTranscript(text, tokens):
                        yield TranscriptGrew(job, text, tokens)
                    case DraftTranscript(text):
                        yield TranscriptDrafted(job, text)
                    case FinalTranscript(text, tokens, segments):
                        audio.unanswered -= 1
                        yield TranscriptSettled(job, text, tokens, segments)
                    case _:
                        raise _garbage("transcriber", transcript)
        if audio.unanswered > 0 or not audio.has_ended:
            raise _stopped("transcriber")

    async def _respond(self, job: int, request: ResponseRequest) -> AsyncIterator[EngineResult]:
        piece: object = None
        with self._pipeline.answering.by(self):
            async with aclosing(cast("Any", self._pipeline.responder.respond(request))) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, ResponsePiece):
                        raise _garbage("model", piece)
                    yield ResponseProduced(job, piece)
        if not isinstance(piece, ResponseFinished):
            raise _stopped("model")

    async def _prepare(self, request: ResponseRequest) -> None:
        try:
            await self._pipeline.responder.prepare(request)
        except EngineError as failure:
            _logger.info("prepare_failed", extra={"code": failure.code})
        except Exception as fault:  # noqa: BLE001 - an engine may raise anything
            _logger.error("prepare_failed", extra=_where(fault))


Work = AsyncIterator[EngineResult]


def _where(fault: Exception) -> dict[str, str]:
    """Return what kind of fault it is and where it arose; its text might tell what was said."""
    frames = traceback.extract_tb(fault.__traceback__)
    last = f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"fault": type(fault).__name__, "where": last}


class _Handed:
    """The audio of one transcription on its way to the engine, and what it still owes for it."""

    def __init__(self, queue: _Audio) -> None:
        self._queue = queue
        self.unanswered = 0
        """Full texts that the engine was asked for and has not given."""
        self.has_ended = False

    async def pieces(self) -> AsyncIterator[NDArray[np.float32] | Settle]:
        """Yield the audio until it ends."""
        while (audio := await self._queue.get()) is not None:
            self.unanswered += isinstance(audio, Settle)
            yield audio
        self.unanswered += 1
        self.has_ended = True


def _garbage(kind: str, what: object) -> EngineError:
    return EngineError(
        "engine_invalid_answer",
        f"The {kind} returned a {type(what).__name__}, which is none of its results.",
    )


def _stopped(kind: str) -> EngineError:
    return EngineError(
        "engine_invalid_answer", f"The {kind} stopped in the middle of its answer. Try again."
    )
