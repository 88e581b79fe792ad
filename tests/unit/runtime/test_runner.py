"""A session from its first event to its last, driven by the runner with scripted engines."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from caller import Caller, converse, served
from talk import COMMIT, RESPOND, TEXT, offer, pairs, retrieve, session_update, user_text

from antiphon.engines.responder import (
    ResponseFinished,
    ResponsePiece,
    ResponseRequest,
    SpokenAudio,
    SpokenText,
    WrittenText,
)
from antiphon.protocol.errors import EngineError
from antiphon.runtime.counters import Counters
from antiphon.runtime.quotas import Limits, Policy, Quotas
from antiphon.runtime.trace import replay
from antiphon.testing.engines import ScriptedResponder, ScriptedTranscriber, answer
from antiphon.testing.scripts import Hang
from antiphon.transports.base import OutboxLimits

Serving = "asyncio.Task[None]"


def test_a_spoken_conversation_of_two_turns() -> None:
    transcriber = ScriptedTranscriber(["What time is it?", "And now?"])
    responder = ScriptedResponder()

    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(session_update(transcription={"model": "whisper-1"}))
        for said in ("What time is it?", "And now?"):
            await caller.append(600)
            await caller.append(500, 0)
            heard = await caller.expect("conversation.item.input_audio_transcription.completed")
            assert heard["transcript"] == said
            done = await caller.expect("response.done")
            assert done["response"]["status"] == "completed"
            content = done["response"]["output"][0]["content"][0]
            assert content["transcript"] == f"You said: {said}"
        await caller.send(retrieve(heard["item_id"]))
        item = (await caller.expect("conversation.item.retrieved"))["item"]
        assert item["content"][0]["transcript"] == "And now?"
        assert len(item["content"][0]["audio"]) > 600 * 48

    caller = converse(script, responder=responder, transcriber=transcriber)
    assert not list(pairs(caller.events))
    assert [turn.text for turn in responder.requests[-1].context] == [  # type: ignore[union-attr]
        "What time is it?",
        "You said: What time is it?",
        "And now?",
    ]
    assert [ledger.status for ledger in caller.ledgers] == ["completed"] * 2
    assert all(ledger.made_samples == ledger.sent_samples > 0 for ledger in caller.ledgers)


def test_the_names_of_a_traced_session_stand_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    names = {"workflow_name": "Support", "group_id": "call-7"}

    async def script(caller: Caller, _: Serving) -> None:
        opened = await caller.expect("session.created")
        await caller.send(session_update(tracing={**names, "metadata": {"secret": "42"}}))
        await caller.expect("session.updated")
        (named,) = [each for each in caplog.records if each.message == "session_named"]
        assert named.__dict__["session"] == opened["session"]["id"]
        assert {key: named.__dict__[key] for key in names} == names
        assert "42" not in str(named.__dict__.values())

    with caplog.at_level(logging.INFO):
        converse(script)


def test_bad_frames_are_answered_and_the_session_goes_on() -> None:
    async def script(caller: Caller, _: Serving) -> None:
        for frame in ("{", "[]", '{"type":"foo"}'):
            await caller.send(frame)
            assert (await caller.expect("error"))["error"]["type"] == "invalid_request_error"
        await caller.send(user_text("Hi"))
        await caller.send(TEXT)
        assert (await caller.expect("response.output_text.done"))["text"] == "You said: Hi"

    converse(script)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (EngineError("busy", "Come back later."), "busy"),
        (RuntimeError("secret words"), "server_error"),
    ],
)
def test_an_engine_that_fails_fails_its_response_alone(fault: Exception, code: str) -> None:
    scripts = [[SpokenText("Hm"), fault], [WrittenText("Fine."), ResponseFinished("stop")]]
    responder = ScriptedResponder(lambda _: scripts.pop(0))  # type: ignore[arg-type, return-value]

    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(RESPOND)
        done = (await caller.expect("response.done"))["response"]
        assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", code)
        await caller.send(TEXT)
        done = (await caller.expect("response.done"))["response"]
        assert done["status"] == "completed"

    caller = converse(script, responder=responder)
    assert not list(pairs(caller.events))
    assert "secret" not in str(caller.events)


def test_an_engine_that_hangs_is_given_up_when_patience_ends() -> None:
    responder = ScriptedResponder(lambda _: [WrittenText("Once"), Hang()])

    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(TEXT)
        await caller.expect("response.output_text.delta")
        caller.now += 61
        await caller.send(user_text("Are you there?"))
        done = (await caller.expect("response.done"))["response"]
        assert done["status_details"]["error"]["code"] == "engine_timeout"

    converse(script, responder=responder)
    assert responder.runs.stopped == 1


def test_a_deadline_is_kept_without_any_input() -> None:
    responder = ScriptedResponder(lambda _: [Hang()])

    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(TEXT)
        done = (await caller.expect("response.done"))["response"]
        assert done["status"] == "failed"

    class Ticking(Caller):
        @property
        def now(self) -> float:
            return asyncio.get_running_loop().time() + 1_000_000

        @now.setter
        def now(self, _: float) -> None:
            pass

    async def scenario() -> None:
        caller = Ticking(responder=responder, offer=offer(response_patience_s=0.02))
        async with served(caller) as serving:
            await script(caller, serving)

    asyncio.run(scenario())


def test_a_client_that_vanishes_stops_the_engines() -> None:
    responder = ScriptedResponder(lambda _: [SpokenText("Once"), Hang()])
    transcriber = ScriptedTranscriber()

    async def script(caller: Caller, serving: "asyncio.Task[None]") -> None:
        await caller.append(400)
        await caller.expect("input_audio_buffer.speech_started")
        await caller.send(TEXT)
        await caller.expect("response.output_audio_transcript.delta")
        await caller.connection.leave()
        await serving

    caller = converse(script, responder=responder, transcriber=transcriber)
    assert responder.runs.stopped == 1
    assert transcriber.runs.running == 0
    assert caller.connection.closed is None
    assert [ledger.status for ledger in caller.ledgers] == ["cancelled"]


def test_a_client_that_does_not_read_is_cut() -> None:
    sound = SpokenAudio(b"\0" * 48_000, "Hm ")
    responder = ScriptedResponder(lambda _: [sound] * 200)

    async def script(caller: Caller, serving: "asyncio.Task[None]") -> None:
        await caller.send(RESPOND)
        await serving

    caller = converse(script, responder=responder, limits=OutboxLimits(waiting_bytes=100_000))
    assert responder.runs.stopped == 1
    assert caller.ledgers[0].status == "cancelled"


def test_speaking_over_an_answer_stops_the_engine() -> None:
    responder = ScriptedResponder(
        lambda request: (
            [SpokenText("Once upon a time"), SpokenAudio(b"\0" * 96_000, "Once"), Hang()]
            if len(request.context) == 1
            else answer(request)
        )
    )

    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(user_text("Tell me a story."))
        await caller.send(RESPOND)
        await caller.expect("response.output_audio.delta")
        await caller.append(600)
        await caller.expect("input_audio_buffer.speech_started")
        done = (await caller.expect("response.done"))["response"]
        assert done["status_details"]["reason"] == "turn_detected"
        await caller.append(500, 0)
        done = (await caller.expect("response.done"))["response"]
        assert done["status"] == "completed"

    caller = converse(script, responder=responder)
    assert responder.runs.stopped == 1
    assert not list(pairs(caller.events))


def test_an_idle_session_leaves_when_the_server_stops() -> None:
    async def script(caller: Caller, serving: "asyncio.Task[None]") -> None:
        await caller.expect("session.created")
        caller.stopping.set()
        assert await caller.rest() == []
        await serving

    caller = converse(script)
    assert caller.connection.closed is not None
    assert caller.connection.closed[0] == 1001


def test_a_stopping_server_lets_an_answer_finish() -> None:
    going_on = asyncio.Event()
    responder = ScriptedResponder(lambda _: [WrittenText("Once"), going_on, WrittenText(" more")])

    async def script(caller: Caller, serving: "asyncio.Task[None]") -> None:
        await caller.send(TEXT)
        await caller.expect("response.output_text.delta")
        caller.stopping.set()
        await asyncio.sleep(0)
        assert not serving.done()
        going_on.set()
        done = (await caller.expect("response.done"))["response"]
        assert done["status"] == "completed"
        assert await caller.rest() == ["rate_limits.updated"]

    caller = converse(script, responder=responder)
    assert caller.connection.closed is not None
    assert caller.connection.closed[0] == 1001


def test_a_client_may_ask_to_close() -> None:
    async def script(caller: Caller, _: Serving) -> None:
        await caller.send({"type": "session.close"})
        assert await caller.rest() == ["session.created"]

    assert converse(script).connection.closed == (1000, "session.close")


class Reluctant(ScriptedResponder):
    """Takes its time to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.may_stop = asyncio.Event()

    async def respond(self, _request: ResponseRequest) -> AsyncIterator[ResponsePiece]:
        try:
            yield WrittenText("Once")
            await asyncio.Event().wait()
        finally:
            await self.may_stop.wait()


def test_hanging_up_does_not_wait_for_a_slow_engine() -> None:
    async def script(caller: Caller, serving: "asyncio.Task[None]") -> None:
        await caller.send(TEXT)
        await caller.expect("response.output_text.delta")
        await caller.send({"type": "session.close"})
        assert (await caller.rest())[-2:] == ["response.done", "rate_limits.updated"]
        assert not serving.done()
        responder.may_stop.set()
        await serving

    responder = Reluctant()
    converse(script, responder=responder)


def test_a_trace_that_cannot_be_begun_stops_no_conversation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()

    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(TEXT)
        await caller.expect("response.done")

    converse(script, traces=tmp_path / "file" / "folder")
    assert [each.message for each in caplog.records] == ["trace_failed"]


def test_a_flood_does_not_put_the_end_of_the_session_off() -> None:
    async def script(caller: Caller, _: Serving) -> None:
        await caller.expect("session.created")

        async def flood() -> None:
            while True:
                await caller.send(COMMIT)

        flooding = asyncio.ensure_future(flood())
        for _ in range(3):
            await caller.expect("error")
        caller.now += 3601
        while (await caller.expect("error"))["error"]["code"] != "session_expired":
            pass
        assert await caller.rest() == []
        flooding.cancel()

    closed = converse(script).connection.closed
    assert closed is not None
    assert closed[0] == 1001


def test_a_session_is_recorded_and_replays_to_the_same_outputs(tmp_path: Path) -> None:
    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(session_update(transcription={"model": "gpt-4o-transcribe"}))
        await caller.append(600)
        await caller.append(500, 0)
        await caller.expect("response.done")
        await caller.send("{")
        await caller.send(COMMIT)

    caller = converse(script, traces=tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.stem == caller.events[0]["session"]["id"]
    assert list(replay(path)) == []


class Faulty(Caller):
    """Brings the session something that is no input at all."""

    async def serve(self) -> None:
        receive = self.connection.receive

        async def garbled() -> object:
            await receive()
            return object()

        self.connection.receive = garbled  # type: ignore[method-assign, assignment]
        await super().serve()


def test_a_fault_of_the_server_ends_the_session_and_keeps_its_trace(tmp_path: Path) -> None:
    async def scenario() -> None:
        caller = Faulty(traces=tmp_path)
        serving = asyncio.ensure_future(caller.serve())
        await caller.expect("session.created")
        await caller.send(COMMIT)
        with pytest.raises(ExceptionGroup):
            await serving

    asyncio.run(scenario())
    (path,) = tmp_path.iterdir()
    assert list(replay(path)) == []
    assert len(path.read_bytes().splitlines()) == 2


def test_requests_name_their_session() -> None:
    responder = ScriptedResponder()

    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(TEXT)
        await caller.expect("response.done")

    caller = converse(script, responder=responder)
    keys = {request.session_key for request in [*responder.requests, *responder.prepared]}
    assert keys == {caller.events[0]["session"]["id"]}
    assert isinstance(responder.requests[0], ResponseRequest)


def test_a_session_takes_from_its_quotas_and_its_trace_replays(tmp_path: Path) -> None:
    clock = Caller().now
    policy = Policy(Limits.parse("3/minute", "100/minute", None))
    quotas = Quotas(policy, Counters(None, lambda: clock))

    async def script(caller: Caller, _: Serving) -> None:
        done = []
        for _ in range(4):
            await caller.send(user_text("Hi"))
            await caller.send(TEXT)
            done.append((await caller.expect("response.done"))["response"])
        assert (done[0]["status"], done[-1]["status"]) == ("completed", "failed")
        error = done[-1]["status_details"]["error"]
        assert error["code"] == "rate_limit_exceeded"
        assert error["message"].endswith("Please try again in 60.0s.")

    account = quotas.account("anna", "gpt-realtime")
    caller = converse(script, traces=tmp_path, account=account)
    assert not list(pairs(caller.events))
    (trace,) = tmp_path.glob("*.jsonl")
    assert b"QuotaChanged" in trace.read_bytes()
    assert list(replay(trace)) == []


def test_a_session_without_an_account_is_not_limited() -> None:
    async def script(caller: Caller, _: Serving) -> None:
        await caller.send(user_text("Hi"))
        await caller.send(TEXT)
        (told,) = (await caller.expect("rate_limits.updated"))["rate_limits"]
        assert (told["name"], told["limit"]) == ("tokens", 1_000_000)

    converse(script)
