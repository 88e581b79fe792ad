"""The cascade: what is written is spoken, in order, and everything stops when nobody listens."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

import numpy as np
import pytest

from antiphon.engines.llm import (
    AssistantMessage,
    CallArguments,
    CallStarted,
    ChatRequest,
    GenerationFinished,
    SystemMessage,
    TextDelta,
    TokenUsage,
    Tool,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from antiphon.engines.responder import (
    AssistantTurn,
    CallTurn,
    FunctionCallArguments,
    FunctionCallStarted,
    ResponseFinished,
    ResponsePiece,
    ResponseRequest,
    ResultTurn,
    SpokenAudio,
    SpokenText,
    SystemTurn,
    Turn,
    UserTurn,
    WrittenText,
)
from antiphon.engines.tts import SynthesisRequest
from antiphon.protocol.errors import EngineError
from antiphon.runtime.cascade import CLAUSES_AHEAD, Cascade, chat_request
from antiphon.testing.engines import ModelStep, ScriptedLanguageModel, ToneSynthesizer
from antiphon.testing.scripts import Hang

TEXT = "Of course I can, gladly. It is sunny in Paris. Take no umbrella."
CLAUSES = ["Of course I can,", " gladly.", " It is sunny in Paris.", " Take no umbrella."]


def request(modality: str = "audio", *context: Turn, **more: object) -> ResponseRequest:
    turns = context or (UserTurn("Hello"),)
    return ResponseRequest("Be brief.", turns, modality, "marin", **more)


def cascade(*steps: ModelStep, synthesizer: ToneSynthesizer | None = None) -> Cascade:
    return Cascade(ScriptedLanguageModel(answers=[steps]), synthesizer or ToneSynthesizer())


async def collect(pieces: AsyncIterator[ResponsePiece]) -> list[ResponsePiece]:
    return [piece async for piece in pieces]


def answer(*steps: ModelStep, modality: str = "audio") -> list[ResponsePiece]:
    return asyncio.run(collect(cascade(*steps).respond(request(modality))))


def of_type(kind: type, pieces: Iterable[ResponsePiece]) -> list:
    return [piece for piece in pieces if isinstance(piece, kind)]


def test_a_written_answer_is_text_alone() -> None:
    pieces = answer(TEXT, modality="text")
    assert "".join(piece.text for piece in of_type(WrittenText, pieces)) == TEXT
    assert {type(piece) for piece in pieces} == {WrittenText, ResponseFinished}


def test_a_spoken_answer_has_its_whole_text_and_a_sound_for_each_clause() -> None:
    pieces = answer(TEXT)
    assert "".join(piece.text for piece in of_type(SpokenText, pieces)) == TEXT
    labels = [piece.clause for piece in of_type(SpokenAudio, pieces) if piece.clause]
    assert labels == CLAUSES


def test_the_finish_is_the_last_piece_and_carries_the_usage() -> None:
    pieces = answer("Fine.", GenerationFinished("length", TokenUsage(5, 3, 2)))
    assert pieces[-1] == ResponseFinished("length", TokenUsage(5, 3, 2))
    assert len(of_type(ResponseFinished, pieces)) == 1


def test_no_sound_comes_before_its_words() -> None:
    said = ""
    labelled = ""
    for piece in answer(TEXT):
        if isinstance(piece, SpokenText):
            said += piece.text
        elif isinstance(piece, SpokenAudio):
            labelled += piece.clause
            assert said.startswith(labelled)


def test_sound_is_whole_samples_and_as_long_as_was_synthesized() -> None:
    synthesizer = ToneSynthesizer(ms_per_character=10)
    pieces = asyncio.run(collect(cascade(TEXT, synthesizer=synthesizer).respond(request())))
    audio = b"".join(piece.pcm for piece in of_type(SpokenAudio, pieces))
    spoken = sum(len(each.text) for each in synthesizer.requests)
    assert len(audio) == 2 * 240 * spoken
    assert all(piece.pcm for piece in of_type(SpokenAudio, pieces))


def test_peaks_are_kept_below_full_scale() -> None:
    loud = ToneSynthesizer(lambda _: [np.full(24_000, 1.6, np.float32)])
    pieces = asyncio.run(collect(cascade("Good morning.", synthesizer=loud).respond(request())))
    samples = np.frombuffer(b"".join(p.pcm for p in of_type(SpokenAudio, pieces)), "<i2")
    assert np.abs(samples.astype(int)).max() < 32_700


def test_the_voice_and_speakable_words_reach_the_synthesizer() -> None:
    synthesizer = ToneSynthesizer()
    asyncio.run(
        collect(cascade("**Good** morning, all.", synthesizer=synthesizer).respond(request()))
    )
    assert {each.voice for each in synthesizer.requests} == {"marin"}
    assert "*" not in "".join(each.text for each in synthesizer.requests)


def test_text_without_sound_stays_in_the_transcript_and_joins_the_next_clause() -> None:
    text = "Of course I can, my dear.\n😀 😀\nHere it is."
    pieces = answer(text)
    assert "".join(piece.text for piece in of_type(SpokenText, pieces)) == text
    assert "".join(piece.clause for piece in of_type(SpokenAudio, pieces)) == text


def test_an_answer_that_cannot_be_spoken_has_no_sound() -> None:
    pieces = answer("😀")
    assert of_type(SpokenText, pieces)
    assert not of_type(SpokenAudio, pieces)
    assert isinstance(pieces[-1], ResponseFinished)


def test_a_call_alone_is_passed_through_without_sound() -> None:
    pieces = answer(CallStarted("look"), CallArguments('{"at":'), CallArguments('"it"}', tokens=3))
    assert pieces[:-1] == [
        FunctionCallStarted("look"),
        FunctionCallArguments('{"at":'),
        FunctionCallArguments('"it"}', tokens=3),
    ]


def test_a_call_begins_while_speech_is_still_being_made() -> None:
    async def talk() -> None:
        voice = asyncio.Event()
        slow = ToneSynthesizer(lambda _: [voice, np.ones(2400, np.float32)])
        answers = cascade("Let me have a look. ", ToolCall("", "look", "{}"), synthesizer=slow)
        async with aclosing(answers.respond(request())) as pieces:
            async for piece in pieces:
                assert not isinstance(piece, SpokenAudio)
                if isinstance(piece, FunctionCallArguments):
                    break
            voice.set()
            rest = await collect(pieces)
        assert isinstance(rest[0], SpokenAudio)
        assert isinstance(rest[-1], ResponseFinished)

    asyncio.run(talk())


def test_an_empty_answer_ends_all_the_same() -> None:
    assert [type(piece) for piece in answer()] == [ResponseFinished]


def test_the_model_writes_on_while_the_first_clause_is_spoken() -> None:
    async def talk() -> None:
        slow = ToneSynthesizer(lambda _: [Hang()])
        text = "This is a sentence. " * CLAUSES_AHEAD
        async with aclosing(cascade(text, synthesizer=slow).respond(request())) as pieces:
            said = ""
            while said != text:
                piece = await anext(pieces)
                assert isinstance(piece, SpokenText)
                said += piece.text

    asyncio.run(talk())


class SlowTime(asyncio.SelectorEventLoop):
    """A loop whose clock a slow engine moves on."""

    passed_s = 0.0

    def time(self) -> float:
        return super().time() + self.passed_s


class SlowModel(ScriptedLanguageModel):
    """Take a tenth of a second for each word."""

    async def generate(self, request: ChatRequest) -> AsyncIterator[TextDelta]:
        loop = asyncio.get_running_loop()
        async for piece in super().generate(request):
            assert isinstance(loop, SlowTime)
            loop.passed_s += 0.1
            for _ in range(20):
                # Whoever speaks has time to do so.
                await asyncio.sleep(0)
            yield piece


LONG = "There are seven wonderful mornings in every single ordinary week of this entire long year"


def test_a_slow_model_is_spoken_in_parts_without_silence_between_them() -> None:
    async def listen() -> tuple[list[str], list[float]]:
        words = [TextDelta(f"{word} ") for word in LONG.split(" ")]
        slow = Cascade(SlowModel(answers=[words]), ToneSynthesizer())
        silences: list[float] = []
        clauses: list[str] = []
        heard_until: float | None = None
        async for piece in slow.respond(request()):
            if not isinstance(piece, SpokenAudio):
                continue
            now = asyncio.get_running_loop().time()
            silences.append(now - (heard_until or now))
            heard_until = max(now, heard_until or now) + len(piece.pcm) / 48_000
            if piece.clause:
                clauses.append(piece.clause)
        return clauses, silences

    with asyncio.Runner(loop_factory=SlowTime) as runner:
        clauses, silences = runner.run(listen())
    assert len(clauses) > 2
    assert "".join(clauses).strip() == LONG
    assert max(silences) <= 0


def test_speech_goes_on_while_the_model_waits() -> None:
    async def talk() -> None:
        async with aclosing(cascade("Of course I can, but", Hang()).respond(request())) as pieces:
            async for piece in pieces:
                if isinstance(piece, SpokenAudio):
                    assert piece.clause == "Of course I can,"
                    return

    asyncio.run(talk())


async def endless(_: ChatRequest, counter: list[int]) -> AsyncIterator[TextDelta]:
    while True:
        await asyncio.sleep(0)
        counter[0] += 1
        yield TextDelta(f"This is sentence {counter[0]}. ")


class EndlessModel(ScriptedLanguageModel):
    def __init__(self) -> None:
        super().__init__()
        self.counter = [0]

    def generate(self, request: ChatRequest) -> AsyncIterator[TextDelta]:
        return endless(request, self.counter)


@pytest.mark.parametrize("heard", [1, 5, 40])
def test_closing_stops_model_and_speech_at_once(heard: int) -> None:
    async def talk() -> None:
        model, synthesizer = EndlessModel(), ToneSynthesizer()
        pieces = Cascade(model, synthesizer).respond(request())
        for _ in range(heard):
            await anext(pieces)
        before = model.counter[0]
        await pieces.aclose()
        assert model.counter[0] - before <= 1
        assert synthesizer.runs.running == 0
        after = model.counter[0], len(synthesizer.requests)
        for _ in range(50):
            await asyncio.sleep(0)
        assert (model.counter[0], len(synthesizer.requests)) == after

    asyncio.run(talk())


def test_cancelling_whoever_listens_stops_model_and_speech() -> None:
    async def talk() -> None:
        model = ScriptedLanguageModel(answers=[["Of course I can, but", Hang()]])
        synthesizer = ToneSynthesizer(lambda _: [np.ones(100, np.float32), Hang()])
        listening = asyncio.create_task(collect(Cascade(model, synthesizer).respond(request())))
        while not synthesizer.runs.started:
            await asyncio.sleep(0)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        assert (model.runs.stopped, synthesizer.runs.stopped) == (1, 1)

    asyncio.run(talk())


def test_another_task_may_close_the_answer() -> None:
    async def talk() -> None:
        model = EndlessModel()
        pieces = Cascade(model, ToneSynthesizer()).respond(request())
        await anext(pieces)
        await asyncio.create_task(pieces.aclose())
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)

    asyncio.run(talk())


@pytest.mark.parametrize("failure", [EngineError("engine_unavailable", "Gone."), ValueError("bug")])
def test_a_failure_of_the_model_reaches_whoever_listens_after_what_came_before(
    failure: Exception,
) -> None:
    async def talk() -> None:
        synthesizer = ToneSynthesizer()
        pieces = cascade("Of course I", failure, synthesizer=synthesizer).respond(request())
        heard = [await anext(pieces) for _ in range(3)]
        with pytest.raises(type(failure)) as raised:
            await anext(pieces)
        assert raised.value is failure
        assert "".join(piece.text for piece in of_type(SpokenText, heard)) == "Of course I"
        assert synthesizer.runs.running == 0

    asyncio.run(talk())


def test_a_failure_of_the_synthesizer_stops_the_model() -> None:
    async def talk() -> None:
        failure = EngineError("voice_unknown", "No such voice.")
        model = ScriptedLanguageModel(answers=[["Of course I can, but ", Hang()]])
        pieces = Cascade(model, ToneSynthesizer(lambda _: [failure])).respond(request())
        with pytest.raises(EngineError) as raised:
            await collect(pieces)
        assert raised.value is failure
        assert model.runs.stopped == 1

    asyncio.run(talk())


def test_a_failure_does_not_cancel_a_listener_that_is_busy_elsewhere() -> None:
    async def talk() -> None:
        failed = asyncio.Event()

        def fail(_: SynthesisRequest) -> Iterable[EngineError]:
            failed.set()
            return [EngineError("voice_unknown", "No such voice.")]

        answers = cascade("Of course I can, but ", Hang(), synthesizer=ToneSynthesizer(fail))
        pieces = answers.respond(request())
        await anext(pieces)
        await failed.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        with pytest.raises(EngineError):
            await collect(pieces)

    asyncio.run(talk())


def test_a_model_that_stops_in_mid_answer_is_a_failure() -> None:
    class Broken(ScriptedLanguageModel):
        async def generate(self, _: ChatRequest) -> AsyncIterator[TextDelta]:
            yield TextDelta("Of course")

    with pytest.raises(EngineError, match="mid-answer"):
        asyncio.run(collect(Cascade(Broken(), ToneSynthesizer()).respond(request())))


def test_preparing_reads_the_same_prompt_that_responding_does() -> None:
    model = ScriptedLanguageModel()
    answers = Cascade(model, ToneSynthesizer())
    asked = request("audio", UserTurn("Hello"), session_key="s1")
    asyncio.run(answers.prepare(asked))
    asyncio.run(collect(answers.respond(asked)))
    assert model.prefilled == model.requests


def test_capabilities_come_from_both_engines() -> None:
    found = Cascade(
        ScriptedLanguageModel(context_tokens=123), ToneSynthesizer(voices=frozenset({"ash"}))
    ).capabilities
    assert (found.hears, found.voices, found.context_tokens) == ("transcript", {"ash"}, 123)


TOOL = Tool("look", "Look.", {"type": "object"})


def test_a_request_becomes_a_chat() -> None:
    asked = ResponseRequest(
        instructions="Be brief.",
        context=(SystemTurn("Now French."), UserTurn("Salut"), AssistantTurn("Bonjour")),
        modality="text",
        voice="ash",
        tools=(TOOL,),
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=7,
        session_key="s1",
    )
    assert chat_request(asked) == ChatRequest(
        messages=(
            SystemMessage("Be brief."),
            SystemMessage("Now French."),
            UserMessage("Salut"),
            AssistantMessage("Bonjour"),
        ),
        tools=(TOOL,),
        tool_choice="required",
        parallel_tool_calls=False,
        max_tokens=7,
        session_key="s1",
    )


def messages_of(*context: Turn) -> tuple:
    return chat_request(ResponseRequest("", context, "text", "ash")).messages


CALL_A, CALL_B = CallTurn("a", "look", "{}"), CallTurn("b", "hear", "[]")
MADE_A, MADE_B = ToolCall("a", "look", "{}"), ToolCall("b", "hear", "[]")


def test_calls_belong_to_what_was_said_with_them() -> None:
    results = ResultTurn("a", "1"), ResultTurn("b", "2")
    assert messages_of(AssistantTurn("Wait."), CALL_A, CALL_B, *results) == (
        AssistantMessage("Wait.", (MADE_A, MADE_B)),
        ToolMessage("a", "1"),
        ToolMessage("b", "2"),
    )


def test_calls_in_sequence_keep_their_own_results() -> None:
    assert messages_of(CALL_A, ResultTurn("a", "1"), CALL_B, ResultTurn("b", "2")) == (
        AssistantMessage("", (MADE_A,)),
        ToolMessage("a", "1"),
        AssistantMessage("", (MADE_B,)),
        ToolMessage("b", "2"),
    )


def test_a_late_result_stands_behind_its_call() -> None:
    assert messages_of(CALL_A, UserTurn("And?"), ResultTurn("a", "1")) == (
        AssistantMessage("", (MADE_A,)),
        ToolMessage("a", "1"),
        UserMessage("And?"),
    )


def test_a_call_without_a_result_says_so() -> None:
    assert messages_of(CALL_A, UserTurn("And?")) == (
        AssistantMessage("", (MADE_A,)),
        ToolMessage("a", "(no result yet)"),
        UserMessage("And?"),
    )


def test_a_result_whose_call_is_gone_is_told_by_the_application() -> None:
    assert messages_of(ResultTurn("gone", "sunny")) == (
        SystemMessage("Result of an earlier function call: sunny"),
    )
