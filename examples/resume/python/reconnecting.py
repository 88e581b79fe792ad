"""Ask a question and hear the whole answer, whatever happens to the connection meanwhile.

Set `AZURE_OPENAI_ENDPOINT`, `AZURE_OPENAI_API_KEY` and `AZURE_OPENAI_DEPLOYMENT_NAME`; `antiphon
serve` prints them. With `--cut` the program cuts its own connection in the middle of the answer, as
a tunnel would. Needs `pip install websockets`.
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import websockets

ENDPOINT = os.environ["AZURE_OPENAI_ENDPOINT"].replace("http", "ws", 1).rstrip("/")
KEY = os.environ["AZURE_OPENAI_API_KEY"]
MODEL = os.environ["AZURE_OPENAI_DEPLOYMENT_NAME"]

Event = dict[str, Any]
Socket = websockets.ClientConnection

ENDED = {1000, 4000, 4001}
"""Closed on purpose, refused, or gone on elsewhere: there is nothing to come back to."""


async def session() -> AsyncIterator[tuple[Socket, Event]]:
    """Yield every event of a session once and in order, and the connection as it is then."""
    query = {"model": MODEL, "antiphon_resume": "1"}
    close_code = None
    while close_code not in ENDED:
        async with websockets.connect(
            f"{ENDPOINT}/openai/v1/realtime?{urlencode(query)}",
            additional_headers={"api-key": KEY},
            max_size=None,
            proxy=None,
        ) as socket:
            try:
                async for frame in socket:
                    if socket.transport.is_closing():
                        break  # whatever a cut connection still holds is told again on the next
                    event = json.loads(frame)
                    query["antiphon_after"] = event["event_id"]
                    if event["type"] == "antiphon.session.resumable":
                        query["antiphon_resume"] = event["token"]
                    yield socket, event
            except websockets.ConnectionClosedError:
                pass  # no close frame: the connection was lost
        close_code = socket.close_code
        if close_code not in ENDED:
            print(f"\n[The connection was lost ({close_code}). Coming back.]")


async def ask(socket: Socket, question: str) -> None:
    content = [{"type": "input_text", "text": question}]
    item = {"type": "message", "role": "user", "content": content}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send(json.dumps({"type": "response.create"}))


def show(event: Event) -> None:
    match event["type"]:
        case "antiphon.session.resumed":
            print(f"[Back. {event['redelivered']} events had been missed.]")
        case "response.output_audio_transcript.delta":
            print(event["delta"], end="", flush=True)
        case "error":
            print(event["error"]["message"])


async def main() -> None:
    may_cut = "--cut" in sys.argv
    sound = 0
    async for socket, event in session():
        show(event)
        if event["type"] == "session.created":
            await ask(socket, "Tell me a story about a lighthouse.")
        if event["type"] == "response.output_audio.delta":
            sound += len(base64.b64decode(event["delta"]))
            if may_cut:
                may_cut = False
                socket.transport.abort()
        if event["type"] == "response.done":
            print(f"\nThe answer is {event['response']['status']}: {sound} bytes of sound.")
            await socket.close()
            break


asyncio.run(main())
