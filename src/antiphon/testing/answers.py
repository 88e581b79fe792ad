"""Answers of an OpenAI-compatible endpoint, built from what they should say."""

import json
from collections.abc import Iterable, Sequence

import numpy as np

from antiphon.audio.pcm import Samples, to_pcm16
from antiphon.engines.llm import ToolCall
from antiphon.testing.engines import split_words
from antiphon.testing.loopback import Answer
from antiphon.testing.speech import wav

EVENT_STREAM = "text/event-stream"


def event(data: object) -> bytes:
    """Return one server-sent event with JSON data."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, object], finish_reason: str | None = None) -> bytes:
    """Return one piece of a streamed chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]})


def usage(prompt: int, cached: int, completion: int) -> bytes:
    """Return the piece of a streamed chat completion that counts its tokens."""
    counted = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return event({"id": "chatcmpl-1", "choices": [], "usage": counted})


def call_deltas(index: int, call: ToolCall) -> list[dict[str, object]]:
    """Return a tool call as the deltas in which it is streamed: its name, then its arguments."""
    first = {
        "index": index,
        "id": call.call_id or f"call_{index}",
        "type": "function",
        "function": {"name": call.name, "arguments": ""},
    }
    halves = (
        call.arguments[: len(call.arguments) // 2],
        call.arguments[len(call.arguments) // 2 :],
    )
    rest = [{"index": index, "function": {"arguments": half}} for half in halves if half]
    return [{"tool_calls": [each]} for each in (first, *rest)]


def chat_events(
    said: Iterable[str | ToolCall], *, prompt_tokens: int = 0, max_tokens: int | None = None
) -> list[bytes]:
    """Return the events of a streamed chat completion; a text is given word by word."""
    deltas: list[dict[str, object]] = []
    calls = 0
    for each in said:
        if isinstance(each, str):
            deltas.extend({"content": word} for word in split_words(each))
        else:
            deltas.extend(call_deltas(calls, each))
            calls += 1
    is_whole = max_tokens is None or len(deltas) <= max_tokens
    reason = ("tool_calls" if calls else "stop") if is_whole else "length"
    deltas = deltas[:max_tokens]
    return [
        chunk({"role": "assistant", "content": ""}),
        *map(chunk, deltas),
        chunk({}, reason),
        usage(prompt_tokens, 0, len(deltas)),
        DONE,
    ]


def chat(
    said: Iterable[str | ToolCall], *, prompt_tokens: int = 0, max_tokens: int | None = None
) -> Answer:
    """Return a streamed chat completion."""
    events = chat_events(said, prompt_tokens=prompt_tokens, max_tokens=max_tokens)
    return Answer(events, EVENT_STREAM)


def whole_chat(said: Iterable[str | ToolCall], *, prompt_tokens: int = 0) -> Answer:
    """Return a chat completion in one piece."""
    pieces = list(said)
    calls = [
        {
            "id": each.call_id or f"call_{index}",
            "type": "function",
            "function": {"name": each.name, "arguments": each.arguments},
        }
        for index, each in enumerate(each for each in pieces if isinstance(each, ToolCall))
    ]
    text = "".join(each for each in pieces if isinstance(each, str))
    message = {"role": "assistant", "content": text or None} | (
        {"tool_calls": calls} if calls else {}
    )
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    counted = {"prompt_tokens": prompt_tokens, "completion_tokens": len(text.split())}
    return whole({"id": "chatcmpl-1", "choices": [choice], "usage": counted})


def transcription(text: str, *, logprobs: bool = False) -> Answer:
    """Return a transcription."""
    return whole({"text": text} | _sureness(text, logprobs))


def transcription_stream(text: str, *, logprobs: bool = False) -> Answer:
    """Return a transcription word by word."""
    deltas = [{"type": "transcript.text.delta", "delta": word} for word in split_words(text)]
    done = {"type": "transcript.text.done", "text": text} | _sureness(text, logprobs)
    return Answer([event(each) for each in (*deltas, done)], EVENT_STREAM)


def _sureness(text: str, wanted: bool) -> dict[str, object]:
    if not wanted:
        return {}
    words = split_words(text)
    return {
        "logprobs": [
            {"token": word, "logprob": -0.5 * (n + 1), "bytes": list(word.encode())}
            for n, word in enumerate(words)
        ]
    }


def speech_pcm(pieces: Iterable[Samples]) -> Answer:
    """Return speech as bare samples."""
    return Answer((to_pcm16(piece) for piece in pieces), "audio/pcm")


def speech_wav(pieces: Sequence[Samples], rate_hz: int) -> Answer:
    """Return speech as a WAV file."""
    return Answer([wav(np.concatenate(pieces), rate_hz)], "audio/wav")


def failure(status: int, code: str = "", *, retry_after: str | None = None) -> Answer:
    """Return an error in the API's form."""
    body = {"error": {"message": "It did not work.", "type": "test_error", "code": code or None}}
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Answer([json.dumps(body).encode()], status=status, headers=headers)


def page() -> Answer:
    """Return what a proxy that does not know the endpoint says."""
    body = b"<!doctype html><title>Welcome</title>"
    return Answer([body], "text/html", length_bytes=len(body))


def drip(data: bytes, size: int = 1) -> list[bytes]:
    """Cut bytes into small pieces, which leave one by one."""
    return [data[begin : begin + size] for begin in range(0, len(data), size)]


def whole(data: object) -> Answer:
    """Return JSON in one piece."""
    body = json.dumps(data).encode()
    return Answer([body], length_bytes=len(body))
