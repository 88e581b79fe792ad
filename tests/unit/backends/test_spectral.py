"""The noise reducer without a model."""

from typing import get_args

import numpy as np
import pytest

from antiphon.audio.pcm import SAMPLE_RATE_HZ
from antiphon.backends.spectral import create
from antiphon.engines import plugins
from antiphon.engines.noise import Field, NoiseReducer
from antiphon.protocol.errors import EngineError
from antiphon.testing.contracts import NoiseReducerContract
from antiphon.testing.speech import noise, silence, speech

FIELDS = get_args(Field)


class TestSpectralReducer(NoiseReducerContract):
    @pytest.fixture
    def engine(self) -> NoiseReducer:
        return create({})


def rms_db(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples)) + 1e-12))


def reduced(samples: np.ndarray, field: Field, strength: float = 1.0) -> np.ndarray:
    stream = create({}).open(field, strength)
    return np.concatenate([stream.push(samples), stream.flush()])


@pytest.mark.parametrize("field", FIELDS)
def test_a_voice_without_noise_stays_as_it_is(field: Field) -> None:
    voice = np.concatenate([silence(600), speech(1_500), silence(200)])
    difference = reduced(voice, field) - voice
    assert rms_db(difference) < rms_db(voice) - 20


@pytest.mark.parametrize("field", FIELDS)
def test_who_speaks_from_the_first_moment_is_not_taken_for_noise(field: Field) -> None:
    voice = speech(1_000)
    assert rms_db(reduced(voice, field)) > rms_db(voice) - 3


@pytest.mark.parametrize("field", FIELDS)
def test_a_voice_in_noise_stands_out_more(field: Field) -> None:
    second = SAMPLE_RATE_HZ
    hum = noise(5_000, level=0.03)
    voice = np.concatenate([silence(3_000), speech(1_500), silence(500)])
    out = reduced(voice + hum, field)
    before = rms_db(voice[3 * second : 4 * second]) - rms_db(hum[2 * second : 3 * second])
    after = rms_db(out[3 * second : 4 * second]) - rms_db(out[2 * second : 3 * second])
    assert after > before + 6


def test_far_field_reduces_more_than_near_field() -> None:
    hum = noise(4_000, level=0.03)
    near, far = (rms_db(reduced(hum, field)[-SAMPLE_RATE_HZ:]) for field in FIELDS)
    assert far < near - 2


def test_less_strength_leaves_more_noise() -> None:
    hum = noise(3_000, level=0.03)
    left = [rms_db(reduced(hum, "near_field", each)[48_000:]) for each in (0.0, 0.5, 1.0)]
    assert left[0] > left[1] + 3 > left[2] + 6


def test_what_is_known_of_the_noise_outlives_a_flush() -> None:
    hum = noise(2_000, level=0.03)
    stream = create({}).open("near_field", 1.0)
    stream.push(hum)
    stream.flush()
    assert rms_db(stream.push(hum)[:4_800]) < rms_db(hum) - 6


def test_noise_that_comes_and_goes_is_left_beneath_a_voice() -> None:
    hum = noise(6_000, level=0.03)
    swell = 1 + 0.95 * np.sin(np.arange(len(hum)) * 2 * np.pi * 3 / SAMPLE_RATE_HZ)
    restless = (hum * swell).astype(np.float32)
    voice = np.concatenate([silence(4_000), speech(1_500), silence(500)])
    second = slice(4 * SAMPLE_RATE_HZ, 5 * SAMPLE_RATE_HZ)
    kept = [
        rms_db((reduced(voice + each, "near_field") - reduced(voice, "near_field"))[second])
        - rms_db(each[second])
        for each in (hum, restless)
    ]
    assert kept[1] > kept[0] + 2


def test_it_is_found_by_name() -> None:
    assert plugins.load("noise_reducer", "spectral") is create


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(EngineError, match="no setting 'gain'"):
        create({"gain": 1})
