"""Several speakers in one utterance."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.backends.moonshine_model import Hypothesis
from antiphon.backends.moonshine_speakers import Ears, tell_apart
from antiphon.engines.stt import FinalTranscript, Settle
from antiphon.protocol.errors import EngineError

Samples = NDArray[np.float32]
SETTLE = Settle()
ADA, BOB = 0.1, 0.4
"""Speakers by how loud they are."""


class FakeEars:
    """Know a voice by its loudness, and hear how long it speaks."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    async def place(self, samples: Samples) -> tuple[float, ...]:
        return (10 * float(np.abs(samples).max()),)

    async def hear(self, samples: Samples) -> Hypothesis:
        self.heard.append(len(samples) // 16)
        text = f"about {round(len(samples) / 16000)} seconds"
        return Hypothesis(text, (1,), (-0.5,), (f" {text}".encode(),))


def says(level: float, ms: int) -> Samples:
    return np.tile(np.array([level, -level], np.float32), 8 * ms)


def hear(
    *pieces: Samples | Settle, gives_tokens: bool = False
) -> tuple[list[FinalTranscript], FakeEars]:
    ears = FakeEars()

    async def audio() -> AsyncIterator[Samples | Settle]:
        for piece in pieces:
            yield piece

    async def run() -> list[FinalTranscript]:
        told = tell_apart(audio(), Ears(ears.place, ears.hear), gives_tokens=gives_tokens)
        return [each async for each in told]

    return asyncio.run(run()), ears


def test_speakers_are_told_apart_by_their_voices() -> None:
    (heard,), _ = hear(says(ADA, 2000), says(0, 200), says(BOB, 3000), says(0, 200))
    assert heard.text == "about 2 seconds about 3 seconds"
    first, second = heard.segments
    assert (first.start_ms, first.end_ms, first.text) == (0, 2000, "about 2 seconds")
    assert (second.start_ms, second.end_ms) == (2200, 5200)
    assert abs(first.voice[0] - second.voice[0]) > 1


def test_what_one_voice_says_is_heard_in_one_go() -> None:
    (heard,), ears = hear(says(ADA, 2000), says(0, 200), says(ADA, 2000))
    assert [segment.end_ms for segment in heard.segments] == [4200]
    assert len(ears.heard) == 1


def test_a_monologue_is_heard_in_parts() -> None:
    (heard,), ears = hear(*[says(ADA, 2000), says(0, 200)] * 8)
    assert len(heard.segments) == len(ears.heard) == 2


def test_each_span_is_heard_once() -> None:
    transcripts, ears = hear(
        says(ADA, 2000), says(0, 300), SETTLE, says(BOB, 2000), says(0, 300), SETTLE, SETTLE
    )
    assert len(transcripts) == 4
    assert [len(each.segments) for each in transcripts] == [1, 2, 2, 2]
    assert len(ears.heard) == 2


def test_tokens_spell_the_text() -> None:
    (heard,), _ = hear(says(ADA, 2000), says(0, 200), says(BOB, 2000), gives_tokens=True)
    assert "".join(token.text for token in heard.tokens) == heard.text


@pytest.mark.parametrize("pieces", [(), (np.zeros(0, np.float32),), (says(0, 1000),)])
def test_nobody_says_nothing(pieces: tuple[Samples, ...]) -> None:
    assert hear(*pieces)[0] == [FinalTranscript("")]


def test_more_than_can_be_told_apart_is_refused() -> None:
    with pytest.raises(EngineError) as refused:
        hear(*[np.zeros(16_000 * 600, np.float32)] * 2)
    assert "15 minutes" in refused.value.message
