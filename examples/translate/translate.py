"""Translate a recording while it plays: `python translate.py talk.wav es translated.wav`.

The recording is 16-bit mono at 24 kHz. It is sent at the speed at which it is spoken, as a
microphone would. The translation is printed as it comes and written to a second file as speech;
what was heard follows.
Set `ANTIPHON_URL` and `ANTIPHON_KEY` for a server elsewhere.
"""

import asyncio
import base64
import os
import sys
import wave
from pathlib import Path

from openai import AsyncOpenAI
from openai.resources.realtime.translations.translations import AsyncTranslationsConnection

MODEL = os.environ.get("ANTIPHON_MODEL", "gpt-realtime-translate")
FRAME_MS = 200
FRAME_BYTES = 24 * 2 * FRAME_MS


def read(path: Path) -> bytes:
    with wave.open(str(path), "rb") as recording:
        if (recording.getframerate(), recording.getnchannels()) != (24_000, 1):
            sys.exit(f"{path} is not mono at 24 kHz. Convert it first.")
        return recording.readframes(recording.getnframes())


async def speak(connection: AsyncTranslationsConnection, sound: bytes, pace: float) -> None:
    """Send the recording in frames of 200 ms, then let the translation come to its end."""
    for begin in range(0, len(sound), FRAME_BYTES):
        frame = base64.b64encode(sound[begin : begin + FRAME_BYTES]).decode()
        await connection.session.input_audio_buffer.append(audio=frame)
        await asyncio.sleep(pace * FRAME_MS / 1000)
    await connection.session.close()


async def translate(source: Path, language: str, target: Path, pace: float = 1.0) -> None:
    url = os.environ.get("ANTIPHON_URL", "ws://127.0.0.1:8080/v1")
    client = AsyncOpenAI(api_key=os.environ.get("ANTIPHON_KEY", "any"), websocket_base_url=url)
    heard, spoken = "", bytearray()
    async with client, client.realtime.translations.connect(model=MODEL) as connection:
        await connection.session.update(
            session={
                "audio": {
                    "input": {"transcription": {"model": "gpt-realtime-whisper"}},
                    "output": {"language": language},
                }
            }
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(connection, read(source), pace))
            async for event in connection:
                match event.type:
                    case "session.input_transcript.delta":
                        heard += event.delta
                    case "session.output_transcript.delta":
                        print(event.delta, end="", flush=True)
                    case "session.output_audio.delta":
                        spoken += base64.b64decode(event.delta)
                    case "error":
                        print(f"\n{event.error.message}", file=sys.stderr)
                    case "session.closed":
                        break
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(bytes(spoken))
    print(f"\nHeard: {heard}\n{len(spoken) / 48_000:.1f} s of speech in {target}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("Usage: python translate.py SOURCE.wav LANGUAGE TARGET.wav")
    asyncio.run(translate(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
