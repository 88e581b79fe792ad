"""Turns that were recorded at Azure's server, at the address that its clients use.

Shows Protocol: and at Azure's
"""

import pytest
from conformance_server import Server
from recorded.comparison import assert_formed, in_place, recorded
from recorded.test_openai_turns import TOOL, configure
from wire import Wire, connected, silent, spoken, types

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]

ADDRESS = "/openai/v1/realtime?model=gpt-realtime"
FAILED = "conversation.item.input_audio_transcription.failed"


def assert_as_at_azure(wire: Wire, name: str) -> None:
    expected = in_place(recorded(name))
    # Azure's server tells no rate limits; clients that know them read ours on every path.
    ours = [kind for kind in in_place(types(wire.events)) if kind != "rate_limits.updated"]
    assert ours[: len(expected)] == expected
    assert_formed(wire)


async def test_a_transcriber_that_is_not_deployed_fails_the_transcript_alone(
    server: Server,
) -> None:
    async with connected(server, ADDRESS) as wire:
        await configure(wire, "gpt-4o-transcribe-not-deployed", instructions="Be brief.")
        await wire.append(silent(1500) + spoken(1500) + silent(1000))
        await wire.until("response.done")
        assert_as_at_azure(wire, "azure/audio_in_server_vad_transcription_requires_deployment")
        (failed,) = (each for each in wire.events if each["type"] == FAILED)
        error = failed["error"]
        assert (error["type"], error["code"]) == ("server_error", "DeploymentNotFound")
        words = f"Input transcription failed for item '{failed['item_id']}'."
        assert error["message"].startswith(words)


async def test_a_spoken_turn_calls_a_tool_and_its_result_is_spoken(server: Server) -> None:
    async with connected(server, ADDRESS) as wire:
        await configure(wire, "gpt-4o-transcribe", instructions="Use it.", tools=[TOOL])
        await wire.append(silent(500) + spoken(1500) + silent(1000))
        call_id = (await wire.until("response.function_call_arguments.done"))["call_id"]
        await wire.until("response.done")
        item = {"type": "function_call_output", "call_id": call_id, "output": "Foggy, 12 degrees."}
        await wire.send(
            {"type": "conversation.item.create", "item": item}, {"type": "response.create"}
        )
        await wire.until("response.done")
        assert_as_at_azure(wire, "azure/spoken_turn_transcribed_drives_a_tool_and_answers_in_audio")
