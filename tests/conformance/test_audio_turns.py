"""Cases 72 to 77, 82 to 94, 96 and 100: sound in, sound out, and bad input.

Shows Turns: server VAD with all its fields; manual turns; barge-in
Shows Sound: PCM16 24 kHz and G.711 both ways
"""

import base64
import json

import pytest
from conformance_server import Server
from wire import connected, respond, silent, spoken, types, update

pytestmark = pytest.mark.anyio

MANUAL = {"input": {"turn_detection": None}}
TRANSCRIBED = {"input": {"transcription": {"model": "whisper-1"}}}


async def test_a_spoken_turn_runs_from_speech_to_answer(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(audio=TRANSCRIBED))
        await wire.until("session.updated")
        await wire.append(silent(500) + spoken(1500) + silent(600))
        started = await wire.until("input_audio_buffer.speech_started")
        stopped = await wire.until("input_audio_buffer.speech_stopped")
        committed = await wire.until("input_audio_buffer.committed")
        added = await wire.until("conversation.item.added")
        ids = {started["item_id"], stopped["item_id"], committed["item_id"], added["item"]["id"]}
        assert len(ids) == 1
        assert 0 <= started["audio_start_ms"] <= 500
        assert started["audio_start_ms"] < stopped["audio_end_ms"] <= 2600
        assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
        await wire.until("rate_limits.updated")
        completed = [
            e for e in wire.events if e["type"].endswith("input_audio_transcription.completed")
        ]
        assert completed[0]["transcript"] == "What is the weather like?"
        assert completed[0]["usage"]["type"] == "duration"
        deltas = [e for e in wire.events if e["type"].endswith("input_audio_transcription.delta")]
        assert "".join(e["delta"] for e in deltas) == completed[0]["transcript"]
        await wire.send({"type": "conversation.item.retrieve", "item_id": added["item"]["id"]})
        item = (await wire.until("conversation.item.retrieved"))["item"]
        assert item["content"][0]["transcript"] == "What is the weather like?"
        assert len(base64.b64decode(item["content"][0]["audio"])) > 1500 * 48


async def test_three_turns_in_one_stream_are_told_apart(server: Server) -> None:
    async with connected(server) as wire:
        detection = {"type": "server_vad", "create_response": False}
        await wire.send(update(audio={"input": {"turn_detection": detection}}))
        await wire.append((spoken(1000) + silent(700)) * 3)
        stops = [await wire.until("input_audio_buffer.speech_stopped") for _ in range(3)]
        assert len({stop["item_id"] for stop in stops}) == 3
        ends = [stop["audio_end_ms"] for stop in stops]
        assert ends == sorted(ends)
        await wire.send({"type": "input_audio_buffer.clear"})
        await wire.until("input_audio_buffer.cleared")
        assert "response.created" not in types(wire.events)


async def test_positions_count_all_audio_that_was_ever_appended(server: Server) -> None:
    detection = {
        "type": "server_vad",
        "prefix_padding_ms": 200,
        "silence_duration_ms": 400,
        "create_response": False,
    }
    async with connected(server) as wire:
        await wire.send(update(audio={"input": {"turn_detection": detection}}))
        onsets = (1000, 4000, 7000)
        await wire.append(b"".join(silent(1000) + spoken(1000) + silent(1000) for _ in onsets))
        for onset in onsets:
            started = (await wire.until("input_audio_buffer.speech_started"))["audio_start_ms"]
            stopped = (await wire.until("input_audio_buffer.speech_stopped"))["audio_end_ms"]
            assert abs(started - (onset - 200)) <= 150
            assert abs(stopped - (onset + 1000 + 400)) <= 150


async def test_speaking_over_a_reply_cancels_it(server: Server) -> None:
    async with connected(server, "/v1/realtime?model=slow") as wire:
        await wire.append(spoken(1000) + silent(500))
        await wire.until("response.output_audio.delta")
        await wire.append(spoken(800))
        await wire.until("input_audio_buffer.speech_started")
        response = (await wire.until("response.done"))["response"]
        assert response["status"] == "cancelled"
        assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert response["output"][0]["status"] == "incomplete"
        assert types(wire.events).count("response.output_audio.done") == 1


async def test_a_reply_goes_on_where_interruption_is_off(server: Server) -> None:
    detection = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    async with connected(server, "/v1/realtime?model=slow") as wire:
        await wire.send(update(audio={"input": {"turn_detection": detection}}))
        await wire.say("Speak for a long time.")
        await wire.send(respond())
        await wire.until("response.output_audio.delta")
        await wire.append(spoken(1000) + silent(500))
        await wire.until("input_audio_buffer.committed")
        await wire.until("response.output_audio.delta")
        await wire.send({"type": "response.cancel"})
        details = (await wire.until("response.done"))["response"]["status_details"]
        assert details["reason"] == "client_cancelled"


async def test_manual_turns_are_committed_and_not_answered_by_themselves(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(audio=MANUAL))
        await wire.append(spoken(600))
        await wire.send({"type": "input_audio_buffer.commit"})
        await wire.until("conversation.item.done")
        await wire.send({"type": "input_audio_buffer.clear"})
        await wire.until("input_audio_buffer.cleared")
        assert "response.created" not in types(wire.events)
        await wire.send({"type": "input_audio_buffer.commit"})
        error = await wire.error()
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert "Expected at least 100ms of audio, but buffer only has 0.00ms" in error["message"]
        await wire.send(respond(output_modalities=["text"]))
        await wire.turn()


async def test_a_reply_is_cancelled_and_closed_properly(server: Server) -> None:
    async with connected(server, "/v1/realtime?model=slow") as wire:
        await wire.say("Speak for a long time.")
        await wire.send(respond())
        await wire.until("response.output_audio.delta")
        await wire.send({"type": "response.cancel", "response_id": "resp_other"})
        assert (await wire.error())["code"] == "response_cancel_not_active"
        await wire.send({"type": "response.cancel"})
        done = (await wire.until("response.done"))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        assert done["output"][0]["status"] == "incomplete"
        names = types(wire.events)
        for kind in ("output_audio", "output_audio_transcript", "content_part", "output_item"):
            assert names.count(f"response.{kind}.done") == 1
        await wire.until("rate_limits.updated")
        await wire.send({"type": "response.cancel"})
        assert (await wire.error())["code"] == "response_cancel_not_active"


async def test_truncation_forgets_what_was_not_heard(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("Speak for more than a second, would you?")
        await wire.send(respond())
        turn = await wire.turn()
        item_id = turn[-2]["response"]["output"][0]["id"]
        truncate = {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": 1000,
        }
        await wire.send(truncate)
        assert (await wire.until("conversation.item.truncated"))["audio_end_ms"] == 1000
        await wire.send({"type": "conversation.item.retrieve", "item_id": item_id})
        part = (await wire.until("conversation.item.retrieved"))["item"]["content"][0]
        assert len(base64.b64decode(part["audio"])) == 48_000
        assert not part.get("transcript")
        await wire.send(truncate | {"audio_end_ms": 60_000})
        message = (await wire.error())["message"]
        assert message.startswith("Audio content of 1000ms is already shorter than 60000ms")
        asked = next(e for e in wire.events if e["type"] == "conversation.item.added")
        await wire.send(truncate | {"item_id": asked["item"]["id"]})
        message = (await wire.error())["message"]
        assert message.startswith("Only model output audio messages can be truncated")


BAD_FRAMES: list[tuple[str | bytes, str | None]] = [
    ("{", None),
    ("[]", "invalid_event"),
    ("{}", "invalid_event"),
    ('{"type":"foo.bar"}', "invalid_value"),
    ('{"type":"input_audio_buffer.append","audio":"!!!"}', "invalid_value"),
    ('{"type":"input_audio_buffer.append","audio":"AAAA"}', "invalid_value"),
    ('{"type":"input_audio_buffer.append","audio":7}', "invalid_type"),
    ('{"type":"input_audio_buffer.append"}', "missing_required_parameter"),
    (json.dumps({"type": "response.create", "event_id": "e" * 513}), "string_above_max_length"),
    ('{"type":"conversation.item.truncate","item_id":"x"}', "missing_required_parameter"),
    (b"\xff\xfe", None),
]


@pytest.mark.parametrize(("frame", "code"), BAD_FRAMES, ids=str)
async def test_a_bad_frame_costs_one_error_and_nothing_else(
    server: Server, frame: str | bytes, code: str | None
) -> None:
    async with connected(server) as wire:
        await wire.send(frame)
        error = await wire.error()
        assert code is None or error["code"] == code
        assert error["message"]
        await wire.send(update())
        await wire.until("session.updated")
        assert types(wire.events) == ["session.created", "error", "session.updated"]


async def test_an_append_of_sixteen_mebibytes_is_refused_in_words(server: Server) -> None:
    async with connected(server) as wire:
        audio = base64.b64encode(bytes(16 * 1024 * 1024)).decode()
        await wire.send({"type": "input_audio_buffer.append", "audio": audio, "event_id": "big"})
        error = await wire.error()
        assert (error["code"], error["param"], error["event_id"]) == (
            "invalid_value",
            "audio",
            "big",
        )
        await wire.send(update())
        await wire.until("session.updated")


async def test_an_append_of_fifteen_mebibytes_is_taken(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(audio=MANUAL))
        audio = base64.b64encode(bytes(15 * 1024 * 1024)).decode()
        await wire.send({"type": "input_audio_buffer.append", "audio": audio})
        await wire.send({"type": "input_audio_buffer.commit"})
        await wire.until("input_audio_buffer.committed")


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
async def test_g711_goes_in_and_comes_out(server: Server, name: str) -> None:
    from antiphon.audio.g711 import encode_alaw, encode_ulaw
    from antiphon.testing.speech import silence, speech

    encode = encode_ulaw if name == "audio/pcmu" else encode_alaw
    async with connected(server) as wire:
        audio_format = {"format": {"type": name}}
        await wire.send(update(audio={"input": audio_format, "output": audio_format}))
        await wire.until("session.updated")
        await wire.append(encode(speech(1200, 8000)) + encode(silence(600, 8000)), 800)
        await wire.until("input_audio_buffer.committed")
        turn = await wire.turn()
        sizes = [
            len(base64.b64decode(e["delta"]))
            for e in turn
            if e["type"] == "response.output_audio.delta"
        ]
        assert sizes[:3] == [800, 1200, 2000]
