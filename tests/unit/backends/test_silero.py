"""The embedded VAD, against the publisher's model in onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.backends.silero import Silero, create
from antiphon.engines import plugins
from antiphon.engines.vad import FRAME_SAMPLES, VAD_SAMPLE_RATE_HZ, PendingFrames, VadState
from antiphon.protocol.errors import EngineError
from antiphon.testing.speech import noise, silence, speech, tone

OFFICIAL = Path(__file__).parents[2] / "fixtures" / "silero" / "silero_vad_16k_op15.onnx"
ROUNDING = 1e-5

Frames = NDArray[np.float32]


def framed(*parts: Frames) -> Frames:
    samples = np.concatenate(parts)
    whole = len(samples) // FRAME_SAMPLES
    return samples[: whole * FRAME_SAMPLES].reshape(whole, FRAME_SAMPLES)


def conversation() -> Frames:
    """Return ten seconds that hold voices of several levels, noise, a tone and silence."""
    hz = VAD_SAMPLE_RATE_HZ
    return framed(
        silence(300, hz),
        speech(2_000, hz, level=0.3, seed=1),
        noise(800, hz, level=0.01),
        speech(1_200, hz, level=0.03, seed=2) + noise(1_200, hz, level=0.005, seed=3),
        tone(440, 700, hz),
        noise(1_000, hz, level=0.3, seed=4),
        speech(2_000, hz, level=0.9, seed=5),
        silence(2_000, hz),
    )


def official_scores(frames: Frames) -> NDArray[np.float32]:
    """Score a stream with the publisher's model, one frame at a time, as its package does."""
    session: Any = onnxruntime.InferenceSession(OFFICIAL, providers=["CPUExecutionProvider"])
    rate = np.array(VAD_SAMPLE_RATE_HZ, np.int64)
    context, state = np.zeros((1, 64), np.float32), np.zeros((2, 1, 128), np.float32)
    scores: list[float] = []
    for frame in frames:
        heard = np.concatenate((context, frame[None]), axis=1)
        score, state = session.run(None, {"input": heard, "state": state, "sr": rate})
        context = heard[:, -64:]
        scores.append(score.item())
    return np.array(scores, np.float32)


@pytest.fixture(scope="module")
def vad() -> Silero:
    return create({})


@pytest.fixture(scope="module")
def frames() -> Frames:
    return conversation()


@pytest.fixture(scope="module")
def expected(frames: Frames) -> NDArray[np.float32]:
    return official_scores(frames)


def test_scores_are_those_of_the_publishers_model(
    vad: Silero, frames: Frames, expected: NDArray[np.float32]
) -> None:
    [scores] = vad.score([PendingFrames(vad.open(), frames)])
    assert scores.shape == (len(frames),)
    assert scores.dtype == np.float32
    assert np.abs(scores - expected).max() < ROUNDING


def test_voices_are_heard_and_silence_is_not(
    frames: Frames, expected: NDArray[np.float32], vad: Silero
) -> None:
    [scores] = vad.score([PendingFrames(vad.open(), frames)])
    spoken = slice(20, 70)
    assert np.median(scores[spoken]) > 0.5
    assert scores[:8].max() < 0.1
    assert scores[-30:].max() < 0.1
    assert ((scores > 0.5) == (expected > 0.5)).all()


@settings(deadline=None, max_examples=20)
@given(counts=st.lists(st.integers(0, 90), min_size=1, max_size=150))
def test_streams_in_a_batch_do_not_touch_each_other(vad: Silero, counts: list[int]) -> None:
    stream = conversation()
    starts = [7 * index % (len(stream) - 90) for index in range(len(counts))]
    pieces = [stream[at : at + count] for at, count in zip(starts, counts, strict=True)]
    together = vad.score([PendingFrames(vad.open(), piece) for piece in pieces])
    for scores, piece in zip(together, pieces, strict=True):
        [alone] = vad.score([PendingFrames(vad.open(), piece)])
        assert scores.shape == (len(piece),)
        assert np.allclose(scores, alone, rtol=0, atol=ROUNDING)


@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_scores_do_not_depend_on_how_many_frames_come_at_once(
    vad: Silero, data: st.DataObject
) -> None:
    stream = conversation()[:80]
    [whole] = vad.score([PendingFrames(vad.open(), stream)])
    streams = [(vad.open(), list[NDArray[np.float32]]()) for _ in range(3)]
    heard = [0] * len(streams)
    while min(heard) < len(stream):
        counts = data.draw(st.lists(st.integers(0, 30), min_size=3, max_size=3))
        counts = [max(count, 1) for count in counts]
        batch = [
            PendingFrames(state, stream[at : at + count])
            for (state, _), at, count in zip(streams, heard, counts, strict=True)
        ]
        for (_, parts), scores in zip(streams, vad.score(batch), strict=True):
            parts.append(scores)
        heard = [at + len(entry.frames) for at, entry in zip(heard, batch, strict=True)]
    for _, parts in streams:
        assert np.allclose(np.concatenate(parts), whole, rtol=0, atol=ROUNDING)


def test_more_streams_than_fit_in_one_pass_are_all_scored(
    vad: Silero, frames: Frames, expected: NDArray[np.float32]
) -> None:
    states = [vad.open() for _ in range(200)]
    for at in range(0, 9, 3):
        batch = [PendingFrames(state, frames[at : at + 3]) for state in states]
        for scores in vad.score(batch):
            assert np.allclose(scores, expected[at : at + 3], rtol=0, atol=ROUNDING)


def test_scores_stay_after_the_next_pass(vad: Silero, frames: Frames) -> None:
    state = vad.open()
    [first] = vad.score([PendingFrames(state, frames[:40])])
    before = first.copy()
    vad.score([PendingFrames(state, frames[40:80])])
    assert np.array_equal(first, before)


def test_an_empty_batch_and_an_entry_without_frames_have_no_scores(
    vad: Silero, frames: Frames
) -> None:
    assert vad.score([]) == []
    idle, busy = vad.open(), vad.open()
    scores = vad.score([PendingFrames(idle, frames[:0]), PendingFrames(busy, frames[:2])])
    assert [len(each) for each in scores] == [0, 2]


def test_frames_are_left_as_they_were(vad: Silero, frames: Frames) -> None:
    given_frames = frames[:5].copy()
    given_frames.setflags(write=False)
    vad.score([PendingFrames(vad.open(), given_frames)])
    assert np.array_equal(given_frames, frames[:5])


def test_a_state_of_another_vad_is_refused(vad: Silero, frames: Frames) -> None:
    class Foreign(VadState):
        __slots__ = ()

    with pytest.raises(TypeError, match="only streams that it opened"):
        vad.score([PendingFrames(Foreign(), frames[:1])])


def test_a_setting_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match="remove 'threshold'"):
        create({"threshold": 0.5})


def test_the_vad_is_found_under_its_name() -> None:
    assert plugins.load("vad", "silero") is create
