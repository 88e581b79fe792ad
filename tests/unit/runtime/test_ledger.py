"""The usage ledger: what sessions use, and what stays of it in the file.

Shows Limits: a ledger of what each key used (`antiphon usage`)
"""

import logging
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from antiphon.core.output_audio import AudioLedger
from antiphon.protocol import server_events as server
from antiphon.protocol.response import (
    CachedTokensDetails,
    InputTokenDetails,
    OutputTokenDetails,
    Response,
    ResponseAudio,
    ResponseAudioOutput,
    TranscriptionDurationUsage,
    TranscriptionInputTokenDetails,
    TranscriptionTokenUsage,
    Usage,
)
from antiphon.protocol.session import (
    Audio,
    AudioInput,
    AudioOutput,
    PcmFormat,
    PcmuFormat,
    RealtimeSession,
)
from antiphon.protocol.translation import SessionOutputAudioDelta
from antiphon.runtime.ledger import UsageLedger, read
from antiphon.runtime.usage import NOTHING, UsageMeter, Used

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
HOUR = 3600
DAY = 24 * HOUR
EVER = (0.0, NOON + 1000 * DAY)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "usage.sqlite3"


def test_what_is_used_is_added_up_by_key_and_deployment(path: Path, clock: Clock) -> None:
    ledger = UsageLedger(path, 400, clock)
    ledger.add("anna", "gpt-realtime", Used(sessions=1, output_audio_tokens=20))
    assert ledger.flush()
    ledger.add("anna", "gpt-realtime", Used(output_audio_tokens=5, session_seconds=1.5))
    ledger.add("anna", "mine", Used(sessions=1))
    ledger.add("ben", "mine", Used(responses=2))
    assert ledger.flush()
    rows = read(path, *EVER, None)
    assert [(row.key, row.deployment) for row in rows] == [
        ("anna", "gpt-realtime"),
        ("anna", "mine"),
        ("ben", "mine"),
    ]
    assert rows[0].used == Used(sessions=1, output_audio_tokens=25, session_seconds=1.5)


def test_it_is_summed_by_what_is_asked_for_and_in_the_time_that_is(
    path: Path, clock: Clock
) -> None:
    ledger = UsageLedger(path, 400, clock)
    for hours in (0, 1, 30):
        clock.now = NOON + hours * HOUR
        ledger.add("anna", "gpt-realtime", Used(responses=1))
        ledger.add("ben", "mine", Used(responses=10))
    ledger.flush()

    def responses(by: str | None, since: float = 0, until: float = EVER[1]) -> list[int]:
        return [row.used.responses for row in read(path, since, until, by)]  # type: ignore[arg-type]

    assert responses("key") == [3, 30]
    assert responses("deployment") == [3, 30]
    assert responses("day") == [22, 11]
    assert responses(None) == [3, 30]
    assert responses("key", since=NOON + HOUR) == [2, 20]
    assert responses("key", until=NOON + HOUR) == [1, 10]
    assert responses("key", until=NOON + HOUR + 1) == [2, 20]
    assert [row.day for row in read(path, *EVER, "day")] == ["2026-03-01", "2026-03-02"]


def test_rows_that_are_too_old_are_forgotten(path: Path, clock: Clock) -> None:
    ledger = UsageLedger(path, 2, clock)
    ledger.add("anna", "x", Used(responses=1))
    ledger.flush()
    clock.now += 3 * DAY
    ledger.add("anna", "x", Used(responses=10))
    ledger.flush()
    assert [row.used.responses for row in read(path, *EVER, None)] == [10]


def test_a_thread_writes_it_and_the_end_leaves_nothing_out(path: Path) -> None:
    ledger = UsageLedger(path, 400)
    ledger.open()
    for _ in range(100):
        ledger.add("anna", "x", Used(responses=1))
    ledger.close()
    assert [row.used.responses for row in read(path, *EVER, None)] == [100]
    assert not any(each.name == "usage" for each in threading.enumerate())
    ledger.close()


def test_servers_may_share_the_file(path: Path, clock: Clock) -> None:
    first, second = UsageLedger(path, 400, clock), UsageLedger(path, 400, clock)
    for ledger in (first, second):
        ledger.add("anna", "x", Used(responses=1))
        ledger.flush()
    assert [row.used.responses for row in read(path, *EVER, None)] == [2]


def test_what_a_full_disk_does_not_take_is_kept_for_later(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.mkdir()
    ledger = UsageLedger(path, 400, clock)
    ledger.add("anna", "x", Used(responses=1))
    with caplog.at_level(logging.ERROR):
        assert not ledger.flush()
    assert [record.message for record in caplog.records] == ["usage_ledger_failed"]
    ledger.add("anna", "x", Used(responses=1))
    path.rmdir()
    assert ledger.flush()
    assert [row.used.responses for row in read(path, *EVER, None)] == [2]


def test_nothing_was_used_where_there_is_no_file(path: Path) -> None:
    assert read(path, *EVER, None) == []


def test_a_writer_that_dies_in_the_middle_leaves_what_was_there(path: Path, clock: Clock) -> None:
    ledger = UsageLedger(path, 400, clock)
    ledger.add("anna", "x", Used(responses=1))
    ledger.flush()
    unfinished = sqlite3.connect(path)
    unfinished.execute("BEGIN IMMEDIATE")
    unfinished.execute("UPDATE usage SET responses = 99")
    unfinished.close()
    assert [row.used.responses for row in read(path, *EVER, None)] == [1]


# What is counted


class Meter:
    """A session that is counted, by a clock of its own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.used = NOTHING
        self.meter = UsageMeter(self.record, self.clock)

    def record(self, used: Used) -> None:
        self.used += used


def response(status: str, usage: Usage | None) -> server.ResponseDone:
    audio = ResponseAudio(output=ResponseAudioOutput(format=PcmFormat(), voice="alloy"))
    resource = Response(
        id="resp_1",
        status=status,  # type: ignore[arg-type]
        status_details=None,
        output=(),
        conversation_id=None,
        output_modalities=("audio",),
        max_output_tokens="inf",
        audio=audio,
        usage=usage,
        metadata=None,
    )
    return server.ResponseDone(event_id="event_1", response=resource)


USAGE = Usage(
    total_tokens=100,
    input_tokens=70,
    output_tokens=30,
    input_token_details=InputTokenDetails(
        text_tokens=40,
        audio_tokens=20,
        image_tokens=10,
        cached_tokens=11,
        cached_tokens_details=CachedTokensDetails(text_tokens=8, audio_tokens=2, image_tokens=1),
    ),
    output_token_details=OutputTokenDetails(text_tokens=10, audio_tokens=20),
)


def session(audio_format: PcmFormat | PcmuFormat) -> RealtimeSession:
    return RealtimeSession(
        id="sess_1",
        model="gpt-realtime",
        instructions="",
        expires_at=0,
        audio=Audio(input=AudioInput(format=audio_format), output=AudioOutput()),
    )


def test_a_session_and_its_time_are_counted() -> None:
    counted = Meter()
    counted.meter.open()
    assert counted.used == Used(requests=1, sessions=1)
    counted.clock.now += 90
    counted.meter.close()
    assert counted.used.session_seconds == 90


def test_tokens_are_counted_as_clients_are_told() -> None:
    counted = Meter()
    counted.clock.now += 5
    counted.meter.send(response("completed", USAGE))
    counted.meter.send(response("failed", Usage()))
    counted.meter.send(response("cancelled", None))
    assert counted.used == Used(
        requests=3,
        responses=3,
        failed_responses=1,
        session_seconds=5,
        input_text_tokens=40,
        input_audio_tokens=20,
        input_image_tokens=10,
        cached_text_tokens=8,
        cached_audio_tokens=2,
        cached_image_tokens=1,
        output_text_tokens=10,
        output_audio_tokens=20,
    )


def test_sound_is_counted_in_seconds_whatever_its_format() -> None:
    counted = Meter()
    second_of_pcm = "A" * (48_000 * 4 // 3)
    second_of_ulaw = "A" * (8_000 * 4 // 3 + 2)
    counted.meter.send(server.SessionCreated(event_id="event_1", session=session(PcmFormat())))
    counted.meter.hear(second_of_pcm)
    counted.meter.send(server.SessionUpdated(event_id="event_2", session=session(PcmuFormat())))
    counted.meter.hear(second_of_ulaw)
    counted.meter.speak(AudioLedger("resp_1", "completed", 48_000, 36_000))
    counted.meter.speak(AudioLedger("resp_2", "completed"))
    counted.meter.close()
    assert round(counted.used.input_audio_seconds, 3) == 2.0
    assert counted.used.output_audio_seconds == 1.5


def test_translations_are_counted_in_seconds_while_they_last() -> None:
    counted = Meter()
    counted.meter.hear("A" * 6_400)
    assert counted.used == NOTHING
    counted.clock.now += 61
    counted.meter.hear("A" * 6_400)
    assert counted.used == Used(session_seconds=61, input_audio_seconds=0.2)
    delta = SessionOutputAudioDelta(
        event_id="event_1", delta="A" * 6_400, elapsed_ms=200, channels=1, sample_rate=24_000
    )
    counted.meter.send(delta)
    assert counted.used.output_audio_seconds == 0.1


def test_transcriptions_are_counted_by_what_they_are_billed_by() -> None:
    counted = Meter()
    by_tokens = TranscriptionTokenUsage(
        total_tokens=15,
        input_tokens=10,
        input_token_details=TranscriptionInputTokenDetails(audio_tokens=10),
        output_tokens=5,
    )
    for usage in (by_tokens, TranscriptionDurationUsage(seconds=3)):
        counted.meter.send(
            server.ConversationItemInputAudioTranscriptionCompleted(
                event_id="event_1", item_id="item_1", content_index=0, transcript="", usage=usage
            )
        )
    assert counted.used == Used(
        transcriptions=2,
        transcription_input_tokens=10,
        transcription_output_tokens=5,
        transcription_seconds=3,
    )
