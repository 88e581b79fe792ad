"""The endpoints on loopback: the official SDK understands them, and they misbehave when told."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from antiphon.engines.llm import ToolCall
from antiphon.testing import answers
from antiphon.testing.endpoints import CHAT, MODELS, REQUESTS, SPEECH, Endpoints
from antiphon.testing.loopback import Answer, Cut
from antiphon.testing.scripts import Hang
from antiphon.testing.speech import read_wav, silence, speech, wav

MESSAGES: Any = [{"role": "user", "content": "Hello"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": CITY}}
    for name in ("look_up_weather", "look_up_time")
]


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    with Endpoints(transcripts=["One.", "Two."]).in_thread() as running:
        yield running


@pytest.fixture
def client(endpoints: Endpoints) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=endpoints.base_url, api_key="any", max_retries=0) as client:
        yield client


def test_a_chat_is_streamed(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "You said: Hello"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


def test_a_chat_can_be_had_whole(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="m", messages=MESSAGES)
    assert completion.choices[0].message.content == "You said: Hello"


def test_a_chat_keeps_to_its_limit(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model="m", messages=MESSAGES, stream=True, max_tokens=2)
    )
    assert chunks[-2].choices[0].finish_reason == "length"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("required", "look_up_weather"),
        ({"type": "function", "function": {"name": "look_up_time"}}, "look_up_time"),
    ],
)
def test_a_call_that_is_demanded_is_made(
    client: openai.OpenAI, choice: Any, name: str, stream: bool
) -> None:
    answer: Any = client.chat.completions.create(
        model="m", messages=MESSAGES, tools=TOOLS, tool_choice=choice, stream=stream
    )
    if stream:
        deltas = [choice.delta for chunk in answer for choice in chunk.choices]
        calls = [call.function for delta in deltas for call in delta.tool_calls or ()]
    else:
        calls = [call.function for call in answer.choices[0].message.tool_calls]
    assert calls[0].name == name
    arguments = "".join(call.arguments or "" for call in calls)
    assert json.loads(arguments) == {"city": "example"}


def test_a_reply_can_be_prepared() -> None:
    reply = ["One moment.", ToolCall("call_7", "look_up_weather", '{"city": "Oslo"}')]
    with (
        Endpoints(reply=reply).in_thread() as endpoints,
        openai.OpenAI(base_url=endpoints.base_url, api_key="any") as client,
    ):
        message = client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message
    assert message.content == "One moment."
    assert message.tool_calls is not None
    assert message.tool_calls[0].id == "call_7"


def test_speech_is_transcribed_one_text_after_the_other(client: openai.OpenAI) -> None:
    heard = [
        client.audio.transcriptions.create(model="m", file=("a.wav", wav(sound))).text
        for sound in (speech(200), silence(200), speech(200), speech(200))
    ]
    assert heard == ["One.", "", "Two.", "One."]


def test_a_transcription_can_be_streamed(client: openai.OpenAI) -> None:
    events = list(
        client.audio.transcriptions.create(model="m", file=("a.wav", wav(speech(200))), stream=True)
    )
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]


def test_texts_are_spoken(client: openai.OpenAI) -> None:
    pcm = client.audio.speech.create(model="m", voice="alloy", input="Hello", response_format="pcm")
    file = client.audio.speech.create(
        model="m", voice="alloy", input="Hello", response_format="wav"
    )
    samples, rate_hz = read_wav(file.content)
    assert rate_hz == 24_000
    assert len(pcm.content) == 2 * len(samples) == 2 * 24_000 * 5 * 30 // 1000


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["test-model"]


def test_requests_are_remembered(client: openai.OpenAI, endpoints: Endpoints) -> None:
    client.models.list()
    client.chat.completions.create(model="m", messages=MESSAGES)
    (received,) = endpoints.requests_to(CHAT)
    assert received.method == "POST"
    assert received.headers["authorization"] == "Bearer any"
    assert received.fields["messages"] == MESSAGES
    assert not received.disconnected
    assert received.arrived_s <= (received.answered_s or 0.0)
    assert [each.path for each in endpoints.requests] == [MODELS, CHAT]


def test_lined_up_answers_come_first(client: openai.OpenAI, endpoints: Endpoints) -> None:
    endpoints.answer_next(CHAT, answers.failure(429, "slow_down", retry_after="1"))
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert refused.value.code == "slow_down"
    assert refused.value.response.headers["retry-after"] == "1"
    assert client.chat.completions.create(model="m", messages=MESSAGES).choices


@pytest.mark.parametrize(
    "answer", [Answer(before=[Cut()]), Answer([b"{", Cut()]), Answer([b"{}"], length_bytes=9)]
)
def test_an_answer_can_break_off(endpoints: Endpoints, answer: Answer) -> None:
    endpoints.answer_next(MODELS, answer)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{endpoints.base_url}/models", trust_env=False, timeout=1)


def test_an_unknown_path_is_not_found(endpoints: Endpoints) -> None:
    assert httpx.get(f"{endpoints.base_url}/images", trust_env=False).status_code == 404


def test_a_client_that_leaves_is_noticed() -> None:
    async def run() -> None:
        async with Endpoints() as endpoints, httpx.AsyncClient(trust_env=False) as client:
            endpoints.answer_next(SPEECH, Answer([b"sound", Hang()], "audio/pcm"))
            url = endpoints.base_url + "/audio/speech"
            async with client.stream("POST", url, json={}) as response:
                assert await anext(response.aiter_raw()) == b"sound"
            (received,) = endpoints.requests
            await received.ended.wait()
            assert received.disconnected

    asyncio.run(run())


def test_pieces_wait_for_events() -> None:
    async def run() -> None:
        async with Endpoints() as endpoints, httpx.AsyncClient(trust_env=False) as client:
            go_on = asyncio.Event()
            endpoints.answer_next(SPEECH, Answer([b"one", go_on, b"two"], "audio/pcm"))
            url = endpoints.base_url + "/audio/speech"
            async with client.stream("POST", url, json={}) as response:
                pieces = response.aiter_raw()
                assert await anext(pieces) == b"one"
                go_on.set()
                assert await anext(pieces) == b"two"

    asyncio.run(run())


def test_an_answer_without_end_waits_for_its_reader() -> None:
    """What the client does not read is not made, so memory does not grow."""
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        while True:
            made.append(1)
            yield bytes(65_536)

    async def run() -> None:
        async with Endpoints() as endpoints, httpx.AsyncClient(trust_env=False) as client:
            endpoints.answer_next(SPEECH, Answer(pieces(), "audio/pcm"))
            url = endpoints.base_url + "/audio/speech"
            async with client.stream("POST", url, json={}) as response:
                await anext(response.aiter_raw())
                seen = -1
                while seen != len(made):
                    seen = len(made)
                    for _ in range(100):
                        await asyncio.sleep(0)

    asyncio.run(run())
    assert len(made) < 1000


def test_a_process_of_its_own_tells_when_requests_came_and_went() -> None:
    command = [sys.executable, "-m", "antiphon.testing.endpoints", "--reply", "Certainly."]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        base_url = json.loads(program.stdout.readline())["base_url"]
        try:
            with openai.OpenAI(base_url=base_url, api_key="any") as client:
                said = client.chat.completions.create(model="m", messages=MESSAGES).choices[0]
            assert said.message.content == "Certainly."
            told = httpx.get(base_url.removesuffix("/v1") + REQUESTS, trust_env=False).json()
        finally:
            program.terminate()
    assert [each["path"] for each in told] == [CHAT]
    assert told[0]["arrived_s"] <= told[0]["answered_s"] <= told[0]["ended_s"]
