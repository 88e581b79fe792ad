"""Smart Turn v3.2: whether somebody has finished, from the melody and the rhythm of the speech.

The model reads prosody, not words: it hears the end of the turn and gives a probability. Its file
(8.7 MB, int8) comes inside Antiphon's package.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from antiphon import weights
from antiphon.backends.embedded_settings import misconfigured, read_settings
from antiphon.backends.log_mel import log_mel
from antiphon.backends.onnx import Interrupt, Model, infer
from antiphon.backends.threads import InferenceThreads, Priority, shared
from antiphon.engines.turn import TURN_SAMPLE_RATE_HZ, TURN_WINDOW_MS

_INPUT = "input_features"
_WINDOW_SAMPLES = TURN_WINDOW_MS * TURN_SAMPLE_RATE_HZ // 1000


class SmartTurnSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a deployment may say about the engine `smart-turn`."""

    model_path: str | None = None
    """An ONNX file of your own instead of the one that comes with Antiphon."""


def create(settings: Mapping[str, object]) -> "SmartTurn":
    """Load the model: 9 MB, about 25 ms a prediction."""
    chosen = read_settings("smart-turn", settings, SmartTurnSettings)
    if chosen.model_path is None:
        return SmartTurn(_load(weights.vendored("smart-turn-v3.2.onnx")), shared())
    path = Path(chosen.model_path).expanduser()
    if not path.is_file():
        problem = f"there is no file {path}; correct 'model_path', or leave it out"
        raise misconfigured("smart-turn", problem)
    return SmartTurn(_load(path), shared())


@lru_cache(maxsize=2)
def _load(path: Path) -> Model:
    # It always looks at eight seconds, whatever was said: 45 ms on one thread, 26 on two.
    model = Model(path, threads=2)
    if set(model.input_shapes) != {_INPUT}:
        problem = f"{path.name} is no Smart Turn model: it has no input '{_INPUT}' alone"
        raise misconfigured("smart-turn", f"{problem}; correct 'model_path', or leave it out")
    # The first run allocates memory; nobody should wait for that.
    predict(model, np.zeros(0, np.float32), Interrupt())
    return model


class SmartTurn:
    """Predict the ends of turns; one model serves all sessions."""

    def __init__(self, model: Model, threads: InferenceThreads) -> None:
        self._model = model
        self._threads = threads

    async def predict(self, samples: NDArray[np.float32]) -> float:
        """Return the probability that the speaker has finished."""
        return await infer(self._threads, Priority.FINAL, predict, self._model, samples)


def predict(model: Model, samples: NDArray[np.float32], interrupt: Interrupt) -> float:
    """Return the probability that the speaker has finished; takes some 25 ms."""
    features = log_mel(samples, _WINDOW_SAMPLES)
    (output,) = model.run(model.output_names[:1], {_INPUT: features[None]}, interrupt)
    return float(output.reshape(-1)[0])
