import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.backends.utterance import Agreement, Recording, Utterance, UtteranceTooLong
from antiphon.engines.stt import FinalTranscript, PartialTranscript, Settle
from antiphon.protocol.errors import EngineError

Transcript = PartialTranscript | FinalTranscript
SETTLE = Settle()


def sound(ms: int) -> NDArray[np.float32]:
    return np.full(16 * ms, 0.5, np.float32)


def silence(ms: int) -> NDArray[np.float32]:
    return np.zeros(16 * ms, np.float32)


def hear(
    steps: Sequence[NDArray[np.float32] | Settle],
    texts: Sequence[str | EngineError],
    *,
    partials_every_ms: int = 0,
) -> tuple[list[Transcript], list[int]]:
    """Return the transcripts, and the length in ms of each recording that was heard."""
    lengths_ms: list[int] = []

    async def answer(pcm: bytes) -> FinalTranscript:
        said = texts[len(lengths_ms)]
        lengths_ms.append(len(pcm) // 32)
        if isinstance(said, EngineError):
            raise said
        return FinalTranscript(said)

    async def audio() -> AsyncIterator[NDArray[np.float32] | Settle]:
        for step in steps:
            yield step
            for _ in range(5):
                # Everything that was started by this step is done before the next one.
                await asyncio.sleep(0)

    async def run() -> list[Transcript]:
        utterance = Utterance(answer, partials_every_ms, max_bytes=32 * 60_000)
        utterance.read(audio())
        transcripts: list[Transcript] = []
        try:
            while (each := await utterance.next()) is not None:
                transcripts.append(each)
        finally:
            await utterance.close()
        return transcripts

    return asyncio.run(run()), lengths_ms


def test_partial_texts_come_while_one_speaks() -> None:
    transcripts, lengths_ms = hear(
        [sound(500), sound(200), sound(300), sound(500), SETTLE],
        ["I scream", "Ice cream is", "Ice cream is good", "Ice cream is good."],
        partials_every_ms=500,
    )
    assert lengths_ms == [500, 1000, 1500, 1500]
    assert transcripts == [
        PartialTranscript("Ice cream is"),
        FinalTranscript("Ice cream is good."),
        FinalTranscript("Ice cream is good."),
    ]


def test_silence_is_not_worth_a_partial_text() -> None:
    steps = [sound(500), silence(500), silence(500)]
    _, lengths_ms = hear(steps, ["One", "One"], partials_every_ms=500)
    assert lengths_ms == [500, 1500]


def test_a_partial_text_that_fails_is_missed_by_nobody() -> None:
    transcripts, _ = hear(
        [sound(500), sound(500), SETTLE],
        [EngineError("engine_timeout", "Wait."), "One", "One two"],
        partials_every_ms=500,
    )
    assert transcripts == [FinalTranscript("One two")] * 2


def test_a_final_text_that_fails_is_a_failure() -> None:
    with pytest.raises(EngineError, match="Wait"):
        hear([sound(500)], [EngineError("engine_timeout", "Wait.")])


def test_texts_before_a_failure_are_given_out() -> None:
    async def run() -> None:
        async def answer(pcm: bytes) -> FinalTranscript:
            return FinalTranscript("One")

        async def audio() -> AsyncIterator[NDArray[np.float32] | Settle]:
            yield sound(500)
            yield SETTLE
            yield sound(60_000)

        utterance = Utterance(answer, 0, max_bytes=32 * 60_000)
        utterance.read(audio())
        assert await utterance.next() == FinalTranscript("One")
        with pytest.raises(UtteranceTooLong):
            await utterance.next()
        await utterance.close()

    asyncio.run(run())


def test_agreement_grows_and_never_shrinks() -> None:
    agreement = Agreement()
    heard = ("it is", "it is a", "it is a dog", "this is", "it is a dog", "it is a dog house")
    assert [agreement.take(text) for text in heard] == [
        None,
        "it is",
        "it is a",
        None,
        None,
        "it is a dog",
    ]


def test_a_recording_tells_whether_there_is_anything_new_to_hear() -> None:
    recording = Recording(max_bytes=1_000_000)
    recording.take(silence(200))
    assert not recording.settle()
    recording.take(sound(10))
    assert recording.settle()
    assert not recording.settle()


def test_a_recording_is_worth_a_try_after_so_much_more_sound() -> None:
    recording = Recording(max_bytes=1_000_000)
    recording.take(sound(100))
    assert not recording.is_worth_a_try(0)
    assert not recording.is_worth_a_try(32 * 200)
    recording.take(sound(100))
    assert recording.is_worth_a_try(32 * 200)
    assert not recording.is_worth_a_try(32 * 200)
