"""A stream of sound becomes utterances."""

from itertools import count

import numpy as np
import pytest

from antiphon.core.utterances import (
    FRAME_BYTES,
    LONG_MS,
    LONGEST_MS,
    Began,
    Ended,
    Observed,
    Paused,
    SourceStream,
    Spoke,
    Utterances,
)
from antiphon.protocol.errors import ClientError

SPEECH, SILENCE = 0.9, 0.0


class Ear:
    """Feeds frames that hold their own number, so that each can be recognised."""

    def __init__(self) -> None:
        self.utterances = Utterances(count(1))
        self.number = 0
        self.observed: list[Observed] = []

    def hears(self, probability: float, ms: int) -> "Ear":
        for _ in range(ms // 32):
            frame = np.full((1, 512), self.number, np.float32)
            self.number += 1
            (ordered,) = self.utterances.order(frame)
            self.observed += self.utterances.score(ordered.job, (probability,))
        return self

    @property
    def heard(self) -> list[list[int]]:
        """The numbers of the frames of each utterance."""
        found: list[list[int]] = []
        for each in self.observed:
            if isinstance(each, Began):
                found.append([])
            elif isinstance(each, Spoke):
                found[-1] += [int(number) for number in each.samples[::512]]
        return found

    def kinds(self) -> list[type]:
        return [type(each) for each in self.observed if not isinstance(each, Spoke)]


def test_what_came_shortly_before_the_first_speech_belongs_to_it() -> None:
    ear = Ear().hears(SILENCE, 32 * 20).hears(SPEECH, 32 * 5)
    assert ear.heard == [list(range(10, 25))]


def test_an_utterance_ends_after_400_ms_of_silence() -> None:
    ear = Ear().hears(SPEECH, 320).hears(SILENCE, 32 * 12)
    assert ear.kinds() == [Began, Paused]
    ear.hears(SILENCE, 32)
    assert ear.kinds() == [Began, Paused, Ended]
    assert not ear.utterances.is_speech


def test_silence_is_heard_only_if_the_speaker_goes_on() -> None:
    ear = Ear().hears(SPEECH, 320).hears(SILENCE, 320)
    heard = ear.heard[0][-1]
    ear.hears(SPEECH, 32)
    assert heard < 19
    assert ear.heard == [list(range(21))]


def test_a_second_pause_is_not_heard_with_the_first_one_again() -> None:
    ear = Ear()
    for _ in range(3):
        ear.hears(SPEECH, 160).hears(SILENCE, 192)
    ear.hears(SPEECH, 32)
    assert ear.heard == [list(range(34))]


def test_the_silence_after_an_utterance_may_come_before_the_next_one() -> None:
    ear = Ear().hears(SPEECH, 320).hears(SILENCE, 32 * 13).hears(SPEECH, 64)
    first, second = ear.heard
    assert second == list(range(13, 25))[-len(second) :]
    assert first[-1] < second[0]


def test_long_speech_ends_at_a_short_pause_and_goes_on_in_another_utterance() -> None:
    ear = Ear().hears(SPEECH, LONG_MS).hears(SILENCE, 96).hears(SPEECH, 320)
    assert ear.kinds() == [Began, Paused, Ended, Began]
    first, second = ear.heard
    assert [*first, *second] == list(range(ear.number))


def test_speech_without_a_pause_is_cut_and_nothing_is_lost_or_heard_twice() -> None:
    ear = Ear().hears(SPEECH, 2 * LONGEST_MS + 640)
    assert ear.kinds() == [Began, Ended, Began, Ended, Began]
    assert [number for each in ear.heard for number in each] == list(range(ear.number))


def test_the_end_of_the_stream_ends_an_utterance() -> None:
    ear = Ear().hears(SPEECH, 320)
    assert ear.utterances.finish() == [Ended()]
    assert ear.utterances.finish() == []


def test_scores_count_in_the_order_of_their_frames() -> None:
    utterances = Utterances(count(1))
    (first,) = utterances.order(np.zeros((2, 512), np.float32))
    (second,) = utterances.order(np.ones((1, 512), np.float32))
    assert utterances.score(second.job, (SPEECH,)) == []
    assert utterances.unscored_ms == 96
    observed = utterances.score(first.job, (SILENCE, SPEECH))
    assert [type(each) for each in observed] == [Began, Spoke]
    assert sum(len(each.samples) for each in observed if isinstance(each, Spoke)) == 3 * 512
    assert utterances.unscored_ms == 0
    assert utterances.score(99, (SPEECH,)) == []
    assert utterances.order(np.zeros((0, 512), np.float32)) == []


def test_the_stream_is_taken_in_frames_of_200_ms() -> None:
    stream = SourceStream()
    assert len(stream.push(bytes(FRAME_BYTES - 2))) == 0
    assert stream.elapsed_ms == 0
    assert len(stream.push(bytes(2))) == 6
    assert stream.elapsed_ms == 200
    stream.push(bytes(2 * FRAME_BYTES))
    assert stream.elapsed_ms == 600


def test_the_end_of_a_stream_is_filled_up_with_silence() -> None:
    stream = SourceStream()
    frames = [stream.push(np.full(4_900, 16_000, "<i2").tobytes()), stream.finish()]
    samples = np.concatenate(frames).reshape(-1)
    assert len(samples) % 512 == 0
    assert np.count_nonzero(np.abs(samples) > 0.2) == pytest.approx(4_900 * 16 / 24, abs=8)
    assert stream.elapsed_ms == 400
    assert len(stream.finish()) == 0
    assert stream.elapsed_ms == 400


def test_half_a_sample_is_refused_and_taken_no_notice_of() -> None:
    stream = SourceStream()
    with pytest.raises(ClientError, match="whole samples"):
        stream.push(bytes(3))
    assert len(stream.finish()) == 0
