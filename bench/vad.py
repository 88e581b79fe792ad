"""What the VAD costs a frame of 32 ms, beside the publisher's model in onnxruntime.

Run: ``OPENBLAS_NUM_THREADS=1 python bench/vad.py [--json]``. "64 x 3" are three frames of each of
64 streams in one call; times are per frame, with the states of the streams read and written.
"""

from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from timing import Figure, constant, main, time_call

from antiphon.backends.silero import create
from antiphon.engines.vad import FRAME_SAMPLES, VAD_SAMPLE_RATE_HZ, PendingFrames
from antiphon.testing.speech import speech

MODEL = Path(__file__).parents[1] / "tests" / "fixtures" / "silero" / "silero_vad_16k_op15.onnx"
BATCHES = ((1, 1), (1, 3), (8, 1), (8, 3), (24, 1), (24, 3), (32, 3), (64, 1), (64, 3), (128, 1))
OFFICIAL_BATCHES = (1, 8, 64)
RATE = np.array(VAD_SAMPLE_RATE_HZ, np.int64)


def frames() -> NDArray[np.float32]:
    samples = speech(8_000, VAD_SAMPLE_RATE_HZ, seed=1)
    whole = len(samples) // FRAME_SAMPLES
    return samples[: whole * FRAME_SAMPLES].reshape(whole, FRAME_SAMPLES)


def official() -> Any:
    options = cast("Any", onnxruntime).SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def ours(streams: int, count: int) -> Figure:
    vad, spoken = create({}), frames()
    batch = [
        PendingFrames(vad.open(), spoken[index % 64 : index % 64 + count])
        for index in range(streams)
    ]
    return time_call(
        f"antiphon, {streams} x {count}", partial(vad.score, batch), "us/frame", streams * count
    )


def theirs(streams: int) -> Figure:
    session = official()
    heard = np.zeros((streams, 64 + FRAME_SAMPLES), np.float32)
    heard[:, 64:] = frames()[:streams]
    inputs = {"input": heard, "state": np.zeros((2, streams, 128), np.float32), "sr": RATE}
    return time_call(
        f"onnxruntime, {streams} x 1", partial(session.run, None, inputs), "us/frame", streams
    )


def largest_difference() -> float:
    spoken, session, vad = frames(), official(), create({})
    [scores] = vad.score([PendingFrames(vad.open(), spoken)])
    context, state = np.zeros((1, 64), np.float32), np.zeros((2, 1, 128), np.float32)
    largest = 0.0
    for frame, score in zip(spoken, scores, strict=True):
        heard = np.concatenate((context, frame[None]), axis=1)
        expected, state = session.run(None, {"input": heard, "state": state, "sr": RATE})
        context = heard[:, -64:]
        largest = max(largest, abs(float(expected.item()) - float(score)))
    return largest


def measure() -> list[Figure]:
    return [
        *(ours(streams, count) for streams, count in BATCHES),
        *(theirs(streams) for streams in OFFICIAL_BATCHES),
        constant("largest difference of a probability", "", largest_difference()),
    ]


if __name__ == "__main__":
    raise SystemExit(main("Voice activity detection", measure))
