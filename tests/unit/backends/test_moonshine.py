"""Transcription while one speaks: what is heard when, and what work is done for it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon import weights
from antiphon.audio.resample import resample
from antiphon.backends import hibari
from antiphon.backends.moonshine import (
    FIRST_RUN_MS,
    Moonshine,
    SpeechModel,
    create_base,
    create_tiny,
)
from antiphon.backends.moonshine_model import Hypothesis, MoonshineModel, Vocabulary
from antiphon.backends.onnx import Interrupt, Model
from antiphon.backends.speech_window import LONGEST_PART_MS
from antiphon.backends.threads import InferenceThreads, Priority
from antiphon.engines.stt import (
    STT_SAMPLE_RATE_HZ,
    DraftTranscript,
    FinalTranscript,
    PartialTranscript,
    Settle,
    Transcriber,
    Transcript,
    TranscriptionOptions,
)
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ, SynthesisRequest
from antiphon.protocol.errors import EngineError
from antiphon.testing.contracts.transcriber import TranscriberContract
from antiphon.testing.speech import clicks, noise, silence, speech
from antiphon.testing.wer import word_error_rate

RATE = STT_SAMPLE_RATE_HZ
WORD_MS = 250
SETTLE = Settle()
PATIENCE_S = 10

Samples = NDArray[np.float32]
Piece = Samples | Settle
Job = Callable[..., Any]


class CountingModel:
    """Hear a numbered word in each quarter of a second."""

    def __init__(self) -> None:
        self.lengths_ms: list[int] = []
        self.drafts: list[int] = []

    def transcribe(self, samples: Samples, draft: Sequence[int], _: Interrupt, /) -> Hypothesis:
        self.lengths_ms.append(1000 * len(samples) // RATE)
        self.drafts.append(len(draft))
        words = range(max(1, self.lengths_ms[-1] // WORD_MS))
        pieces = tuple(f" w{word}".encode() for word in words)
        logprobs = (-0.5,) * len(words)
        return Hypothesis(" ".join(f"w{word}" for word in words), tuple(words), logprobs, pieces)


class FailingModel:
    """Fail always."""

    def transcribe(self, *_: object) -> Hypothesis:
        raise EngineError("engine_failed", "It failed on its input. Send it again.")


class PatientModel:
    """Hear until it is interrupted."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.left = threading.Event()

    def transcribe(self, _: Samples, __: Sequence[int], interrupt: Interrupt, /) -> Hypothesis:
        self.entered.set()
        while not interrupt.run_options.terminate:
            pass
        self.left.set()
        return Hypothesis("", ())


class StepThreads(InferenceThreads):
    """Run everything on the loop, at its next step; partial runs only when they may."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked: list[Priority] = []
        self.busy = False
        self.partials_may_end = asyncio.Event()
        self.partials_may_end.set()

    async def run(  # type: ignore[override]
        self, function: Job, *arguments: Any, priority: Priority = Priority.SYNTHESIS
    ) -> Any:
        self.asked.append(priority)
        if priority is Priority.PARTIAL:
            if self.busy:
                raise EngineError("engine_overloaded", "Busy.")
            await self.partials_may_end.wait()
        return function(*arguments)


class Conversation:
    """Speak to a transcriber step by step and look at what it does."""

    def __init__(self, model: SpeechModel | None = None, *, partials: bool = True) -> None:
        self.model = CountingModel()
        self.threads = StepThreads()
        self.texts: list[str] = []
        self.partials: list[str] = []
        self.drafts: list[str] = []
        self._pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._engine = Moonshine(model or self.model, self.threads, partials=partials)

    @property
    def runs(self) -> int:
        return len(self.model.lengths_ms)

    async def say(self, *pieces: Piece) -> None:
        """Send pieces, each when the work that the one before it caused is done."""
        for piece in pieces:
            await self._pieces.put(piece)
            for _ in range(30):
                await asyncio.sleep(0)

    async def __aenter__(self) -> "Conversation":
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pieces.put(None)
        await self._task
        self.threads.close()

    async def _listen(self) -> None:
        async for each in self._engine.transcribe(self._read(), TranscriptionOptions()):
            match each:
                case FinalTranscript(text):
                    self.texts.append(text)
                case PartialTranscript(text):
                    self.partials.append(text)
                case DraftTranscript(text):
                    self.drafts.append(text)

    async def _read(self) -> AsyncIterator[Piece]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


def talk(ms: int, piece_ms: int = 100) -> list[Samples]:
    """Return speech in pieces."""
    sound = speech(ms, RATE)
    size = piece_ms * RATE // 1000
    return [sound[begin : begin + size] for begin in range(0, len(sound), size)]


def quiet(ms: int) -> Samples:
    return silence(ms, RATE)


def play(script: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(script())


def test_the_first_run_waits_for_enough_speech() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*talk(FIRST_RUN_MS - 50))
            assert heard.runs == 0
            await heard.say(*talk(200))
            assert heard.runs == 1

    play(script)


def test_partial_texts_grow_while_one_speaks() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*talk(3000))
            assert heard.partials[-1].startswith("w0 w1 w2 w3")
            assert all(later.startswith(before) for before, later in pairwise(heard.partials))
            assert not heard.texts

    play(script)


def test_each_run_gives_a_draft_of_everything_heard() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*talk(1500))
            assert len(heard.drafts) == heard.runs
            assert heard.drafts[-1].startswith("w0 w1 w2 w3 w4")

    play(script)


class ForgetfulModel(CountingModel):
    """Mishear everything in the runs that are listed."""

    def __init__(self, *misheard: int) -> None:
        super().__init__()
        self._misheard = misheard

    def transcribe(self, samples: Samples, draft: Sequence[int], x: Interrupt, /) -> Hypothesis:
        heard = super().transcribe(samples, draft, x)
        if len(self.lengths_ms) in self._misheard:
            return Hypothesis(" ".join(reversed(heard.text.split())), heard.tokens)
        return heard


def test_a_run_that_contradicts_what_is_stable_gives_no_draft() -> None:
    async def script() -> None:
        async with Conversation(ForgetfulModel(6)) as heard:
            await heard.say(*talk(2000))
            assert heard.drafts
            assert all(draft.startswith("w0 w1") for draft in heard.drafts)

    play(script)


def test_each_run_takes_the_last_transcript_as_its_draft() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*talk(1500))
            words = [ms // WORD_MS for ms in heard.model.lengths_ms]
            assert heard.model.drafts == [0, *words[:-1]]

    play(script)


def test_speech_that_goes_on_is_not_transcribed_with_every_piece() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*talk(3000, piece_ms=20))
            assert heard.runs <= 15

    play(script)


def test_a_run_that_began_in_the_pause_is_the_final_one() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*talk(1000), quiet(100))
            runs = heard.runs
            await heard.say(SETTLE)
            assert heard.texts == ["w0 w1 w2 w3"]
            assert heard.runs == runs
            assert Priority.FINAL not in heard.threads.asked

    play(script)


def test_a_mark_waits_for_a_run_in_progress_that_hears_everything() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            heard.threads.partials_may_end.clear()
            await heard.say(*talk(400), quiet(100), SETTLE)
            assert not heard.texts
            heard.threads.partials_may_end.set()
            await heard.say()
            await heard.say(quiet(10))
            assert heard.texts == ["w0 w1"]
            assert heard.runs == 1

    play(script)


def test_a_mark_stops_a_run_in_progress_that_has_missed_something() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            heard.threads.partials_may_end.clear()
            await heard.say(*talk(1000), SETTLE)
            assert heard.texts == ["w0 w1 w2 w3"]
            assert heard.threads.asked == [Priority.PARTIAL, Priority.FINAL]
            assert heard.runs == 1

    play(script)


def test_a_mark_without_new_speech_repeats_the_text_without_work() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*talk(1000), SETTLE, SETTLE, quiet(300), SETTLE)
            runs = heard.runs
            await heard.say(SETTLE)
            assert heard.texts == ["w0 w1 w2 w3"] * 4
            assert heard.runs == runs

    play(script)


def test_speech_after_a_mark_belongs_to_the_same_utterance() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*talk(1000), SETTLE, quiet(200), *talk(1000), SETTLE)
            assert [len(text.split()) for text in heard.texts] == [4, 9]

    play(script)


def test_silence_costs_nothing() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            await heard.say(*[quiet(100)] * 40, SETTLE)
            assert heard.texts == [""]
            assert heard.threads.asked == []

    play(script)


def test_busy_threads_cost_partial_texts_and_nothing_else() -> None:
    async def script() -> None:
        async with Conversation() as heard:
            heard.threads.busy = True
            await heard.say(*talk(2000), SETTLE)
            assert heard.partials == []
            assert len(heard.texts) == 1
            assert heard.threads.asked.count(Priority.FINAL) == 1

    play(script)


def test_without_partials_each_mark_is_one_run() -> None:
    async def script() -> None:
        async with Conversation(partials=False) as heard:
            await heard.say(*talk(2000), SETTLE)
            assert heard.threads.asked == [Priority.FINAL]

    play(script)


def test_minutes_of_speech_are_transcribed_in_short_parts() -> None:
    async def script() -> None:
        async with Conversation(partials=False) as heard:
            for _ in range(20):
                await heard.say(*talk(8700, piece_ms=2900), quiet(500))
            await heard.say(SETTLE)
            assert max(heard.model.lengths_ms) <= LONGEST_PART_MS + 300
            assert sum(heard.model.lengths_ms) == pytest.approx(20 * 8700, rel=0.1)
            assert len(heard.texts[0].split()) == pytest.approx(20 * 8700 / WORD_MS, rel=0.1)
            assert heard.threads.asked.count(Priority.FINAL) == 1

    play(script)


@pytest.mark.parametrize("language", ["de", "es-ES", "zh"])
def test_other_languages_are_refused(language: str) -> None:
    engine = Moonshine(CountingModel(), StepThreads())

    async def transcribe() -> None:
        async def nothing() -> AsyncIterator[Piece]:
            yield SETTLE

        async for _ in engine.transcribe(nothing(), TranscriptionOptions(language)):
            pass

    with pytest.raises(EngineError, match=f"English only, not '{language}'"):
        asyncio.run(transcribe())


@pytest.mark.parametrize("language", ["en", "en-GB", "EN"])
def test_english_by_any_code_is_understood(language: str) -> None:
    engine = Moonshine(CountingModel(), StepThreads())

    async def transcribe() -> list[Transcript]:
        async def pieces() -> AsyncIterator[Piece]:
            yield speech(600, RATE)

        options = TranscriptionOptions(language)
        return [each async for each in engine.transcribe(pieces(), options)]

    assert asyncio.run(transcribe())[-1] == FinalTranscript("w0 w1")


def test_closing_interrupts_the_run_in_progress() -> None:
    model = PatientModel()
    pool = InferenceThreads(2)

    async def script() -> None:
        async def pieces() -> AsyncIterator[Piece]:
            yield speech(1000, RATE)
            await asyncio.Event().wait()

        transcripts = Moonshine(model, pool).transcribe(pieces(), TranscriptionOptions())
        waiting = asyncio.ensure_future(anext(transcripts))
        assert await asyncio.to_thread(model.entered.wait, PATIENCE_S)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await asyncio.to_thread(model.left.wait, PATIENCE_S)

    asyncio.run(script())
    pool.close()


class TestContract(TranscriberContract):
    closes_engine = False

    @pytest.fixture
    def threads(self) -> Iterator[InferenceThreads]:
        pool = InferenceThreads(2)
        yield pool
        pool.close()

    @pytest.fixture
    def engine(self, threads: InferenceThreads) -> Transcriber:
        return Moonshine(CountingModel(), threads)

    @pytest.fixture
    def failing_engine(self, threads: InferenceThreads) -> Transcriber:
        return Moonshine(FailingModel(), threads)


def test_tokens_become_text() -> None:
    pieces = ["<unk>", "<s>", "</s>", "<0xE2>", "<0x82>", "<0xAC>", "▁Hello", ",", "▁wor", "ld"]
    vocabulary = Vocabulary(pieces)
    assert vocabulary.decode([1, 6, 7, 8, 9, 2]) == "Hello, world"
    assert vocabulary.decode([6, 3, 4, 5]) == "Hello€"
    assert vocabulary.decode([3, 6]) == "\ufffd Hello"
    assert vocabulary.decode([6, 32_000, 32_767]) == "Hello"
    assert vocabulary.decode([]) == ""


def test_the_vocabulary_of_the_models_is_complete() -> None:
    vocabulary = Vocabulary.load(weights.vendored("moonshine-vocabulary.json"))
    assert vocabulary.decode(range(31_990, 32_000))
    assert vocabulary.decode(range(3, 259)).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("create", [create_tiny, create_base])
def test_unknown_settings_are_refused_by_name(create: Callable[..., Moonshine]) -> None:
    with pytest.raises(
        EngineError, match=r"unknown field `beam`.*'encoder', 'decoder', 'partials'"
    ):
        create({"beam": 5})


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    missing = tmp_path / "encoder.onnx"
    with pytest.raises(EngineError, match=r"moonshine-tiny.*encoder\.onnx") as refused:
        create_tiny({"encoder": str(missing)})
    assert refused.value.code == "engine_misconfigured"


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    for name in ("encoder", "decoder"):
        (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(EngineError, match="cannot be loaded"):
        create_tiny({name: str(tmp_path / name) for name in ("encoder", "decoder")})


# With the weights of the profile `test`


@pytest.fixture(scope="module")
def model() -> MoonshineModel:
    weights.ensure(["moonshine-tiny"])
    return MoonshineModel(
        Model(weights.locate("moonshine-tiny", "encoder_model.onnx")),
        Model(weights.locate("moonshine-tiny", "decoder_model_merged.onnx"), fold_weights=True),
        Vocabulary.load(weights.vendored("moonshine-vocabulary.json")),
    )


@pytest.fixture(scope="module")
def tiny() -> Moonshine:
    weights.ensure(["moonshine-tiny"])
    return create_tiny({})


def transcripts(engine: Transcriber, *pieces: Piece) -> list[Transcript]:
    async def hear() -> list[Transcript]:
        async def feed() -> AsyncIterator[Piece]:
            for piece in pieces:
                yield piece

        return [each async for each in engine.transcribe(feed(), TranscriptionOptions())]

    return asyncio.run(hear())


def spoken(text: str) -> Samples:
    """Return a text in Hibari's voice, with the silence that a microphone would add."""

    async def speak() -> list[Samples]:
        request = SynthesisRequest(text, "marin")
        return [piece async for piece in hibari.create({}).synthesize(request)]

    sound = resample(np.concatenate(asyncio.run(speak())), TTS_SAMPLE_RATE_HZ, RATE)
    return np.concatenate([quiet(300), sound, quiet(150)])


@pytest.mark.models
class TestTinyContract(TranscriberContract):
    closes_engine = False

    @pytest.fixture
    def engine(self, tiny: Moonshine) -> Transcriber:
        return tiny

    @pytest.fixture
    def failing_engine(self, model: MoonshineModel) -> Transcriber:
        closed = InferenceThreads(1)
        closed.close()
        return Moonshine(model, closed)


@pytest.mark.models
@pytest.mark.parametrize(
    "sentence",
    [
        "What is the capital of France?",
        "It will probably rain this afternoon, so take an umbrella.",
        "Yes.",
        "Turn the lights off in the kitchen, and close the window.",
    ],
)
def test_what_a_voice_says_is_understood(tiny: Moonshine, sentence: str) -> None:
    heard = transcripts(tiny, spoken(sentence), SETTLE)
    assert word_error_rate(sentence, heard[-1].text) <= 0.1


@pytest.mark.models
@pytest.mark.parametrize(
    "sound",
    [silence(3000, RATE), noise(3000, RATE), noise(3000, RATE, level=0.2), clicks(3000, RATE)],
    ids=["silence", "noise", "loud noise", "clicks"],
)
def test_no_words_are_heard_where_none_are_said(tiny: Moonshine, sound: Samples) -> None:
    assert transcripts(tiny, sound) == [FinalTranscript("")]


@pytest.mark.models
def test_partial_texts_of_real_speech_come_before_the_final_one(model: MoonshineModel) -> None:
    sentence = "The train to the city leaves from the old platform in a few minutes."
    pieces = np.array_split(spoken(sentence), 50)

    async def script() -> None:
        async with Conversation(model) as heard:
            await heard.say(*pieces, SETTLE)
            assert len(heard.partials) >= 3
            assert word_error_rate(sentence, heard.texts[0]) <= 0.1
            assert Priority.FINAL not in heard.threads.asked

    play(script)


@pytest.mark.models
def test_a_draft_changes_nothing(model: MoonshineModel) -> None:
    sound = spoken("I would like to book a table for two people this evening.")
    plain = model.transcribe(sound, (), Interrupt())
    for draft in (plain.tokens, plain.tokens[:5], (*plain.tokens[:5], 7, 7, 7), (7,) * 400):
        assert model.transcribe(sound, draft, Interrupt()) == plain


@pytest.mark.models
def test_an_interrupted_model_stops(model: MoonshineModel) -> None:
    interrupt = Interrupt()
    interrupt.set()
    with pytest.raises(EngineError) as stopped:
        model.transcribe(speech(1000, RATE), (), interrupt)
    assert stopped.value.code == "engine_interrupted"
