"""One utterance that is transcribed by requests, each of which hears all of it so far.

A reader takes the audio as it comes and orders a text at each mark. Texts are given out in the
order of their marks, whichever is ready first.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import BYTES_PER_SAMPLE, to_pcm16
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ, FinalTranscript, PartialTranscript, Settle
from antiphon.protocol.errors import EngineError

AUDIBLE = 0.001
"""Samples below this, 60 dB under full scale, are silence: models tend to hear words in it."""
SHORTEST_MS = 100
"""Shorter recordings hold no word, and endpoints refuse them."""

_FINALS_AT_ONCE = 2
_BYTES_PER_MS = BYTES_PER_SAMPLE * STT_SAMPLE_RATE_HZ // 1000

Audio = AsyncIterable[NDArray[np.float32] | Settle]
Hear = Callable[[bytes], Coroutine[Any, Any, FinalTranscript]]
"""Return the text of PCM16 samples, or raise `EngineError`."""

_T = TypeVar("_T")


class UtteranceTooLong(Exception):  # noqa: N818 - says what happened
    """There is more audio than one request can carry."""


class Recording:
    """The audio of an utterance so far, and how much of it has been heard."""

    def __init__(self, max_bytes: int) -> None:
        self.pcm = bytearray()
        self._max_bytes = max_bytes
        self._audible_bytes = 0
        self._settled_bytes = 0
        self._tried_bytes = 0

    def take(self, samples: NDArray[np.float32]) -> None:
        """Add samples. Raises `UtteranceTooLong`."""
        self.pcm += to_pcm16(samples)
        if len(self.pcm) > self._max_bytes:
            raise UtteranceTooLong
        if np.any(np.abs(samples) >= AUDIBLE):
            self._audible_bytes = len(self.pcm)

    def settle(self) -> bool:
        """Mark all of it as heard; return whether there was anything new to hear."""
        is_new = self._audible_bytes > self._settled_bytes
        if len(self.pcm) < SHORTEST_MS * _BYTES_PER_MS:
            return False
        self._settled_bytes = self._tried_bytes = len(self.pcm)
        return is_new

    def is_worth_a_try(self, every_bytes: int) -> bool:
        """Tell whether so much audible sound has come since this was last so; mark it tried."""
        if not every_bytes or self._audible_bytes - self._tried_bytes < every_bytes:
            return False
        self._tried_bytes = len(self.pcm)
        return True


class Agreement:
    """What two successive texts of a growing recording agree on; the rest may still change."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._agreed: list[str] = []

    def take(self, text: str) -> str | None:
        """Take the next text; return what is agreed on by now if it has become longer."""
        words = text.split()
        agreed = _common_beginning(self._words, words)
        self._words = words
        if len(agreed) <= len(self._agreed) or agreed[: len(self._agreed)] != self._agreed:
            return None
        self._agreed = agreed
        return " ".join(agreed)


def _common_beginning(some: list[str], others: list[str]) -> list[str]:
    same = 0
    for one, other in zip(some, others, strict=False):
        if one != other:
            break
        same += 1
    return some[:same]


class Utterance:
    """The texts of one recording that grows."""

    def __init__(self, hear: Hear, partials_every_ms: int, max_bytes: int) -> None:
        self._hear = hear
        self._partials_every_bytes = partials_every_ms * _BYTES_PER_MS
        self._recording = Recording(max_bytes)
        self._agreement = Agreement()
        # An entry for each mark and each partial text, and None at the end.
        self._ordered: asyncio.Queue[
            PartialTranscript | FinalTranscript | asyncio.Task[FinalTranscript] | None
        ] = asyncio.Queue()
        self._final: asyncio.Task[FinalTranscript] | None = None
        self._partial: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(_FINALS_AT_ONCE)
        self._tasks: set[asyncio.Task[Any]] = set()

    def read(self, audio: Audio) -> None:
        """Begin to read the audio."""
        self._reader = self._start(self._read(audio))
        self._reader.add_done_callback(lambda _: self._ordered.put_nowait(None))

    async def next(self) -> PartialTranscript | FinalTranscript | None:
        """Wait for the next text; None after the last one.

        Raises what `hear` raises, and `UtteranceTooLong`.
        """
        match await self._ordered.get():
            case asyncio.Task() as task:
                final: FinalTranscript = await task
                return final
            case None if self._reader is not None:
                await self._reader
                return None
            case ready:
                return ready

    async def close(self) -> None:
        """Stop reading, and end every request."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, audio: Audio) -> None:
        async for piece in audio:
            if isinstance(piece, Settle):
                await self._settle()
            else:
                self._recording.take(piece)
                self._try()
        await self._settle()

    async def _settle(self) -> None:
        """Order the text up to here; a partial text that is still being made is worthless now."""
        if self._partial is not None:
            self._partial.cancel()
            self._partial = None
        if self._recording.settle():
            await self._slots.acquire()
            self._final = self._start(self._hear(bytes(self._recording.pcm)))
            self._final.add_done_callback(lambda _: self._slots.release())
        self._ordered.put_nowait(self._final or FinalTranscript(""))

    def _try(self) -> None:
        """Ask for a partial text if it is time for one and none is being made."""
        if self._partial is not None and not self._partial.done():
            return
        if self._recording.is_worth_a_try(self._partials_every_bytes):
            self._partial = self._start(self._hear_partial(bytes(self._recording.pcm)))

    async def _hear_partial(self, pcm: bytes) -> None:
        # A partial text is a courtesy; if the endpoint is out of order, the final one will tell.
        with suppress(EngineError):
            agreed = self._agreement.take((await self._hear(pcm)).text)
            if agreed is not None:
                self._ordered.put_nowait(PartialTranscript(agreed))

    def _start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        return task
