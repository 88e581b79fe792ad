"""What every transport that carries events shares: understanding frames, and a bounded outbox."""

import asyncio
from collections import deque
from dataclasses import dataclass

from antiphon.core.inputs import ClientMistake
from antiphon.protocol.dialects import Dialect
from antiphon.protocol.errors import ClientError
from antiphon.protocol.families import AnyClientEvent


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How much may wait for a client that reads slowly."""

    waiting_bytes: int = 32 * 1024 * 1024
    """Eight minutes of speech, or two of the largest messages with pictures, each told twice. One
    frame may be larger, when it is the only one."""
    waiting_frames: int = 16_384
    farewell_s: float = 5.0
    """How long a closing client may take to read what waits for it."""


DEFAULT_LIMITS = OutboxLimits()


class Outbox:
    """Frames on their way to one client, first in, first out; `put` never waits."""

    def __init__(self, limits: OutboxLimits) -> None:
        self._limits = limits
        self._frames: deque[str] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._is_closed = False

    def put(self, frame: str) -> bool:
        """Add a frame; False: it is one too many, or the outbox is closed."""
        size = len(frame)
        has_room = (
            len(self._frames) < self._limits.waiting_frames
            and self._waiting_bytes + size <= self._limits.waiting_bytes
        )
        if self._is_closed or not (has_room or not self._frames):
            return False
        self._frames.append(frame)
        self._waiting_bytes += size
        self._changed.set()
        return True

    def close(self) -> None:
        """Take no more frames; those that wait can still be taken out."""
        self._is_closed = True
        self._changed.set()

    def clear(self) -> None:
        """Drop what waits, and close."""
        self._frames.clear()
        self._waiting_bytes = 0
        self.close()

    async def take(self) -> str | None:
        """Wait for the next frame and remove it; None: closed, and nothing is left."""
        while not self._frames:
            if self._is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        frame = self._frames.popleft()
        self._waiting_bytes -= len(frame)
        return frame


def understand(frame: str | bytes, dialect: Dialect) -> AnyClientEvent | ClientMistake:
    """Return what a frame says, or what is wrong with it."""
    try:
        return dialect.decode(frame)
    except ClientError as error:
        return ClientMistake(error.code, error.message, error.param, error.event_id, error.type)
