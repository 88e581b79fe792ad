"""Cases 20 to 38: `session.update`.

Shows Protocol: `session.update`, merged and refused as a whole
"""

from typing import Any

import pytest
from conformance_server import Server
from wire import connected, respond, update

from antiphon.testing.endpoints import CHAT, SPEECH, Endpoints

pytestmark = pytest.mark.anyio

QUICKSTART: dict[str, Any] = {
    "instructions": "You are a helpful assistant. You respond by voice and text.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "transcription": {"model": "whisper-1"},
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "create_response": True,
            },
        },
        "output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}},
    },
}


def is_part_of(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(key in whole and is_part_of(value, whole[key]) for key, value in part.items())
    return bool(part == whole)


TOOL = {
    "type": "function",
    "name": "get-weather",
    "description": "Weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ECHOED: list[dict[str, Any]] = [
    {"instructions": "Be brief."},
    QUICKSTART,
    {"audio": {"input": {"turn_detection": None}}},
    {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}}},
    {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
    {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
    {"audio": {"output": {"voice": "marin"}}},
    {"tracing": "auto"},
    {"tracing": {"workflow_name": "Support", "group_id": "call-7", "metadata": {"tier": "a"}}},
    {"parallel_tool_calls": False},
    {"tracing": None},
    {"audio": {"output": {"speed": 0.25}}},
    {"audio": {"output": {"speed": 1.5}}},
    {"max_output_tokens": "inf"},
    {"max_output_tokens": 1},
    {"max_output_tokens": 4096},
    {"tools": [TOOL]},
    {"tools": []},
    {"truncation": "disabled"},
    {"truncation": "auto"},
    {
        "truncation": {
            "type": "retention_ratio",
            "retention_ratio": 0.8,
            "token_limits": {"post_instructions": 8000},
        }
    },
    {"audio": {"input": {"format": {"type": "audio/pcmu"}}}},
    {"audio": {"output": {"format": {"type": "audio/pcma"}}}},
]


@pytest.mark.parametrize("fields", ECHOED, ids=str)
async def test_an_update_is_echoed_and_leaves_the_rest(
    server: Server, fields: dict[str, Any]
) -> None:
    async with connected(server) as wire:
        before = wire.events[0]["session"]
        await wire.send(update(**fields))
        after = (await wire.until("session.updated"))["session"]
        assert is_part_of(fields, after)
        untouched = set(before) - set(fields) - {"audio"}
        assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}


async def test_detection_by_meaning_is_echoed_with_its_defaults(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}}))
        session = (await wire.until("session.updated"))["session"]
        assert session["audio"]["input"]["turn_detection"] == {
            "type": "semantic_vad",
            "eagerness": "auto",
            "create_response": True,
            "interrupt_response": True,
        }


async def test_tools_are_cleared_by_an_empty_list(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(tools=[TOOL]), update(instructions="Be brief."), update(tools=[]))
        tools = [(await wire.until("session.updated"))["session"]["tools"] for _ in range(3)]
        assert tools == [[TOOL], [TOOL], []]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"foo": 1, "instructions": "x"}, "unknown_parameter", "session.foo"),
    (
        {"audio": {"input": {"turn_detection": {"type": "x"}}}},
        "invalid_value",
        "session.audio.input.turn_detection.type",
    ),
    ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
    ({"type": "transcription"}, "invalid_parameter", "session.type"),
    (
        {"audio": {"output": {"speed": 2.0}}},
        "decimal_above_max_value",
        "session.audio.output.speed",
    ),
    ({"max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
    ({"max_output_tokens": 5000}, "integer_above_max_value", "session.max_output_tokens"),
    ({"max_output_tokens": "x"}, "invalid_value", "session.max_output_tokens"),
    ({"audio": {"output": {"voice": "nobody"}}}, "invalid_value", "session.audio.output.voice"),
    (
        {"audio": {"input": {"noise_reduction": {"type": "loud"}}}},
        "invalid_value",
        "session.audio.input.noise_reduction.type",
    ),
    (
        {"tools": [{"type": "mcp", "server_label": "a", "server_url": "http://a.example"}]},
        "invalid_value",
        "session.tools[0].server_url",
    ),
    ({"prompt": {"id": "pmpt_1"}}, "invalid_value", "session.prompt.id"),
    (
        {"prompt": {"id": "support"}, "instructions": "x"},
        "missing_required_parameter",
        "session.prompt.variables.customer",
    ),
    ({"reasoning": {"effort": "low"}}, "invalid_parameter", "session.reasoning"),
    (
        {"audio": {"output": {"voice": {"id": "x"}}}},
        "invalid_value",
        "session.audio.output.voice.id",
    ),
    (
        {
            "truncation": {
                "type": "retention_ratio",
                "retention_ratio": 0.8,
                "token_limits": {"post_instructions": 32_000},
            }
        },
        "integer_above_max_value",
        "session.truncation.token_limits.post_instructions",
    ),
]


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED, ids=str)
async def test_a_refused_update_names_the_field_and_applies_nothing(
    server: Server, fields: dict[str, Any], code: str, param: str
) -> None:
    async with connected(server) as wire:
        before = wire.events[0]["session"]
        await wire.send(update(**fields) | {"event_id": "evt.my-1"})
        error = await wire.error()
        assert (error["code"], error["param"]) == (code, param)
        assert error["event_id"] == "evt.my-1"
        await wire.send(update())
        assert (await wire.until("session.updated"))["session"] == before


async def test_a_missing_type_is_named(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send({"type": "session.update", "session": {"instructions": "x"}})
        error = await wire.error()
        assert (error["code"], error["param"]) == ("missing_required_parameter", "session.type")


async def test_a_transcription_update_is_refused_in_the_documented_words(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send({"type": "session.update", "session": {"type": "transcription"}})
        error = await wire.error()
        words = "Passing a transcription session update event to a realtime session is not allowed."
        assert error["message"].startswith(words)


async def test_the_voice_is_fixed_once_the_assistant_has_spoken(server: Server) -> None:
    async with connected(server) as wire:
        await wire.say("Hello.")
        await wire.send(respond())
        await wire.turn()
        await wire.send(update(audio={"output": {"voice": "cedar"}}))
        assert (await wire.error())["code"] == "cannot_update_voice"


async def test_flat_preview_fields_of_the_support_thread_are_mapped(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(
            update(
                input_audio_transcription={"model": "whisper-1"},
                turn_detection={"type": "server_vad", "silence_duration_ms": 700},
            )
        )
        listening = (await wire.until("session.updated"))["session"]["audio"]["input"]
        assert listening["transcription"]["model"] == "whisper-1"
        assert listening["turn_detection"]["silence_duration_ms"] == 700


@pytest.mark.parametrize("model", ["gpt-realtime", "something-else"])
async def test_a_model_in_an_update_changes_nothing(server: Server, model: str) -> None:
    async with connected(server) as wire:
        await wire.send(update(model=model))
        assert (await wire.until("session.updated"))["session"]["model"] == "gpt-realtime"


async def test_tracing_cannot_be_changed_once_it_is_enabled(server: Server) -> None:
    async with connected(server) as wire:
        await wire.send(update(tracing="auto"), update(tracing="auto"))
        await wire.until("session.updated")
        await wire.until("session.updated")
        await wire.send(update(tracing={"workflow_name": "Other"}))
        assert (await wire.error())["param"] == "session.tracing"


ABLE = "/v1/realtime?model=able"


async def test_a_stored_prompt_gives_instructions_that_the_client_may_override(
    server: Server, scripted: Endpoints
) -> None:
    async with connected(server, ABLE) as wire:
        prompt = {"id": "support", "version": None, "variables": {"customer": "Ann"}}
        await wire.send(update(prompt=prompt))
        session = (await wire.until("session.updated"))["session"]
        assert session["prompt"] == prompt
        assert session["instructions"] == "You serve Ann with phones."
        await wire.say("Hello.")
        await wire.send(respond(prompt=prompt | {"version": "1"}, output_modalities=["text"]))
        await wire.turn()
        asked = scripted.requests_to(CHAT)[-1].fields["messages"]
        assert asked[0] == {"role": "system", "content": "You help Ann."}
        await wire.send(update(instructions="Mine."))
        assert (await wire.until("session.updated"))["session"]["instructions"] == "Mine."


async def test_effort_and_a_voice_of_ones_own_reach_the_engines(
    server: Server, scripted: Endpoints
) -> None:
    async with connected(server, ABLE) as wire:
        voice = {"id": "voice_ann"}
        await wire.send(update(reasoning={"effort": "low"}, audio={"output": {"voice": voice}}))
        session = (await wire.until("session.updated"))["session"]
        assert session["reasoning"] == {"effort": "low"}
        assert session["audio"]["output"]["voice"] == voice
        await wire.say("Hello.")
        await wire.send(respond(reasoning={"effort": "high"}))
        response = (await wire.turn())[-2]["response"]
        assert response["audio"]["output"]["voice"] == "voice_ann"
        assert scripted.requests_to(CHAT)[-1].fields["reasoning_effort"] == "high"
        assert scripted.requests_to(SPEECH)[-1].fields["voice"] == "ann-2"
