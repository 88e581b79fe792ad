import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.engines.llm import (
    CallArguments,
    CallStarted,
    ChatRequest,
    GenerationFinished,
    GenerationPiece,
    TextDelta,
    TokenUsage,
    ToolCall,
    UserMessage,
)
from antiphon.engines.responder import ResponseFinished, ResponseRequest, UserTurn, WrittenText
from antiphon.engines.stt import (
    FinalTranscript,
    PartialTranscript,
    Settle,
    Transcriber,
    TranscriptionOptions,
)
from antiphon.engines.tts import SynthesisRequest
from antiphon.engines.vad import PendingFrames, VadState
from antiphon.protocol.errors import EngineError
from antiphon.testing import plugins
from antiphon.testing.engines import (
    SILENCE_PROBABILITY,
    SPEECH_PROBABILITY,
    ScriptedLanguageModel,
    ScriptedResponder,
    ScriptedTranscriber,
    ScriptedVad,
    ToneSynthesizer,
    split_words,
)
from antiphon.testing.scripts import Hang
from antiphon.testing.speech import silence, tone

HELLO = ChatRequest((UserMessage("Hello"),))
FAILURE = EngineError("engine_broken", "The engine is broken. Mend it.")
SETTLE = Settle()
Step = NDArray[np.float32] | Settle


async def feed(steps: Sequence[Step]) -> AsyncIterator[Step]:
    for step in steps:
        yield step


def hear(engine: Transcriber, *steps: Step) -> list[PartialTranscript | FinalTranscript]:
    async def run() -> list[PartialTranscript | FinalTranscript]:
        transcripts = engine.transcribe(feed(steps), TranscriptionOptions("en"))
        return [each async for each in transcripts]

    return asyncio.run(run())


def generate(engine: ScriptedLanguageModel, request: ChatRequest = HELLO) -> list[GenerationPiece]:
    async def run() -> list[GenerationPiece]:
        return [piece async for piece in engine.generate(request)]

    return asyncio.run(run())


def test_a_vad_hears_whatever_is_loud() -> None:
    engine = ScriptedVad()
    frames = np.stack([silence(32, 16_000), tone(300, 32, 16_000)])
    (scores,) = engine.score([PendingFrames(engine.open(), frames)])
    assert scores.tolist() == pytest.approx([SILENCE_PROBABILITY, SPEECH_PROBABILITY])


def test_a_vad_follows_its_script_in_each_stream_and_is_silent_after_it() -> None:
    engine = ScriptedVad([0.9, 0.4])
    for _ in range(2):
        state = engine.open()
        scores = [
            engine.score([PendingFrames(state, np.zeros((count, 512), np.float32))])[0]
            for count in (1, 2)
        ]
        assert np.concatenate(scores) == pytest.approx([0.9, 0.4, SILENCE_PROBABILITY])


def test_a_vad_refuses_the_state_of_another() -> None:
    with pytest.raises(TypeError):
        ScriptedVad().score([PendingFrames(VadState(), np.zeros((1, 512), np.float32))])


def test_a_transcriber_hears_one_text_after_the_other() -> None:
    engine = ScriptedTranscriber(["One.", "Two."])
    heard = [hear(engine, tone(300, 100, 16_000)) for _ in range(3)]
    assert heard == [[FinalTranscript(text)] for text in ("One.", "Two.", "One.")]
    assert engine.options[0].language == "en"


def test_a_transcriber_reveals_its_words_while_one_speaks() -> None:
    sound = tone(300, 250, 16_000)
    transcripts = hear(ScriptedTranscriber(["One two three"], word_ms=200), sound, SETTLE, sound)
    assert transcripts == [
        PartialTranscript("One two"),
        FinalTranscript("One two"),
        PartialTranscript("One two three"),
        FinalTranscript("One two three"),
    ]


def test_a_transcriber_can_be_made_to_wait_before_its_final_text() -> None:
    async def run() -> FinalTranscript | PartialTranscript:
        ready = asyncio.Event()
        engine = ScriptedTranscriber(before_final=[ready])
        transcripts = engine.transcribe(feed([tone(300, 100, 16_000)]), TranscriptionOptions())
        waiting = asyncio.ensure_future(anext(transcripts))
        await asyncio.sleep(0)
        assert not waiting.done()
        ready.set()
        return await waiting

    assert asyncio.run(run()) == FinalTranscript("Hello there.")


def test_a_language_model_echoes() -> None:
    texts = [each.text for each in generate(ScriptedLanguageModel()) if isinstance(each, TextDelta)]
    assert "".join(texts) == "You said: Hello"


def test_a_language_model_follows_one_script_after_the_other() -> None:
    engine = ScriptedLanguageModel(
        answers=[
            ["Let me see.", ToolCall("", "look", "{}")],
            [TextDelta("Cut"), GenerationFinished("length", TokenUsage(1, 0, 1))],
        ]
    )
    assert generate(engine)[-3:-1] == [CallStarted("look"), CallArguments("{}")]
    assert generate(engine) == [
        TextDelta("Cut"),
        GenerationFinished("length", TokenUsage(1, 0, 1)),
    ]
    assert engine.requests == [HELLO, HELLO]


def test_what_became_of_each_run_is_counted() -> None:
    engine = ScriptedLanguageModel(answers=[["One"], [FAILURE], ["Two", Hang()], [Hang()]])

    async def run() -> None:
        assert [piece async for piece in engine.generate(HELLO)]
        with pytest.raises(EngineError):
            await anext(engine.generate(HELLO))
        closed = engine.generate(HELLO)
        await anext(closed)
        assert engine.runs.running == 1
        await closed.aclose()  # type: ignore[attr-defined]
        cancelled = asyncio.ensure_future(anext(engine.generate(HELLO)))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])

    asyncio.run(run())
    runs = engine.runs
    assert (runs.finished, runs.failed, runs.stopped, runs.running) == (1, 1, 2, 0)


def test_a_synthesizer_hums_each_voice_at_a_pitch_of_its_own() -> None:
    async def speak(voice: str) -> NDArray[np.float32]:
        engine = ToneSynthesizer(ms_per_character=10)
        request = SynthesisRequest("x" * 50, voice)
        return np.concatenate([piece async for piece in engine.synthesize(request)])

    sounds = {voice: asyncio.run(speak(voice)) for voice in ("alloy", "marin")}
    assert {len(sound) for sound in sounds.values()} == {12_000}
    assert not np.allclose(sounds["alloy"], sounds["marin"])


def test_a_responder_follows_a_rule() -> None:
    engine = ScriptedResponder(lambda request: [WrittenText(request.voice)])
    request = ResponseRequest("", (UserTurn("Hello"),), "text", "marin")

    async def run() -> None:
        pieces = [piece async for piece in engine.respond(request)]
        assert pieces == [WrittenText("marin"), ResponseFinished("stop")]
        await engine.prepare(request)

    asyncio.run(run())
    assert engine.requests == engine.prepared == [request]


@pytest.mark.parametrize("text", ["", " ", "One", "One two", " One  two ", "One\n\ntwo."])
def test_words_joined_give_the_text(text: str) -> None:
    assert "".join(split_words(text)) == text


@pytest.mark.parametrize(
    "create",
    [
        plugins.create_vad,
        plugins.create_transcriber,
        plugins.create_language_model,
        plugins.create_synthesizer,
        plugins.create_responder,
    ],
)
def test_a_plug_in_refuses_settings_that_it_does_not_have(create: object) -> None:
    assert callable(create)
    assert create({})
    with pytest.raises(EngineError, match="'colour'"):
        create({"colour": "red"})


def test_plug_ins_take_their_settings() -> None:
    assert plugins.create_synthesizer({"voices": ["marin"]}).capabilities.voices == {"marin"}
    assert generate(plugins.create_language_model({"answers": ["Hi"]}))[0] == TextDelta("Hi")
    sound = tone(300, 100, 16_000)
    assert hear(plugins.create_transcriber({"texts": ["Hi"]}), sound) == [FinalTranscript("Hi")]
