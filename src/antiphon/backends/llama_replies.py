"""One reply: speech, calls, or speech and then calls.

The model decides freely whether to speak or to call. As soon as it begins to write a call it is
interrupted and made to write that call under the grammar of the tool, so the arguments of every
call satisfy the tool's schema. The prompt is in the slot by then; asking again costs little.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace

from antiphon.backends.llama_calls import CallGate, answered_calls
from antiphon.backends.llama_grammar import UnsupportedSchemaError
from antiphon.backends.llama_loops import LoopWatch
from antiphon.backends.llama_server import Ended, PromptRead, Written
from antiphon.backends.llama_tools import SPEECH_GRAMMAR, CallGrammar, CallSpotter, call_grammar
from antiphon.backends.llama_work import Chat, SlotWork
from antiphon.engines.llm import (
    CallArguments,
    CallStarted,
    ChatRequest,
    GenerationFinished,
    NamedTool,
    TextDelta,
    TokenUsage,
)
from antiphon.protocol.errors import EngineError

Piece = TextDelta | CallStarted | CallArguments

_ATTEMPTS = 3
"""How often a call is written whose grammar does not guarantee everything."""
_CALLING: Mapping[str, object] = {"temperature": 0.0, "repeat_penalty": 1.0}
_CALLING_AGAIN: Mapping[str, object] = {**_CALLING, "temperature": 0.8}


class Reply:
    """Make one reply in a slot."""

    def __init__(self, work: SlotWork, request: ChatRequest, chat: Chat) -> None:
        self._work = work
        self._request = request
        self._chat = chat
        self._finished = GenerationFinished("stop")

    @property
    def finished(self) -> GenerationFinished:
        """How the reply ended, with the tokens of all that was asked for it."""
        return self._finished

    def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield what the model says and calls."""
        match self._request.tool_choice:
            case "required":
                return self._forced_calls(None)
            case NamedTool(name):
                return self._forced_calls(name)
            case "auto" | "none":
                return self._speech_or_calls()

    async def _forced_calls(self, name: str | None) -> AsyncGenerator[Piece, None]:
        several = self._request.parallel_tool_calls and name is None
        grammar = await self._grammar(name, several=several, strict=True)
        gate = CallGate(self._request.tools, grammar.unsure)
        for attempt in range(_ATTEMPTS):
            async with aclosing(self._calls(grammar, gate, again=attempt > 0)) as calls:
                async for piece in calls:
                    yield piece
            if gate.passed or self._finished.reason == "length":
                return
        raise EngineError(
            "server_error",
            "The embedded language model could not write arguments that satisfy the tool's "
            "schema. Simplify its 'oneOf' or 'pattern'.",
        )

    async def _speech_or_calls(self) -> AsyncGenerator[Piece, None]:
        spotter = CallSpotter()
        made = 0
        async with aclosing(self._speech(spotter)) as speech:
            async for said in speech:
                made += 1
                yield said
        if spotter.opening is None:
            return
        await self._work.abandon()
        async with aclosing(self._spotted_calls(spotter.opening)) as calls:
            async for call in calls:
                made += 1
                yield call
        if not made:
            # What it wanted to call does not exist, or has just been called: it has to speak.
            async with aclosing(self._speech(CallSpotter(), SPEECH_GRAMMAR)) as speech:
                async for said in speech:
                    yield said

    async def _speech(
        self, spotter: CallSpotter, grammar: str = ""
    ) -> AsyncGenerator[TextDelta, None]:
        """Yield what the model says, until it begins to write a call or to repeat itself."""
        loops = LoopWatch()
        async with aclosing(self._texts({"grammar": grammar} if grammar else {})) as texts:
            async for text in texts:
                if speech := spotter.push(text):
                    yield TextDelta(speech)
                if spotter.opening is not None:
                    return
                if loops.push(text):
                    break
        await self._work.abandon()
        if rest := spotter.flush():
            yield TextDelta(rest)

    async def _spotted_calls(self, name: str) -> AsyncGenerator[Piece, None]:
        offered = {tool.name for tool in self._request.tools}
        if self._request.tool_choice == "none" or name not in offered:
            return
        several = self._request.parallel_tool_calls
        grammar = await self._grammar(name, several=several, strict=False)
        gate = CallGate(self._request.tools, grammar.unsure, answered_calls(self._request.messages))
        async with aclosing(self._calls(grammar, gate, again=False)) as calls:
            async for piece in calls:
                yield piece

    async def _calls(
        self, grammar: CallGrammar, gate: CallGate, *, again: bool
    ) -> AsyncGenerator[Piece, None]:
        """Have calls written; hand out those that pass the gate."""
        manner = {**(_CALLING_AGAIN if again else _CALLING), "grammar": grammar.text}
        if self._request.max_tokens is None:
            # Every grammar comes to an end; where speech would be cut off does not matter here.
            manner["max_tokens"] = -1
        gate.begin()
        async with aclosing(self._texts(manner)) as texts:
            async for text in texts:
                for piece in gate.push(text):
                    yield piece
                if gate.closed:
                    break
        if gate.closed:
            await self._work.abandon()

    async def _grammar(self, first: str | None, *, several: bool, strict: bool) -> CallGrammar:
        try:
            # On a thread: a client may send a schema that takes long to compile.
            return await asyncio.to_thread(
                call_grammar, self._request.tools, first=first, several=several, strict=strict
            )
        except UnsupportedSchemaError as unsupported:
            tool = f"Tool '{unsupported.tool}'" if unsupported.tool else "Tool choice"
            raise EngineError(
                "invalid_tool_schema",
                f"{tool}: the embedded language model cannot honour '{unsupported.keyword}' in "
                f"'parameters': {unsupported.reason}. Simplify the schema, or set 'tool_choice' "
                "to 'auto'.",
            ) from None

    async def _texts(self, manner: Mapping[str, object]) -> AsyncGenerator[str, None]:
        """Yield what the model writes when it is asked in this manner, and keep the accounts."""
        before = self._finished.usage
        is_first = not before.prompt
        limit = self._chat.parameters.get("max_tokens")
        left = limit - before.completion if isinstance(limit, int) else -1
        parameters = {**self._chat.parameters, "max_tokens": max(1, left), **manner}
        self._work.start(replace(self._chat, parameters=parameters))
        written = 0
        while (event := await self._work.next_event()) is not None:
            match event:
                case PromptRead(done, total) if is_first:
                    # The prompt may be read in parts, of which the first tells what was known.
                    before = TokenUsage(total, before.cached if before.prompt else done)
                case PromptRead():
                    pass
                case Written(text):
                    written += 1
                    self._account(before, written)
                    yield text
                case Ended(reason, completion_tokens=completion):
                    self._account(before, completion)
                    self._finished = replace(self._finished, reason=reason)
                    return
        raise EngineError("engine_unavailable", "The language model is shutting down.")

    def _account(self, before: TokenUsage, completion: int) -> None:
        usage = replace(before, completion=before.completion + completion)
        self._finished = GenerationFinished("stop", usage)
