"""What holds in every translation session, whatever speaker, engines and clock do."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreting import CLOSE, Interpreting, append, offer, show, update

from antiphon.core.commands import (
    CancelJob,
    EndTranscription,
    FeedTranscription,
    OpenTranscription,
    RecordAudio,
    ScoreSpeech,
    SettleTranscription,
    StartResponse,
)
from antiphon.core.inputs import (
    Disconnected,
    Draining,
    JobFailed,
    ResponseProduced,
    SpeechScored,
    TranscriptGrew,
    TranscriptSettled,
)
from antiphon.engines.responder import ResponseFinished, SpokenAudio, SpokenText

EXAMPLES = settings(max_examples=60, deadline=None)
_FRAME = 512

Step = tuple[str, Any]

WORDS = st.sampled_from(["Good", "morning,", "everybody.", "Then", "the", "sun,", "rose", "好。"])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("speak"), st.integers(1, 30_000)),
    st.tuples(st.just("pause"), st.integers(1, 20_000)),
    st.tuples(st.just("odd"), st.just(3)),
    st.tuples(st.just("grow"), TEXTS),
    st.tuples(st.just("settle"), TEXTS),
    st.tuples(st.just("write"), TEXTS),
    st.tuples(st.just("sound"), st.integers(0, 9_000)),
    st.tuples(st.just("finish"), st.none()),
    st.tuples(st.just("fail"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 5, 31, 61])),
    st.tuples(st.just("language"), st.sampled_from(["es", "de", "fr"])),
    st.tuples(st.just("show"), st.sampled_from([None, "whisper-1", "other-engine", "nobody"])),
)
SESSIONS = st.lists(STEPS, max_size=25)
_SPOKEN_MS = st.sampled_from([40, 300, 700, 2_000, 13_000, 21_000])
_SILENT_MS = st.sampled_from([40, 70, 130, 250, 400, 440, 500, 700, 1_000])
SPEECHES: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("speak"), _SPOKEN_MS.map(lambda ms: ms * 24)),
        st.tuples(st.just("pause"), _SILENT_MS.map(lambda ms: ms * 24)),
    ),
    max_size=12,
)


class Chaos:
    """A session in which engines answer or not, in any order, and fail when they like."""

    def __init__(self) -> None:
        self.talk = Interpreting(offer(max_session_s=600))
        self.noise = np.random.default_rng(7)
        self.appended: list[np.ndarray[Any, Any]] = []

    def take(self, steps: list[Step]) -> "Chaos":
        for kind, value in steps:
            getattr(self, kind)(value)
        return self

    def speak(self, samples: int) -> None:
        self._append(self.noise.integers(-9000, 9000, samples, "<i2"))

    def pause(self, samples: int) -> None:
        # Not quite silent, so that every frame can be told from every other.
        self._append(self.noise.integers(-40, 40, samples, "<i2"))

    def odd(self, size: int) -> None:
        self.talk.client(append(bytes(size)))

    def grow(self, text: str) -> None:
        for job in self._open(OpenTranscription)[:2]:
            self.talk.give(TranscriptGrew(job, text))

    def settle(self, text: str) -> None:
        asked = [
            each.job
            for each in self.talk.commands
            if isinstance(each, SettleTranscription | EndTranscription)
        ]
        for job in asked[-3:]:
            self.talk.give(TranscriptSettled(job, text))

    def write(self, text: str) -> None:
        self._produce(SpokenText(text))

    def sound(self, samples: int) -> None:
        self._produce(SpokenAudio(bytes(2 * samples)))

    def finish(self, _: object) -> None:
        self._produce(ResponseFinished("stop"))

    def fail(self, job: int) -> None:
        self.talk.give(JobFailed(job, "engine_failed", "It failed. Try again."))

    def wait(self, seconds: float) -> None:
        self.talk.waits(seconds)

    def language(self, code: str) -> None:
        self.talk.client(update(output={"language": code}))

    def show(self, model: str | None) -> None:
        self.talk.client(show(model))

    def end(self) -> "Chaos":
        """Close, and let every engine answer or run out of time."""
        self.talk.client(CLOSE)
        for _ in range(40):
            if self.talk.session.deadline() is None:
                break
            self.talk.waits(61)
        return self

    def _append(self, samples: np.ndarray[Any, Any]) -> None:
        before = len(self.talk.all("error"))
        self.talk.client(append(samples.tobytes()))
        if len(self.talk.all("error")) == before:
            self.appended.append(samples)

    def _open(self, kind: type) -> list[int]:
        return [each.job for each in reversed(self.talk.commands) if isinstance(each, kind)]

    def _produce(self, piece: Any) -> None:
        for job in self._open(StartResponse)[:1]:
            self.talk.give(ResponseProduced(job, piece))


def frames_of(samples: np.ndarray[Any, Any]) -> list[bytes]:
    return [samples[i : i + _FRAME].tobytes() for i in range(0, len(samples), _FRAME)]


@EXAMPLES
@given(SESSIONS)
def test_every_session_closes_once_and_says_nothing_afterwards(steps: list[Step]) -> None:
    talk = Chaos().take(steps).end().talk
    assert talk.types[0] == "session.created"
    assert talk.types.count("session.closed") == len(talk.closed()) == 1
    assert talk.types[-1] == "session.closed"
    seen = len(talk.events)
    assert talk.give(Disconnected()) == talk.give(Draining()) == []
    assert len(talk.events) == seen
    ids = [event["event_id"] for event in talk.events]
    assert len(set(ids)) == len(ids)


@EXAMPLES
@given(SPEECHES)
def test_every_sample_is_scored_once_and_heard_at_most_once(steps: list[Step]) -> None:
    chaos = Chaos().take(steps)
    talk = chaos.end().talk
    scored = talk.scored()
    due = sum(map(len, chaos.appended)) * 16 // 24
    assert 0 <= len(scored) - due <= _FRAME + 16
    places = {frame: place for place, frame in enumerate(frames_of(scored))}
    first = [each.job for each in talk.commands if isinstance(each, OpenTranscription)]
    hearing = {
        each.job
        for each in talk.commands
        if isinstance(each, OpenTranscription) and each.model is None
    }
    fed = [
        places[frame]
        for each in talk.commands
        if isinstance(each, FeedTranscription) and each.job in hearing
        for frame in frames_of(each.samples)
    ]
    assert all(one < other for one, other in itertools.pairwise(fed))
    assert len(set(first)) == len(first)


@EXAMPLES
@given(SESSIONS)
def test_whatever_was_begun_is_ended_or_cancelled(steps: list[Step]) -> None:
    talk = Chaos().take(steps).end().talk
    accounts = [each.ledger for each in talk.commands if isinstance(each, RecordAudio)]
    assert len(accounts) == len(talk.passages)
    assert all(
        each.made_samples == each.sent_samples or each.status == "cancelled" for each in accounts
    )
    cancelled = [each.job for each in talk.commands if isinstance(each, CancelJob)]
    assert len(set(cancelled)) == len(cancelled)


@EXAMPLES
@given(SESSIONS)
def test_positions_only_advance_and_in_frames(steps: list[Step]) -> None:
    talk = Chaos().take(steps).end().talk
    positions = [event["elapsed_ms"] for event in talk.events if "elapsed_ms" in event]
    assert positions == sorted(positions)
    assert all(each % 200 == 0 for each in positions)


@EXAMPLES
@given(SESSIONS)
def test_equal_inputs_give_equal_outputs(steps: list[Step]) -> None:
    events = [Chaos().take(steps).end().talk.events for _ in range(2)]
    assert events[0] == events[1]


@EXAMPLES
@given(st.lists(st.integers(1, 9_000), min_size=1, max_size=20), st.integers(300, 2_000))
def test_the_same_sound_in_other_pieces_is_heard_the_same(sizes: list[int], spoken_ms: int) -> None:
    sound = bytes(9_600) + np.full(spoken_ms * 24, 8_000, "<i2").tobytes() + bytes(48 * 700)

    def hear(cut: Callable[[], list[bytes]]) -> tuple[list[bytes], list[bytes]]:
        talk = Interpreting(transcript="Good morning.", translates_at_once=True)
        for piece in cut():
            talk.client(append(piece))
        talk.client(CLOSE)
        texts = [json.dumps(event.get("delta")).encode() for event in talk.events]
        return frames_of(talk.fed()), texts

    def in_pieces() -> list[bytes]:
        pieces, begin = [], 0
        for size in sizes:
            pieces.append(sound[begin : begin + 2 * size])
            begin += 2 * size
        return [*pieces, sound[begin:]]

    assert hear(lambda: [sound]) == hear(in_pieces)


@EXAMPLES
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.randoms())
def test_scores_that_come_late_and_in_any_order_change_nothing(
    speech: list[bool], rng: Any
) -> None:
    def hear(shuffle: Callable[[list[Any]], None]) -> list[bytes]:
        talk = Interpreting(scores_at_once=False)
        noise = np.random.default_rng(3)
        for speaks in speech:
            level = 9000 if speaks else 40
            talk.client(append(noise.integers(-level, level, 4800, "<i2").tobytes()))
        ordered = [each for each in talk.commands if isinstance(each, ScoreSpeech)]
        shuffle(ordered)
        for each in ordered:
            loud = np.sqrt(np.mean(each.frames**2, axis=1)) > 0.01
            talk.give(SpeechScored(each.job, tuple(0.95 if one else 0.02 for one in loud)))
        return frames_of(talk.fed())

    assert hear(lambda _: None) == hear(rng.shuffle)
