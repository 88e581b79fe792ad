"""openai-agents for Python, unmodified: every server event is validated, every error reported.

Shows Clients, unmodified: openai-agents
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import agents
import pytest
from agents.realtime import (
    RealtimeAgent,
    RealtimeModelConfig,
    RealtimeRunner,
    RealtimeSession,
    RealtimeSessionEvent,
)
from agents.realtime.model_inputs import RealtimeModelSendRawMessage
from conformance_server import Server
from mcp_server import serving
from wire import silent, spoken

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted", "no_tracing")]

SERVER_VAD: dict[str, Any] = {
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 300, "interrupt_response": True}
}
DETECTIONS: dict[str, dict[str, Any]] = {"by default": {}, "server_vad": SERVER_VAD}


@pytest.fixture
def no_tracing() -> None:
    # Traces would be sent to OpenAI.
    agents.set_tracing_disabled(True)


class Weather:
    """An agent with one tool that remembers its calls."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.agent = RealtimeAgent[None](
            name="Assistant",
            instructions="Be brief.",
            tools=[agents.function_tool(self.weather, name_override="get-weather")],
        )

    def weather(self, city: str) -> str:
        """Look up the weather of a city.

        Args:
            city: Its name.
        """
        self.asked.append(city)
        return "sunny"


@asynccontextmanager
async def session_of(
    server: Server, agent: RealtimeAgent[None], model: str = "gpt-realtime", **settings: Any
) -> AsyncIterator[RealtimeSession]:
    config: RealtimeModelConfig = {
        "url": f"{server.websocket}/v1/realtime?model={model}",
        "api_key": server.key,
    }
    if settings:
        config["initial_model_settings"] = settings  # type: ignore[typeddict-item]
    async with asyncio.timeout(30), await RealtimeRunner(agent).run(model_config=config) as session:
        yield session


def raw_type(event: RealtimeSessionEvent) -> str:
    """Return the type of the server event that this event passes on."""
    data: Any = event.data if event.type == "raw_model_event" else None
    return str(data.data["type"]) if data is not None and data.type == "raw_server_event" else ""


async def until(session: RealtimeSession, *kinds: str) -> list[RealtimeSessionEvent]:
    """Read until each of these has come, agents' events and server events alike."""
    awaited = list(kinds)
    seen: list[RealtimeSessionEvent] = []
    async for event in session:
        assert event.type != "error", event
        seen.append(event)
        for kind in (event.type, raw_type(event)):
            if kind in awaited:
                awaited.remove(kind)
        if not awaited:
            return seen
    raise AssertionError(f"The session ended before {awaited}.")


async def say(session: RealtimeSession, sound: bytes) -> None:
    for begin in range(0, len(sound), 4800):
        await session.send_audio(sound[begin : begin + 4800])


@pytest.mark.parametrize("detection", DETECTIONS)
async def test_a_written_question_is_answered_aloud(server: Server, detection: str) -> None:
    agent = RealtimeAgent[None](name="Assistant", instructions="Be brief.")
    async with session_of(server, agent, **DETECTIONS[detection]) as session:
        await session.send_message("How are you?")
        seen = await until(session, "response.done", "audio_end")
        sound = b"".join(event.audio.data for event in seen if event.type == "audio")
        assert len(sound) > 24_000
        assert "session.updated" in [raw_type(event) for event in seen]


@pytest.mark.parametrize("detection", DETECTIONS)
async def test_a_spoken_question_calls_a_tool_and_is_answered(
    server: Server, detection: str
) -> None:
    weather = Weather()
    async with session_of(server, weather.agent, **DETECTIONS[detection]) as session:
        await say(session, silent(300) + spoken(1500) + silent(2500))
        seen = await until(session, "tool_end", "response.done", "response.done", "audio_end")
        assert weather.asked == ["example"]
        history = next(e for e in reversed(seen) if e.type == "history_updated").history
        texts = [part for item in history for part in getattr(item, "content", ())]
        assert "What is the weather like?" in [getattr(part, "transcript", "") for part in texts]
        assert "The tool says: sunny" in [getattr(part, "transcript", "") for part in texts]


async def test_a_tool_is_called_for_a_written_question(server: Server) -> None:
    weather = Weather()
    async with session_of(server, weather.agent) as session:
        await session.send_message("What is the weather in Paris?")
        seen = await until(session, "tool_start", "tool_end", "audio_end", "response.done")
        assert next(e.output for e in seen if e.type == "tool_end") == "sunny"


@pytest.mark.parametrize("detection", DETECTIONS)
async def test_speaking_interrupts_the_reply(server: Server, detection: str) -> None:
    agent = RealtimeAgent[None](name="Assistant", instructions="Be brief.")
    async with session_of(server, agent, "slow", **DETECTIONS[detection]) as session:
        await session.send_message("Speak for a long time.")
        await until(session, "audio")
        await say(session, spoken(1000))
        await until(session, "audio_interrupted", "conversation.item.truncated", "response.done")
        await session.send_message("And now?")
        await until(session, "response.created", "audio")


async def test_the_application_interrupts_the_reply(server: Server) -> None:
    agent = RealtimeAgent[None](name="Assistant", instructions="Be brief.")
    async with session_of(server, agent, "slow") as session:
        await session.send_message("Speak for a long time.")
        await until(session, "audio")
        await session.interrupt()
        await until(session, "conversation.item.truncated", "response.done")


async def test_an_agent_is_exchanged_during_the_session(server: Server) -> None:
    agent = RealtimeAgent[None](name="First", instructions="Be brief.")
    async with session_of(server, agent) as session:
        await session.send_message("How are you?")
        await until(session, "response.done")
        weather = Weather()
        await session.update_agent(weather.agent)
        await session.send_message("What is the weather in Paris?")
        await until(session, "tool_end", "audio_end")
        assert weather.asked


async def test_mcp_tools_named_in_a_raw_update_are_called(server: Server) -> None:
    # It has no MCP tools of its own in realtime sessions; its parser knows every event of theirs.
    agent = RealtimeAgent[None](name="Assistant", instructions="Be brief.")
    with serving() as tools:
        mcp = {
            "type": "mcp",
            "server_label": "docs",
            "server_url": tools.url,
            "allowed_tools": ["get-weather"],
            "require_approval": "never",
        }
        update = {"session": {"type": "realtime", "tools": [mcp]}}
        async with session_of(server, agent) as session:
            await session.model.send_event(
                RealtimeModelSendRawMessage(
                    message={"type": "session.update", "other_data": update}
                )
            )
            await until(session, "mcp_list_tools.completed")
            await session.send_message("What is the weather in Paris?")
            seen = await until(
                session, "response.mcp_call.completed", "response.done", "response.done"
            )
            assert tools.called == ["get-weather example"]
            history = next(e for e in reversed(seen) if e.type == "history_updated").history
            texts = [part for item in history for part in getattr(item, "content", ())]
            told = [getattr(part, "transcript", "") for part in texts]
            assert "The tool says: sunny in example" in told
