import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.audio.pcm import to_pcm16
from antiphon.backends.openai_transcriber import create
from antiphon.engines.stt import (
    STT_SAMPLE_RATE_HZ,
    FinalTranscript,
    PartialTranscript,
    Segment,
    Settle,
    TranscriptionOptions,
)
from antiphon.protocol.errors import EngineError
from antiphon.testing import answers
from antiphon.testing.contracts.transcriber import cut, finals
from antiphon.testing.endpoints import TRANSCRIPTIONS, Endpoints
from antiphon.testing.loopback import Answer, AnswerStep
from antiphon.testing.scripts import Hang
from antiphon.testing.speech import read_wav, silence, speech

RATE_HZ = STT_SAMPLE_RATE_HZ
SOUND = speech(600, RATE_HZ)
SETTLE = Settle()
Step = NDArray[np.float32] | Settle | asyncio.Event
Transcript = PartialTranscript | FinalTranscript


async def feed(*steps: Step) -> AsyncIterator[NDArray[np.float32] | Settle]:
    """Yield audio and marks; wait at events."""
    for step in steps:
        if isinstance(step, asyncio.Event):
            await step.wait()
        else:
            yield step
        await asyncio.sleep(0)


def transcribe(
    *steps: Step,
    lined_up: tuple[Answer, ...] = (),
    settings: Mapping[str, object] | None = None,
    options: TranscriptionOptions | None = None,
) -> tuple[list[Transcript], Endpoints]:
    """Return the transcripts of the audio, and the endpoint that gave them."""

    async def run() -> tuple[list[Transcript], Endpoints]:
        async with Endpoints() as endpoints:
            endpoints.answer_next(TRANSCRIPTIONS, *lined_up)
            engine = create({"base_url": endpoints.base_url, "model": "m", **(settings or {})})
            try:
                wanted = options or TranscriptionOptions()
                return [each async for each in engine.transcribe(feed(*steps), wanted)], endpoints
            finally:
                await engine.close()

    return asyncio.run(run())


def text(said: str) -> Answer:
    return answers.transcription(said)


def test_the_audio_is_sent_as_a_wav_file() -> None:
    transcripts, endpoints = transcribe(SOUND)
    assert transcripts == [FinalTranscript("Hello there.")]
    (received,) = endpoints.requests
    form = received.form
    assert form["model"] == b"m"
    assert form["response_format"] == b"json"
    assert set(form) == {"file", "model", "response_format"}
    samples, rate_hz = read_wav(form["file"])
    assert rate_hz == RATE_HZ
    assert to_pcm16(samples) == to_pcm16(SOUND)


def test_language_and_prompt_are_forwarded() -> None:
    options = TranscriptionOptions("de", "Namen: Grüß, Öl")
    _, endpoints = transcribe(SOUND, options=options, settings={"extra_body": {"temperature": "0"}})
    form = endpoints.requests[0].form
    assert form["language"] == b"de"
    assert form["prompt"].decode() == "Namen: Grüß, Öl"
    assert form["temperature"] == b"0"


def test_keywords_are_told_in_the_prompt() -> None:
    options = TranscriptionOptions(prompt="A call.", keywords=("Antiphon", "Ada Lovelace"))
    _, endpoints = transcribe(SOUND, options=options)
    assert endpoints.requests[0].form["prompt"] == b"A call. Antiphon, Ada Lovelace"


def test_keywords_and_candidate_languages_have_fields_where_the_endpoint_reads_them() -> None:
    options = TranscriptionOptions(languages=("en", "de"), keywords=("Antiphon",))
    settings = {"keywords": "field", "candidate_languages": True}
    _, endpoints = transcribe(SOUND, options=options, settings=settings)
    form = endpoints.requests[0].form
    assert form["keywords[]"] == b"Antiphon"
    assert endpoints.requests[0].body.count(b'name="languages[]"') == 2
    assert "prompt" not in form


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_are_those_of_the_endpoint(*, stream: bool) -> None:
    options = TranscriptionOptions(logprobs=True)
    settings = {"logprobs": True, "stream": stream}
    heard, endpoints = transcribe(SOUND, options=options, settings=settings)
    assert endpoints.requests[0].form["include[]"] == b"logprobs"
    final = heard[-1]
    assert isinstance(final, FinalTranscript)
    assert "".join(token.text for token in final.tokens) == final.text
    assert [token.logprob for token in final.tokens][:2] == [-0.5, -1.0]
    assert bytes(final.tokens[0].octets).decode() == final.tokens[0].text


def test_speakers_are_those_of_the_endpoint() -> None:
    segments = [
        {"id": "s1", "type": "x", "text": " Hi.", "start": 0.0, "end": 1.25, "speaker": "A"},
        {"id": "s2", "text": "Hello.", "start": 1.5, "end": 2, "speaker": "B"},
    ]
    answer = answers.whole({"text": "Hi. Hello.", "segments": segments, "duration": 2.0})
    heard, endpoints = transcribe(
        SOUND,
        lined_up=(answer,),
        options=TranscriptionOptions(speakers=True),
        settings={"diarize": True, "stream": True},
    )
    form = endpoints.requests[0].form
    assert (form["response_format"], form["chunking_strategy"]) == (b"diarized_json", b"auto")
    assert "stream" not in form
    assert heard == [
        FinalTranscript(
            "Hi. Hello.",
            segments=(Segment("Hi.", 0, 1250, "A"), Segment("Hello.", 1500, 2000, "B")),
        )
    ]


def test_an_endpoint_that_tells_no_speakers_fails() -> None:
    options = TranscriptionOptions(speakers=True)
    with pytest.raises(EngineError) as failed:
        transcribe(SOUND, options=options, settings={"diarize": True})
    assert failed.value.code == "engine_invalid_answer"


def test_log_probabilities_may_come_without_bytes() -> None:
    answer = answers.whole(
        {"text": "Hé", "logprobs": [{"token": "Hé", "logprob": -1.0, "bytes": None}]}
    )
    heard, _ = transcribe(SOUND, lined_up=(answer,))
    final = heard[-1]
    assert isinstance(final, FinalTranscript)
    assert bytes(final.tokens[0].octets) == "Hé".encode()


def test_an_engine_that_may_not_ask_ahead_does_not_stream() -> None:
    settings = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
    assert create(settings).capabilities.streams
    assert not create({**settings, "partials_every_ms": 0}).capabilities.streams


def test_its_languages_are_those_of_the_settings() -> None:
    settings = {"base_url": "http://127.0.0.1/v1", "model": "m"}
    assert create(settings).capabilities.languages is None
    assert create(settings | {"languages": ["de", "en"]}).capabilities.languages == {"de", "en"}
    assert create(settings).capabilities.prompts


def test_each_text_hears_all_audio_so_far() -> None:
    transcripts, endpoints = transcribe(
        SOUND, SETTLE, SOUND, lined_up=(text("Good"), text("Good day"))
    )
    assert finals(transcripts) == ["Good", "Good day"]
    heard = [len(read_wav(each.form["file"])[0]) for each in endpoints.requests]
    assert sorted(heard) == [len(SOUND), 2 * len(SOUND)]


def test_a_mark_without_new_sound_costs_no_request() -> None:
    quiet = silence(300, RATE_HZ)
    transcripts, endpoints = transcribe(SOUND, SETTLE, quiet, SETTLE)
    assert finals(transcripts) == ["Hello there."] * 3
    assert len(endpoints.requests) == 1


@pytest.mark.parametrize(
    "steps", [(), (silence(2000, RATE_HZ), SETTLE), (speech(60, RATE_HZ), SETTLE)]
)
def test_nothing_that_could_hold_a_word_costs_no_request(steps: tuple[Step, ...]) -> None:
    transcripts, endpoints = transcribe(*steps)
    assert set(finals(transcripts)) == {""}
    assert endpoints.requests == []


def test_a_short_beginning_is_heard_once_it_has_grown() -> None:
    transcripts, _ = transcribe(speech(60, RATE_HZ), SETTLE, speech(60, RATE_HZ))
    assert finals(transcripts) == ["", "Hello there."]


def test_the_text_is_without_spaces_around_it() -> None:
    transcripts, _ = transcribe(SOUND, lined_up=(text("  Hello. \n"),))
    assert transcripts == [FinalTranscript("Hello.")]


def test_a_speaker_who_goes_on_does_not_wait_for_the_text_before() -> None:
    """The second request arrives while the first is still unanswered."""

    async def run() -> list[Transcript]:
        second_asked = asyncio.Event()

        def second() -> Any:
            second_asked.set()
            yield from text("Good day").body

        first = Answer(text("Good").body, before=[second_asked])
        async with Endpoints() as endpoints:
            endpoints.answer_next(TRANSCRIPTIONS, first, Answer(second()))
            engine = create({"base_url": endpoints.base_url, "model": "m"})
            audio = feed(SOUND, SETTLE, SOUND, SETTLE)
            transcripts = [each async for each in engine.transcribe(audio, TranscriptionOptions())]
            await engine.close()
            return transcripts

    assert finals(asyncio.run(run())) == ["Good", "Good day", "Good day"]


def test_texts_come_in_the_order_of_their_marks() -> None:
    async def run() -> list[Transcript]:
        second_answered = asyncio.Event()

        def second() -> Any:
            yield from text("Good day").body
            second_answered.set()

        first = Answer(text("Good").body, before=[second_answered])
        async with Endpoints() as endpoints:
            endpoints.answer_next(TRANSCRIPTIONS, first, Answer(second()))
            engine = create({"base_url": endpoints.base_url, "model": "m"})
            audio = feed(SOUND, SETTLE, SOUND)
            transcripts = [each async for each in engine.transcribe(audio, TranscriptionOptions())]
            await engine.close()
            return transcripts

    assert finals(asyncio.run(run())) == ["Good", "Good day"]


def test_partial_texts_cost_no_requests_unless_asked_for() -> None:
    _, endpoints = transcribe(*cut(speech(1500, RATE_HZ), 1600))
    assert len(endpoints.requests) == 1


def leave(*, how: str, ahead: Mapping[str, object] | None = None, delay: Any = None) -> bool:
    """Leave a partial text unanswered; return whether its request was ended."""
    every = {"partials_every_ms": 500} if ahead is None else ahead

    async def run() -> bool:
        asked = asyncio.Event()

        def unanswered() -> Any:
            asked.set()
            yield Hang()

        async with Endpoints() as endpoints:
            endpoints.answer_next(TRANSCRIPTIONS, Answer(before=unanswered()))
            settings = {"base_url": endpoints.base_url, "model": "m", **every}
            engine = create(settings)
            ending: Step = SETTLE if how == "mark" else asyncio.Event()
            audio = feed(SOUND, asked, ending, asyncio.Event())
            transcripts = engine.transcribe(audio, TranscriptionOptions(delay=delay))
            if how == "mark":
                assert await anext(transcripts) == FinalTranscript("Hello there.")
            else:
                waiting = asyncio.ensure_future(anext(transcripts))
                await asked.wait()
                waiting.cancel()
                await asyncio.wait([waiting])
            await endpoints.requests[0].ended.wait()
            await transcripts.aclose()
            await engine.close()
            return endpoints.requests[0].disconnected

    return asyncio.run(run())


def test_whoever_reads_along_costs_requests() -> None:
    assert leave(how="mark", ahead={}, delay="minimal")
    _, endpoints = transcribe(
        *cut(speech(1500, RATE_HZ), 1600), options=TranscriptionOptions(delay="xhigh")
    )
    assert len(endpoints.requests) == 1


def test_a_mark_ends_the_request_for_a_partial_text() -> None:
    assert leave(how="mark")


def test_cancelling_ends_the_request_for_a_partial_text() -> None:
    assert leave(how="cancel")


def test_closing_ends_the_requests_for_later_texts() -> None:
    async def run() -> bool:
        asked = asyncio.Event()

        def unanswered() -> Any:
            asked.set()
            yield Hang()

        async with Endpoints() as endpoints:
            first = Answer(text("Good").body, before=[asked])
            endpoints.answer_next(TRANSCRIPTIONS, first, Answer(before=unanswered()))
            engine = create({"base_url": endpoints.base_url, "model": "m"})
            audio = feed(SOUND, SETTLE, SOUND, SETTLE, asyncio.Event())
            transcripts = engine.transcribe(audio, TranscriptionOptions())
            assert await anext(transcripts) == FinalTranscript("Good")
            await transcripts.aclose()
            await endpoints.requests[1].ended.wait()
            await engine.close()
            return endpoints.requests[1].disconnected

    assert asyncio.run(run())


def test_more_audio_than_an_endpoint_takes_is_refused() -> None:
    hour = np.broadcast_to(np.float32(0.5), (STT_SAMPLE_RATE_HZ * 60 * 14,))
    with pytest.raises(EngineError) as failure:
        transcribe(hour)
    assert failure.value.code == "engine_rejected"
    assert "shorter turns" in failure.value.message


def test_a_text_in_events_is_read() -> None:
    transcripts, endpoints = transcribe(SOUND, settings={"stream": True})
    assert transcripts == [FinalTranscript("Hello there.")]
    assert endpoints.requests[0].form["stream"] == b"true"


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([answers.event({"type": "transcript.text.delta", "delta": "Hi"})], "engine_interrupted"),
        ([b"data: [DONE]\n\n"], "engine_invalid_answer"),
        ([b"data: x\n\n"], "engine_invalid_answer"),
        ([], "engine_invalid_answer"),
    ],
)
def test_a_text_in_events_that_does_not_end_is_a_failure(
    steps: list[AnswerStep], code: str
) -> None:
    with pytest.raises(EngineError) as failure:
        transcribe(
            SOUND, settings={"stream": True}, lined_up=(Answer(steps, answers.EVENT_STREAM),)
        )
    assert failure.value.code == code


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"text": 1}', b'{"text": "Hel', b"\xff", b"[" * 100_000]
)
def test_an_answer_without_a_text_is_a_failure(body: bytes) -> None:
    with pytest.raises(EngineError) as failure:
        transcribe(SOUND, lined_up=(Answer([body], length_bytes=len(body)),))
    assert failure.value.code == "engine_invalid_answer"


def test_a_failing_microphone_is_not_hidden() -> None:
    async def broken() -> AsyncIterator[NDArray[np.float32] | Settle]:
        yield SOUND
        raise OSError("unplugged")

    async def run() -> None:
        engine = create({"base_url": "http://127.0.0.1:9/v1", "model": "m"})
        with pytest.raises(OSError, match="unplugged"):
            await anext(engine.transcribe(broken(), TranscriptionOptions()))
        await engine.close()

    asyncio.run(run())
