"""Speech scores of many streams: batched, in order, fair, and not stopped by a failure."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.engines.vad import PendingFrames, VadState
from antiphon.runtime.speech_scores import BUSY_STREAMS, MAX_BATCH_FRAMES, SpeechScores

Scores = tuple[float, ...] | None


class Stream(VadState):
    """Counts its frames: the score of a frame is its number in the stream."""

    def __init__(self) -> None:
        self.count = 0


class CountingVad:
    """Scores frames by their number, and keeps how the batches were made up."""

    def __init__(self, faults: Sequence[Exception | float | None] = ()) -> None:
        self.batches: list[list[int]] = []
        self._faults = list(faults)

    def open(self) -> VadState:
        return Stream()

    def score(self, batch: Sequence[PendingFrames]) -> list[NDArray[np.float32]]:
        states = [id(pending.state) for pending in batch]
        assert len(set(states)) == len(states), "a stream appears at most once in a batch"
        self.batches.append([len(pending.frames) for pending in batch])
        fault = self._faults.pop(0) if self._faults else None
        if isinstance(fault, Exception):
            raise fault
        scores = []
        for pending in batch:
            state = pending.state
            assert isinstance(state, Stream)
            more = int(fault) if fault in (1, -1) else 0
            numbers = np.arange(state.count, state.count + len(pending.frames) + more)
            numbers = numbers * (fault if fault is not None and fault != fault else 1)
            state.count += len(pending.frames)
            scores.append(numbers.astype(np.float32))
        return scores


def frames(count: int) -> NDArray[np.float32]:
    return np.zeros((count, 512), np.float32)


class Ordered:
    """Streams that order scores, and what was delivered to each."""

    def __init__(self, vad: CountingVad, streams: int) -> None:
        self.scores = SpeechScores(vad)
        self.states = [self.scores.open() for _ in range(streams)]
        self.delivered: list[list[Scores]] = [[] for _ in range(streams)]

    def order(self, stream: int, count: int) -> None:
        self.scores.order(self.states[stream], frames(count), self.delivered[stream].append)


async def until_quiet() -> None:
    for _ in range(1000):
        await asyncio.sleep(0)


def test_what_arrives_together_is_scored_together() -> None:
    async def scenario() -> None:
        vad = CountingVad()
        ordered = Ordered(vad, 3)
        for stream in range(3):
            ordered.order(stream, stream + 1)
        assert vad.batches == []
        await until_quiet()
        assert vad.batches == [[1, 2, 3]]
        assert ordered.delivered == [[(0.0,)], [(0.0, 1.0)], [(0.0, 1.0, 2.0)]]

    asyncio.run(scenario())


def test_orders_of_a_stream_keep_their_order() -> None:
    async def scenario() -> None:
        vad = CountingVad()
        ordered = Ordered(vad, 2)
        for _ in range(3):
            ordered.order(0, 2)
        ordered.order(1, 1)
        await until_quiet()
        assert vad.batches == [[2, 1], [2], [2]]
        assert ordered.delivered[0] == [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0)]

    asyncio.run(scenario())


def test_a_long_order_is_scored_in_parts_and_delivered_whole() -> None:
    async def scenario() -> None:
        vad = CountingVad()
        ordered = Ordered(vad, 1)
        ordered.order(0, 2 * MAX_BATCH_FRAMES + 5)
        ordered.order(0, 1)
        await until_quiet()
        assert vad.batches == [[MAX_BATCH_FRAMES], [MAX_BATCH_FRAMES], [5], [1]]
        long, short = ordered.delivered[0]
        assert long == tuple(float(number) for number in range(2 * MAX_BATCH_FRAMES + 5))
        assert short == (float(2 * MAX_BATCH_FRAMES + 5),)

    asyncio.run(scenario())


def test_a_flood_keeps_nobody_waiting() -> None:
    async def scenario() -> None:
        vad = CountingVad()
        ordered = Ordered(vad, 4)
        for stream in range(3):
            ordered.order(stream, 10_000)
        ordered.order(3, 3)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # A quarter of the room each, and what one does not need goes to the others.
        assert ordered.delivered[3] == [(0.0, 1.0, 2.0)]
        assert vad.batches[0][3] == 3
        assert sum(vad.batches[0]) == MAX_BATCH_FRAMES
        await until_quiet()
        assert all(len(delivered) == 1 for delivered in ordered.delivered)

    asyncio.run(scenario())


def test_more_streams_than_a_batch_holds_take_turns() -> None:
    async def scenario() -> None:
        vad = CountingVad()
        ordered = Ordered(vad, MAX_BATCH_FRAMES + 4)
        for stream in range(MAX_BATCH_FRAMES + 4):
            ordered.order(stream, 2)
        await until_quiet()
        assert all(sum(batch) <= MAX_BATCH_FRAMES for batch in vad.batches)
        assert all(delivered == [(0.0, 1.0)] for delivered in ordered.delivered)

    asyncio.run(scenario())


def test_when_many_speak_a_batch_waits_for_more() -> None:
    async def scenario() -> None:
        vad = CountingVad()
        ordered = Ordered(vad, BUSY_STREAMS)
        for stream in range(BUSY_STREAMS):
            ordered.order(stream, 1)
        await until_quiet()
        delivered = asyncio.Event()
        ordered.order(0, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(vad.batches) == 1
        ordered.scores.order(ordered.states[1], frames(1), lambda _: delivered.set())
        await delivered.wait()
        assert vad.batches[1:] == [[1, 1]]

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [RuntimeError("broken"), 1, -1, float("nan")])
def test_a_failure_fails_its_batch_and_the_next_is_scored(fault: Exception | float) -> None:
    async def scenario() -> None:
        vad = CountingVad([fault])
        ordered = Ordered(vad, 2)
        ordered.order(0, 2)
        ordered.order(1, 2)
        ordered.order(1, 1)
        await until_quiet()
        assert [each[0] for each in ordered.delivered] == [None, None]
        assert ordered.delivered[1][1] is not None
        ordered.order(0, 1)
        await until_quiet()
        assert ordered.delivered[0][1] is not None

    asyncio.run(scenario())
