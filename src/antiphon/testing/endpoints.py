"""An OpenAI-compatible server on loopback: chat completions, transcriptions, speech and models.

It answers at once, remembers every request, and can be told to misbehave::

    async with Endpoints(reply=["Certainly."]) as endpoints:
        endpoints.answer_next(CHAT, answers.failure(429, retry_after="0"))
        ...
        assert endpoints.requests_to(CHAT)[0].fields["stream"] is True

`python -m antiphon.testing.endpoints` serves the same in a process of its own, so that a benchmark
does not share a processor with it; `GET /requests` then tells when each request came and went.
"""

import argparse
import asyncio
import itertools
import json
import ssl
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import cast

import numpy as np

from antiphon.audio.pcm import Samples
from antiphon.engines.llm import ToolCall
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ
from antiphon.testing import answers
from antiphon.testing.engines import AUDIBLE_RMS, hum
from antiphon.testing.loopback import Answer, LoopbackServer, Received
from antiphon.testing.schemas import example_arguments
from antiphon.testing.speech import read_wav

CHAT = "/v1/chat/completions"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
SPEECH = "/v1/audio/speech"
MODELS = "/v1/models"
REQUESTS = "/requests"

Reply = Sequence[str | ToolCall]


def echo(fields: Mapping[str, object]) -> Reply:
    """Repeat what the user said last, or make the call that the request demands."""
    choice = fields.get("tool_choice", "auto")
    if choice not in ("auto", "none"):
        return [_forced_call(cast("list[dict[str, object]]", fields["tools"]), choice)]
    messages = cast("list[dict[str, object]]", fields["messages"])
    said = [str(each["content"]) for each in messages if each["role"] == "user"]
    return [f"You said: {said[-1]}" if said else "Hello."]


def _forced_call(tools: list[dict[str, object]], choice: object) -> ToolCall:
    functions = [cast("dict[str, object]", tool["function"]) for tool in tools]
    if isinstance(choice, dict):
        wanted = cast("dict[str, dict[str, object]]", choice)["function"]["name"]
        functions = [each for each in functions if each["name"] == wanted]
    parameters = cast("Mapping[str, object]", functions[0]["parameters"])
    return ToolCall("", str(functions[0]["name"]), example_arguments(parameters))


class Endpoints(LoopbackServer):
    """The endpoints that a pipeline needs.

    ``reply`` is what the language model says: a fixed reply, or a rule that is given the request's
    fields. ``transcripts`` are what the transcriber hears, one after the other; silence is "".
    """

    def __init__(
        self,
        *,
        reply: Reply | Callable[[Mapping[str, object]], Reply] = echo,
        transcripts: Sequence[str] = ("Hello there.",),
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        routes = {
            CHAT: self._chat,
            TRANSCRIPTIONS: self._transcribe,
            SPEECH: self._speak,
            MODELS: self._list_models,
            REQUESTS: self._list_requests,
        }
        super().__init__(routes, port=port, tls=tls)
        self._reply = reply
        self._transcripts = itertools.cycle(transcripts)

    @property
    def base_url(self) -> str:
        """The address that a deployment names."""
        return f"{self.origin}/v1"

    @contextmanager
    def in_thread(self) -> Generator["Endpoints"]:
        """Serve in a thread of its own, for tests that have no event loop."""
        ready = threading.Event()
        stop: list[Callable[[], object]] = []

        async def serve() -> None:
            stopped = asyncio.Event()
            loop = asyncio.get_running_loop()
            stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
            async with self:
                ready.set()
                await stopped.wait()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            stop[0]()
            thread.join()

    def _chat(self, received: Received) -> Answer:
        fields = received.fields
        reply = self._reply(fields) if callable(self._reply) else self._reply
        prompt_tokens = len(str(fields["messages"]).split())
        if fields.get("stream"):
            limit = fields.get("max_tokens", fields.get("max_completion_tokens"))
            return answers.chat(
                reply, prompt_tokens=prompt_tokens, max_tokens=cast("int | None", limit)
            )
        return answers.whole_chat(reply, prompt_tokens=prompt_tokens)

    def _transcribe(self, received: Received) -> Answer:
        form = received.form
        text = next(self._transcripts) if _is_audible(form["file"]) else ""
        logprobs = form.get("include[]") == b"logprobs"
        if form.get("stream") == b"true":
            return answers.transcription_stream(text, logprobs=logprobs)
        return answers.transcription(text, logprobs=logprobs)

    def _speak(self, received: Received) -> Answer:
        fields = received.fields
        text, voice = str(fields["input"]), str(fields["voice"])
        pieces = _hummed(text, voice)
        if fields.get("response_format") == "wav":
            return answers.speech_wav(pieces, TTS_SAMPLE_RATE_HZ)
        return answers.speech_pcm(pieces)

    def _list_models(self, _received: Received) -> Answer:
        models = [{"id": "test-model", "object": "model", "owned_by": "test"}]
        return answers.whole({"object": "list", "data": models})

    def _list_requests(self, received: Received) -> Answer:
        return answers.whole([_timing(each) for each in self.requests if each is not received])


@lru_cache(maxsize=256)
def _hummed(text: str, voice: str) -> tuple[Samples, ...]:
    return tuple(hum(text, voice))


def _is_audible(file: bytes) -> bool:
    samples, _ = read_wav(file)
    return bool(np.any(np.abs(samples) >= AUDIBLE_RMS))


def _timing(received: Received) -> dict[str, object]:
    return {
        "path": received.path,
        "arrived_s": received.arrived_s,
        "answered_s": received.answered_s,
        "ended_s": received.ended_s,
        "disconnected": received.disconnected,
    }


async def _serve(endpoints: Endpoints) -> None:
    async with endpoints:
        print(json.dumps({"base_url": endpoints.base_url}), flush=True)  # noqa: T201 - the result
        await asyncio.Event().wait()


def main() -> None:
    """Serve until interrupted; the first line on stdout is JSON with the `base_url`."""
    parser = argparse.ArgumentParser(description="Serve instant OpenAI-compatible endpoints.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--reply", help="what the language model says; without: it echoes")
    parser.add_argument("--transcript", default="Hello there.", help="what the transcriber hears")
    options = parser.parse_args()
    endpoints = Endpoints(
        reply=[options.reply] if options.reply else echo,
        transcripts=[options.transcript],
        port=options.port,
    )
    try:
        asyncio.run(_serve(endpoints))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
