"""Ask in writing, be answered aloud: several questions in one session, "q" ends it.

The flow of the public quickstart with an API key. Set `AZURE_OPENAI_ENDPOINT`,
`AZURE_OPENAI_API_KEY` and `AZURE_OPENAI_DEPLOYMENT_NAME`; `antiphon serve` prints them.
"""

import asyncio
import base64
import os

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

PCM = {"type": "audio/pcm", "rate": 24000}
SESSION = {
    "type": "realtime",
    "instructions": "You are a helpful assistant. You respond by voice and text.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "transcription": {"model": "whisper-1"},
            "format": PCM,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "create_response": True,
            },
        },
        "output": {"voice": "alloy", "format": PCM},
    },
}


async def main() -> None:
    endpoint = os.environ["AZURE_OPENAI_ENDPOINT"]
    client = AsyncOpenAI(
        websocket_base_url=endpoint.replace("https://", "wss://").rstrip("/") + "/openai/v1",
        api_key=os.environ["AZURE_OPENAI_API_KEY"],
    )
    model = os.environ["AZURE_OPENAI_DEPLOYMENT_NAME"]
    async with client.realtime.connect(model=model) as connection:
        await connection.session.update(session=SESSION)
        while (question := input("Enter a message: ")) != "q":
            await connection.conversation.item.create(
                item={
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": question}],
                }
            )
            await connection.response.create()
            await print_answer(connection)
        print("Stopping the conversation.")


async def print_answer(connection: AsyncRealtimeConnection) -> None:
    async for event in connection:
        match event.type:
            case "session.created":
                print(f"Session ID: {event.session.id}")
            case "response.output_text.delta":
                print(event.delta, flush=True, end="")
            case "response.output_audio_transcript.delta":
                print(f"Received text delta: {event.delta}")
            case "response.output_audio.delta":
                print(f"Received {len(base64.b64decode(event.delta))} bytes of audio data.")
            case "error":
                print(f"Received an error event: {event.error.code}: {event.error.message}")
            case "response.done":
                return


asyncio.run(main())
