"""Kokoro: ten embedded voices of high quality, American and British English.

A sentence takes a good part of its own length on one processor, so clauses should be short and the
next one be made while the last one plays. The voice `marin` can be left to Hibari, which was made
from the same voice and is thirty times as fast.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from antiphon.backends import hibari
from antiphon.backends.embedded_settings import (
    find_weights,
    misconfigured,
    read_settings,
    refuse_voice,
)
from antiphon.backends.onnx import Interrupt, Model, infer
from antiphon.backends.phonemes import identify, phonemizer
from antiphon.backends.spoken_sound import finish
from antiphon.backends.threads import InferenceThreads, Priority, shared
from antiphon.engines.tts import SynthesisRequest, SynthesizerCapabilities

_STYLES = 510
_STYLE_SIZE = 256
_PACK_BYTES = _STYLES * _STYLE_SIZE * 4
_AT_ONCE = 80
"""Phonemes of about five seconds. The first clause of a longer sentence plays while the next one is
made; as a whole it would come too late on a slow machine."""


@dataclass(frozen=True, slots=True)
class Voice:
    """One of Kokoro's voices under a name of the Realtime API."""

    pack: str
    """Kokoro's name for it; the first letter is the accent."""
    gain: float
    """Brings it to the loudness of the others."""
    accent: Literal["american", "british"] | None = None
    """None: that of the pack."""

    @property
    def is_british(self) -> bool:
        """Whether it reads by British rules."""
        if self.accent is None:
            return self.pack.startswith("b")
        return self.accent == "british"


VOICES = {
    "alloy": Voice("af_alloy", 0.80),
    "ash": Voice("am_michael", 1.08),
    "ballad": Voice("bm_fable", 0.94),
    "cedar": Voice("bm_george", 0.83),
    "coral": Voice("af_bella", 0.95),
    "echo": Voice("am_echo", 0.83),
    "marin": Voice("af_heart", 1.00),
    "sage": Voice("af_sarah", 0.78),
    "shimmer": Voice("af_nova", 1.35),
    "verse": Voice("am_fenrir", 0.65),
}


class CustomVoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A voice of one's own: a mix of others, or a voice pack."""

    mix: dict[str, Annotated[float, Meta(gt=0)]] = msgspec.field(default_factory=dict[str, float])
    """Voices, by their names here or by Kokoro's, and their shares."""
    style: str | None = None
    """A file like those of the voice packs."""
    accent: Literal["american", "british"] | None = None
    gain: Annotated[float, Meta(ge=0.1, le=4)] = 1.0


class KokoroSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a deployment may say about the engine `kokoro`."""

    model: str | None = None
    """An ONNX file of your own with the interface of kokoro-v1.0."""
    voices: str | None = None
    """A directory of your own with the voice packs, such as `af_alloy.bin`."""
    custom_voices: dict[str, CustomVoice] = msgspec.field(default_factory=dict[str, CustomVoice])
    """Further voices by the ids under which clients ask for them."""
    fast_marin: bool = False
    """Whether Hibari speaks for `marin`."""
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    """Processor threads for one clause: more make it ready sooner and serve fewer sessions."""


def create(settings: Mapping[str, object]) -> "Kokoro":
    """Load the network and the ten voices."""
    chosen = read_settings("kokoro", settings, KokoroSettings)
    path = find_weights("kokoro", "kokoro", "kokoro-v1.0.int8.onnx", chosen.model)
    voices = dict(VOICES)
    styles = {name: _load_pack(voice.pack, chosen.voices) for name, voice in VOICES.items()}
    for name, custom in chosen.custom_voices.items():
        voices[name], styles[name] = customize(name, custom, chosen.voices)
    model = KokoroModel(_load_network(path, chosen.threads), voices, styles)
    return Kokoro(model, shared(), hibari.load() if chosen.fast_marin else None)


@lru_cache(maxsize=2)
def _load_network(path: Path, threads: int) -> Model:
    return Model(path, threads=threads)


def customize(
    name: str, custom: CustomVoice, directory: str | None
) -> tuple[Voice, NDArray[np.float32]]:
    """Make a voice of one's own and its style; raise `EngineError` if that cannot be."""
    if (custom.style is None) == (not custom.mix):
        raise misconfigured("kokoro", f"the voice '{name}' needs either 'mix' or 'style'")
    if custom.style is not None:
        path = find_weights("kokoro", "", "", custom.style)
        return Voice(path.name, custom.gain, custom.accent), _read_pack(path)
    shares = {VOICES[each].pack if each in VOICES else each: s for each, s in custom.mix.items()}
    largest = max(shares, key=lambda pack: shares[pack])
    packs = [_load_pack(pack, directory) for pack in shares]
    style = np.average(packs, axis=0, weights=list(shares.values())).astype(np.float32)
    return Voice(largest, custom.gain, custom.accent), style


def _load_pack(pack: str, directory: str | None) -> NDArray[np.float32]:
    file = f"{pack}.bin"
    own = None if directory is None else f"{directory}/{file}"
    return _read_pack(find_weights("kokoro", "kokoro-voices", file, own))


def _read_pack(path: Path) -> NDArray[np.float32]:
    numbers = np.fromfile(path, "<f4") if path.stat().st_size == _PACK_BYTES else np.empty(0)
    if not len(numbers) or not np.isfinite(numbers).all():
        raise misconfigured(
            "kokoro", f"{path} is no voice pack of {_STYLES} x {_STYLE_SIZE} floats"
        )
    return numbers.astype(np.float32).reshape(_STYLES, _STYLE_SIZE)


class KokoroModel:
    """The network with its voices; shared by all sessions."""

    def __init__(
        self,
        network: Model,
        voices: Mapping[str, Voice],
        styles: Mapping[str, NDArray[np.float32]],
    ) -> None:
        self._network = network
        self.voices = voices
        self._styles = styles
        phonemizer(british=False)

    def read(self, text: str, voice: str) -> list[str]:
        """Return the phonemes of each sentence in the voice's accent."""
        return phonemizer(british=self.voices[voice].is_british).read(text, _AT_ONCE)

    def speak(self, phonemes: str, voice: str, interrupt: Interrupt) -> NDArray[np.float32]:
        """Return the sound of phonemes."""
        tokens = identify(phonemes)
        if len(tokens) <= len("  "):
            return np.empty(0, np.float32)
        # The style depends on the length: short utterances are spoken differently from long ones.
        style = self._styles[voice][len(tokens) - 3]
        inputs = {
            "tokens": np.array([tokens], np.int64),
            "style": style[np.newaxis],
            "speed": np.ones(1, np.float32),
        }
        sound = self._network.run(["audio"], inputs, interrupt)[0]
        return finish(sound, phonemes, self.voices[voice].gain)


class Kokoro:
    """Speak English with ten voices and those of the deployment's own."""

    def __init__(
        self, model: KokoroModel, threads: InferenceThreads, fast: hibari.HibariModel | None = None
    ) -> None:
        self.capabilities = SynthesizerCapabilities(
            frozenset(model.voices), is_embedded=True, languages=frozenset({"en"})
        )
        self._model = model
        self._threads = threads
        self._fast = (
            None if fast is None else hibari.Hibari(fast, threads, frozenset({hibari.VOICE}))
        )

    async def synthesize(self, request: SynthesisRequest) -> AsyncGenerator[NDArray[np.float32]]:
        """Yield the sound of each sentence as soon as it is made."""
        if self._fast is not None and request.voice == hibari.VOICE:
            async with aclosing(self._fast.synthesize(request)) as spoken:
                async for sound in spoken:
                    yield sound
            return
        refuse_voice("kokoro", request.voice, frozenset(self._model.voices))
        sentences = await self._threads.run(
            self._model.read, request.text, request.voice, priority=Priority.SYNTHESIS
        )
        for phonemes in sentences:
            yield await infer(
                self._threads, Priority.SYNTHESIS, self._model.speak, phonemes, request.voice
            )
