"""What a synthesizer must keep to."""

# ruff: noqa: D102, S101 - these are tests; their names say what they demand.

import asyncio
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.tts import (
    TTS_SAMPLE_RATE_HZ,
    SynthesisRequest,
    Synthesizer,
    SynthesizerCapabilities,
)
from antiphon.testing.contracts.engine import (
    EngineContract,
    gather,
    require_end,
    require_engine_error,
    require_frozen,
    require_language_codes,
    stop,
)

SHORT = "Good morning."
LONG = "Good morning, and welcome to the longest of all the sentences that we are going to say."


class SynthesizerContract(EngineContract[Synthesizer]):
    """The tests of `antiphon.engines.tts.Synthesizer`."""

    voice: ClassVar[str] = "marin"
    """A voice of the engine under test."""

    def speak(self, engine: Synthesizer, text: str = SHORT) -> list[NDArray[np.float32]]:
        """Return the pieces of a text's sound."""
        request = SynthesisRequest(text, self.voice)
        return self.run(engine, gather(engine.synthesize(request)))

    def test_it_yields_mono_samples(self, engine: Synthesizer) -> None:
        pieces = self.speak(engine)
        assert pieces
        for piece in pieces:
            assert piece.dtype == np.float32
            assert piece.ndim == 1
            assert np.isfinite(piece).all()
            assert np.abs(piece).max(initial=0.0) <= 1.0

    def test_a_sentence_sounds_about_as_long_as_one_says_it(self, engine: Synthesizer) -> None:
        seconds = sum(map(len, self.speak(engine))) / TTS_SAMPLE_RATE_HZ
        assert 0.2 < seconds < 10

    def test_a_longer_text_sounds_longer(self, engine: Synthesizer) -> None:
        async def speak() -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
            short = await gather(engine.synthesize(SynthesisRequest(SHORT, self.voice)))
            return short, await gather(engine.synthesize(SynthesisRequest(LONG, self.voice)))

        short, long = self.run(engine, speak())
        assert sum(map(len, short)) < sum(map(len, long))

    def test_it_can_be_heard(self, engine: Synthesizer) -> None:
        sound = np.concatenate(self.speak(engine))
        assert np.sqrt(np.mean(sound**2)) > 0.005

    def test_closing_stops_it_and_leaves_it_usable(self, engine: Synthesizer) -> None:
        async def speak() -> list[NDArray[np.float32]]:
            pieces = engine.synthesize(SynthesisRequest(LONG, self.voice))
            await anext(pieces)
            await stop(pieces)
            await require_end(pieces)
            return await gather(engine.synthesize(SynthesisRequest(SHORT, self.voice)))

        assert self.run(engine, speak())

    def test_cancelling_it_before_its_first_piece_leaves_it_usable(
        self, engine: Synthesizer
    ) -> None:
        async def speak() -> list[NDArray[np.float32]]:
            request = SynthesisRequest(LONG, self.voice)
            first = asyncio.ensure_future(gather(engine.synthesize(request)))
            await asyncio.sleep(0)
            was_running = first.cancel()
            await asyncio.wait([first])
            assert first.cancelled() == was_running
            return await gather(engine.synthesize(SynthesisRequest(SHORT, self.voice)))

        assert self.run(engine, speak())

    def test_two_texts_at_once_do_not_disturb_each_other(self, engine: Synthesizer) -> None:
        async def speak() -> list[list[NDArray[np.float32]]]:
            requests = (SynthesisRequest(SHORT, self.voice), SynthesisRequest(LONG, self.voice))
            return await asyncio.gather(*(gather(engine.synthesize(each)) for each in requests))

        short, long = self.run(engine, speak())
        assert 0 < sum(map(len, short)) < sum(map(len, long))

    def test_every_voice_that_it_names_can_speak(self, engine: Synthesizer) -> None:
        voices = engine.capabilities.voices or frozenset({self.voice})

        async def speak() -> list[list[NDArray[np.float32]]]:
            return [
                await gather(engine.synthesize(SynthesisRequest("Hello.", voice)))
                for voice in sorted(voices)
            ]

        assert all(self.run(engine, speak()))

    def test_a_failure_is_an_engine_error(self, failing_engine: Synthesizer) -> None:
        pieces = failing_engine.synthesize(SynthesisRequest(SHORT, self.voice))
        self.run(failing_engine, require_engine_error(pieces))

    def test_its_capabilities_are_fixed(self, engine: Synthesizer) -> None:
        assert isinstance(engine.capabilities, SynthesizerCapabilities)
        require_language_codes(engine.capabilities.languages)
        require_frozen(engine.capabilities)
