"""Talk in writing with an agent of the openai-agents library that can look up the weather.

Set `AZURE_OPENAI_ENDPOINT` and `AZURE_OPENAI_API_KEY`; `antiphon serve` prints them. "q" ends
the conversation.
"""

import asyncio
import os

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession


@function_tool
def get_weather(city: str) -> str:
    """Look up the weather of a city."""
    print(f"(looked up the weather of {city})")
    return "sunny, 22 degrees"


async def main() -> None:
    endpoint = os.environ["AZURE_OPENAI_ENDPOINT"].rstrip("/").replace("http", "ws", 1)
    model = os.environ.get("AZURE_OPENAI_DEPLOYMENT_NAME", "gpt-realtime")
    agent = RealtimeAgent(
        name="Assistant",
        instructions="Answer in one short sentence. Use the tool for questions about weather.",
        tools=[get_weather],
    )
    session = await RealtimeRunner(agent).run(
        model_config={
            "url": f"{endpoint}/v1/realtime?model={model}",
            "api_key": os.environ["AZURE_OPENAI_API_KEY"],
        }
    )
    async with session:
        while (question := await asyncio.to_thread(input, "You: ")) != "q":
            await session.send_message(question)
            print(f"Assistant: {await spoken_answer(session)}")


async def spoken_answer(session: RealtimeSession) -> str:
    """Wait until the agent has spoken, and return what it said."""
    async for event in session:
        if event.type == "error":
            raise RuntimeError(event.error)
        if event.type != "raw_model_event" or event.data.type != "raw_server_event":
            continue
        if event.data.data["type"] == "response.output_audio_transcript.done":
            return event.data.data["transcript"]
    return ""


asyncio.run(main())
