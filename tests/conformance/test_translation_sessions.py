"""Translation sessions, by the official SDK and by hand (cases 116, 117 and 120).

Shows Translation: continuous, with the source transcript beside it
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from conformance_server import SPANISH, Server
from openai import AsyncOpenAI
from openai.resources.realtime.translations.translations import AsyncTranslationsConnection
from openai.types.realtime import RealtimeTranslationServerEvent
from pydantic import BaseModel, TypeAdapter
from wire import Wire, silent, spoken

from antiphon.testing.endpoints import Endpoints

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]

MODEL = "gpt-realtime-translate"
SAID, TRANSLATED = next(iter(SPANISH.items()))
PARSED: TypeAdapter[Any] = TypeAdapter(RealtimeTranslationServerEvent)
PATHS = ("/v1", "/openai/v1")
SHOWN = {
    "audio": {
        "input": {"transcription": {"model": "gpt-4o-transcribe"}},
        "output": {"language": "es"},
    }
}


@asynccontextmanager
async def by_sdk(server: Server, path: str) -> AsyncIterator[AsyncTranslationsConnection]:
    client = AsyncOpenAI(api_key=server.key, websocket_base_url=f"{server.websocket}{path}")
    async with client, client.realtime.translations.connect(model=MODEL) as connection:
        async with asyncio.timeout(20):
            yield connection


@asynccontextmanager
async def by_hand(server: Server, model: str = MODEL, path: str = "/v1") -> AsyncIterator[Wire]:
    address = f"{server.websocket}{path}/realtime/translations?model={model}"
    headers = {"Authorization": f"Bearer {server.key}"}
    async with websockets.connect(address, additional_headers=headers, proxy=None) as socket:
        yield Wire(socket, Server(server.url, server.tls_url, server.authority, server.bundle))


def frames_of(sound: bytes) -> list[str]:
    """Sound as the documentation has it sent: 200 ms at a time."""
    return [
        base64.b64encode(sound[begin : begin + 9600]).decode()
        for begin in range(0, len(sound), 9600)
    ]


def parse(event: dict[str, Any]) -> None:
    """Case 120: strictly, with no key that the type does not know."""
    parsed: BaseModel = PARSED.validate_python(event)
    assert type(parsed).model_fields.keys() >= event.keys()


@pytest.mark.parametrize("path", PATHS)
async def test_speech_comes_back_in_another_language(server: Server, path: str) -> None:
    async with by_sdk(server, path) as connection:
        created = await connection.recv()
        assert created.type == "session.created"
        assert (created.session.type, created.session.model) == ("translation", MODEL)
        await connection.session.update(session=SHOWN)  # type: ignore[arg-type]
        for frame in frames_of(silent(400) + spoken(1600) + silent(800)):
            await connection.session.input_audio_buffer.append(audio=frame)
        heard = said = ""
        sound = b""
        async for event in connection:
            assert event.type != "error", event
            if event.type == "session.input_transcript.delta":
                heard += event.delta
            elif event.type == "session.output_transcript.delta":
                said += event.delta
            elif event.type == "session.output_audio.delta":
                sound += base64.b64decode(event.delta)
                assert event.elapsed_ms is not None
                assert event.elapsed_ms % 200 == 0
            if (heard, said) == (SAID, TRANSLATED) and sound:
                break
        await connection.session.close()
        types = [event.type async for event in connection]
        assert types[-1] == "session.closed"
        assert set(types[:-1]) <= {"session.output_audio.delta"}


async def test_every_frame_is_one_that_the_sdk_knows(server: Server) -> None:
    async with by_hand(server) as wire:
        await wire.until("session.created")
        await wire.send({"type": "session.update", "session": SHOWN})
        await wire.send({"type": "session.update", "session": {"model": "another"}})
        for frame in frames_of(silent(400) + spoken(1600)):
            await wire.send({"type": "session.input_audio_buffer.append", "audio": frame})
        await wire.send({"type": "session.close"})
        await wire.error()
        await wire.until("session.closed")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await wire.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000
    for event in wire.events:
        parse(event)
    assert {event["type"] for event in wire.events} == {
        "session.created",
        "session.updated",
        "error",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
        "session.closed",
    }


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"model": "gpt-realtime"}, "session.model"),
        ({"type": "realtime"}, "session.type"),
        ({"audio": {"output": {"language": "fr"}}}, "session.audio.output.language"),
    ],
)
async def test_what_cannot_be_changed_or_spoken_is_refused(
    server: Server, session: dict[str, Any], param: str
) -> None:
    async with by_hand(server, path="/openai/v1") as wire:
        created = await wire.until("session.created")
        await wire.send({"type": "session.update", "event_id": "mine", "session": session})
        error = await wire.error()
        assert (error["param"], error["event_id"]) == (param, "mine")
        await wire.send({"type": "session.update", "session": {}})
        assert (await wire.until("session.updated"))["session"] == created["session"]


async def test_an_engine_that_cannot_be_reached_does_not_end_the_session(server: Server) -> None:
    async with by_hand(server, "deaf-translator") as wire:
        for frame in frames_of(silent(400) + spoken(1600) + silent(800)):
            await wire.send({"type": "session.input_audio_buffer.append", "audio": frame})
        await wire.until("session.created")
        assert (await wire.error())["code"] == "engine_unreachable"
        await wire.send({"type": "session.close"})
        await wire.until("session.closed")
        for event in wire.events:
            parse(event)


async def test_the_endpoints_are_asked_for_the_language_and_told_what_was_said(
    server: Server, scripted: Endpoints
) -> None:
    async with by_hand(server) as wire:
        await wire.until("session.created")
        await wire.send({"type": "session.update", "session": SHOWN})
        for frame in frames_of(silent(400) + spoken(1600)):
            await wire.send({"type": "session.input_audio_buffer.append", "audio": frame})
        await wire.send({"type": "session.close"})
        await wire.until("session.closed")
    asked = [each.fields for each in scripted.requests if each.path.endswith("/chat/completions")]
    messages: Any = asked[-1]["messages"]
    assert "Spanish" in messages[0]["content"]
    assert messages[-1] == {"role": "user", "content": SAID}
    spoken_texts = [each.fields for each in scripted.requests if each.path.endswith("/speech")]
    assert spoken_texts[-1]["input"] == TRANSLATED


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/realtime/translations?model=gpt-realtime", "invalid_model"),
        ("/v1/realtime/translations?model=nobody", "model_not_found"),
        ("/v1/realtime/translations", "missing_model"),
        (f"/v1/realtime?model={MODEL}", "invalid_model"),
    ],
)
async def test_models_have_their_own_addresses(server: Server, path: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {server.key}"}
    address = f"{server.websocket}{path}"
    async with websockets.connect(address, additional_headers=headers, proxy=None) as socket:
        error = await Wire(socket, server).error()
    assert error["code"] == code
    assert MODEL in error["message"]
