"""A language model from a GGUF file, run inside the server's process.

Generations run on worker threads; what they write comes back to the event loop through a queue
that holds at most what a slot's context can. Closing the iterator of a generation, or cancelling
whoever waits for it, stops the model within one token.
"""

from collections.abc import AsyncIterator, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from antiphon import weights
from antiphon.backends.embedded_settings import find_weights, misconfigured, read_settings
from antiphon.backends.llama_prompt import Room, render
from antiphon.backends.llama_replies import Reply
from antiphon.backends.llama_server import LlamaServer, PromptRead, ServerOptions
from antiphon.backends.llama_slots import Lease, SlotPool
from antiphon.backends.llama_tools import instructions
from antiphon.backends.llama_work import Chat, ChatRunner, SlotWork
from antiphon.engines.llm import ChatRequest, GenerationPiece, LanguageModelCapabilities

_REPLY_SHARE = 4
"""A quarter of the context is left for the reply."""


class LlamaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a deployment may say about the engine `llama`."""

    model_path: str | None = None
    """A GGUF file of your own."""
    artifact: str | None = None
    """A model of the weights manifest, such as "qwen2.5-coder-1.5b"."""
    threads: Annotated[int, Meta(ge=1, le=256)] = 2
    """Processor threads; more than the machine has cores makes it slower."""
    slots: Annotated[int, Meta(ge=1, le=64)] = 4
    """Replies made at the same time; further ones wait."""
    context_tokens: Annotated[int, Meta(ge=512, le=1_048_576)] = 4096
    """Tokens of conversation and reply in each slot; memory grows with slots x context."""
    languages: frozenset[str] | None = None
    """ISO-639-1 codes that it writes well; unset: English, or whichever with a file of your own."""
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.2
    """How free the choice of words is; 0 always takes the likeliest."""
    max_reply_tokens: Annotated[int, Meta(ge=1)] = 1024
    """Where a reply ends at the latest; small models do not always find an end."""
    seed: Annotated[int, Meta(ge=0, le=2**32 - 2)] | None = None
    """Makes the choice of words repeatable while one reply is made at a time."""


def create(settings: Mapping[str, object]) -> "LlamaLanguageModel":
    """Load the model that the settings name."""
    return LlamaLanguageModel(read_settings("llama", settings, LlamaSettings))


class LlamaLanguageModel:
    """A loaded model. `close` frees it."""

    def __init__(self, settings: LlamaSettings) -> None:
        options = ServerOptions(
            _model_path(settings), settings.threads, settings.slots, settings.context_tokens
        )
        self._settings = settings
        self._server = LlamaServer(options)
        self._runner = ChatRunner(self._server)
        self._slots = SlotPool(settings.slots)
        self._threads = ThreadPoolExecutor(settings.slots, "language-model")

    @property
    def _languages(self) -> frozenset[str] | None:
        own = self._settings.model_path is not None
        # The models of the manifest are too small to be trusted with any other language.
        return self._settings.languages or (None if own else frozenset({"en"}))

    @property
    def capabilities(self) -> LanguageModelCapabilities:
        """What this model can honour."""
        return LanguageModelCapabilities(
            self._settings.context_tokens, is_embedded=True, languages=self._languages
        )

    async def generate(self, request: ChatRequest) -> AsyncIterator[GenerationPiece]:
        """Yield text and calls as they are written, `GenerationFinished` last."""
        with self._at_work(
            await self._slots.enter_reply(request.session_key, request.edition)
        ) as work:
            chat = self._chat(request, ahead=False)
            reply = Reply(work, request, chat)
            async with aclosing(reply.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
            yield reply.finished

    async def prefill(self, request: ChatRequest) -> None:
        """Evaluate the prompt into the session's slot while no reply is being made."""
        done = False
        while not done:
            lease = await self._slots.enter_ahead(request.session_key, request.edition)
            done = lease is None or await self._read_ahead(lease, request)

    async def _read_ahead(self, lease: Lease, request: ChatRequest) -> bool:
        """Evaluate a prompt; return False if that has to be taken up again."""
        with self._at_work(lease) as work:
            work.start(self._chat(request, ahead=True))
            while (event := await work.next_event()) is not None:
                if isinstance(event, PromptRead) and event.done >= event.total:
                    return True
            return lease.superseded or not lease.stopped

    def close(self) -> None:
        """Stop what is being generated and free the model."""
        self._slots.stop_all()
        self._threads.shutdown(cancel_futures=True)
        self._server.close()

    def _chat(self, request: ChatRequest, *, ahead: bool) -> Chat:
        offered = () if request.tool_choice == "none" else request.tools
        messages = render(request, instructions(offered), ahead=ahead)
        context = self._settings.context_tokens
        longest = self._settings.max_reply_tokens
        limit = longest if request.max_tokens is None else min(longest, request.max_tokens)
        room = Room(context - min(context // _REPLY_SHARE, limit))
        manner = {"max_tokens": 1} if ahead else self._manner(limit)
        return Chat(messages, room, manner, ahead, request.keeps_all)

    def _manner(self, max_tokens: int) -> dict[str, object]:
        seed = {} if self._settings.seed is None else {"seed": self._settings.seed}
        return {
            **seed,
            "max_tokens": max_tokens,
            "temperature": self._settings.temperature,
            "top_p": 0.9,
            "top_k": 40,
            "min_p": 0.05,
            "repeat_penalty": 1.05,
            "repeat_last_n": 128,
        }

    @contextmanager
    def _at_work(self, lease: Lease) -> Generator[SlotWork]:
        work = SlotWork(lease, self._slots, self._runner, self._threads)
        try:
            yield work
        finally:
            work.finish()


def _model_path(settings: LlamaSettings) -> Path:
    if (settings.model_path is None) == (settings.artifact is None):
        raise misconfigured("llama", "it needs either 'model_path' or 'artifact', and not both")
    file = "" if settings.artifact is None else _gguf(settings.artifact)
    return find_weights("llama", settings.artifact or "", file, settings.model_path)


def _gguf(artifact: str) -> str:
    try:
        names = [file.name for file in weights.artifact(artifact).files]
    except weights.UnknownWeightsError as unknown:
        raise misconfigured("llama", f"'artifact': {unknown}") from unknown
    if len(names) != 1 or not names[0].endswith(".gguf"):
        raise misconfigured("llama", f"'artifact': '{artifact}' is no GGUF model")
    return names[0]
