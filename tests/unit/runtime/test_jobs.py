"""Jobs: engine calls whose results come back through the inbox, whatever the engine does."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.core.commands import (
    CancelJob,
    CloseConnection,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    PredictTurnEnd,
    PrepareResponse,
    ScoreSpeech,
    SettleTranscription,
    StartResponse,
)
from antiphon.core.inputs import (
    JobFailed,
    ResponseProduced,
    SpeechScored,
    TranscriptGrew,
    TranscriptSettled,
    TurnEndPredicted,
)
from antiphon.engines.responder import (
    ResponseFinished,
    ResponseRequest,
    SpokenText,
    UserTurn,
    WrittenText,
)
from antiphon.engines.stt import (
    FinalTranscript,
    PartialTranscript,
    Settle,
    Transcriber,
    TranscriberCapabilities,
    TranscriptionOptions,
)
from antiphon.engines.turn import TurnPredictor
from antiphon.engines.vad import Vad
from antiphon.protocol.errors import EngineError
from antiphon.runtime.inbox import Inbox
from antiphon.runtime.jobs import Jobs
from antiphon.runtime.pipelines import Pipeline
from antiphon.runtime.speech_scores import SpeechScores
from antiphon.testing.engines import (
    ScriptedResponder,
    ScriptedTranscriber,
    ScriptedTurnPredictor,
    ScriptedVad,
)
from antiphon.testing.scripts import Hang

REQUEST = ResponseRequest("", (UserTurn("Hi"),), "text", "alloy")
LOUD = np.full(512, 0.5, np.float32)


class BrokenVad(ScriptedVad):
    def score(self, _batch: Any) -> Any:
        raise RuntimeError("secret words")


class OddTranscriber:
    """Yields what it is given, without listening."""

    capabilities = TranscriberCapabilities(None)

    def __init__(self, *results: Any, reads: bool = False) -> None:
        self._results = results
        self._reads = reads

    async def transcribe(
        self,
        audio: AsyncIterable[NDArray[np.float32] | Settle],
        _options: TranscriptionOptions,
    ) -> AsyncIterator[Any]:
        for result in self._results:
            yield result
        if self._reads:
            async for _ in audio:
                pass


def pipeline(
    responder: ScriptedResponder | None = None,
    transcriber: Transcriber | None = None,
    vad: Vad | None = None,
    turn_predictor: TurnPredictor | None = None,
    **models: Transcriber,
) -> Pipeline:
    return Pipeline(
        SpeechScores(vad or ScriptedVad()),
        responder or ScriptedResponder(),
        transcriber,
        MappingProxyType(models),
        turn_predictor=turn_predictor,
    )


def run(engines: Pipeline, scenario: Callable[[Jobs, Inbox], Awaitable[None]]) -> None:
    async def main() -> None:
        inbox = Inbox()
        async with asyncio.TaskGroup() as tasks:
            jobs = Jobs(engines, inbox, tasks)
            try:
                await scenario(jobs, inbox)
            finally:
                jobs.cancel_all()

    asyncio.run(main())


async def taken(inbox: Inbox, count: int) -> list[Any]:
    return [await inbox.take(5) for _ in range(count)]


async def until_quiet() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_frames_are_scored() -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(ScoreSpeech(7, np.stack([LOUD, LOUD * 0])))
        (scored,) = await taken(inbox, 1)
        assert isinstance(scored, SpeechScored)
        assert scored.job == 7
        assert [round(each, 2) for each in scored.probabilities] == [0.98, 0.02]

    run(pipeline(), scenario)


def test_the_end_of_a_turn_is_predicted() -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(PredictTurnEnd(7, LOUD))
        assert await taken(inbox, 1) == [TurnEndPredicted(7, 0.3)]

    predictor = ScriptedTurnPredictor([0.3])
    run(pipeline(turn_predictor=predictor), scenario)
    assert predictor.heard[0] is LOUD


@pytest.mark.parametrize(
    ("predictor", "code"),
    [
        (None, "engine_unavailable"),
        (ScriptedTurnPredictor([float("nan")]), "engine_invalid_answer"),
        (ScriptedTurnPredictor([1.5]), "engine_invalid_answer"),
        (ScriptedTurnPredictor(before=[EngineError("broken", "Mend it.")]), "broken"),
    ],
)
def test_a_prediction_that_cannot_be_made_fails_its_job(
    predictor: TurnPredictor | None, code: str
) -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(PredictTurnEnd(7, LOUD))
        (failed,) = await taken(inbox, 1)
        assert (failed.job, failed.code) == (7, code)

    run(pipeline(turn_predictor=predictor), scenario)


def test_a_prediction_can_be_cancelled() -> None:
    async def scenario(jobs: Jobs, _: Inbox) -> None:
        jobs.perform(PredictTurnEnd(7, LOUD))
        await until_quiet()
        jobs.perform(CancelJob(7))
        await until_quiet()

    predictor = ScriptedTurnPredictor(before=[Hang()])
    run(pipeline(turn_predictor=predictor), scenario)
    assert predictor.runs.stopped == 1


def test_frames_that_cannot_be_scored_fail_their_job() -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(ScoreSpeech(7, LOUD.reshape(1, -1)))
        (failed,) = await taken(inbox, 1)
        assert (failed.job, failed.code) == (7, "server_error")
        assert "secret" not in failed.message

    run(pipeline(vad=BrokenVad()), scenario)


def test_a_transcription_grows_settles_and_ends() -> None:
    transcriber = ScriptedTranscriber(["One two three"], word_ms=32)

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(OpenTranscription(1, None, TranscriptionOptions("en", "Ada")))
        jobs.perform(FeedTranscription(1, LOUD))
        jobs.perform(SettleTranscription(1))
        jobs.perform(FeedTranscription(1, LOUD))
        jobs.perform(EndTranscription(1))
        assert await taken(inbox, 4) == [
            TranscriptGrew(1, "One two"),
            TranscriptSettled(1, "One two"),
            TranscriptGrew(1, "One two three"),
            TranscriptSettled(1, "One two three"),
        ]
        await until_quiet()
        assert transcriber.runs.finished == 1
        assert transcriber.options == [TranscriptionOptions("en", "Ada")]
        assert await inbox.take(0) is None

    run(pipeline(transcriber=transcriber), scenario)


def test_a_transcription_is_made_by_the_model_that_was_named() -> None:
    hearing, named = ScriptedTranscriber(["hearing"]), ScriptedTranscriber(["named"])

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(OpenTranscription(1, "other"))
        jobs.perform(FeedTranscription(1, LOUD))
        jobs.perform(EndTranscription(1))
        assert await taken(inbox, 1) == [TranscriptSettled(1, "named")]

    run(pipeline(transcriber=hearing, other=named), scenario)


@pytest.mark.parametrize("model", [None, "nobody"])
def test_without_a_transcriber_the_job_fails_in_words(model: str | None) -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(OpenTranscription(1, model))
        jobs.perform(FeedTranscription(1, LOUD))
        jobs.perform(EndTranscription(1))
        (failed,) = await taken(inbox, 1)
        assert (failed.job, failed.code) == (1, "engine_unavailable")

    run(pipeline(), scenario)


@pytest.mark.parametrize(
    ("transcriber", "code"),
    [
        (OddTranscriber("a string"), "engine_invalid_answer"),
        (OddTranscriber(PartialTranscript("Hm")), "engine_invalid_answer"),
        (OddTranscriber(FinalTranscript("too early")), "engine_invalid_answer"),
        (OddTranscriber(reads=True), "engine_invalid_answer"),
        (ScriptedTranscriber(before_final=[EngineError("asleep", "Wake it.")]), "asleep"),
        (ScriptedTranscriber(before_final=[ValueError("secret words")]), "server_error"),
    ],
)
def test_a_transcriber_that_breaks_its_word_fails_the_job(
    transcriber: Transcriber, code: str
) -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(OpenTranscription(1, None))
        jobs.perform(FeedTranscription(1, LOUD))
        jobs.perform(EndTranscription(1))
        results = []
        while not results or not isinstance(results[-1], JobFailed):
            results += await taken(inbox, 1)
        assert results[-1].code == code
        assert "secret" not in results[-1].message
        await until_quiet()
        assert await inbox.take(0) is None

    run(pipeline(transcriber=transcriber), scenario)


def test_a_transcriber_owes_a_text_for_every_mark() -> None:
    transcriber = OddTranscriber(FinalTranscript("one for two"), reads=True)

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(OpenTranscription(1, None))
        jobs.perform(SettleTranscription(1))
        jobs.perform(EndTranscription(1))
        settled, failed = await taken(inbox, 2)
        assert settled == TranscriptSettled(1, "one for two")
        assert (failed.job, failed.code) == (1, "engine_invalid_answer")

    run(pipeline(transcriber=transcriber), scenario)


def test_a_response_is_brought_piece_by_piece() -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(StartResponse(3, REQUEST))
        pieces = [WrittenText("You"), WrittenText(" said:"), WrittenText(" Hi")]
        assert await taken(inbox, 4) == [
            *(ResponseProduced(3, piece) for piece in pieces),
            ResponseProduced(3, ResponseFinished("stop")),
        ]

    run(pipeline(), scenario)


class OddResponder(ScriptedResponder):
    """Yields what it is given, and nothing else."""

    def __init__(self, *pieces: Any) -> None:
        super().__init__()
        self._pieces = pieces

    async def respond(self, _request: ResponseRequest) -> AsyncIterator[Any]:
        for piece in self._pieces:
            yield piece


@pytest.mark.parametrize(
    "responder", [OddResponder(), OddResponder(SpokenText("Hi")), OddResponder("garbage")]
)
def test_a_model_that_breaks_its_word_fails_the_job(responder: ScriptedResponder) -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(StartResponse(3, REQUEST))
        result = None
        while not isinstance(result, JobFailed):
            (result,) = await taken(inbox, 1)
        assert (result.job, result.code) == (3, "engine_invalid_answer")

    run(pipeline(responder), scenario)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(EngineError("busy", "Later."), "busy"), (OSError("secret"), "server_error")],
)
def test_a_model_that_fails_fails_the_job(fault: Exception, code: str) -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(StartResponse(3, REQUEST))
        first, failed = await taken(inbox, 2)
        assert first == ResponseProduced(3, WrittenText("Hi"))
        assert (failed.job, failed.code) == (3, code)
        assert "secret" not in failed.message

    run(pipeline(ScriptedResponder(lambda _: [WrittenText("Hi"), fault])), scenario)


def test_cancelling_reaches_the_engine_and_nothing_comes_after() -> None:
    responder = ScriptedResponder(lambda _: [WrittenText("Hi"), Hang()])
    transcriber = ScriptedTranscriber(before_final=[Hang()])

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(StartResponse(3, REQUEST))
        jobs.perform(OpenTranscription(4, None))
        jobs.perform(FeedTranscription(4, LOUD))
        jobs.perform(SettleTranscription(4))
        await taken(inbox, 1)
        await until_quiet()
        assert (responder.runs.running, transcriber.runs.running) == (1, 1)
        jobs.perform(CancelJob(3))
        jobs.perform(CancelJob(4))
        jobs.perform(CancelJob(99))
        await until_quiet()
        assert (responder.runs.stopped, transcriber.runs.stopped) == (1, 1)
        jobs.perform(FeedTranscription(4, LOUD))
        jobs.perform(EndTranscription(4))
        assert await inbox.take(0) is None

    run(pipeline(responder, transcriber), scenario)


def test_a_job_that_is_cancelled_before_it_began_never_begins() -> None:
    responder = ScriptedResponder()

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(StartResponse(3, REQUEST))
        jobs.perform(CancelJob(3))
        await until_quiet()
        assert responder.runs.started == 0
        assert await inbox.take(0) is None

    run(pipeline(responder), scenario)


def test_the_end_of_the_session_stops_every_engine() -> None:
    responder = ScriptedResponder(lambda _: [Hang()])
    transcriber = ScriptedTranscriber()

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(StartResponse(3, REQUEST))
        jobs.perform(OpenTranscription(4, None))
        await until_quiet()

    run(pipeline(responder, transcriber), scenario)
    assert (responder.runs.stopped, transcriber.runs.stopped) == (1, 1)


class Preparing(ScriptedResponder):
    """Prepares for ever, or fails."""

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__()
        self.begun = self.stopped = 0
        self._fault = fault

    async def prepare(self, _request: ResponseRequest) -> None:
        self.begun += 1
        if self._fault is not None:
            raise self._fault
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped += 1


def test_only_the_latest_preparation_goes_on_and_a_response_ends_it() -> None:
    responder = Preparing()

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        for _ in range(3):
            jobs.perform(PrepareResponse(REQUEST))
            await until_quiet()
        assert (responder.begun, responder.stopped) == (3, 2)
        jobs.perform(StartResponse(1, REQUEST))
        await until_quiet()
        assert responder.stopped == 3

    run(pipeline(responder), scenario)


def test_idle_work_is_refused_while_another_session_is_answered() -> None:
    responder = ScriptedResponder(lambda _: [Hang()])
    shared = pipeline(responder)

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        async with asyncio.TaskGroup() as tasks:
            other_inbox = Inbox()
            other = Jobs(shared, other_inbox, tasks)
            jobs.perform(StartResponse(1, REQUEST))
            await until_quiet()
            other.perform(StartResponse(1, REQUEST, is_idle_work=True))
            failed = await other_inbox.take(0)
            assert isinstance(failed, JobFailed)
            assert failed.code == "engine_overloaded"
            # The same session replaces its own idle work by the next.
            jobs.perform(CancelJob(1))
            jobs.perform(StartResponse(2, REQUEST, is_idle_work=True))
            await until_quiet()
            assert responder.runs.started == 2
            jobs.cancel_all()
            await until_quiet()
            other.perform(StartResponse(2, REQUEST, is_idle_work=True))
            await until_quiet()
            assert responder.runs.started == 3
            other.cancel_all()

    run(shared, scenario)


@pytest.mark.parametrize("fault", [EngineError("busy", "Later."), ValueError("secret")])
def test_a_preparation_that_fails_is_nobodys_business(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    responder = Preparing(fault)

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(PrepareResponse(REQUEST))
        await until_quiet()
        assert await inbox.take(0) is None

    run(pipeline(responder), scenario)
    assert responder.begun == 1
    assert "secret" not in caplog.text


def test_what_is_the_runners_own_is_left_to_it() -> None:
    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(CloseConnection(1000, ""))
        assert await inbox.take(0) is None

    run(pipeline(), scenario)


def test_an_engine_waits_when_nobody_takes_its_results() -> None:
    many = ScriptedResponder(lambda _: [WrittenText("a")] * 1000)

    async def scenario(jobs: Jobs, inbox: Inbox) -> None:
        jobs.perform(StartResponse(1, REQUEST))
        for _ in range(5000):
            await asyncio.sleep(0)
        assert many.runs.running == 1
        assert len(await taken(inbox, 1001)) == 1001
        await until_quiet()
        assert many.runs.finished == 1

    run(pipeline(many), scenario)
