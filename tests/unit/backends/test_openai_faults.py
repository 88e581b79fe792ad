"""What the engines make of an endpoint that fails; the same for all three kinds."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from antiphon.backends import openai_language_model, openai_synthesizer, openai_transcriber
from antiphon.engines.llm import ChatRequest, UserMessage
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ, Settle, TranscriptionOptions
from antiphon.engines.tts import SynthesisRequest
from antiphon.protocol.errors import EngineError
from antiphon.testing import answers
from antiphon.testing.endpoints import CHAT, SPEECH, TRANSCRIPTIONS, Endpoints
from antiphon.testing.loopback import Answer, AnswerStep, Cut
from antiphon.testing.scripts import Hang
from antiphon.testing.speech import speech

API_KEY = "sk-never-to-be-seen"


def generate(engine: Any) -> AsyncIterator[object]:
    return engine.generate(ChatRequest((UserMessage("Hello"),)))


def transcribe(engine: Any) -> AsyncIterator[object]:
    async def audio() -> AsyncIterator[object]:
        yield speech(500, STT_SAMPLE_RATE_HZ)
        yield Settle()

    return engine.transcribe(audio(), TranscriptionOptions())


def synthesize(engine: Any) -> AsyncIterator[object]:
    return engine.synthesize(SynthesisRequest("Hello.", "alloy"))


@dataclass(frozen=True)
class Kind:
    """An engine kind: how it is made, what it is asked, and how an answer to it begins."""

    name: str
    path: str
    create: Callable[[Mapping[str, object]], Any]
    ask: Callable[[Any], AsyncIterator[object]]
    content_type: str
    beginning: bytes

    def answer(self, *steps: AnswerStep) -> Answer:
        return Answer(steps, self.content_type)


KINDS = [
    Kind(
        "language model",
        CHAT,
        openai_language_model.create,
        generate,
        "text/event-stream",
        answers.chunk({"content": "Hel"}),
    ),
    Kind(
        "transcriber",
        TRANSCRIPTIONS,
        openai_transcriber.create,
        transcribe,
        "application/json",
        b'{"text": "Hel',
    ),
    Kind(
        "synthesizer",
        SPEECH,
        openai_synthesizer.create,
        synthesize,
        "audio/pcm",
        b"\x01\x00" * 400,
    ),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def ask(
    kind: Kind, *lined_up: Answer, settings: Mapping[str, object] | None = None
) -> tuple[EngineError | None, Endpoints]:
    """Ask once an endpoint that answers as lined up; return the failure, and the endpoint."""

    async def run() -> tuple[EngineError | None, Endpoints]:
        async with Endpoints() as endpoints:
            endpoints.answer_next(kind.path, *lined_up)
            engine = create(kind, endpoints, settings or {})
            try:
                async for _ in kind.ask(engine):
                    pass
            except EngineError as failure:
                return failure, endpoints
            finally:
                await engine.close()
        return None, endpoints

    return asyncio.run(run())


def create(kind: Kind, endpoints: Endpoints, settings: Mapping[str, object]) -> Any:
    base_url = endpoints.base_url.replace("http://", "http://operator:hunter2@")
    required = {"base_url": base_url, "model": "test-model", "api_key": API_KEY}
    return kind.create(required | settings)


def require_failure(failure: EngineError | None, code: str) -> EngineError:
    assert failure is not None
    assert failure.code == code
    return failure


def test_nothing_listens(kind: Kind) -> None:
    async def run() -> None:
        engine = kind.create({"base_url": "http://127.0.0.1:9/v1", "model": "test-model"})
        with pytest.raises(EngineError, match=r"cannot be reached\. Start the endpoint") as failure:
            async for _ in kind.ask(engine):
                pass
        assert failure.value.code == "engine_unreachable"
        await engine.close()

    asyncio.run(run())


def test_a_connection_lost_before_the_answer_is_tried_again(kind: Kind) -> None:
    failure, endpoints = ask(kind, Answer(before=[Cut()]))
    assert failure is None
    assert len(endpoints.requests) == 2


def test_a_connection_lost_twice_is_a_failure(kind: Kind) -> None:
    failure, endpoints = ask(kind, Answer(before=[Cut()]), Answer(before=[Cut()]))
    require_failure(failure, "engine_unreachable")
    assert len(endpoints.requests) == 2


def test_an_answer_lost_before_its_first_byte_is_asked_for_again(kind: Kind) -> None:
    failure, endpoints = ask(kind, kind.answer(Cut()))
    assert failure is None
    assert len(endpoints.requests) == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_endpoint_is_asked_again(kind: Kind, status: int) -> None:
    failure, endpoints = ask(kind, answers.failure(status, retry_after="0"))
    assert failure is None
    assert len(endpoints.requests) == 2


def test_a_busy_endpoint_is_asked_no_third_time(kind: Kind) -> None:
    busy = answers.failure(503, retry_after="0")
    failure, endpoints = ask(kind, busy, busy)
    assert "status 503" in require_failure(failure, "engine_rejected").message
    assert len(endpoints.requests) == 2


@pytest.mark.parametrize("retry_after", ["30", "inf"])
def test_an_endpoint_that_stays_busy_for_long_is_not_waited_for(
    kind: Kind, retry_after: str
) -> None:
    failure, endpoints = ask(kind, answers.failure(429, retry_after=retry_after))
    assert "status 429" in require_failure(failure, "engine_rejected").message
    assert len(endpoints.requests) == 1


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2026 07:28:00 GMT", "-5", "nan"])
def test_a_time_to_wait_that_tells_nothing_does_not_prevent_the_second_try(
    kind: Kind, retry_after: str
) -> None:
    failure, _ = ask(kind, answers.failure(503, retry_after=retry_after))
    assert failure is None


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        (302, "Set 'base_url' to the address that it redirects to."),
        (400, "See the endpoint's log"),
        (401, "Check 'api_key'"),
        (403, "Check 'api_key'"),
        (404, "Check 'base_url' and 'model'"),
        (413, "Speak in shorter turns"),
        (500, "See the endpoint's log"),
    ],
)
def test_a_refusal_names_its_status_and_the_cure(kind: Kind, status: int, cure: str) -> None:
    failure, endpoints = ask(kind, answers.failure(status, "model_not_found"))
    message = require_failure(failure, "engine_rejected").message
    assert f"status {status} (model_not_found)" in message
    assert cure in message
    assert len(endpoints.requests) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": {"code": null, "type": "invalid_request_error"}}', "invalid_request_error"),
        (b'{"object": "error", "type": "not_found", "code": 404}', "not_found"),
        (b'{"error": {"code": "Sk-Secret-1"}}', ""),
        (b'{"error": "sk-secret"}', ""),
        (b'{"error": {"code": {}}}', ""),
        (b"sk-secret", ""),
        (b"\xff\xfe", ""),
        (b"", ""),
        (b"[" * 16_000, ""),
        (b"x" * 1_000_000, ""),
    ],
)
def test_of_a_refusal_only_a_plain_code_is_repeated(kind: Kind, body: bytes, reason: str) -> None:
    failure, _ = ask(kind, Answer([body], status=400))
    message = require_failure(failure, "engine_rejected").message
    assert f"with status 400{reason and f' ({reason})'}. " in message


def test_a_refusal_whose_body_does_not_end_is_not_waited_for(kind: Kind) -> None:
    failure, _ = ask(kind, Answer([b"{", Cut()], status=400))
    require_failure(failure, "engine_rejected")


QUICK = {"timeout_s": 0.2, "idle_timeout_s": 0.2}


@pytest.mark.parametrize("moment", ["before the head", "before the body", "in the middle"])
def test_an_endpoint_that_hangs_is_given_up(kind: Kind, moment: str) -> None:
    hanging = {
        "before the head": Answer(before=[Hang()]),
        "before the body": kind.answer(Hang()),
        "in the middle": kind.answer(kind.beginning, Hang()),
    }
    failure, endpoints = ask(kind, hanging[moment], settings=QUICK)
    assert "'timeout_s'" in require_failure(failure, "engine_timeout").message
    assert len(endpoints.requests) == 1
    assert endpoints.requests[0].disconnected


def test_an_answer_that_breaks_off_is_a_failure_and_is_not_asked_for_again(kind: Kind) -> None:
    failure, endpoints = ask(kind, kind.answer(kind.beginning, Cut()))
    require_failure(failure, "engine_interrupted")
    assert len(endpoints.requests) == 1


def never_ending(kind: Kind) -> Iterable[bytes]:
    filler = {CHAT: b"x" * 65_536, TRANSCRIPTIONS: b" " * 65_536, SPEECH: bytes(65_536)}
    return itertools.chain([kind.beginning], itertools.repeat(filler[kind.path]))


def garbage(kind: Kind) -> dict[str, Answer]:
    return {
        "a web page": answers.page(),
        "no HTTP": Answer(before=[b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Cut()]),
        "an empty body": kind.answer(),
        "a compressed body": Answer([b"\x1f\x8b"], headers={"content-encoding": "gzip"}),
        "a body without end": Answer(never_ending(kind), kind.content_type),
        "another type": Answer([b"..."], "video/mp4"),
        "a type of odd characters": Answer([b"..."], f"audio/{API_KEY}!"),
    }


@pytest.mark.parametrize("answer", garbage(KINDS[0]))
def test_garbage_is_a_failure_and_is_not_asked_for_again(kind: Kind, answer: str) -> None:
    failure, endpoints = ask(kind, garbage(kind)[answer])
    assert "cannot be used" in require_failure(failure, "engine_invalid_answer").message
    assert len(endpoints.requests) == 1


FAULTS = [
    Answer(before=[Cut()]),
    Answer([f'{{"error": {{"message": "Wrong key {API_KEY}"}}}}'.encode()], status=401),
    Answer([API_KEY.encode()], f"text/{API_KEY}"),
    Answer([API_KEY.encode(), Cut()], None),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_names_engine_and_host_and_no_secret(kind: Kind, fault: Answer) -> None:
    failure, endpoints = ask(kind, fault, fault)
    assert failure is not None
    host = endpoints.origin.removeprefix("http://")
    assert f"The {kind.name} 'test-model' at {host} " in failure.message
    for secret in (API_KEY, "hunter2", "operator"):
        assert secret not in failure.message


def test_an_endpoint_that_is_well_again_is_used_again(kind: Kind) -> None:
    async def run() -> None:
        async with Endpoints() as endpoints:
            endpoints.answer_next(kind.path, kind.answer(kind.beginning, Cut()))
            engine = create(kind, endpoints, {})
            with pytest.raises(EngineError):
                async for _ in kind.ask(engine):
                    pass
            assert [piece async for piece in kind.ask(engine)]
            await engine.close()

    asyncio.run(run())


def during(kind: Kind, answer: Answer, leave: Callable[[Any], Awaitable[object]]) -> bool:
    """Leave an engine in the middle of its work; return whether the endpoint noticed."""

    async def run() -> bool:
        async with Endpoints() as endpoints:
            endpoints.answer_next(kind.path, answer)
            engine = create(kind, endpoints, {})
            await leave((engine, endpoints))
            await endpoints.requests[0].ended.wait()
            await engine.close()
            return endpoints.requests[0].disconnected

    return asyncio.run(run())


def test_cancelling_before_the_first_byte_hangs_up(kind: Kind) -> None:
    waiting = asyncio.Event()

    async def cancel(running: tuple[Any, Endpoints]) -> None:
        engine, _ = running
        first = asyncio.ensure_future(anext(kind.ask(engine)))
        await waiting.wait()
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()

    def steps() -> Iterable[AnswerStep]:
        waiting.set()
        yield Hang()

    assert during(kind, Answer(before=steps()), cancel)


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2]], ids=["language model", "synthesizer"])
def test_closing_in_the_middle_hangs_up(kind: Kind) -> None:
    async def close(running: tuple[Any, Endpoints]) -> None:
        engine, _ = running
        async with aclosing(kind.ask(engine)) as pieces:  # type: ignore[type-var]
            await anext(pieces)

    assert during(kind, kind.answer(kind.beginning, Hang()), close)


def test_requests_share_a_connection(kind: Kind) -> None:
    async def run() -> None:
        async with Endpoints() as endpoints:
            engine = create(kind, endpoints, {})
            for _ in range(3):
                assert [piece async for piece in kind.ask(engine)]
            await engine.close()
            assert endpoints.connections_made == 1

    asyncio.run(run())


def test_a_closed_engine_can_be_used_again(kind: Kind) -> None:
    async def run() -> None:
        async with Endpoints() as endpoints:
            engine = create(kind, endpoints, {})
            await engine.close()
            assert [piece async for piece in kind.ask(engine)]
            await engine.close()

    asyncio.run(run())
