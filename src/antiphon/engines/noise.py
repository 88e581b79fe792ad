"""Noise reduction: the user's voice without the room around it.

What a noise reducer returns is all that anybody in the session hears: the VAD, the transcriber, and
a client that retrieves the item. A stream goes in and comes out sample for sample: what is held
back for a while comes later, nothing is added, lost or moved.
"""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

NOISE_SAMPLE_RATE_HZ = 24_000

LONGEST_LAG_MS = 40
"""How much a stream may hold back; it adds to the time in which an answer comes."""

Field = Literal["near_field", "far_field"]
"""How far the microphone is from the mouth: a headset, or a laptop or conference microphone."""


class NoiseStream(Protocol):
    """One stream of sound on its way through a noise reducer."""

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples, 24 kHz mono, -1 to 1, and return the next reduced ones.

        The call is synchronous and short: a millisecond for the 100 ms that come at most.
        """
        ...

    def flush(self) -> NDArray[np.float32]:
        """End the stream: return what was held back, so that as much came out as went in."""
        ...


class NoiseReducer(Protocol):
    """Reduce the noise of any number of streams."""

    def open(self, field: Field, strength: float) -> NoiseStream:
        """Begin a stream.

        ``strength`` is 1 for all the reduction there is and 0 for none.
        """
        ...
