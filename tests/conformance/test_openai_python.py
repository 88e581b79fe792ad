"""The official Python SDK, unmodified: text, sound, tools, spoken turns, errors, both forms.

Shows Clients, unmodified: openai (Python)
"""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from conformance_server import Server
from openai import AsyncOpenAI, OpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from wire import silent, spoken

pytestmark = pytest.mark.anyio

Connect = Callable[[Server], AsyncOpenAI]

FORMS: dict[str, Connect] = {
    "OpenAI": lambda server: AsyncOpenAI(
        api_key=server.key,
        base_url=f"{server.url}/v1",
        websocket_base_url=f"{server.websocket}/v1",
    ),
    "OpenAI by base_url alone": lambda server: AsyncOpenAI(
        api_key=server.key, base_url=f"{server.url}/v1"
    ),
    "Azure GA": lambda server: AsyncOpenAI(
        api_key=server.key, websocket_base_url=f"{server.websocket}/openai/v1"
    ),
    "Azure GA with api-key": lambda server: AsyncOpenAI(
        api_key=server.key,
        default_headers={"api-key": server.key},
        websocket_base_url=f"{server.websocket}/openai/v1",
    ),
}
VOICE: Any = {"type": "realtime", "output_modalities": ["audio"]}
TEXT: Any = {"type": "realtime", "output_modalities": ["text"]}
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@asynccontextmanager
async def connected(client: AsyncOpenAI) -> AsyncIterator[AsyncRealtimeConnection]:
    async with client, client.realtime.connect(model="gpt-realtime") as connection:
        async with asyncio.timeout(20):
            yield connection


async def until(connection: AsyncRealtimeConnection, kind: str) -> Any:
    async for event in connection:
        assert event.type != "error", event
        if event.type == kind:
            return event
    raise AssertionError(f"The connection ended before {kind}.")


async def ask(connection: AsyncRealtimeConnection, text: str) -> list[Any]:
    """Ask in writing and return the events of the answer."""
    content: Any = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(
        item={"type": "message", "role": "user", "content": content}
    )
    await connection.response.create()
    events = []
    async for event in connection:
        events.append(event)
        if event.type == "response.done":
            return events
    raise AssertionError("The connection ended before response.done.")


@pytest.mark.parametrize("form", FORMS)
async def test_a_question_in_writing_is_answered_in_writing(server: Server, form: str) -> None:
    async with connected(FORMS[form](server)) as connection:
        await connection.session.update(session=TEXT)
        events = await ask(connection, "How are you?")
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        assert text == "You said: How are you?"
        assert events[-1].response.output[0].content[0].text == text


async def test_a_question_in_writing_is_answered_aloud(server: Server) -> None:
    async with connected(FORMS["OpenAI"](server)) as connection:
        await connection.session.update(session=VOICE)
        events = await ask(connection, "How are you?")
        sound = b"".join(
            base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta"
        )
        assert len(sound) > 24_000
        done = next(e for e in events if e.type == "response.output_audio_transcript.done")
        assert done.transcript == "You said: How are you?"
        assert events[-1].response.status == "completed"
        assert events[-1].response.usage.output_token_details.audio_tokens > 0


async def test_several_questions_share_one_session(server: Server) -> None:
    async with connected(FORMS["OpenAI"](server)) as connection:
        await connection.session.update(session=TEXT)
        for question in ("One?", "Two?", "Three?"):
            events = await ask(connection, question)
            assert events[-1].response.output[0].content[0].text == f"You said: {question}"


@pytest.mark.usefixtures("scripted")
async def test_a_tool_is_called_and_its_result_told(server: Server) -> None:
    async with connected(FORMS["OpenAI"](server)) as connection:
        await connection.session.update(session=TEXT | {"tools": [TOOL]})
        events = await ask(connection, "What is the weather in Paris?")
        call = next(e for e in events if e.type == "response.function_call_arguments.done")
        assert call.name == "get_weather"
        assert set(json.loads(call.arguments)) == {"city"}
        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        )
        await connection.response.create()
        done = await until(connection, "response.done")
        assert done.response.output[0].content[0].text == "The tool says: sunny"


async def stream(connection: AsyncRealtimeConnection, sound: bytes) -> None:
    """Send sound as a microphone does, without waiting for real time."""
    for begin in range(0, len(sound), 4800):
        chunk = base64.b64encode(sound[begin : begin + 4800]).decode()
        await connection.input_audio_buffer.append(audio=chunk)


async def test_a_spoken_question_is_transcribed_and_answered(server: Server) -> None:
    audio: Any = {"input": {"transcription": {"model": "whisper-1"}}}
    async with connected(FORMS["OpenAI"](server)) as connection:
        await connection.session.update(session=VOICE | {"audio": audio})
        await until(connection, "session.updated")
        await stream(connection, silent(300) + spoken(1200) + silent(600))
        started = await until(connection, "input_audio_buffer.speech_started")
        transcript, answer = "", None
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.completed":
                assert event.item_id == started.item_id
                transcript = event.transcript
            if event.type == "response.done":
                answer = event.response
            if transcript and answer:
                break
        assert answer is not None
        assert answer.status == "completed"


async def test_a_turn_may_be_committed_by_hand(server: Server) -> None:
    audio: Any = {"input": {"turn_detection": None}}
    async with connected(FORMS["OpenAI"](server)) as connection:
        await connection.session.update(session=VOICE | {"audio": audio})
        await stream(connection, spoken(800))
        await connection.input_audio_buffer.commit()
        committed = await until(connection, "input_audio_buffer.committed")
        await connection.response.create()
        await until(connection, "response.done")
        await connection.conversation.item.retrieve(item_id=committed.item_id)
        item = (await until(connection, "conversation.item.retrieved")).item
        assert item.content[0].type == "input_audio"


async def test_a_mistake_is_an_error_event_and_the_session_goes_on(server: Server) -> None:
    async with connected(FORMS["OpenAI"](server)) as connection:
        await until(connection, "session.created")
        nonsense: Any = {"type": "realtime", "nonsense": 1}
        await connection.session.update(session=nonsense, event_id="my_event")
        event = await connection.recv()
        assert event.type == "error"
        assert event.error.code == "unknown_parameter"
        assert event.error.param == "session.nonsense"
        assert event.error.event_id == "my_event"
        await connection.session.update(session=TEXT)
        await until(connection, "session.updated")
        await ask(connection, "Still there?")


async def test_a_wrong_key_is_refused_at_the_door(server: Server) -> None:
    client = AsyncOpenAI(api_key="sk-wrong", websocket_base_url=f"{server.websocket}/v1")
    with pytest.raises(Exception, match="401"):
        async with connected(client):
            pass


async def test_secure_sockets_are_trusted_with_the_printed_bundle(server: Server) -> None:
    url = server.tls_url.replace("https", "wss", 1)
    client = AsyncOpenAI(api_key=server.key, websocket_base_url=f"{url}/openai/v1")
    trust = ssl.create_default_context(cafile=server.bundle)
    options: Any = {"ssl": trust}
    async with (
        client,
        client.realtime.connect(
            model="gpt-realtime", websocket_connection_options=options
        ) as connection,
    ):
        assert (await connection.recv()).type == "session.created"


@pytest.mark.usefixtures("scripted")
async def test_a_session_is_come_back_to_with_the_parameters_of_the_sdk(server: Server) -> None:
    client = AsyncOpenAI(api_key=server.key, websocket_base_url=f"{server.websocket}/v1")
    async with client:
        wish = {"antiphon_resume": "1"}
        async with client.realtime.connect(model="gpt-realtime", extra_query=wish) as connection:
            told = await until(connection, "antiphon.session.resumable")
            token = {"antiphon_resume": told.token, "antiphon_after": told.event_id}
            async with client.realtime.connect(model="gpt-realtime", extra_query=token) as again:
                resumed = await again.recv()
                assert resumed.type == "antiphon.session.resumed"
                assert (await ask(again, "Hello!"))[-1].response.status == "completed"


def test_the_synchronous_client_asks_and_is_answered(server: Server) -> None:
    client = OpenAI(api_key=server.key, websocket_base_url=f"{server.websocket}/v1")
    with client, client.realtime.connect(model="gpt-realtime") as connection:
        connection.session.update(session=TEXT)
        connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "How are you?"}],
            }
        )
        connection.response.create()
        events: list[Any] = []
        for event in connection:
            events.append(event)
            if event.type in {"response.done", "error"}:
                break
        assert events[-1].response.output[0].content[0].text == "You said: How are you?"


async def test_the_models_are_listed(server: Server) -> None:
    async with AsyncOpenAI(api_key=server.key, base_url=f"{server.url}/v1") as client:
        assert "gpt-realtime" in [model.id async for model in client.models.list()]
    async with AsyncOpenAI(api_key="sk-wrong", base_url=f"{server.url}/v1") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


@pytest.mark.parametrize("form", FORMS)
async def test_speech_is_transcribed_and_not_answered(server: Server, form: str) -> None:
    async with (
        FORMS[form](server) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
        asyncio.timeout(20),
    ):
        created = await until(connection, "session.created")
        assert created.session.type == "transcription"
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}},
                "include": ["item.input_audio_transcription.logprobs"],
            }
        )
        updated = await until(connection, "session.updated")
        assert updated.session.audio.input.transcription.model == "gpt-4o-mini-transcribe"
        sound = base64.b64encode(spoken(1000) + silent(600)).decode()
        await connection.input_audio_buffer.append(audio=sound)
        completed = await until(connection, "conversation.item.input_audio_transcription.completed")
        assert completed.transcript == "What is the weather like?"
        assert "".join(each.token for each in completed.logprobs) == completed.transcript
        assert completed.usage.type == "tokens"
