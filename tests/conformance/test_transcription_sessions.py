"""Cases 12, 17, 18, 29, 98, 99 and 101: transcripts, and sessions that only transcribe.

Shows Transcription: sessions that only transcribe (`?intent=transcription`); words while one
speaks; log-probabilities; who said what, in segments
"""

import httpx
import pytest
import websockets
from conformance_server import Server
from wire import Event, connected, silent, spoken, types, update

pytestmark = pytest.mark.anyio

BASES = ["/v1/realtime", "/openai/v1/realtime", "/realtime"]
HEARD = "What is the weather like?"
PREFIX = "conversation.item.input_audio_transcription."


def transcribe(model: str, **listening: object) -> Event:
    """The update that the guide of transcription begins with."""
    heard = {"transcription": {"model": model}} | listening
    return {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"input": heard}},
    }


@pytest.mark.parametrize("base", BASES)
async def test_the_intent_opens_a_transcription_session(server: Server, base: str) -> None:
    async with connected(server, f"{base}?intent=transcription") as wire:
        session = wire.events[0]["session"]
        assert session["type"] == "transcription"
        assert session["object"] == "realtime.transcription_session"
        assert set(session) == {"type", "object", "id", "expires_at", "audio", "include"}
        assert set(session["audio"]) == {"input"}
        assert session["audio"]["input"] == {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
            },
        }


async def test_a_model_beside_the_intent_is_refused(server: Server) -> None:
    address = server.websocket + "/v1/realtime?intent=transcription&model=whisper-1"
    headers = {"Authorization": f"Bearer {server.key}"}
    async with websockets.connect(address, additional_headers=headers, proxy=None) as socket:
        frame = await socket.recv()
        assert '"code":"invalid_parameter"' in str(frame).replace(" ", "")
        assert "You must not provide a model parameter for transcription sessions." in str(frame)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4000


async def test_a_transcription_model_cannot_be_connected_to_on_azures_path(server: Server) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "api-key": server.key,
    }
    address = server.url + "/openai/v1/realtime?model=gpt-realtime-whisper"
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(address, headers=handshake)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "OpperationNotSupported"
    words = "The realtime operation does not work with the specified model."
    assert error["message"].startswith(words)
    assert "?intent=transcription" in error["message"]
    assert response.headers["apim-request-id"]
    assert response.headers["x-ms-region"]


@pytest.mark.parametrize("base", BASES)
async def test_turns_are_transcribed_and_never_answered(server: Server, base: str) -> None:
    async with connected(server, f"{base}?intent=transcription") as wire:
        await wire.send(transcribe("whisper-1"))
        updated = (await wire.until("session.updated"))["session"]
        assert updated["audio"]["input"]["transcription"]["model"] == "whisper-1"
        await wire.append(silent(300) + spoken(1200) + silent(600))
        item_id = (await wire.until("input_audio_buffer.committed"))["item_id"]
        completed = await wire.until(PREFIX + "completed")
        assert (completed["item_id"], completed["transcript"]) == (item_id, HEARD)
        await wire.send({"type": "response.create", "event_id": "asked"})
        error = await wire.error()
        assert error["type"] == "invalid_request_error"
        assert error["event_id"] == "asked"
        assert "makes no responses" in error["message"]
        await wire.send({"type": "response.cancel"})
        assert (await wire.error())["param"] == "type"
        assert not [kind for kind in types(wire.events) if kind.startswith("response.")]


async def test_a_commit_by_hand_is_transcribed(server: Server) -> None:
    async with connected(server, "/v1/realtime?intent=transcription") as wire:
        await wire.send(transcribe("gpt-4o-mini-transcribe", turn_detection=None))
        await wire.until("session.updated")
        await wire.append(spoken(1000))
        await wire.send({"type": "input_audio_buffer.commit"})
        await wire.until("input_audio_buffer.committed")
        await wire.until("conversation.item.done")
        completed = await wire.until(PREFIX + "completed")
        assert completed["usage"]["type"] == "tokens"
        deltas = [event["delta"] for event in wire.events if event["type"] == PREFIX + "delta"]
        assert len(deltas) > 1
        assert "".join(deltas) == completed["transcript"] == HEARD


async def test_an_update_for_conversations_is_refused_in_the_documented_words(
    server: Server,
) -> None:
    async with connected(server, "/v1/realtime?intent=transcription") as wire:
        await wire.send({"type": "session.update", "session": {"type": "realtime"}})
        error = await wire.error()
        assert (error["code"], error["param"]) == ("invalid_parameter", "session.type")
        words = "Passing a realtime session update event to a transcription session is not allowed."
        assert error["message"].startswith(words)
        await wire.send(transcribe("whisper-1"))
        await wire.until("session.updated")


async def test_streaming_models_leave_turns_to_the_client(server: Server) -> None:
    async with connected(server, "/v1/realtime?intent=transcription") as wire:
        await wire.send(transcribe("gpt-realtime-whisper"))
        error = await wire.error()
        assert error["param"] == "session.audio.input.turn_detection"
        words = "Turn detection is not supported for this transcription model."
        assert error["message"].startswith(words)
        await wire.send(transcribe("gpt-realtime-whisper", turn_detection=None))
        await wire.until("session.updated")


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
async def test_streaming_models_tell_words_before_the_speaker_stops(
    server: Server, model: str
) -> None:
    async with connected(server) as wire:
        detection = {"type": "server_vad", "create_response": False}
        listening = {"transcription": {"model": model}, "turn_detection": detection}
        await wire.send(update(audio={"input": listening}))
        await wire.until("session.updated")
        await wire.append(silent(200) + spoken(1500))
        await wire.until("input_audio_buffer.speech_started")
        first = await wire.until(PREFIX + "delta")
        await wire.append(silent(600))
        assert "input_audio_buffer.speech_stopped" not in types(wire.events)
        completed = await wire.until(PREFIX + "completed")
        deltas = [event["delta"] for event in wire.events if event["type"] == PREFIX + "delta"]
        assert "".join(deltas) == completed["transcript"] == HEARD
        assert first["item_id"] == completed["item_id"]


async def test_log_probabilities_come_with_every_piece(server: Server) -> None:
    async with connected(server) as wire:
        listening = {"transcription": {"model": "gpt-4o-mini-transcribe"}}
        include = ["item.input_audio_transcription.logprobs"]
        await wire.send(update(audio={"input": listening}, include=include))
        assert (await wire.until("session.updated"))["session"]["include"] == include
        await wire.append(spoken(1200) + silent(600))
        completed = await wire.until(PREFIX + "completed")
        told = [event for event in wire.events if event["type"] == PREFIX + "delta"]
        assert "".join(each["token"] for each in completed["logprobs"]) == completed["transcript"]
        assert [each for event in told for each in event["logprobs"]] == completed["logprobs"]
        for each in completed["logprobs"]:
            assert bytes(each["bytes"]).decode() == each["token"]
            assert each["logprob"] <= 0


@pytest.mark.parametrize("address", ["?model=gpt-realtime", "?intent=transcription"])
async def test_segments_tell_who_spoke(server: Server, address: str) -> None:
    async with connected(server, f"/v1/realtime{address}") as wire:
        event = transcribe("gpt-4o-transcribe-diarize")
        event["session"]["type"] = wire.events[0]["session"]["type"]
        await wire.send(event)
        await wire.until("session.updated")
        await wire.append(spoken(1200) + silent(600))
        segment = await wire.until(PREFIX + "segment")
        assert (segment["speaker"], segment["text"]) == ("A", HEARD)
        assert 0 <= segment["start"] < segment["end"]
        completed = await wire.until(PREFIX + "completed")
        assert (completed["transcript"], completed["item_id"]) == (HEARD, segment["item_id"])


async def test_a_delay_for_a_model_without_any_is_refused(server: Server) -> None:
    async with connected(server) as wire:
        listening = {"transcription": {"model": "whisper-1", "delay": "low"}}
        await wire.send(update(audio={"input": listening}))
        error = await wire.error()
        assert error["param"] == "session.audio.input.transcription.delay"
        assert "gpt-realtime-whisper" in error["message"]
