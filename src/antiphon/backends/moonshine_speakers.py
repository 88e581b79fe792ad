"""Moonshine for several speakers: what lies between pauses is heard and placed by its voice."""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from dataclasses import dataclass
from math import dist

import numpy as np
from numpy.typing import NDArray

from antiphon.backends.moonshine_model import Hypothesis
from antiphon.backends.moonshine_tokens import spell
from antiphon.backends.speaker_turns import MOST_MS, Span, spans
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ, FinalTranscript, Segment, Settle
from antiphon.protocol.errors import EngineError

_Samples = NDArray[np.float32]
_LONGEST_S = 15 * 60
_SAME_VOICE = 1.0
_KNOWN_MS = 1_500
_BREATH_MS = 300
_DOUBT = 1.4
"""Speech shorter than that places its voice less surely; after a breath it is the same voice's
as long as it is no farther away than this."""

Voice = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ears:
    """How a stretch of speech is heard."""

    place: Callable[[_Samples], Awaitable[Voice]]
    """Return where its voice is."""
    hear: Callable[[_Samples], Awaitable[Hypothesis]]
    """Return what is said."""


async def tell_apart(
    audio: AsyncIterable[_Samples | Settle], ears: Ears, *, gives_tokens: bool
) -> AsyncGenerator[FinalTranscript]:
    """Yield the text by speakers at each mark and at the end."""
    recording = _Recording(ears, gives_tokens=gives_tokens)
    async for piece in audio:
        if isinstance(piece, Settle):
            yield await recording.settle()
        else:
            recording.append(piece)
    yield await recording.settle()


class _Recording:
    """One utterance; each span of it is heard once."""

    def __init__(self, ears: Ears, *, gives_tokens: bool) -> None:
        self._ears = ears
        self._gives_tokens = gives_tokens
        self._samples: list[_Samples] = []
        self._length = 0
        self._voices: dict[Span, Voice] = {}
        self._heard: dict[Span, Hypothesis] = {}

    def append(self, samples: _Samples) -> None:
        """Take the next samples."""
        self._length += len(samples)
        if self._length > _LONGEST_S * STT_SAMPLE_RATE_HZ:
            raise EngineError(
                "engine_rejected",
                f"Speakers are told apart in at most {_LONGEST_S // 60} minutes at once. Commit "
                "the input in shorter turns.",
            )
        self._samples.append(samples)

    async def settle(self) -> FinalTranscript:
        """Return the text of all audio so far."""
        sound = np.concatenate(self._samples) if self._samples else np.zeros(0, np.float32)
        self._samples = [sound]
        found: list[tuple[Span, Voice]] = []
        for span in spans(sound):
            if span not in self._voices:
                self._voices[span] = await self._ears.place(span.cut(sound))
            found.append((span, self._voices[span]))
        said: list[tuple[Segment, Hypothesis]] = []
        for span, voice in _by_voice(found):
            if span not in self._heard:
                self._heard[span] = await self._ears.hear(span.cut(sound))
            hypothesis = self._heard[span]
            if hypothesis.text:
                segment = Segment(hypothesis.text, span.start_ms, span.end_ms, voice=voice)
                said.append((segment, hypothesis))
        return FinalTranscript(
            " ".join(segment.text for segment, _ in said),
            spell([hypothesis for _, hypothesis in said]) if self._gives_tokens else (),
            tuple(segment for segment, _ in said),
        )


def _by_voice(found: list[tuple[Span, Voice]]) -> list[tuple[Span, Voice]]:
    """Join what one voice says in one go, as far as it can be heard in one go."""
    joined: list[tuple[Span, Voice]] = []
    for span, voice in found:
        before = joined[-1] if joined else None
        if before is not None and _is_one(*before, span, voice):
            shares = (before[0].length_ms, span.length_ms)
            voice = _between(before[1], voice, shares)  # noqa: PLW2901
            span = Span(before[0].start_ms, span.end_ms)  # noqa: PLW2901
            joined.pop()
        joined.append((span, voice))
    return joined


def _is_one(before: Span, its_voice: Voice, span: Span, voice: Voice) -> bool:
    is_short = min(before.length_ms, span.length_ms) < _KNOWN_MS
    is_breath = is_short and span.start_ms - before.end_ms < _BREATH_MS
    nearest = _DOUBT if is_breath else _SAME_VOICE
    return span.end_ms - before.start_ms <= MOST_MS and dist(its_voice, voice) <= nearest


def _between(one: Voice, other: Voice, shares: tuple[int, int]) -> Voice:
    pairs = zip(one, other, strict=True)
    return tuple((a * shares[0] + b * shares[1]) / sum(shares) for a, b in pairs)
