"""What is done to a clause's sound before it is played."""

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.backends.spoken_sound import LEAD_MS, finish
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ
from antiphon.testing.speech import silence, speech

RATE = TTS_SAMPLE_RATE_HZ


def finished(
    *, before_ms: int = 300, after_ms: int = 400, marks: str = ".", gain: float = 1.0
) -> NDArray[np.float32]:
    sound = [silence(before_ms, RATE), speech(700, RATE), silence(after_ms, RATE)]
    return finish(np.concatenate(sound), f"həlˈO{marks}", gain)


def edges_ms(sound: NDArray[np.float32]) -> tuple[float, float]:
    """Return the silence at both ends."""
    audible = np.flatnonzero(np.abs(sound) > 0.001)
    return 1000 * int(audible[0]) / RATE, 1000 * (len(sound) - 1 - int(audible[-1])) / RATE


@pytest.mark.parametrize("before_ms", [0, 10, 200, 1000])
def test_hardly_any_silence_precedes_the_first_word(before_ms: int) -> None:
    assert edges_ms(finished(before_ms=before_ms))[0] <= LEAD_MS + 10


@pytest.mark.parametrize(
    ("marks", "pause_ms"), [(".", 250), ("?", 250), ("!”", 250), (",", 120), ("", 60)]
)
@pytest.mark.parametrize("after_ms", [0, 600])
def test_the_pause_after_it_belongs_to_its_last_mark(
    marks: str, pause_ms: int, after_ms: int
) -> None:
    assert edges_ms(finished(after_ms=after_ms, marks=marks))[1] == pytest.approx(pause_ms, abs=30)


def test_peaks_stay_below_full_scale() -> None:
    assert 0.9 < np.abs(finished(gain=20.0)).max() < 1.0


def test_what_needs_no_limit_is_only_scaled() -> None:
    assert np.allclose(finished(gain=1.5), 1.5 * finished())


def test_a_quiet_end_is_kept() -> None:
    sound = np.concatenate([speech(700, RATE), speech(200, RATE, level=0.01)])
    assert len(finish(sound, "", 1.0)) >= 880 * RATE // 1000


@pytest.mark.parametrize("sound", [silence(0, RATE), silence(700, RATE), silence(3, RATE)])
def test_silence_becomes_nothing(sound: NDArray[np.float32]) -> None:
    assert len(finish(sound, ".", 1.0)) == 0
