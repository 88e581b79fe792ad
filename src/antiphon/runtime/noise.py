"""Reduce the noise of appended audio before the session hears of it.

The client's events pass here one by one on their way to the inbox, so that their order stays. While
noise is reduced, an append becomes `AudioReduced`; what the reducer holds back is brought before
the next event that ends the audio. The session says by `ReduceNoise` when to begin and to stop.
"""

import asyncio
import logging

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.formats import InputDecoder
from antiphon.audio.pcm import SAMPLE_RATE_HZ, to_float32, to_pcm16
from antiphon.core.commands import ReduceNoise
from antiphon.core.inputs import AudioReduced
from antiphon.core.routing import Input
from antiphon.engines.noise import NoiseReducer, NoiseStream
from antiphon.protocol import translation
from antiphon.protocol.client_events import (
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    SessionClose,
    SessionUpdate,
)
from antiphon.protocol.codec import decode_audio
from antiphon.protocol.errors import ClientError
from antiphon.protocol.translation import SessionInputAudioBufferAppend

PIECE_SAMPLES = SAMPLE_RATE_HZ // 10
"""What is reduced in one go: less than a millisecond of work."""

_logger = logging.getLogger(__name__)

_Samples = NDArray[np.float32]


Append = InputAudioBufferAppend | SessionInputAudioBufferAppend


class _Reducing:
    """One stream that is reduced."""

    def __init__(self, stream: NoiseStream, format_name: str) -> None:
        self._stream = stream
        self._decoder = InputDecoder(format_name)
        self._has_failed = False

    async def push(self, audio: bytes) -> bytes:
        """Reduce audio in the session's format; raise `ValueError` on half a sample."""
        return to_pcm16(await self._reduce(self._decoder.push(audio).pcm))

    async def flush(self) -> bytes:
        """Return what is held back."""
        last = await self._reduce(self._decoder.flush().pcm)
        return to_pcm16(np.concatenate((last, self._attempt(None))))

    async def _reduce(self, pcm: bytes) -> _Samples:
        samples = to_float32(pcm)
        pieces = [np.zeros(0, np.float32)]
        for begin in range(0, len(samples), PIECE_SAMPLES):
            if begin:
                await asyncio.sleep(0)
            pieces.append(self._attempt(samples[begin : begin + PIECE_SAMPLES]))
        return np.concatenate(pieces)

    def _attempt(self, samples: _Samples | None) -> _Samples:
        """Reduce; a reducer that fails once reduces no more, and the sound goes on as it is."""
        unreduced = np.zeros(0, np.float32) if samples is None else samples
        if self._has_failed:
            return unreduced
        try:
            return self._stream.flush() if samples is None else self._stream.push(samples)
        except Exception as fault:  # noqa: BLE001 - an engine may raise anything
            self._has_failed = True
            _logger.error("noise_reduction_failed", extra={"fault": type(fault).__name__})
            return unreduced


class NoiseStage:
    """What client events pass on their way to the session."""

    def __init__(self) -> None:
        self._reducer: NoiseReducer | None = None
        self._reducing: _Reducing | None = None
        self._ended: list[_Reducing] = []
        self._configured = asyncio.Event()

    def use(self, reducer: NoiseReducer | None) -> None:
        """Reduce with this engine."""
        self._reducer = reducer

    def configure(self, command: ReduceNoise) -> None:
        """Begin, change or stop; what was held back so far is still brought."""
        if self._reducing is not None:
            self._ended.append(self._reducing)
            self._reducing = None
        if command.field is not None and self._reducer is not None:
            stream = self._reducer.open(command.field, command.strength)
            self._reducing = _Reducing(stream, command.format_name)

    def settle(self) -> None:
        """Note that the session has taken an update, and what followed from it is done."""
        self._configured.set()

    async def prepare(self, event: Input) -> list[Input]:
        """Return what reaches the session in the place of a client event."""
        before = await self._bring_ended()
        match event:
            case InputAudioBufferAppend() | SessionInputAudioBufferAppend() if self._reducing:
                return [*before, await self._reduce(self._reducing, event)]
            case InputAudioBufferCommit() | InputAudioBufferClear() | SessionClose() if (
                self._reducing
            ):
                return [*before, *_reduced(await self._reducing.flush()), event]
            case _:
                return [*before, event]

    async def follow(self, event: Input) -> None:
        """Wait until the session has taken an event that may change what happens here."""
        if isinstance(event, SessionUpdate | translation.SessionUpdate):
            await self._configured.wait()
            self._configured.clear()

    async def _bring_ended(self) -> list[Input]:
        ended, self._ended = self._ended, []
        return [each for one in ended for each in _reduced(await one.flush())]

    async def _reduce(self, reducing: _Reducing, event: Append) -> Input:
        try:
            reduced = await reducing.push(decode_audio(event.audio))
        except (ClientError, ValueError):
            return event  # The session says what is wrong with it.
        return AudioReduced(reduced, event.event_id)


def _reduced(audio: bytes) -> list[Input]:
    return [AudioReduced(audio)] if audio else []
