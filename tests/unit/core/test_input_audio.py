import numpy as np
import pytest

from antiphon.audio.formats import OutputEncoder
from antiphon.core.input_audio import InputAudio, for_engines


def ramp(ms: int, start: int = 0) -> bytes:
    return (np.arange(start, start + ms * 24) % 20_000).astype("<i2").tobytes()


def filled(ms: int) -> InputAudio:
    audio = InputAudio("audio/pcm")
    audio.append(ramp(ms))
    return audio


def test_a_new_buffer_is_empty() -> None:
    audio = InputAudio("audio/pcm")
    assert audio.is_empty
    assert (audio.buffered_ms, audio.start_ms, audio.frames_end_ms) == (0, 0, 0)
    assert audio.take_all() == b""


def test_audio_is_kept_once_and_framed_once() -> None:
    audio = InputAudio("audio/pcm")
    frames = [audio.append(ramp(20, 480 * index)) for index in range(16)]
    assert audio.buffered_ms == 320
    assert sum(len(each) for each in frames) == audio.frames_end_ms / 32
    assert audio.frames_end_ms == pytest.approx(320, abs=40)
    assert {each.shape[1] for each in frames} == {512}
    assert audio.take_all() == ramp(320)
    assert audio.is_empty


def test_half_a_sample_changes_nothing() -> None:
    audio = filled(100)
    with pytest.raises(ValueError, match="whole number"):
        audio.append(b"\0" * 5)
    assert audio.buffered_ms == 100
    assert audio.take_all() == ramp(100)


def test_positions_go_on_after_audio_was_taken_or_cleared() -> None:
    audio = filled(1000)
    assert audio.take(400) == ramp(400)
    assert (audio.start_ms, audio.buffered_ms) == (400, 600)
    audio.clear()
    assert (audio.start_ms, audio.is_empty) == (1000, True)
    audio.append(ramp(100))
    assert audio.take(1050) == ramp(50)
    assert audio.take_all() == ramp(50, 50 * 24)
    assert audio.take(900) == b""


def test_what_comes_too_early_for_a_turn_is_forgotten() -> None:
    audio = filled(1000)
    audio.forget_before(300)
    assert (audio.start_ms, audio.buffered_ms) == (300, 700)
    audio.forget_before(200)
    assert audio.start_ms == 300
    assert audio.take(500) == ramp(200, 300 * 24)


def test_samples_are_handed_out_from_whole_frames() -> None:
    audio = filled(1000)
    end = audio.frames_end_ms
    assert len(audio.samples_since(end - 64)) == 2 * 512
    assert len(audio.samples_since(end - 65)) == 3 * 512
    assert len(audio.samples_since(end)) == 0
    assert len(audio.samples_since(end + 100)) == 0
    assert len(audio.samples_since(0)) == end // 32 * 512


def test_samples_of_forgotten_frames_are_converted_again() -> None:
    audio = filled(1000)
    kept = audio.samples_since(0)
    audio.keep_frames(0)
    assert len(audio.samples_since(audio.frames_end_ms - 32)) == 512
    again = audio.samples_since(0)
    assert len(again) == len(kept)
    np.testing.assert_allclose(again[:-200], kept[:-200], atol=2e-3)


def test_frames_are_forgotten_by_age() -> None:
    audio = filled(1000)
    audio.keep_frames(300)
    audio.clear()
    assert len(audio.samples_since(audio.frames_end_ms - 32)) == 0


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_telephone_audio_counts_to_its_last_sample(name: str) -> None:
    encoder = OutputEncoder(name)
    code = encoder.push(ramp(500)) + encoder.flush()
    audio = InputAudio(name)
    for start in range(0, len(code), 37):
        audio.append(code[start : start + 37])
    assert audio.buffered_ms == 500
    assert not audio.is_empty
    assert len(audio.take_all()) == 500 * 48
    assert (audio.start_ms, audio.buffered_ms, audio.is_empty) == (500, 0, True)


def test_another_format_goes_on_at_the_same_position() -> None:
    audio = filled(500)
    audio.clear()
    audio.configure("audio/pcmu")
    audio.append(b"\xff" * 800)
    assert (audio.start_ms, audio.buffered_ms) == (500, 100)
    audio.clear()
    audio.configure("audio/pcm")
    audio.append(ramp(64))
    assert audio.take_all() == ramp(64)
    assert audio.frames_end_ms == pytest.approx(664, abs=40)


def test_an_unknown_format_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        InputAudio("audio/opus")


def test_engines_get_two_thirds_of_the_samples() -> None:
    assert len(for_engines(ramp(300))) == 300 * 16
    assert len(for_engines(b"")) == 0
