"""Send a recording, save the spoken answer.

The flow of the public quickstart with an API key. `input.pcm` holds 16-bit mono samples at 24 kHz;
the answer goes to `output.pcm`. Set `AZURE_OPENAI_ENDPOINT`, `AZURE_OPENAI_API_KEY` and
`AZURE_OPENAI_DEPLOYMENT_NAME`; `antiphon serve` prints them.
"""

import asyncio
import base64
import os
from pathlib import Path

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

CHUNK_BYTES = 4800  # 100 ms
CHUNK_SECONDS = 0.05  # twice the speed of speech
PCM = {"type": "audio/pcm", "rate": 24000}
SESSION = {
    "type": "realtime",
    "instructions": "You are a helpful assistant. Respond conversationally.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "transcription": {"model": "whisper-1"},
            "format": PCM,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "create_response": True,
                "interrupt_response": False,
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
        recording = Path("input.pcm").read_bytes()
        for begin in range(0, len(recording), CHUNK_BYTES):
            chunk = recording[begin : begin + CHUNK_BYTES]
            await connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
            await asyncio.sleep(CHUNK_SECONDS)
        print("Audio sent. Waiting for response...")
        answer = await hear_answer(connection)
    Path("output.pcm").write_bytes(answer)
    print(f"\nSaved {len(answer)} bytes of audio to output.pcm")


async def hear_answer(connection: AsyncRealtimeConnection) -> bytes:
    audio = bytearray()
    async for event in connection:
        match event.type:
            case "response.output_audio.delta":
                audio += base64.b64decode(event.delta)
            case "response.output_audio_transcript.delta":
                print(event.delta, end="", flush=True)
            case "conversation.item.input_audio_transcription.completed":
                print(f"\n[User said]: {event.transcript}")
            case "error":
                raise RuntimeError(event.error.message)
            case "response.done":
                break
    return bytes(audio)


asyncio.run(main())
