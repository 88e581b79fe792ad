"""What a noise reducer must keep to."""

# ruff: noqa: D102, S101 - these are tests; their names say what they demand.

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.engines.noise import (
    LONGEST_LAG_MS,
    NOISE_SAMPLE_RATE_HZ,
    Field,
    NoiseReducer,
    NoiseStream,
)
from antiphon.testing.speech import noise, silence, speech

Samples = NDArray[np.float32]

FIELDS: tuple[Field, ...] = get_args(Field)
PIECE_SAMPLES = NOISE_SAMPLE_RATE_HZ // 10


class NoiseReducerContract:
    """The tests of `antiphon.engines.noise.NoiseReducer`."""

    tolerance = 1e-4
    """How far samples may differ from one way of cutting to another."""

    @pytest.fixture
    def engine(self) -> NoiseReducer:
        """Return the engine under test."""
        raise NotImplementedError("Override the fixture 'engine' so that it returns your engine.")

    @pytest.fixture(params=FIELDS)
    def field(self, request: pytest.FixtureRequest) -> Field:
        """Return each kind of microphone in turn."""
        kind: Field = request.param
        return kind

    def sound(self) -> Samples:
        """Return a voice in noise."""
        voice = np.concatenate([silence(1_000), speech(1_500), silence(500)])
        return voice + noise(3_000, level=0.02)

    def pass_through(self, stream: NoiseStream, samples: Samples, piece: int) -> Samples:
        """Return all that comes out of a stream."""
        out = [
            stream.push(samples[begin : begin + piece]) for begin in range(0, len(samples), piece)
        ]
        return np.concatenate([*out, stream.flush()])

    def test_as_much_comes_out_as_went_in(self, engine: NoiseReducer, field: Field) -> None:
        for piece in (PIECE_SAMPLES, 7, len(self.sound())):
            stream = engine.open(field, 1.0)
            sound = self.sound() if piece > 7 else self.sound()[:5_000]
            assert len(self.pass_through(stream, sound, piece)) == len(sound)

    def test_little_is_held_back(self, engine: NoiseReducer, field: Field) -> None:
        stream, came, went = engine.open(field, 1.0), 0, 0
        for begin in range(0, len(self.sound()), PIECE_SAMPLES):
            piece = self.sound()[begin : begin + PIECE_SAMPLES]
            went, came = went + len(piece), came + len(stream.push(piece))
            assert went - came <= LONGEST_LAG_MS * NOISE_SAMPLE_RATE_HZ // 1000

    def test_how_the_sound_is_cut_does_not_matter(self, engine: NoiseReducer, field: Field) -> None:
        sound = self.sound()
        one = self.pass_through(engine.open(field, 1.0), sound, PIECE_SAMPLES)
        other = self.pass_through(engine.open(field, 1.0), sound, 777)
        assert np.allclose(one, other, atol=self.tolerance)

    def test_no_strength_changes_nothing(self, engine: NoiseReducer, field: Field) -> None:
        sound = self.sound()
        assert np.allclose(
            self.pass_through(engine.open(field, 0.0), sound, PIECE_SAMPLES), sound, atol=1e-3
        )

    def test_noise_becomes_quieter(self, engine: NoiseReducer, field: Field) -> None:
        hum = noise(3_000, level=0.02)
        quieter = self.pass_through(engine.open(field, 1.0), hum, PIECE_SAMPLES)
        heard = slice(NOISE_SAMPLE_RATE_HZ, None)
        assert _db(quieter[heard]) < _db(hum[heard]) - 6

    def test_a_stream_goes_on_after_a_flush(self, engine: NoiseReducer, field: Field) -> None:
        stream = engine.open(field, 1.0)
        for _ in range(2):
            sound = self.sound()
            assert len(self.pass_through(stream, sound, PIECE_SAMPLES)) == len(sound)

    def test_samples_are_not_changed(self, engine: NoiseReducer, field: Field) -> None:
        sound = self.sound()
        engine.open(field, 1.0).push(sound)
        assert np.array_equal(sound, self.sound())

    def test_streams_do_not_disturb_each_other(self, engine: NoiseReducer, field: Field) -> None:
        alone = engine.open(field, 1.0).push(self.sound())
        one, other = engine.open(field, 1.0), engine.open(field, 1.0)
        other.push(noise(2_000, level=0.3))
        assert np.array_equal(one.push(self.sound()), alone)


def _db(samples: Samples) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples)) + 1e-12))
