"""Every state of the turn detector against every kind of frame."""

from collections.abc import Sequence
from typing import Literal

import pytest

from antiphon.core.turns import (
    HYSTERESIS,
    LISTENED_MS,
    PAUSE_MS,
    PauseLasted,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    padding_ms,
)
from antiphon.engines.vad import FRAME_MS
from antiphon.protocol.session import SemanticVad, ServerVad, TurnDetection

LOUD, UNSURE, QUIET = 0.9, 0.4, 0.1
PAUSE_FRAMES = PAUSE_MS // FRAME_MS
LISTENED_FRAMES = LISTENED_MS // FRAME_MS


def follow(settings: TurnDetection, probabilities: Sequence[float]) -> list[object]:
    detector = TurnDetector(settings)
    return [
        detector.observe(probability, 32 * (index + 1))
        for index, probability in enumerate(probabilities)
    ]


def changes(settings: TurnDetection, probabilities: Sequence[float]) -> list[object]:
    return [change for change in follow(settings, probabilities) if change is not None]


def test_silence_and_doubt_begin_nothing() -> None:
    assert changes(ServerVad(), [QUIET, UNSURE, 0.499] * 10) == []


def test_speech_begins_with_its_padding_clamped_to_the_beginning() -> None:
    assert changes(ServerVad(), [LOUD]) == [SpeechStarted(0)]
    assert changes(ServerVad(), [QUIET] * 20 + [LOUD]) == [SpeechStarted(640 - 300)]
    assert changes(ServerVad(prefix_padding_ms=0), [QUIET] * 20 + [LOUD]) == [SpeechStarted(640)]


def test_doubt_goes_on_with_speech_that_has_begun() -> None:
    assert changes(ServerVad(), [LOUD] + [UNSURE] * 50) == [SpeechStarted(0)]


def test_silence_ends_a_turn_after_a_pause() -> None:
    observed = follow(ServerVad(), [LOUD] + [QUIET] * 8)
    assert observed[0] == SpeechStarted(0)
    assert observed[PAUSE_FRAMES] == SpeechPaused()
    assert observed[LISTENED_FRAMES] == PauseLasted()
    assert observed[7] == SpeechStopped(256)
    assert len([change for change in observed if change is not None]) == 4


def test_who_goes_on_after_a_pause_resumes_the_turn() -> None:
    observed = changes(ServerVad(), [LOUD] + [QUIET] * 4 + [UNSURE] + [QUIET] * 7)
    assert observed == [
        SpeechStarted(0),
        SpeechPaused(),
        PauseLasted(),
        SpeechResumed(),
        SpeechPaused(),
        PauseLasted(),
        SpeechStopped(32 * 13),
    ]


def test_a_pause_that_is_over_at_once_does_not_last() -> None:
    gap = [QUIET] * (LISTENED_FRAMES - 1)
    assert changes(ServerVad(), [LOUD, *gap, LOUD]) == [
        SpeechStarted(0),
        SpeechPaused(),
        SpeechResumed(),
    ]


@pytest.mark.parametrize(
    ("silence_ms", "frames"), [(0, 1), (32, 1), (33, 2), (96, 3), (97, 4), (200, 7), (1000, 32)]
)
def test_a_turn_ends_at_the_first_frame_that_completes_the_silence(
    silence_ms: int, frames: int
) -> None:
    observed = changes(ServerVad(silence_duration_ms=silence_ms), [LOUD] + [QUIET] * 40)
    assert observed[-1] == SpeechStopped(32 * (frames + 1))
    assert (SpeechPaused() in observed) == (silence_ms > PAUSE_MS)


def test_a_threshold_of_zero_still_lets_speech_end() -> None:
    observed = changes(ServerVad(threshold=0.0), [0.0] + [0.0] * 10)
    assert observed[0] == SpeechStarted(0)
    assert SpeechStopped(256) in observed


def test_the_thresholds_themselves_count_as_speech() -> None:
    assert changes(ServerVad(threshold=0.5), [0.5]) == [SpeechStarted(0)]
    settings = ServerVad(threshold=0.25, silence_duration_ms=0)
    assert changes(settings, [0.25, 0.25 - HYSTERESIS]) == [SpeechStarted(0)]
    assert SpeechStopped(64) in changes(settings, [0.25, 0.24 - HYSTERESIS])


def test_settings_change_while_one_speaks() -> None:
    detector = TurnDetector(ServerVad())
    detector.observe(LOUD, 32)
    detector.configure(ServerVad(silence_duration_ms=0))
    assert detector.observe(QUIET, 64) == SpeechStopped(64)


def test_a_reset_forgets_the_turn() -> None:
    detector = TurnDetector(ServerVad())
    detector.observe(LOUD, 32)
    assert detector.is_speech
    assert not detector.is_paused
    detector.reset()
    assert not detector.is_speech
    assert detector.observe(QUIET, 64) is None
    assert detector.observe(LOUD, 96) == SpeechStarted(0)


def test_a_pause_is_part_of_the_turn() -> None:
    detector = TurnDetector(ServerVad())
    for index, probability in enumerate([LOUD, QUIET, QUIET, QUIET]):
        detector.observe(probability, 32 * (index + 1))
    assert detector.is_speech
    assert detector.is_paused


# By meaning


def paused(settings: TurnDetection, silent_frames: int = 3) -> TurnDetector:
    detector = TurnDetector(settings)
    for index, probability in enumerate([LOUD] + [QUIET] * silent_frames):
        detector.observe(probability, 32 * (index + 1))
    return detector


def test_what_was_said_shortens_the_wait() -> None:
    detector = paused(SemanticVad(eagerness="high"))
    assert detector.understand("What time is it?") is None
    ends = [detector.observe(QUIET, 128 + 32 * index) for index in range(1, 8)]
    assert ends == [None] * 6 + [SpeechStopped(32 + 320)]


def test_what_sounds_unfinished_does_not() -> None:
    detector = paused(SemanticVad(eagerness="high"))
    assert detector.understand("I would like to") is None
    observed = [detector.observe(QUIET, 128 + 32 * index) for index in range(1, 62)]
    assert [each for each in observed if each is not None] == [SpeechStopped(32 + 2016)]


@pytest.mark.parametrize(
    ("eagerness", "said_ms", "unsaid_ms"),
    [("low", 2000, 8000), ("medium", 1200, 4000), ("auto", 1200, 4000), ("high", 320, 2000)],
)
def test_eagerness_sets_both_waits(
    eagerness: Literal["low", "medium", "high", "auto"], said_ms: int, unsaid_ms: int
) -> None:
    for text, wait_ms in (("What time is it?", said_ms), ("", unsaid_ms)):
        detector = paused(SemanticVad(eagerness=eagerness))
        detector.understand(text)
        ends = [end for end in range(160, 9000, 32) if detector.observe(QUIET, end)]
        assert ends[0] == 32 + -(-wait_ms // 32) * 32


def test_silence_before_the_words_were_known_counts() -> None:
    detector = paused(SemanticVad(eagerness="high"), silent_frames=20)
    assert detector.understand("What time is it?") == SpeechStopped(32 + 320)
    assert not detector.is_speech


def test_what_is_still_to_come_is_waited_for() -> None:
    detector = paused(SemanticVad(eagerness="high"), silent_frames=20)
    detector.expect(words=True, voice=True)
    assert detector.understand("What time is it?") is None
    assert detector.listen(0.9) == SpeechStopped(32 + 320)


def test_an_opinion_that_will_not_come_does_not_count() -> None:
    detector = paused(SemanticVad(eagerness="high"), silent_frames=20)
    detector.expect(words=True, voice=True)
    detector.understand("What time is it?")
    assert detector.listen(None) == SpeechStopped(32 + 320)


def test_nothing_is_expected_of_who_speaks() -> None:
    detector = TurnDetector(SemanticVad(eagerness="high"))
    detector.observe(LOUD, 32)
    detector.expect(words=True, voice=True)
    assert detector.listen(0.9) is None


def test_words_mean_nothing_to_silence_alone_or_outside_a_pause() -> None:
    assert paused(ServerVad()).understand("What time is it?") is None
    assert paused(ServerVad()).listen(0.9) is None
    talking = TurnDetector(SemanticVad())
    talking.observe(LOUD, 32)
    assert talking.understand("What time is it?") is None
    assert talking.is_speech


@pytest.mark.parametrize(
    ("settings", "ms"), [(ServerVad(prefix_padding_ms=7), 7), (SemanticVad(), 300)]
)
def test_padding_is_configured_or_usual(settings: TurnDetection, ms: int) -> None:
    assert padding_ms(settings) == ms


# Over a reply


def over_a_reply(settings: TurnDetection, probabilities: Sequence[float]) -> list[object]:
    detector = TurnDetector(settings)
    detector.is_spoken_over = True
    observed = [
        detector.observe(probability, 32 * (index + 1))
        for index, probability in enumerate(probabilities)
    ]
    return [change for change in observed if change is not None]


NO_PADDING = ServerVad(prefix_padding_ms=0, silence_duration_ms=32)


def test_over_a_reply_speech_has_to_last() -> None:
    assert over_a_reply(NO_PADDING, [1.0] * 4) == []
    assert over_a_reply(NO_PADDING, [QUIET] + [1.0] * 5) == [SpeechStarted(32)]
    assert over_a_reply(NO_PADDING, [0.6] * 12) == []
    assert over_a_reply(NO_PADDING, [0.6] * 13) == [SpeechStarted(0)]


def test_an_onset_survives_two_silent_frames_and_no_third() -> None:
    assert over_a_reply(NO_PADDING, [1.0] * 3 + [QUIET] * 2 + [1.0] * 2) == [SpeechStarted(0)]
    assert over_a_reply(NO_PADDING, [1.0] * 3 + [QUIET] * 3 + [1.0] * 4) == []


@pytest.mark.parametrize(("threshold", "frames"), [(0.5, 28), (0.4, 18), (0.2, 5), (0.0, 5)])
def test_a_lower_threshold_makes_doubtful_speech_count(threshold: float, frames: int) -> None:
    settings = ServerVad(threshold=threshold, prefix_padding_ms=0)
    doubtful = [max(0.5, threshold)] + [0.4] * 60
    detector = TurnDetector(settings)
    detector.is_spoken_over = True
    ends = [index + 1 for index, each in enumerate(doubtful) if detector.observe(each, 32 * index)]
    assert ends[0] == frames


def test_what_may_become_speech_is_neither_speech_nor_idleness() -> None:
    detector = TurnDetector(ServerVad())
    assert detector.is_idle
    detector.is_spoken_over = True
    detector.observe(LOUD, 32)
    assert not detector.is_idle
    assert not detector.is_speech
