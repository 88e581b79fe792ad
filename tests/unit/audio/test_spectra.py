"""Streams become spectra and streams again."""

import numpy as np
import pytest

from antiphon.audio.spectra import Analysis, Synthesis, hann_root
from antiphon.testing.speech import speech, tone

WINDOW = 480


def back(sound: np.ndarray, piece: int) -> np.ndarray:
    analysis, synthesis = Analysis(WINDOW), Synthesis(WINDOW)
    parts = [
        synthesis.push(analysis.push(sound[begin : begin + piece]))
        for begin in range(0, len(sound), piece)
    ]
    return np.concatenate([*parts, synthesis.push(analysis.push(np.zeros(WINDOW, np.float32)))])


@pytest.mark.parametrize("piece", [1, 100, 240, 480, 2_400, 100_000])
def test_what_is_put_together_again_is_what_was_cut(piece: int) -> None:
    sound = speech(300)
    assert np.allclose(back(sound, piece)[: len(sound)], sound, atol=1e-6)


def test_half_a_window_is_held_back() -> None:
    analysis, synthesis = Analysis(WINDOW), Synthesis(WINDOW)
    assert len(synthesis.push(analysis.push(np.zeros(2_400, np.float32)))) == 2_400 - WINDOW // 2


def test_a_tone_is_in_its_band() -> None:
    spectra = Analysis(WINDOW).push(tone(1_000, 200))
    assert set(np.abs(spectra[1:]).argmax(axis=1).tolist()) == {1_000 // 50}


def test_overlapped_windows_add_up_to_one() -> None:
    square = np.square(hann_root(WINDOW))
    assert np.allclose(square[: WINDOW // 2] + square[WINDOW // 2 :], 1, atol=1e-6)
