"""Where speech begins and ends in an utterance, and where it is cut."""

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.backends.speech_window import LONGEST_PART_MS, Utterance, Window
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ
from antiphon.testing.speech import clicks, noise, silence, speech

RATE = STT_SAMPLE_RATE_HZ


def talk(ms: int, level: float = 0.3) -> NDArray[np.float32]:
    return speech(ms, RATE, level=level)


def quiet(ms: int) -> NDArray[np.float32]:
    return silence(ms, RATE)


def utterance(*pieces: NDArray[np.float32]) -> Utterance:
    heard = Utterance()
    for piece in pieces:
        heard.append(piece)
    return heard


def window(*pieces: NDArray[np.float32]) -> Window:
    found = utterance(*pieces).window()
    assert found is not None
    return found


def ms(samples: int) -> float:
    return 1000 * samples / RATE


@pytest.mark.parametrize(
    "sound",
    [
        quiet(0),
        quiet(2000),
        noise(2000, RATE, level=0.0003),
        quiet(5),
        talk(60),
        talk(3000, 0.0003),
    ],
)
def test_nothing_is_heard_where_there_is_no_speech(sound: NDArray[np.float32]) -> None:
    assert utterance(sound).window() is None


def test_silence_around_speech_is_left_out() -> None:
    found = window(quiet(500), talk(1000), quiet(900))
    assert ms(found.begins) == pytest.approx(440, abs=30)
    assert ms(found.ends) == pytest.approx(1500, abs=30)
    assert ms(len(found.samples)) == pytest.approx(60 + 1000 + 200, abs=40)


def test_speech_without_silence_after_it_gets_some() -> None:
    found = window(talk(1000))
    assert ms(len(found.samples)) == pytest.approx(1100, abs=20)
    assert not found.samples[-RATE // 20 :].any()


def test_quiet_ends_of_words_are_kept() -> None:
    found = window(talk(800, 0.5), talk(200, 0.02), quiet(500))
    assert ms(found.ends) == pytest.approx(1000, abs=40)


def test_more_silence_does_not_change_what_is_heard() -> None:
    heard = utterance(quiet(200), talk(900), quiet(100))
    first = heard.window()
    heard.append(quiet(400))
    assert first is not None
    assert first.hears_the_same(heard.window())
    assert heard.silence_ms() == pytest.approx(500, abs=40)
    heard.append(talk(300))
    assert not first.hears_the_same(heard.window())


def test_the_pieces_in_which_audio_arrives_do_not_matter() -> None:
    sound = np.concatenate([quiet(333), talk(777), quiet(111)])
    whole, pieces = window(sound), window(*np.array_split(sound, 97))
    assert np.array_equal(whole.samples, pieces.samples)
    assert whole.hears_the_same(pieces)


def test_long_silence_is_forgotten_and_positions_still_count_it() -> None:
    found = window(*[quiet(100)] * 300, talk(1000))
    assert ms(found.begins) == pytest.approx(30_000 - 60, abs=40)


def test_a_click_is_no_speech_but_does_not_hide_it() -> None:
    assert utterance(clicks(100, RATE), quiet(200)).window() is None
    assert window(clicks(100, RATE), quiet(300), talk(900)).speech_ms > 1000


def parts(*pieces: NDArray[np.float32]) -> list[Window]:
    heard, found = Utterance(), []
    for piece in pieces:
        heard.append(piece)
        while (part := heard.finished_part()) is not None:
            found.append(part)
    last = heard.window()
    return [*found, last] if last else found


def test_short_speech_is_not_cut() -> None:
    assert len(parts(talk(3000), quiet(600), talk(3000))) == 1


def test_long_speech_is_cut_in_its_longest_pause() -> None:
    first, second = parts(talk(5000), quiet(600), talk(2000), quiet(450), talk(3000))
    assert ms(first.ends) == pytest.approx(5000, abs=40)
    assert ms(second.begins) == pytest.approx(5600 - 60, abs=60)


def test_short_pauses_are_used_when_speech_goes_on() -> None:
    long = [talk(6000), quiet(250), talk(5000)]
    assert len(parts(*long)) == 1
    assert len(parts(*long, talk(1500))) == 2


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    first, second = parts(talk(9000), talk(250, 0.08), talk(8000))
    assert ms(first.ends) == pytest.approx(9125, abs=140)
    assert second.begins <= first.ends + RATE // 50


def test_hours_in_one_piece_become_short_parts_without_a_gap() -> None:
    sound = np.concatenate([talk(8700), quiet(300)] * 12)
    found = parts(sound)
    assert all(len(part.samples) <= RATE * (LONGEST_PART_MS + 100) // 1000 for part in found)
    assert sum(part.speech_ms for part in found) == pytest.approx(12 * 8700, rel=0.03)


def test_noise_is_cut_like_speech() -> None:
    assert len(parts(*[noise(1000, RATE)] * 40)) >= 3
