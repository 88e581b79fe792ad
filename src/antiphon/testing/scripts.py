"""What a scripted engine does, step by step.

A script is a sequence of steps. A step is a piece that the engine yields, or an obstacle: an
`asyncio.Event` that it waits for, an exception that it raises, or `Hang`, at which it waits until
it is stopped. Time plays no part: a test that wants a slow engine holds the event.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hang:
    """Wait until the engine is stopped."""


Obstacle = asyncio.Event | Exception | Hang


async def meet(obstacle: Obstacle) -> None:
    """Wait as the obstacle demands, or raise it."""
    match obstacle:
        case asyncio.Event():
            await obstacle.wait()
        case Hang():
            await asyncio.Event().wait()
        case Exception():
            raise obstacle


async def give_way() -> None:
    """Let everything else run once, as an engine that works does at every piece."""
    await asyncio.sleep(0)


@dataclass(slots=True)
class Runs:
    """How the runs of an engine ended."""

    started: int = 0
    finished: int = 0
    """Ran to the end of the script."""
    failed: int = 0
    """Raised an exception."""
    stopped: int = 0
    """Were closed or cancelled before the end."""

    @property
    def running(self) -> int:
        """How many have not ended."""
        return self.started - self.finished - self.failed - self.stopped

    @contextmanager
    def count(self) -> Generator[None]:
        """Count a run for as long as the context is open."""
        self.started += 1
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            self.stopped += 1
            raise
        except Exception:
            self.failed += 1
            raise
        self.finished += 1
