"""Moonshine: embedded English speech recognition that transcribes while one speaks.

The model hears a whole stretch of speech at once, and its cost grows with the length. So growing
speech is transcribed again every few hundred milliseconds, each time with the last transcript as a
draft. What two runs agree on becomes a partial transcript; at a `Settle` mark little is left to do,
and nothing when the last run has heard all of the speech already. Long speech is cut at pauses:
what lies before the cut is transcribed once and kept as text.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from antiphon import weights
from antiphon.backends.embedded_settings import find_weights, read_settings
from antiphon.backends.moonshine_model import Hypothesis, MoonshineModel, Vocabulary
from antiphon.backends.moonshine_speakers import Ears, tell_apart
from antiphon.backends.moonshine_tokens import between, certainties, spell
from antiphon.backends.onnx import Interrupt, Model, infer
from antiphon.backends.speech_window import Utterance, Window
from antiphon.backends.stable_words import Patience, StableWords, Sureness
from antiphon.backends.threads import InferenceThreads, Priority, shared
from antiphon.backends.voiceprint import voiceprint
from antiphon.engines.stt import (
    STT_SAMPLE_RATE_HZ,
    Delay,
    DraftTranscript,
    FinalTranscript,
    PartialTranscript,
    Settle,
    Token,
    TranscriberCapabilities,
    Transcript,
    TranscriptionOptions,
)
from antiphon.protocol.errors import EngineError

_Piece = NDArray[np.float32] | Settle

FIRST_RUN_MS = 350
"""Speech that is heard before it is transcribed for the first time."""
LEAST_PERIOD_MS = 200
MOST_PERIOD_MS = 500
_REST = 2
"""A run may not take more than every third moment of the time between two runs."""
_EAGER_FIRST_RUN_MS = 250
_EAGER_PERIOD_MS = 100
"""The same two while somebody waits for the first word."""
_PAUSE_MS = 60
"""After so much silence the speaker may have finished: the run that may become the last one."""


_FIRST_WORDS_AT_ONCE = Sureness(followed=-1.0, last=-0.5, alone=-0.2)
_FIRST_WORDS_SOON = Sureness(followed=-1.0, last=-0.35, alone=-0.15)
_PATIENCE: Mapping[Delay | None, Patience] = {
    None: Patience(),
    "minimal": Patience(first_words=_FIRST_WORDS_AT_ONCE),
    "low": Patience(first_words=_FIRST_WORDS_SOON),
    "medium": Patience(),
    "high": Patience(runs=3),
    "xhigh": Patience(runs=0),
}
"""What has to speak for a word before it is told."""


class SpeechModel(Protocol):
    """What turns one stretch of speech into text."""

    def transcribe(
        self, samples: NDArray[np.float32], draft: Sequence[int], interrupt: Interrupt, /
    ) -> Hypothesis:
        """Return what is said; ``draft`` is a guess that saves time where it is right."""
        ...


class MoonshineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a deployment may say about the engines `moonshine-tiny` and `moonshine-base`."""

    encoder: str | None = None
    """An ONNX file of your own instead of the manifest's; the decoder must be of the same model."""
    decoder: str | None = None
    """As above."""
    partials: bool = True
    """Whether to transcribe while one speaks; without it each utterance is heard once."""


def create_tiny(settings: Mapping[str, object]) -> "Moonshine":
    """Load the small model: 28 MB, about 2 words wrong in 100 of clear speech."""
    return _create("moonshine-tiny", settings)


def create_base(settings: Mapping[str, object]) -> "Moonshine":
    """Load the larger model: 63 MB, better with noise and rare words, twice the work."""
    return _create("moonshine-base", settings)


def _create(engine: str, settings: Mapping[str, object]) -> "Moonshine":
    chosen = read_settings(engine, settings, MoonshineSettings)
    encoder = find_weights(engine, engine, "encoder_model.onnx", chosen.encoder)
    decoder = find_weights(engine, engine, "decoder_model_merged.onnx", chosen.decoder)
    return Moonshine(_load(encoder, decoder), shared(), partials=chosen.partials)


@lru_cache(maxsize=4)
def _load(encoder: Path, decoder: Path) -> MoonshineModel:
    vocabulary = Vocabulary.load(weights.vendored("moonshine-vocabulary.json"))
    # The decoder runs once for each token, and reading its weights is most of what it does.
    model = MoonshineModel(Model(encoder), Model(decoder, fold_weights=True), vocabulary)
    # The first run allocates memory; nobody should wait for that.
    model.transcribe(np.zeros(STT_SAMPLE_RATE_HZ, np.float32), (), Interrupt())
    return model


class Moonshine:
    """Transcribe English; one model serves all sessions."""

    def __init__(
        self, model: SpeechModel, threads: InferenceThreads, *, partials: bool = True
    ) -> None:
        self.capabilities = TranscriberCapabilities(
            languages=frozenset({"en"}), streams=partials, logprobs=True, speakers=True
        )
        self._model = model
        self._threads = threads
        self._partials = partials

    async def transcribe(
        self, audio: AsyncIterable[_Piece], options: TranscriptionOptions
    ) -> AsyncIterator[Transcript]:
        """Read the audio of one utterance and yield what is understood."""
        _require_english(options)
        if options.speakers:
            apart = tell_apart(audio, Ears(self._place, self._hear), gives_tokens=options.logprobs)
            async with aclosing(apart) as finals:
                async for final in finals:
                    yield final
            return
        hearing = _Hearing(self._model, self._threads, options)
        pieces = aiter(audio)
        reading = asyncio.ensure_future(_next(pieces))
        try:
            while True:
                await hearing.wait_for(reading)
                for transcript in hearing.harvest():
                    yield transcript
                if not reading.done():
                    continue
                match reading.result():
                    case None:
                        break
                    case Settle():
                        yield await hearing.settle()
                    case samples:
                        await hearing.take(samples, ahead=self._partials)
                reading = asyncio.ensure_future(_next(pieces))
            yield await hearing.settle()
        finally:
            await _end(reading)
            await hearing.close()

    async def _hear(self, samples: NDArray[np.float32]) -> Hypothesis:
        return await infer(self._threads, Priority.FINAL, self._model.transcribe, samples, ())

    async def _place(self, samples: NDArray[np.float32]) -> tuple[float, ...]:
        return await infer(self._threads, Priority.FINAL, lambda _: voiceprint(samples))


def _require_english(options: TranscriptionOptions) -> None:
    if options.language is not None and options.language.split("-")[0].lower() != "en":
        raise EngineError(
            "engine_unsupported",
            f"Moonshine understands English only, not '{options.language:.16}'. Leave the language "
            "out, or configure another transcriber for this deployment.",
        )


async def _next(pieces: AsyncIterator[_Piece]) -> _Piece | None:
    return await anext(pieces, None)


async def _end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        # Nobody is left to hear what it failed with.
        task.exception()


@dataclass(frozen=True, slots=True)
class _Heard:
    """The outcome of one run."""

    window: Window
    hypothesis: Hypothesis
    cost_ms: float


class _Hearing:
    """What is known of one utterance so far."""

    def __init__(
        self, model: SpeechModel, threads: InferenceThreads, options: TranscriptionOptions
    ) -> None:
        self._model = model
        self._threads = threads
        self._gives_tokens = options.logprobs
        self._utterance = Utterance()
        self._kept: list[Hypothesis] = []
        self._stable = StableWords(_PATIENCE[options.delay])
        self._last: _Heard | None = None
        self._running: asyncio.Task[_Heard] | None = None
        self._running_on: Window | None = None
        self._asked_at = 0

    async def wait_for(self, reading: asyncio.Future[_Piece | None]) -> None:
        """Wait until more audio or the outcome of the run in progress is there."""
        waiting: set[asyncio.Future[Any]] = {reading}
        if self._running is not None:
            waiting.add(self._running)
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    def harvest(self) -> list[PartialTranscript | DraftTranscript]:
        """Take the outcome of a run that has ended."""
        if self._running is None or not self._running.done():
            return []
        heard = self._outcome(self._running)
        if heard is None:
            return []
        self._last = heard
        draft = self._text(heard.hypothesis)
        told: list[PartialTranscript | DraftTranscript] = []
        known = self._stable.text
        # Only first words are given for how sure the model is: nothing was kept before them.
        sure = certainties(heard.hypothesis) if not self._kept else ()
        if (stable := self._stable.take(draft.split(), sure)) is not None:
            told.append(PartialTranscript(stable, self._tokens(heard.hypothesis, known, stable)))
        # Now and then a run mishears the whole utterance, and the next one does not.
        if self._stable.agree_with(draft.split()):
            told.append(DraftTranscript(draft))
        return told

    async def take(self, samples: NDArray[np.float32], *, ahead: bool) -> None:
        """Take audio; with ``ahead``, begin to transcribe it when that is due."""
        self._utterance.append(samples)
        while (part := self._utterance.finished_part()) is not None:
            await self._keep(part)
        if not ahead or self._running is not None:
            return
        window = self._utterance.window()
        if window is not None and self._is_due(window):
            self._asked_at = self._utterance.length
            self._running_on = window
            self._running = asyncio.create_task(self._hear(window, Priority.PARTIAL))

    async def settle(self) -> FinalTranscript:
        """Return the text of all audio so far."""
        window = self._utterance.window()
        if window is None:
            await self.close()
            return FinalTranscript(self._text(), self._tokens())
        if self._running is not None and window.hears_the_same(self._running_on):
            # The run in progress began in the pause and hears all that was said.
            await asyncio.wait([self._running])
            self._last = self._outcome(self._running) or self._last
        if self._last is None or not window.hears_the_same(self._last.window):
            await self.close()
            self._last = await self._hear(window, Priority.FINAL)
        last = self._last.hypothesis
        return FinalTranscript(self._text(last), self._tokens(last))

    async def close(self) -> None:
        """Stop the run in progress."""
        if self._running is not None:
            await _end(self._running)
            self._running = self._running_on = None

    def _is_due(self, window: Window) -> bool:
        last = self._last
        if last is not None and window.hears_the_same(last.window):
            return False
        if self._utterance.silence_ms() >= _PAUSE_MS:
            return True
        is_eager = self._stable.is_eager
        if last is None:
            return window.speech_ms >= (_EAGER_FIRST_RUN_MS if is_eager else FIRST_RUN_MS)
        if is_eager:
            period_ms = max(_EAGER_PERIOD_MS, last.cost_ms)
        else:
            period_ms = min(MOST_PERIOD_MS, max(LEAST_PERIOD_MS, _REST * last.cost_ms))
        return self._utterance.length - self._asked_at >= period_ms * STT_SAMPLE_RATE_HZ / 1000

    async def _keep(self, part: Window) -> None:
        """Transcribe a finished part for good."""
        await self.close()
        heard = await self._hear(part, Priority.AHEAD)
        self._last = None
        if heard.hypothesis.text:
            self._kept.append(heard.hypothesis)

    def _text(self, last: Hypothesis | None = None) -> str:
        parts = self._kept if last is None else [*self._kept, last]
        return " ".join(part.text for part in parts if part.text)

    def _tokens(
        self, last: Hypothesis | None = None, known: str = "", told: str | None = None
    ) -> tuple[Token, ...]:
        """Return the tokens of the text, or of those words of it that were not known before."""
        if not self._gives_tokens:
            return ()
        tokens = spell(self._kept if last is None else [*self._kept, last])
        if told is None:
            return tokens
        # By the number of words: what was given before may be written otherwise by now.
        words = self._text(last).split()
        begin = len(" ".join(words[: len(known.split())]))
        return between(tokens, begin, begin + len(told) - len(known))

    async def _hear(self, window: Window, priority: Priority) -> _Heard:
        draft = self._last.hypothesis.tokens if self._last else ()
        return await infer(self._threads, priority, self._run, window, draft)

    def _run(self, window: Window, draft: tuple[int, ...], interrupt: Interrupt) -> _Heard:
        began = perf_counter()
        hypothesis = self._model.transcribe(window.samples, draft, interrupt)
        return _Heard(window, hypothesis, 1000 * (perf_counter() - began))

    def _outcome(self, run: asyncio.Task[_Heard]) -> _Heard | None:
        """Take the outcome of a run that has ended; None where the threads were busy."""
        self._running = self._running_on = None
        failure = run.exception()
        if isinstance(failure, EngineError) and failure.code == "engine_overloaded":
            return None
        return run.result()
