"""Engines of every kind that answer at once, always the same, and do as a script says.

Each takes a rule that turns a request into the steps of `antiphon.testing.scripts`, remembers what
it was asked, and counts in `runs` how its answers ended. Without a rule it does something sensible,
so that a whole pipeline can be built of defaults. `antiphon.testing.plugins` makes the same engines
from plain settings.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import to_pcm16
from antiphon.engines import llm, responder, stt, tts, vad
from antiphon.testing.schemas import example_arguments
from antiphon.testing.scripts import Obstacle, Runs, give_way, meet
from antiphon.testing.speech import tone

SPEECH_PROBABILITY = 0.98
SILENCE_PROBABILITY = 0.02
AUDIBLE_RMS = 0.01
"""Loudness from which the scripted engines call a sound speech: -40 dB of full scale."""

_WORDS = re.compile(r"\s*\S+")


@dataclass(slots=True)
class _ScriptedStream(vad.VadState):
    scored: int = 0


class ScriptedVad:
    """Call loud frames speech, or give each stream the probabilities of a script.

    After the end of the script a stream is silent.
    """

    def __init__(self, probabilities: Sequence[float] | None = None) -> None:
        self._script = None if probabilities is None else np.asarray(probabilities, np.float32)

    def open(self) -> vad.VadState:
        """Return the state of a new stream."""
        return _ScriptedStream()

    def score(self, batch: Sequence[vad.PendingFrames]) -> list[NDArray[np.float32]]:
        """Score frames at once."""
        return [self._score(pending) for pending in batch]

    def _score(self, pending: vad.PendingFrames) -> NDArray[np.float32]:
        if not isinstance(pending.state, _ScriptedStream):
            raise TypeError("The state was not opened by this VAD.")
        begin = pending.state.scored
        pending.state.scored += len(pending.frames)
        if self._script is None:
            loud = np.sqrt(np.mean(pending.frames**2, axis=1)) >= AUDIBLE_RMS
            return np.where(loud, SPEECH_PROBABILITY, SILENCE_PROBABILITY).astype(np.float32)
        scores = np.full(len(pending.frames), SILENCE_PROBABILITY, np.float32)
        scripted = self._script[begin : begin + len(scores)]
        scores[: len(scripted)] = scripted
        return scores


class ScriptedTurnPredictor:
    """Give prepared probabilities, one after the other, over and over."""

    def __init__(
        self, probabilities: Sequence[float] = (0.9,), *, before: Sequence[Obstacle] = ()
    ) -> None:
        self.heard: list[NDArray[np.float32]] = []
        self.runs = Runs()
        self._probabilities = probabilities
        self._before = before

    async def predict(self, samples: NDArray[np.float32]) -> float:
        """Return the next probability."""
        probability = self._probabilities[len(self.heard) % len(self._probabilities)]
        self.heard.append(samples)
        with self.runs.count():
            for obstacle in self._before:
                await meet(obstacle)
            await give_way()
            return probability


class ScriptedTranscriber:
    """Hear prepared texts.

    The first transcription hears the first text, the next one the second, and so on, over and over.
    Silence gives the empty text. With ``word_ms`` each such length of sound reveals one more word,
    and partial transcripts show the words so far; without it, any sound reveals the whole text.
    ``before_final`` holds steps that are carried out before every final transcript with new sound.
    """

    def __init__(
        self,
        texts: Sequence[str] = ("Hello there.",),
        *,
        word_ms: int = 0,
        before_final: Sequence[Obstacle] = (),
        languages: frozenset[str] | None = None,
    ) -> None:
        self.capabilities = stt.TranscriberCapabilities(
            languages,
            prompts=True,
            keywords=True,
            candidate_languages=True,
            streams=word_ms > 0,
            logprobs=True,
            speakers=True,
        )
        self.options: list[stt.TranscriptionOptions] = []
        self.runs = Runs()
        self._texts = texts
        self._word_ms = word_ms
        self._before_final = before_final

    async def transcribe(
        self,
        audio: AsyncIterable[NDArray[np.float32] | stt.Settle],
        options: stt.TranscriptionOptions,
    ) -> AsyncIterator[stt.PartialTranscript | stt.FinalTranscript]:
        """Read the audio and yield the prepared text."""
        words = _WORDS.findall(self._texts[len(self.options) % len(self._texts)])
        self.options.append(options)
        heard = settled = 0
        with self.runs.count():
            async for piece in audio:
                if isinstance(piece, stt.Settle):
                    if heard != settled:
                        await self._prepare_final()
                    settled = heard
                    yield _final(self._text(words, heard), heard, options)
                    continue
                before = self._text(words, heard)
                heard += _sound_samples(piece)
                if self._word_ms and (text := self._text(words, heard)) != before:
                    added = _spelled(text, options)[len(split_words(before)) :]
                    yield stt.PartialTranscript(text, added)
            if heard != settled:
                await self._prepare_final()
            yield _final(self._text(words, heard), heard, options)

    async def _prepare_final(self) -> None:
        for obstacle in self._before_final:
            await meet(obstacle)

    def _text(self, words: list[str], heard_samples: int) -> str:
        if not heard_samples:
            return ""
        if not self._word_ms:
            return "".join(words).strip()
        heard_ms = heard_samples * 1000 // stt.STT_SAMPLE_RATE_HZ
        return "".join(words[: 1 + heard_ms // self._word_ms]).strip()


def _final(text: str, samples: int, options: stt.TranscriptionOptions) -> stt.FinalTranscript:
    heard_ms = 1000 * samples // stt.STT_SAMPLE_RATE_HZ
    said = (stt.Segment(text, 0, heard_ms, "A"),) if options.speakers and text else ()
    return stt.FinalTranscript(text, _spelled(text, options), said)


def _spelled(text: str, options: stt.TranscriptionOptions) -> tuple[stt.Token, ...]:
    """Return a token for each word, the later the less sure."""
    words = split_words(text) if options.logprobs else []
    return tuple(
        stt.Token(word, -0.5 * (n + 1), tuple(word.encode())) for n, word in enumerate(words)
    )


def _sound_samples(samples: NDArray[np.float32]) -> int:
    return int(np.count_nonzero(np.abs(samples) >= AUDIBLE_RMS))


ModelStep = str | llm.GenerationPiece | llm.ToolCall | Obstacle
"""A string is text, given word by word; a `ToolCall` is a whole call."""
ModelRule = Callable[[llm.ChatRequest], Iterable[ModelStep]]


def echo(request: llm.ChatRequest) -> list[ModelStep]:
    """Repeat what the user said last, or make the call that the request demands."""
    match request.tool_choice:
        case llm.NamedTool(name):
            return [_example_call(next(each for each in request.tools if each.name == name))]
        case "required":
            return [_example_call(request.tools[0])]
        case "auto" | "none":
            said = [each.text for each in request.messages if isinstance(each, llm.UserMessage)]
            return [f"You said: {said[-1]}" if said else "Hello."]


def _example_call(tool: llm.Tool) -> llm.ToolCall:
    return llm.ToolCall("", tool.name, example_arguments(tool.parameters))


class ScriptedLanguageModel:
    """Answer by a rule; ``answers`` are prepared scripts, used one after the other, over and over.

    `GenerationFinished` is added where a script does not end with one, and its usage counts one
    token for each piece and for each word of the messages.
    """

    def __init__(
        self,
        rule: ModelRule = echo,
        *,
        answers: Sequence[Sequence[ModelStep]] = (),
        context_tokens: int = 8192,
        languages: frozenset[str] | None = None,
    ) -> None:
        self.capabilities = llm.LanguageModelCapabilities(context_tokens, languages=languages)
        self.requests: list[llm.ChatRequest] = []
        self.prefilled: list[llm.ChatRequest] = []
        self.runs = Runs()
        self._rule = rule
        self._answers = answers

    async def generate(self, request: llm.ChatRequest) -> AsyncIterator[llm.GenerationPiece]:
        """Yield the pieces of the script."""
        steps = self._steps(request)
        self.requests.append(request)
        budget = request.max_tokens
        spoken = 0
        with self.runs.count():
            for piece in _spell(steps):
                if isinstance(piece, Obstacle):
                    await meet(piece)
                    continue
                await give_way()
                if isinstance(piece, llm.GenerationFinished):
                    yield piece
                    return
                if spoken == budget and not isinstance(piece, llm.CallStarted):
                    yield llm.GenerationFinished("length", _usage(request, spoken))
                    return
                yield piece
                spoken += not isinstance(piece, llm.CallStarted)
            yield llm.GenerationFinished("stop", _usage(request, spoken))

    async def prefill(self, request: llm.ChatRequest) -> None:
        """Remember the request."""
        self.prefilled.append(request)

    def _steps(self, request: llm.ChatRequest) -> Iterable[ModelStep]:
        if self._answers:
            return self._answers[len(self.requests) % len(self._answers)]
        return self._rule(request)


def _spell(
    steps: Iterable[ModelStep],
) -> Iterator[llm.GenerationPiece | Obstacle]:
    for step in steps:
        match step:
            case str():
                yield from (llm.TextDelta(word) for word in split_words(step))
            case llm.ToolCall(name=name, arguments=arguments):
                yield llm.CallStarted(name)
                yield llm.CallArguments(arguments)
            case _:
                yield step


def split_words(text: str) -> list[str]:
    """Cut a text before the space of each word, so that the pieces joined give the text."""
    pieces = _WORDS.findall(text)
    pieces.append(text[sum(map(len, pieces)) :])
    return [piece for piece in pieces if piece]


def _usage(request: llm.ChatRequest, completion: int) -> llm.TokenUsage:
    words = sum(len(str(message).split()) for message in request.messages)
    return llm.TokenUsage(prompt=words, completion=completion)


def hum(
    text: str, voice: str, *, ms_per_character: int = 30, piece_ms: int = 100
) -> Iterator[NDArray[np.float32]]:
    """Yield a tone for every character of a text, at a pitch that belongs to the voice."""
    # A sum, since hashes differ between processes.
    pitch_hz = 200 + sum(voice.encode()) % 200
    sound = tone(pitch_hz, ms_per_character * len(text), tts.TTS_SAMPLE_RATE_HZ)
    piece_samples = piece_ms * tts.TTS_SAMPLE_RATE_HZ // 1000
    for begin in range(0, len(sound), piece_samples):
        yield sound[begin : begin + piece_samples]


SynthesizerStep = NDArray[np.float32] | Obstacle
SynthesizerRule = Callable[[tts.SynthesisRequest], Iterable[SynthesizerStep]]


class ToneSynthesizer:
    """Hum a text, or follow a rule."""

    def __init__(
        self,
        rule: SynthesizerRule | None = None,
        *,
        ms_per_character: int = 30,
        voices: frozenset[str] | None = None,
        languages: frozenset[str] | None = None,
    ) -> None:
        self.capabilities = tts.SynthesizerCapabilities(voices, languages=languages)
        self.requests: list[tts.SynthesisRequest] = []
        self.runs = Runs()
        self._rule = rule or self._hum
        self._ms_per_character = ms_per_character

    async def synthesize(self, request: tts.SynthesisRequest) -> AsyncIterator[NDArray[np.float32]]:
        """Yield the pieces of the script."""
        self.requests.append(request)
        with self.runs.count():
            for piece in self._rule(request):
                if isinstance(piece, Obstacle):
                    await meet(piece)
                    continue
                await give_way()
                yield piece

    def _hum(self, request: tts.SynthesisRequest) -> Iterator[NDArray[np.float32]]:
        return hum(request.text, request.voice, ms_per_character=self._ms_per_character)


ResponderStep = responder.ResponsePiece | Obstacle
ResponderRule = Callable[[responder.ResponseRequest], Iterable[ResponderStep]]


def answer(request: responder.ResponseRequest) -> Iterator[ResponderStep]:
    """Repeat what the user said last, in the modality that is wanted, or make the forced call."""
    forced = _forced_tool(request)
    if forced is not None:
        yield responder.FunctionCallStarted(forced.name)
        yield responder.FunctionCallArguments(example_arguments(forced.parameters))
        return
    said = [turn.text for turn in request.context if isinstance(turn, responder.UserTurn)]
    text = f"You said: {said[-1]}" if said else "Hello."
    if request.modality == "text":
        yield from (responder.WrittenText(word) for word in split_words(text))
        return
    yield from (responder.SpokenText(word) for word in split_words(text))
    clause = text
    for piece in hum(text, request.voice):
        yield responder.SpokenAudio(to_pcm16(piece), clause)
        clause = ""


def _forced_tool(request: responder.ResponseRequest) -> llm.Tool | None:
    match request.tool_choice:
        case llm.NamedTool(name):
            return next(tool for tool in request.tools if tool.name == name)
        case "required":
            return request.tools[0]
        case "auto" | "none":
            return None


class ScriptedResponder:
    """Answer turns by a rule, without a language model or a synthesizer.

    `ResponseFinished` is added where a script does not end with one.
    """

    def __init__(
        self,
        rule: ResponderRule = answer,
        *,
        hears: Literal["transcript", "audio"] = "transcript",
        voices: frozenset[str] | None = None,
    ) -> None:
        self.capabilities = responder.ResponderCapabilities(hears, voices)
        self.requests: list[responder.ResponseRequest] = []
        self.prepared: list[responder.ResponseRequest] = []
        self.runs = Runs()
        self._rule = rule

    async def respond(
        self, request: responder.ResponseRequest
    ) -> AsyncIterator[responder.ResponsePiece]:
        """Yield the pieces of the script."""
        self.requests.append(request)
        with self.runs.count():
            for piece in self._rule(request):
                if isinstance(piece, Obstacle):
                    await meet(piece)
                    continue
                await give_way()
                yield piece
                if isinstance(piece, responder.ResponseFinished):
                    return
            yield responder.ResponseFinished("stop")

    async def prepare(self, request: responder.ResponseRequest) -> None:
        """Remember the request."""
        self.prepared.append(request)
