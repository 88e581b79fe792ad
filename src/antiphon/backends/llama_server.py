"""The llama.cpp server inside our process, through `xllamacpp`.

It has a fixed number of slots. Each keeps the evaluated prompt of its last request, so a request
that begins the same way in the same slot costs only what is new. Requests in different slots are
evaluated together, in steps of at most `STEP_TOKENS`.
"""

import importlib
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from antiphon.backends.embedded_settings import misconfigured
from antiphon.protocol.errors import EngineError

STEP_TOKENS = 32
"""Tokens evaluated between two looks at what has been cancelled or come in.

Larger steps read a prompt hardly faster on a processor, and everybody else waits for them.
"""


_NICENESS = 10
"""Of the threads of the model, on Linux, where each thread has its own."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to run a model."""

    model_path: Path
    threads: int
    slots: int
    context_tokens: int
    """For each slot."""


@dataclass(frozen=True, slots=True)
class PromptRead:
    """So many tokens of the prompt have been evaluated or found in the slot."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Written:
    """The next piece of text, usually one token."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a request that ran to its end."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class PromptTooLong:
    """The prompt does not fit in a slot; nothing was done."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The server could not do what the request asks for; nothing was done."""

    message: str


ServerEvent = PromptRead | Written | Ended | PromptTooLong | Refused


class _Progress(msgspec.Struct):
    total: int
    processed: int


class _PromptDetails(msgspec.Struct):
    cached_tokens: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptDetails = msgspec.field(default_factory=_PromptDetails)


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    text: str = ""
    finish_reason: str | None = None


class _Error(msgspec.Struct):
    message: str = ""
    n_prompt_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: tuple[_Choice, ...] = ()
    prompt_progress: _Progress | None = None
    usage: _Usage | None = None
    error: _Error | None = None


class LlamaServer:
    """Own one loaded model. `ask` may be called from several threads at once."""

    def __init__(self, options: ServerOptions) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="antiphon-llama-")
        self._decode = msgspec.json.Decoder(_Chunk).decode
        self._closing = threading.Event()
        xllamacpp = _load_runtime()
        parameters = _parameters(xllamacpp, options, Path(self._directory.name))
        try:
            self._server: Any = _in_the_background(lambda: xllamacpp.Server(parameters))
        except Exception as failure:
            self._directory.cleanup()
            raise misconfigured(
                "llama",
                f"the model file '{options.model_path.name}' could not be loaded. Check that it is "
                "a complete GGUF file, and that there is memory for 'slots' x 'context_tokens'",
            ) from failure

    def ask(self, request: Mapping[str, object], take: Callable[[ServerEvent], bool]) -> None:
        """Carry out a request, handing each event to ``take``; block until it has ended.

        The request holds "messages", which the model's template renders, or a finished "prompt".
        It is abandoned, within one step, as soon as ``take`` returns False.
        """
        stream = {"stream": True, "stream_options": {"include_usage": True}}
        body = msgspec.json.encode({**request, **stream, "return_progress": True}).decode()
        reason: Literal["stop", "length"] = "stop"

        def take_chunk(text: str) -> bool:
            nonlocal reason
            chunk = self._decode(text)
            if any(choice.finish_reason == "length" for choice in chunk.choices):
                reason = "length"
            # The server goes on until it is told True.
            return self._closing.is_set() or not all(map(take, _events(chunk, reason)))

        server = self._server
        carry_out = (
            server.handle_completions if "prompt" in request else server.handle_chat_completions
        )
        try:
            carry_out(body, take_chunk)
        except (RuntimeError, ValueError) as failure:
            # A template that cannot render the conversation says so by a C++ exception.
            take(Refused(str(failure)))

    def close(self) -> None:
        """Stop all requests and free the model. No other call may follow."""
        self._closing.set()
        self._server = None
        self._directory.cleanup()


def _events(chunk: _Chunk, reason: Literal["stop", "length"]) -> Iterator[ServerEvent]:
    if chunk.error is not None:
        too_long = chunk.error.n_prompt_tokens
        yield Refused(chunk.error.message) if too_long is None else PromptTooLong(too_long)
    if chunk.prompt_progress is not None:
        yield PromptRead(chunk.prompt_progress.processed, chunk.prompt_progress.total)
    for choice in chunk.choices:
        if text := choice.delta.content or choice.text:
            yield Written(text)
    if chunk.usage is not None:
        yield Ended(
            reason,
            prompt_tokens=chunk.usage.prompt_tokens,
            cached_tokens=chunk.usage.prompt_tokens_details.cached_tokens,
            completion_tokens=chunk.usage.completion_tokens,
        )


def _load_runtime() -> Any:
    # The threads wait for each other hundreds of times a token. A short spin is the fastest way to
    # wait; a long one starves the very thread that is waited for as soon as anything else runs.
    # Spinning for some microseconds and sleeping then keeps the full speed of an idle machine and
    # twice the usual one beside a busy program. OpenMP reads this when the library is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        # Imported here: loading the runtime takes long, and most commands need no model.
        return importlib.import_module("xllamacpp")
    except ImportError as missing:
        raise EngineError(
            "engine_unavailable",
            f"The runtime of the embedded language model cannot be loaded ({missing}). Run 'pip "
            "install xllamacpp', or 'apt install libgomp1' where that library is what is missing.",
        ) from missing


def _in_the_background(create: Callable[[], Any]) -> Any:
    """Create something whose threads give way to all others of the process.

    The model writes several times as fast as anybody speaks, and its threads are busy all the
    time. What listens and speaks is short, and people wait for it.
    """
    # A thread inherits the priority of the one that starts it, and cannot get a higher one back.
    with ThreadPoolExecutor(1) as background:
        background.submit(_give_way)
        return background.submit(create).result()


def _give_way() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _parameters(xllamacpp: Any, options: ServerOptions, directory: Path) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(options.model_path)
    parameters.n_ctx = options.slots * options.context_tokens
    parameters.n_parallel = options.slots
    parameters.n_batch = parameters.n_ubatch = STEP_TOKENS
    for processor in (parameters.cpuparams, parameters.cpuparams_batch):
        processor.n_threads = options.threads
        # Threads that spin while they wait take the processor from the speech engines.
        processor.poll = 0
    # Prompts stay in their slots; the copies that the server would keep of those that it
    # displaces may fill gigabytes.
    parameters.cache_ram_mib = 0
    # Conversations are rendered by the model's template and written text is taken as it is; tool
    # calls have our own format, which works with every template.
    parameters.force_pure_content_parser = True
    parameters.prefill_assistant = False
    parameters.verbosity = -1
    # The first question about the template warms the model.
    parameters.warmup = False
    _lock_listener(parameters, directory)
    return parameters


def _lock_listener(parameters: Any, directory: Path) -> None:
    """Make the HTTP listener, which cannot be switched off, useless to everybody."""
    if sys.platform == "win32":
        parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    else:
        # The directory can be entered by us alone.
        parameters.hostnames = [str(directory / "llama.sock")]
    parameters.api_keys = [secrets.token_urlsafe(32)]
    parameters.cors_origins = ""
    parameters.n_threads_http = 1
    parameters.ui = parameters.endpoint_slots = False
