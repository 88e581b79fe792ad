"""Hold a conversation with a server: recordings, written turns, or a live microphone."""

import asyncio
import base64
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

from antiphon.cli.devices import CHUNK_BYTES, CHUNK_MS, Loudspeaker, Microphone
from antiphon.cli.exchange import Event, Exchange, Outcome, Write
from antiphon.cli.realtime_client import RealtimeClient, UnreachableError
from antiphon.cli.recordings import speech_end_bytes

_REPLY_PATIENCE_S = 120.0
_TRANSCRIPTION_MODEL = "whisper-1"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the session should be like."""

    voice: str | None = None
    instructions: str | None = None


class Conversation:
    """An open session, turn by turn."""

    def __init__(
        self,
        client: RealtimeClient,
        write: Write,
        loudspeaker: Loudspeaker | None = None,
        commit_patience_s: float = 10.0,
    ) -> None:
        """``commit_patience_s`` is how long the server may take to hear the end of speech."""
        self._client = client
        self._commit_patience_s = commit_patience_s
        self._write = write
        self._loudspeaker = loudspeaker
        self._silence_ms = 0

    async def begin(self, wishes: Wishes) -> str:
        """Configure the session; return why the server refuses, or nothing."""
        audio: dict[str, Any] = {"input": {"transcription": {"model": _TRANSCRIPTION_MODEL}}}
        session: dict[str, Any] = {"type": "realtime", "audio": audio}
        if wishes.voice is not None:
            audio["output"] = {"voice": wishes.voice}
        if wishes.instructions is not None:
            session["instructions"] = wishes.instructions
        # The server speaks first; what it refuses it refuses here.
        if refusal := _refusal(await self._client.receive()):
            return refusal
        await self._client.send({"type": "session.update", "session": session})
        while (event := await self._client.receive())["type"] != "session.updated":
            if refusal := _refusal(event):
                return refusal
        detection = cast("Event", event["session"]["audio"]["input"]["turn_detection"] or {})
        self._silence_ms = int(detection.get("silence_duration_ms", 0))
        return ""

    async def speak(self, pcm: bytes) -> tuple[Outcome, bytes]:
        """Speak a recording in real time; return what came of it and the reply's sound."""
        exchange = Exchange(self._write)
        return await self._follow(
            exchange, lambda patience: self._send_recording(exchange, pcm, patience)
        )

    async def write(self, text: str) -> tuple[Outcome, bytes]:
        """Send a written turn; return what came of it and the reply's sound."""
        exchange = Exchange(self._write)
        return await self._follow(exchange, lambda _: self._send_text(exchange, text))

    async def listen(
        self, microphone: Microphone, turns: int | None, tell: Callable[[Outcome], None]
    ) -> None:
        """Let a person speak until ``turns`` turns are answered; tell what came of each."""
        failure: UnreachableError | None = None
        async with asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(_quietly(self._send_microphone(microphone)))
            try:
                await self._follow_microphone(turns, tell)
            except UnreachableError as error:
                failure = error
            finally:
                sender.cancel()
        if failure is not None:
            raise failure

    async def _follow_microphone(self, turns: int | None, tell: Callable[[Outcome], None]) -> None:
        exchange = Exchange(self._write)
        begun = asyncio.get_running_loop().time()
        answered = 0
        while turns is None or answered < turns:
            event = await self._client.receive()
            if event["type"] == "input_audio_buffer.speech_started":
                exchange = await self._interrupt(exchange)
            if event["type"] == "input_audio_buffer.speech_stopped":
                heard_ms = int(event["audio_end_ms"]) - self._silence_ms
                exchange.ended = begun + heard_ms / 1000
            self._observe(exchange, event)
            if exchange.is_over:
                tell(exchange.outcome())
                exchange = Exchange(self._write)
                answered += 1

    async def _follow(
        self, exchange: Exchange, send: Callable[[asyncio.Timeout], Coroutine[Any, Any, None]]
    ) -> tuple[Outcome, bytes]:
        failure: UnreachableError | None = None
        async with asyncio.TaskGroup() as tasks:
            patience = asyncio.timeout(None)
            sender = tasks.create_task(_quietly(send(patience)))
            try:
                async with patience:
                    while not exchange.is_over:
                        self._observe(exchange, await self._client.receive())
                        if exchange.ended is not None and exchange.is_committed:
                            patience.reschedule(exchange.ended + _REPLY_PATIENCE_S)
            except TimeoutError:
                exchange.error = (
                    "The server does not answer."
                    if exchange.is_committed
                    else "The server heard no end of speech in the recording."
                )
            except UnreachableError as error:
                failure = error
            finally:
                sender.cancel()
        if failure is not None:
            raise failure
        if exchange.error:
            self._write(f"{exchange.error}\n")
        return exchange.outcome(), bytes(exchange.reply.audio)

    def _observe(self, exchange: Exchange, event: dict[str, Any]) -> None:
        exchange.observe(event, asyncio.get_running_loop().time())
        if self._loudspeaker is not None and event["type"] == "response.output_audio.delta":
            self._loudspeaker.play(str(event["item_id"]), base64.b64decode(event["delta"]))

    async def _interrupt(self, exchange: Exchange) -> Exchange:
        # The server has stopped by itself; it cannot know how much of the reply was heard.
        if self._loudspeaker is not None and (playing := self._loudspeaker.stop()) is not None:
            item, played_ms = playing
            await self._client.send(
                {
                    "type": "conversation.item.truncate",
                    "item_id": item,
                    "content_index": 0,
                    "audio_end_ms": played_ms,
                }
            )
        if not exchange.reply.id:
            return exchange
        exchange.cut()
        return Exchange(self._write)

    async def _send_text(self, exchange: Exchange, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self._client.send({"type": "conversation.item.create", "item": item})
        await self._client.send({"type": "response.create"})
        exchange.send_text(text, asyncio.get_running_loop().time())

    async def _send_recording(
        self, exchange: Exchange, pcm: bytes, patience: asyncio.Timeout
    ) -> None:
        loop = asyncio.get_running_loop()
        speech_end = speech_end_bytes(pcm)
        start = loop.time()
        sent = 0
        # After the recording comes silence, as from a microphone, until the server has heard it.
        while sent < len(pcm) or not exchange.is_committed:
            await _wait_until(start + sent / CHUNK_BYTES * CHUNK_MS / 1000)
            await self._append(pcm[sent : sent + CHUNK_BYTES].ljust(CHUNK_BYTES, b"\0"))
            sent += CHUNK_BYTES
            if exchange.ended is None and sent >= speech_end:
                exchange.ended = loop.time()
                patience.reschedule(exchange.ended + self._commit_patience_s)

    async def _send_microphone(self, microphone: Microphone) -> None:
        async with aclosing(microphone.chunks()) as chunks:
            async for chunk in chunks:
                await self._append(chunk)

    async def _append(self, chunk: bytes) -> None:
        audio = base64.b64encode(chunk).decode()
        await self._client.send({"type": "input_audio_buffer.append", "audio": audio})


def _refusal(event: Event) -> str:
    return str(event["error"]["message"]) if event["type"] == "error" else ""


async def _quietly(sending: Coroutine[Any, Any, None]) -> None:
    # Whoever receives finds out as well that the server has gone, and tells.
    with suppress(UnreachableError):
        await sending


async def _wait_until(moment: float) -> None:
    # Live speech cannot be sent before it is spoken; this paces, it waits for nothing else.
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
