"""From appended audio to turns: what is ordered, fed and told."""

from itertools import count

import numpy as np
import pytest

from antiphon.core.commands import (
    CancelJob,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    ScoreSpeech,
    SettleTranscription,
)
from antiphon.core.configuration import SessionOffer
from antiphon.core.happenings import Told, TurnBegan, TurnCommitted, TurnResumed
from antiphon.core.ids import Ids
from antiphon.core.input_audio import MAX_BUFFERED_MS
from antiphon.core.listening import Listening
from antiphon.core.transcription import Transcriptions
from antiphon.core.turns import PAUSE_MS
from antiphon.engines.stt import FinalTranscript
from antiphon.engines.vad import FRAME_MS
from antiphon.protocol.errors import ClientError
from antiphon.protocol.server_events import (
    InputAudioBufferCleared,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
)
from antiphon.protocol.session import AudioInput, PcmuFormat, SemanticVad, ServerVad, TurnDetection

VAD = ServerVad(prefix_padding_ms=64)
LOUD, QUIET = 0.9, 0.1
PAUSE_FRAMES = PAUSE_MS // FRAME_MS


def pcm(ms: int) -> bytes:
    return np.full(ms * 24, 5000, "<i2").tobytes()


class Ear:
    """A listening that is given whole frames and their scores."""

    def __init__(self, detection: TurnDetection | None = VAD) -> None:
        jobs = count(1)
        ids = Ids(b"s")
        offer = SessionOffer("m", None)
        self.settings = AudioInput(turn_detection=detection)
        transcriptions = Transcriptions(offer, ids, jobs)
        self.listening = Listening(self.settings, transcriptions, ids, jobs)
        self.told: list[Told] = []
        self.last_fed = 0.0

    def append(self, ms: int) -> list[ScoreSpeech]:
        told = self.listening.append(pcm(ms))
        self.told += told
        return [each for each in told if isinstance(each, ScoreSpeech)]

    def hears(self, *probabilities: float) -> list[Told]:
        """Append one frame for each probability; return what its score led to."""
        mark = len(self.told)
        for probability in probabilities:
            orders: list[ScoreSpeech] = []
            while not orders:  # the very first frame lags by a few milliseconds
                orders = self.append(32)
            self.told += self.listening.score(orders[0].job, (probability,))
        return [each for each in self.told[mark:] if not isinstance(each, ScoreSpeech)]

    def configure(self, detection: TurnDetection | None) -> list[Told]:
        return self.listening.configure(AudioInput(turn_detection=detection))


def kinds(told: list[Told]) -> list[type]:
    return [type(each) for each in told]


def fed_ms(told: list[Told]) -> float:
    return sum(len(each.samples) for each in told if isinstance(each, FeedTranscription)) / 16


def test_a_turn_from_its_first_frame_to_its_commit() -> None:
    ear = Ear()
    ear.hears(QUIET, QUIET, QUIET, QUIET)
    told = ear.hears(LOUD)
    assert kinds(told) == [
        InputAudioBufferSpeechStarted,
        TurnBegan,
        OpenTranscription,
        FeedTranscription,
    ]
    assert ear.listening.is_speech
    assert fed_ms(told) == 64 + 32
    assert kinds(ear.hears(LOUD)) == [FeedTranscription]
    told = ear.hears(*[QUIET] * PAUSE_FRAMES)
    assert kinds(told) == [*[FeedTranscription] * PAUSE_FRAMES, SettleTranscription]
    assert ear.hears(*[QUIET] * (6 - PAUSE_FRAMES)) == []
    told = ear.hears(QUIET)
    assert kinds(told) == [InputAudioBufferSpeechStopped, TurnCommitted]
    stopped, committed = told
    started = next(e for e in ear.told if isinstance(e, InputAudioBufferSpeechStarted))
    assert committed.item_id == stopped.item_id == started.item_id  # type: ignore[union-attr]
    assert committed.by == "vad"  # type: ignore[union-attr]
    length = (stopped.audio_end_ms - started.audio_start_ms) * 48  # type: ignore[union-attr]
    assert len(committed.audio) == length  # type: ignore[union-attr]
    assert not ear.listening.is_speech
    ended = ear.listening.end_turn(committed, 5.0)  # type: ignore[arg-type]
    assert kinds(ended) == [EndTranscription]


def test_who_goes_on_is_fed_the_silence_too() -> None:
    ear = Ear()
    ear.hears(QUIET, LOUD, *[QUIET] * (PAUSE_FRAMES + 2))
    told = ear.hears(LOUD)
    assert kinds(told) == [TurnResumed, FeedTranscription]
    assert fed_ms(told) == 3 * 32


def test_audio_without_a_whole_frame_orders_nothing() -> None:
    ear = Ear()
    assert ear.append(10) == []
    assert ear.listening.is_buffering


def test_scores_wait_for_those_before_them() -> None:
    ear = Ear()
    first, second = ear.append(160), ear.append(160)
    assert ear.listening.score(second[0].job, (LOUD,) * 5) == []
    assert ear.listening.score(99, (LOUD,)) == []
    told = ear.listening.score(first[0].job, (QUIET,) * 5)
    assert InputAudioBufferSpeechStarted in kinds(told)
    assert ear.listening.score(first[0].job, (LOUD,) * 5) == []


def test_frames_without_scores_are_silent_and_scores_without_frames_nothing() -> None:
    ear = Ear()
    (order,) = ear.append(160)
    assert ear.listening.fail(99) is None
    assert ear.listening.fail(order.job) == []
    assert ear.listening.fail(order.job) is None
    (order,) = ear.append(160)
    assert ear.listening.score(order.job, (QUIET,) * 99) == []
    (order,) = ear.append(160)
    assert ear.listening.score(order.job, ()) == []


def test_a_forced_commit_feeds_what_had_no_score_yet() -> None:
    ear = Ear()
    ear.hears(QUIET, LOUD, LOUD)
    ear.append(100)
    fed_before = fed_ms(ear.told)
    told = ear.listening.commit()
    assert kinds(told) == [FeedTranscription, TurnCommitted]
    committed = told[-1]
    started = next(e for e in ear.told if isinstance(e, InputAudioBufferSpeechStarted))
    assert isinstance(committed, TurnCommitted)
    assert (committed.item_id, committed.by) == (started.item_id, "client")
    assert fed_before + fed_ms(told) == pytest.approx(len(committed.audio) / 48, abs=33)
    assert not ear.listening.is_buffering


def test_the_frame_that_holds_the_end_of_a_commit_begins_no_turn() -> None:
    ear = Ear()
    ear.hears(LOUD, LOUD, LOUD, LOUD)
    for order in ear.append(20):
        ear.listening.score(order.job, (LOUD,))
    ear.listening.commit()
    assert ear.hears(LOUD) == []
    assert InputAudioBufferSpeechStarted in kinds(ear.hears(LOUD))


def test_silence_is_committed_as_an_item_of_its_own() -> None:
    ear = Ear()
    ear.hears(*[QUIET] * 4)
    told = ear.listening.commit()
    assert kinds(told) == [OpenTranscription, FeedTranscription, TurnCommitted]
    assert fed_ms(told) == 5 * 32


def test_too_little_audio_is_not_committed() -> None:
    ear = Ear()
    ear.append(99)
    with pytest.raises(ClientError, match=r"99\.00ms"):
        ear.listening.commit()
    ear.append(1)
    assert TurnCommitted in kinds(ear.listening.commit())


def test_clearing_cancels_the_turn() -> None:
    ear = Ear()
    ear.hears(LOUD)
    assert kinds(ear.listening.clear()) == [CancelJob, InputAudioBufferCleared]
    assert kinds(ear.listening.clear()) == [InputAudioBufferCleared]
    assert not ear.listening.is_speech


def test_by_hand_audio_is_transcribed_as_it_comes() -> None:
    ear = Ear(None)
    assert kinds(ear.listening.append(pcm(10))) == [OpenTranscription]
    assert kinds(ear.listening.append(pcm(60))) == [FeedTranscription]
    told = ear.listening.append(pcm(130))
    assert kinds(told) == [FeedTranscription]
    assert kinds(ear.listening.commit()) == [FeedTranscription, TurnCommitted]


def test_switching_the_vad_off_gives_the_turn_back_to_the_buffer() -> None:
    ear = Ear()
    ear.hears(LOUD, LOUD)
    (unscored,) = ear.append(64)
    assert kinds(ear.configure(None)) == [CancelJob]
    assert ear.listening.score(unscored.job, (LOUD, LOUD)) == []
    told = ear.listening.append(pcm(64))
    assert kinds(told) == [OpenTranscription, FeedTranscription]
    assert fed_ms(told) == pytest.approx(192, abs=33)
    assert kinds(ear.configure(VAD)) == [CancelJob]
    assert ear.configure(ServerVad()) == []


def test_a_score_that_comes_after_the_switch_changes_nothing() -> None:
    ear = Ear()
    (order,) = ear.append(64)
    ear.configure(None)
    ear.configure(VAD)
    assert ear.listening.score(order.job, (LOUD, LOUD)) == []


def test_the_format_changes_with_the_settings() -> None:
    ear = Ear(None)
    ear.listening.configure(AudioInput(turn_detection=None, format=PcmuFormat()))
    ear.listening.append(b"\xff" * 800)
    committed = ear.listening.commit()[-1]
    assert isinstance(committed, TurnCommitted)
    assert len(committed.audio) == 100 * 48


def test_speech_that_came_as_an_item_is_heard_whole() -> None:
    ear = Ear()
    told = ear.listening.hear("item", pcm(320), 5.0)
    assert kinds(told) == [OpenTranscription, FeedTranscription, EndTranscription]
    assert fed_ms(told) == 320
    assert ear.listening.transcriptions.deadline == 35.0


def test_words_may_end_a_turn() -> None:
    ear = Ear(SemanticVad(eagerness="high"))
    ear.hears(LOUD, *[QUIET] * 20)
    job = next(each.job for each in ear.told if isinstance(each, SettleTranscription))
    told = ear.listening.settle(job, FinalTranscript("What time is it?"))
    assert kinds(told)[1:] == [InputAudioBufferSpeechStopped, TurnCommitted]


def test_words_that_are_not_the_end_change_nothing() -> None:
    ear = Ear(SemanticVad(eagerness="high"))
    ear.hears(LOUD, *[QUIET] * 6)
    job = next(each.job for each in ear.told if isinstance(each, SettleTranscription))
    assert len(ear.listening.settle(job, FinalTranscript("I would like to"))) == 1
    assert ear.listening.settle(99, FinalTranscript("What time is it?")) == []


def test_bad_and_boundless_audio_is_refused() -> None:
    ear = Ear(None)
    with pytest.raises(ClientError, match="whole samples"):
        ear.listening.append(b"\0")
    assert not ear.listening.is_buffering
    ear.listening.append(bytes(MAX_BUFFERED_MS * 48 + 48))
    with pytest.raises(ClientError) as full:
        ear.listening.append(pcm(1))
    assert full.value.code == "input_audio_buffer_full"


def test_old_silence_is_forgotten_while_nobody_speaks() -> None:
    ear = Ear()
    for _ in range(40):
        (order,) = ear.append(1024)
        ear.listening.score(order.job, (QUIET,) * len(order.frames))
    committed = ear.listening.commit()[-1]
    assert isinstance(committed, TurnCommitted)
    assert len(committed.audio) / 48 == pytest.approx(30_000, abs=64)
