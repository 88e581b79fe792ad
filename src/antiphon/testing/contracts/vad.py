"""What a VAD must keep to."""

# ruff: noqa: D102, S101 - these are tests; their names say what they demand.

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.engines.vad import FRAME_SAMPLES, VAD_SAMPLE_RATE_HZ, PendingFrames, Vad
from antiphon.testing.speech import silence, speech

Frames = NDArray[np.float32]


def frames(samples: NDArray[np.float32]) -> Frames:
    """Cut samples into whole frames."""
    whole = len(samples) - len(samples) % FRAME_SAMPLES
    return samples[:whole].reshape(-1, FRAME_SAMPLES)


class VadContract:
    """The tests of `antiphon.engines.vad.Vad`."""

    tolerance = 1e-4
    """How far scores may differ between one batch and another."""

    @pytest.fixture
    def engine(self) -> Vad:
        """Return the engine under test."""
        raise NotImplementedError("Override the fixture 'engine' so that it returns your engine.")

    def spoken(self) -> Frames:
        """Return frames that hold speech."""
        return frames(speech(960, VAD_SAMPLE_RATE_HZ))

    def quiet(self) -> Frames:
        """Return frames that hold none."""
        return frames(silence(960, VAD_SAMPLE_RATE_HZ))

    def score(self, engine: Vad, samples: Frames) -> NDArray[np.float32]:
        """Return the scores of a new stream."""
        (scores,) = engine.score([PendingFrames(engine.open(), samples)])
        return scores

    def test_every_frame_gets_a_probability(self, engine: Vad) -> None:
        scores = self.score(engine, self.spoken())
        assert scores.shape == (len(self.spoken()),)
        assert np.all((scores >= 0) & (scores <= 1))

    def test_speech_scores_higher_than_silence(self, engine: Vad) -> None:
        assert np.median(self.score(engine, self.spoken())) > 0.5
        assert np.max(self.score(engine, self.quiet())) < 0.5

    def test_no_streams_give_no_scores(self, engine: Vad) -> None:
        assert engine.score([]) == []

    def test_no_frames_give_no_scores(self, engine: Vad) -> None:
        assert self.score(engine, self.quiet()[:0]).shape == (0,)

    def test_streams_do_not_disturb_each_other(self, engine: Vad) -> None:
        batch = [
            PendingFrames(engine.open(), self.spoken()),
            PendingFrames(engine.open(), self.quiet()[:3]),
            PendingFrames(engine.open(), self.spoken()[:7]),
        ]
        together = engine.score(batch)
        alone = [self.score(engine, pending.frames) for pending in batch]
        for one, other in zip(together, alone, strict=True):
            assert one == pytest.approx(other, abs=self.tolerance)

    def test_scores_do_not_depend_on_how_many_frames_come_at_once(self, engine: Vad) -> None:
        at_once = self.score(engine, self.spoken())
        state = engine.open()
        one_by_one = [
            engine.score([PendingFrames(state, self.spoken()[number : number + 1])])[0]
            for number in range(len(self.spoken()))
        ]
        assert np.concatenate(one_by_one) == pytest.approx(at_once, abs=self.tolerance)

    def test_a_new_stream_knows_nothing_of_an_old_one(self, engine: Vad) -> None:
        fresh = self.score(engine, self.spoken())
        self.score(engine, self.quiet())
        assert self.score(engine, self.spoken()) == pytest.approx(fresh, abs=self.tolerance)
