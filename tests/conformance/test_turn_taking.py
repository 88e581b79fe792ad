"""Cases 24, 94 and 95: turns by meaning, coughs over a reply, and users who say nothing."""

from typing import Any

import numpy as np
import pytest
from conformance_server import Server
from wire import connected, respond, silent, spoken, types, update

from antiphon.audio.pcm import to_pcm16
from antiphon.testing.speech import cough, typing

pytestmark = pytest.mark.anyio

BUFFER = "input_audio_buffer"


def detection(**settings: Any) -> dict[str, Any]:
    return update(audio={"input": {"turn_detection": settings}})


@pytest.mark.parametrize("eagerness", ["high", "auto", "low"])
async def test_a_turn_by_meaning_is_answered(server: Server, eagerness: str) -> None:
    async with connected(server) as wire:
        await wire.send(detection(type="semantic_vad", eagerness=eagerness))
        session = (await wire.until("session.updated"))["session"]
        assert session["audio"]["input"]["turn_detection"] == {
            "type": "semantic_vad",
            "eagerness": eagerness,
            "create_response": True,
            "interrupt_response": True,
        }
        await wire.append(silent(500) + spoken(1200) + silent(8500))
        started = await wire.until(f"{BUFFER}.speech_started")
        stopped = await wire.until(f"{BUFFER}.speech_stopped")
        assert started["item_id"] == stopped["item_id"]
        longest_ms = {"high": 2_000, "auto": 4_000, "low": 8_000}[eagerness]
        assert 1_700 <= stopped["audio_end_ms"] <= 1_700 + longest_ms + 200
        response = (await wire.until("response.done"))["response"]
        assert response["status"] == "completed"


async def test_a_pause_inside_a_sentence_does_not_end_the_turn(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(detection(type="semantic_vad"))
        await wire.append(silent(500) + spoken(1000) + silent(900) + spoken(1000) + silent(4500))
        await wire.until("rate_limits.updated")
        assert types(wire.events).count(f"{BUFFER}.speech_started") == 1


async def test_who_says_nothing_is_asked_again(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(detection(type="server_vad", idle_timeout_ms=5_000))
        await wire.say("Hello.")
        await wire.send(respond())
        await wire.until("rate_limits.updated")
        mark = len(wire.events)
        await wire.append(silent(9_000))
        triggered = await wire.until(f"{BUFFER}.timeout_triggered")
        note = await wire.until("conversation.item.done")
        committed = await wire.until(f"{BUFFER}.committed")
        done = await wire.until("conversation.item.done")
        await wire.until("response.created")
        assert types(wire.events[mark : mark + 7]) == [
            f"{BUFFER}.timeout_triggered",
            "conversation.item.added",
            "conversation.item.done",
            f"{BUFFER}.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
        ]
        assert note["item"]["role"] == "system"
        assert triggered["item_id"] == committed["item_id"] == done["item"]["id"]
        assert abs(triggered["audio_end_ms"] - triggered["audio_start_ms"] - 5_000) <= 32
        assert done["item"]["content"] == [{"type": "input_audio", "transcript": None}]
        response = (await wire.until("response.done"))["response"]
        assert response["status"] == "completed"


@pytest.mark.parametrize("timeout_ms", [4_999, 30_001])
async def test_an_idle_timeout_has_limits(server: Server, timeout_ms: int) -> None:
    async with connected(server) as wire:
        await wire.send(detection(type="server_vad", idle_timeout_ms=timeout_ms))
        error = await wire.error()
        assert error["param"] == "session.audio.input.turn_detection.idle_timeout_ms"


async def test_coughs_and_typing_do_not_end_a_reply(server: Server) -> None:
    noises = [np.pad(cough(seed=seed), (0, 12_000)) for seed in range(8)]
    noises.append(typing(3_000))
    async with connected(server, "/v1/realtime?model=slow") as wire:
        await wire.append(spoken(1000) + silent(500))
        await wire.until("response.output_audio.delta")
        await wire.append(to_pcm16(np.concatenate(noises)) + silent(500))
        await wire.say("This is no speech either.")
        assert types(wire.events).count(f"{BUFFER}.speech_started") == 1
        assert "response.done" not in types(wire.events)
        await wire.append(spoken(600))
        await wire.until(f"{BUFFER}.speech_started")
        response = (await wire.until("response.done"))["response"]
        assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
