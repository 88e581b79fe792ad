"""The cascade: a language model that writes and a synthesizer that speaks, as one responder.

The two work at the same time. The model writes on while the clauses it has finished are spoken,
one after the other, in order; the transcript therefore runs ahead of the sound. Both stop when the
iterator that `Cascade.respond` returns is closed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import Limiter, to_pcm16
from antiphon.engines.llm import (
    AssistantMessage,
    CallArguments,
    CallStarted,
    ChatMessage,
    ChatRequest,
    GenerationFinished,
    LanguageModel,
    SystemMessage,
    TextDelta,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from antiphon.engines.responder import (
    AssistantTurn,
    CallTurn,
    FunctionCallArguments,
    FunctionCallStarted,
    ResponderCapabilities,
    ResponseFinished,
    ResponsePiece,
    ResponseRequest,
    ResultTurn,
    SpokenAudio,
    SpokenText,
    SystemTurn,
    TranslationRequest,
    Turn,
    UserTurn,
    WrittenText,
)
from antiphon.engines.sentences import ClauseSplitter
from antiphon.engines.speakable import speakable_in
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ, SynthesisRequest, Synthesizer
from antiphon.protocol.errors import EngineError

CLAUSES_AHEAD = 64
"""Clauses that may wait for their sound before the model has to wait: minutes of speech."""
PIECES_AHEAD = 64
"""Pieces that may wait for the consumer before model and synthesizer have to wait."""

FIRST_CLAUSE_PATIENCE_S = 0.05
"""How long a slow model may write at the first clause before its beginning is spoken."""
SPARE_S = 0.15
"""How long before the listener has heard everything more sound has to be there."""

_NO_RESULT_YET = "(no result yet)"


_T = TypeVar("_T")


class Cascade:
    """Answer a conversation with a language model and, when speech is asked for, a synthesizer."""

    def __init__(self, model: LanguageModel, synthesizer: Synthesizer) -> None:
        self._model = model
        self._synthesizer = synthesizer

    @property
    def capabilities(self) -> ResponderCapabilities:
        """What model and synthesizer can honour together."""
        return ResponderCapabilities(
            hears="transcript",
            voices=self._synthesizer.capabilities.voices,
            context_tokens=self._model.capabilities.context_tokens,
            tools=self._model.capabilities.tools,
            answers_drafts=(
                self._model.capabilities.is_embedded and self._synthesizer.capabilities.is_embedded
            ),
            sees=self._model.capabilities.sees,
            reasons=self._model.capabilities.reasons,
        )

    async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponsePiece]:
        """Yield the answer as it is made, `ResponseFinished` last."""
        answer = _Answer(self._model, self._synthesizer, request)
        failure: Exception | None = None
        # Nothing is raised inside the group: a failing child would cancel whichever task happens
        # to consume this iterator, and an error of the body would come out wrapped in a group.
        async with asyncio.TaskGroup() as work:
            task = work.create_task(_deliver_outcome(answer.make(), answer.pieces))
            try:
                while not isinstance(piece := await answer.pieces.get(), _Outcome):
                    yield piece
                failure = piece.failure
            except GeneratorExit:
                # The consumer is done; what was being made for it is worthless.
                task.cancel()
        if failure is not None:
            raise failure

    async def prepare(self, request: ResponseRequest) -> None:
        """Let the model read the conversation ahead of the response."""
        await self._model.prefill(chat_request(request))


@dataclass(frozen=True, slots=True)
class _Outcome:
    failure: Exception | None


_Pieces = asyncio.Queue[ResponsePiece | _Outcome]


async def _deliver_outcome(work: Coroutine[object, object, None], pieces: _Pieces) -> None:
    failure: Exception | None = None
    try:
        await work
    except* EngineError as failures:
        failure = _first(failures)
    except* Exception as failures:  # noqa: BLE001 - raised again where the pieces are consumed
        failure = failure or _first(failures)
    await pieces.put(_Outcome(failure))


def _first(failures: BaseExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class _Answer:
    """One response in the making: a writer and a speaker that share a queue of clauses."""

    def __init__(
        self, model: LanguageModel, synthesizer: Synthesizer, request: ResponseRequest
    ) -> None:
        self._model = model
        self._synthesizer = synthesizer
        self._request = request
        self._clauses: asyncio.Queue[str | None] = asyncio.Queue(CLAUSES_AHEAD)
        self._splitter = ClauseSplitter()
        self.pieces: _Pieces = asyncio.Queue(PIECES_AHEAD)
        self._begun_at: float | None = None
        self._unspoken = 0
        self._synthesis_s = 0.0
        self._heard_at: float | None = None

    async def make(self) -> None:
        """Write and speak the whole answer."""
        async with asyncio.TaskGroup() as work:
            writing = work.create_task(self._write())
            if self._request.modality == "audio":
                work.create_task(self._speak())
        await self.pieces.put(writing.result())

    async def _write(self) -> ResponseFinished:
        finished: ResponseFinished | None = None
        async with aclosing(_generator(self._model.generate(chat_request(self._request)))) as made:
            async for piece in made:
                match piece:
                    case TextDelta(text, tokens):
                        await self._take_text(text, tokens)
                    case CallStarted(name):
                        await self.pieces.put(FunctionCallStarted(name))
                    case CallArguments(delta, tokens):
                        await self.pieces.put(FunctionCallArguments(delta, tokens))
                    case GenerationFinished(reason, usage):
                        finished = ResponseFinished(reason, usage)
        await self._queue_clauses(self._splitter.flush())
        await self._clauses.put(None)
        if finished is None:
            raise EngineError(
                "server_error", "The language model stopped in mid-answer; try again."
            )
        return finished

    async def _take_text(self, text: str, tokens: int) -> None:
        if self._request.modality == "text":
            await self.pieces.put(WrittenText(text, tokens))
            return
        # The transcript first: no sound comes before its words.
        await self.pieces.put(SpokenText(text, tokens))
        clauses = self._splitter.push(text)
        if not clauses and self._is_waited_for():
            clauses = self._splitter.hurry()
        await self._queue_clauses(clauses)

    def _is_waited_for(self) -> bool:
        """Tell whether the listener is about to hear nothing because the model writes slowly."""
        now = _now()
        if self._begun_at is None:
            self._begun_at = now
        if self._unspoken:
            return False
        if self._heard_at is None:
            return now - self._begun_at > FIRST_CLAUSE_PATIENCE_S
        return now + self._synthesis_s + SPARE_S > self._heard_at

    async def _queue_clauses(self, clauses: list[str]) -> None:
        for clause in clauses:
            self._unspoken += 1
            await self._clauses.put(clause)

    async def _speak(self) -> None:
        # Text without sound joins the next clause that has some: clauses remain the transcript.
        silent = ""
        while (clause := await self._clauses.get()) is not None:
            written = silent + clause
            silent = "" if await self._speak_clause(clause, written) else written
            self._unspoken -= 1

    async def _speak_clause(self, clause: str, written: str) -> bool:
        """Speak one clause, labelled as written; return whether it made any sound."""
        words = speakable_in(_language_of(self._request), clause)
        if not words:
            return False
        request = SynthesisRequest(words, self._request.voice)
        began = _now()
        limiter = Limiter()
        label = written
        async with aclosing(_generator(self._synthesizer.synthesize(request))) as spoken:
            async for samples in spoken:
                if label:
                    self._synthesis_s = _now() - began
                label = await self._emit(limiter.push(samples), label)
        label = await self._emit(limiter.flush(), label)
        return label != written

    async def _emit(self, samples: NDArray[np.float32], label: str) -> str:
        """Hand over the next samples; return the label of those that follow."""
        if not len(samples):
            return label
        self._heard_at = max(_now(), self._heard_at or 0.0) + len(samples) / TTS_SAMPLE_RATE_HZ
        await self.pieces.put(SpokenAudio(to_pcm16(samples), clause=label))
        return ""


def _language_of(request: ResponseRequest) -> str:
    # What an assistant says is read as English, whatever it says (`engines.speakable`).
    return request.language if isinstance(request, TranslationRequest) else "en"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _generator(iterator: AsyncIterator[_T]) -> AsyncGenerator[_T, None]:
    # What engines return can be closed; their Protocols name only the part that everybody reads.
    return cast("AsyncGenerator[_T, None]", iterator)


def chat_request(request: ResponseRequest) -> ChatRequest:
    """Write a response's context down as the messages of a chat."""
    instructions = [SystemMessage(request.instructions)] if request.instructions else []
    return ChatRequest(
        messages=(*instructions, *_messages(request.context)),
        tools=request.tools,
        tool_choice=request.tool_choice,
        parallel_tool_calls=request.parallel_tool_calls,
        max_tokens=request.max_output_tokens,
        session_key=request.session_key,
        edition=request.edition,
        reasoning_effort=request.reasoning_effort,
        keeps_all=request.keeps_all,
    )


def _messages(context: Sequence[Turn]) -> list[ChatMessage]:
    """Convert turns to messages in which each call is followed by its result.

    Chat models know no other order, so a result that came later is moved up to its call, and a call
    without one says so.
    """
    results = {turn.call_id: turn.output for turn in context if isinstance(turn, ResultTurn)}
    called = {turn.call_id for turn in context if isinstance(turn, CallTurn)}
    messages: list[ChatMessage] = []
    calls: list[ToolCall] = []
    for turn in context:
        if isinstance(turn, CallTurn):
            calls.append(ToolCall(turn.call_id, turn.name, turn.arguments))
            continue
        _settle_calls(messages, calls, results)
        if not isinstance(turn, ResultTurn) or turn.call_id not in called:
            messages.append(_message(turn))
    _settle_calls(messages, calls, results)
    return messages


def _settle_calls(
    messages: list[ChatMessage], calls: list[ToolCall], results: dict[str, str]
) -> None:
    """Move the calls collected so far, and their results, to the end of the messages."""
    if not calls:
        return
    said = AssistantMessage("")
    if messages and isinstance(last := messages[-1], AssistantMessage) and not last.calls:
        said = last
        messages.pop()
    messages.append(replace(said, calls=tuple(calls)))
    messages.extend(
        ToolMessage(call.call_id, results.get(call.call_id, _NO_RESULT_YET)) for call in calls
    )
    calls.clear()


def _message(turn: SystemTurn | UserTurn | AssistantTurn | ResultTurn) -> ChatMessage:
    match turn:
        case SystemTurn(text):
            return SystemMessage(text)
        case UserTurn(text, pictures=pictures):
            return UserMessage(text, pictures)
        case AssistantTurn(text, phase):
            return AssistantMessage(text, phase=phase)
        case ResultTurn(_, output):
            # Its call has been deleted from the conversation; what it says may still matter.
            return SystemMessage(f"Result of an earlier function call: {output}")
