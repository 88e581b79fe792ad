"""Voice activity detection: how likely it is that a frame of audio holds speech.

A VAD gives probabilities and nothing else. When speech starts and stops is the session's decision
(`antiphon.core.turns`), so that threshold, padding and silence can change while one speaks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

VAD_SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 512
FRAME_MS = 32


class VadState:
    """The memory of one audio stream; each VAD derives its own."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PendingFrames:
    """Frames of one stream that wait for their score."""

    state: VadState
    """What `Vad.open` returned for this stream; scoring updates it in place."""
    frames: NDArray[np.float32]
    """Shape (n, 512): n frames of 32 ms in order, 16 kHz mono, -1 to 1."""


class Vad(Protocol):
    """Score the frames of many streams at once."""

    def open(self) -> VadState:
        """Return the state of a new stream, before its first sample."""
        ...

    def score(self, batch: Sequence[PendingFrames]) -> list[NDArray[np.float32]]:
        """Return, for each entry, the speech probability of each of its frames: shape (n,).

        A stream appears at most once in a batch. The call is synchronous and short.
        """
        ...
