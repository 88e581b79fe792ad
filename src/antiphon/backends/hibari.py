"""Hibari: an embedded voice that speaks a sentence in a hundredth of its length.

It was made from Kokoro's voice `af_heart` and sounds like it; here it speaks as `marin`. It comes
inside the package `hibari-tts`, so nothing is fetched.
"""

import importlib
from collections.abc import AsyncGenerator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from antiphon.backends.embedded_settings import read_settings, refuse_voice
from antiphon.backends.onnx import inference_failures
from antiphon.backends.phonemes import Phonemizer, identify, phonemizer
from antiphon.backends.spoken_sound import finish
from antiphon.backends.threads import InferenceThreads, Priority, shared
from antiphon.engines.tts import SynthesisRequest, SynthesizerCapabilities

VOICE = "marin"
ALL_VOICES = frozenset(
    {"alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"}
)

_GAIN = 1.5
"""Brings the voice to the loudness of the others."""


class HibariSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a deployment may say about the engine `hibari`."""

    all_voices: bool = False
    """Whether the one voice speaks under all ten names; without it, only as `marin`."""


def create(settings: Mapping[str, object]) -> "Hibari":
    """Load the voice."""
    chosen = read_settings("hibari", settings, HibariSettings)
    return Hibari(load(), shared(), ALL_VOICES if chosen.all_voices else frozenset({VOICE}))


class HibariModel:
    """The voice's network and the rules by which it reads; shared by all sessions."""

    def __init__(self, reader: Phonemizer) -> None:
        self._reader = reader
        self._network: Any = importlib.import_module("hibari").Hibari(g2p=reader.rules)
        self.speak(self.read("Ready.")[0])

    def read(self, text: str) -> list[str]:
        """Return the phonemes of each sentence."""
        return self._reader.read(text)

    def speak(self, phonemes: str) -> NDArray[np.float32]:
        """Return the sound of phonemes, always the same."""
        with inference_failures():
            sound = self._network.from_ids(identify(phonemes), rng=np.random.default_rng(0))
        return finish(np.asarray(sound, np.float32), phonemes, _GAIN)


@lru_cache(maxsize=1)
def load() -> HibariModel:
    """Return the voice, loaded at the first call."""
    return HibariModel(phonemizer())


class Hibari:
    """Speak American English with one voice."""

    def __init__(
        self, model: HibariModel, threads: InferenceThreads, voices: frozenset[str]
    ) -> None:
        self.capabilities = SynthesizerCapabilities(
            voices, is_embedded=True, languages=frozenset({"en"})
        )
        self._model = model
        self._threads = threads
        self._voices = voices

    async def synthesize(self, request: SynthesisRequest) -> AsyncGenerator[NDArray[np.float32]]:
        """Yield the sound of each sentence as soon as it is made."""
        refuse_voice("hibari", request.voice, self._voices)
        sentences = await self._threads.run(
            self._model.read, request.text, priority=Priority.SYNTHESIS
        )
        for phonemes in sentences:
            yield await self._threads.run(self._model.speak, phonemes, priority=Priority.SYNTHESIS)
