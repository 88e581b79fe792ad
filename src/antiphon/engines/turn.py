"""Turn prediction: how likely it is that who has fallen silent has finished.

A turn predictor hears how something was said; what was said is the transcript's affair. It gives a
probability and nothing else: how long to wait is the session's decision (`antiphon.core.turns`).
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

TURN_SAMPLE_RATE_HZ = 16_000
TURN_WINDOW_MS = 8_000
"""How much of a turn is handed over at most: its end tells."""


class TurnPredictor(Protocol):
    """Hear the end of what was said."""

    async def predict(self, samples: NDArray[np.float32]) -> float:
        """Return the probability, 0 to 1, that the speaker has finished.

        The samples are 16 kHz mono, -1 to 1: the last eight seconds of the turn at most, and at
        their end the silence that raises the question. Raises `EngineError`. The answer should
        come within 40 ms; the event loop is never blocked, and cancelling stops the work.
        """
        ...
