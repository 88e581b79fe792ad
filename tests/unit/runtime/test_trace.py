"""Recording a session and replaying it: the same inputs give the same outputs."""

import stat
from pathlib import Path

import msgspec
import numpy as np
import pytest
from talk import RESPOND, Talk, offer, session_update, user_text

from antiphon.core.commands import ScoreSpeech
from antiphon.core.configuration import SessionOffer
from antiphon.core.ids import Ids
from antiphon.core.inputs import (
    ClientMistake,
    Connected,
    DeadlineReached,
    Disconnected,
    Draining,
    JobFailed,
    QuotaChanged,
    ResponseProduced,
    SpeechScored,
    ToolAnswered,
    ToolsListed,
    TranscriptGrew,
    TranscriptSettled,
)
from antiphon.core.limits import Standing
from antiphon.core.prompts import PromptVersion, StoredPrompt
from antiphon.core.routing import Input
from antiphon.core.session import Session
from antiphon.engines.llm import TokenUsage
from antiphon.engines.responder import (
    FunctionCallArguments,
    FunctionCallStarted,
    ResponseFinished,
    SpokenAudio,
    SpokenText,
    WrittenText,
)
from antiphon.protocol import codec
from antiphon.protocol.items import McpHttpError, McpToolListing
from antiphon.protocol.session import McpTool
from antiphon.runtime.trace import Difference, Opening, Trace, plain, replay

SEED = b"seed"
NOW = 1_800_000_000.0


def record(folder: Path, inputs: list[Input], opened: SessionOffer | None = None) -> Path:
    """Record a session that is given these inputs."""
    session = Session(opened or offer(), Ids(SEED), NOW)
    trace = Trace.begin(folder, session.id, Opening(opened or offer(), SEED, NOW))
    for index, received in enumerate(inputs):
        now = NOW + index / 3
        trace.record(now, received, session.handle(received, now))
    trace.close()
    return folder / f"{session.id}.jsonl"


def change(path: Path, line: int, old: bytes, new: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new, 1)
    path.write_bytes(b"".join(lines))


CREATE = codec.decode('{"type":"response.create"}')
ASIDE = codec.decode(
    '{"type":"response.create","response":{"conversation":"none","metadata":{"a":null,"b":"c"},'
    '"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}]}}'
)
UPDATE = codec.decode(
    '{"type":"session.update","event_id":"e","session":{"type":"realtime","tracing":null,'
    '"tools":[{"type":"function","name":"f","parameters":{"type":"object","x":null}}],'
    '"truncation":{"type":"retention_ratio","retention_ratio":0.5},'
    '"audio":{"input":{"turn_detection":null,"transcription":{"model":"whisper-1"}}}}}'
)
ITEM = codec.decode(msgspec.json.encode(user_text("Grüße 👋", id="i") | {"event_id": None}))
EVERYTHING: list[Input] = [
    Connected(),
    ITEM,
    UPDATE,
    ClientMistake("invalid_json", "Bad.", None, "e", "invalid_request_error"),
    SpeechScored(9, (0.1, 1 / 3)),
    TranscriptGrew(9, "One"),
    TranscriptSettled(9, "One"),
    CREATE,
    ResponseProduced(1, SpokenText("Hi", 2)),
    ResponseProduced(1, SpokenAudio(bytes(range(250)) * 26, "Hi")),
    ResponseProduced(1, FunctionCallStarted("f")),
    ResponseProduced(1, FunctionCallArguments("{}")),
    ResponseProduced(1, ResponseFinished("stop", TokenUsage(1, 2, 3))),
    ASIDE,
    ResponseProduced(2, WrittenText("Hi")),
    JobFailed(2, "broken", "Broken."),
    QuotaChanged((Standing("tokens", 500, 500, NOW + 60), Standing("requests", 9, 9, NOW + 60))),
    CREATE,
    QuotaChanged((Standing("tokens", 500, 0, NOW + 60, "2 hours", "deployment"),), "resp_1", 1.5),
    DeadlineReached(),
    Draining(),
    Disconnected("gone"),
]


def test_every_input_replays_to_the_same_outputs(tmp_path: Path) -> None:
    path = record(tmp_path, EVERYTHING)
    assert list(replay(path)) == []
    assert len(path.read_bytes().splitlines()) == len(EVERYTHING) + 1


def test_the_offer_is_part_of_the_trace(tmp_path: Path) -> None:
    special = offer(voices=None, hears="audio", instructions="Hm.", max_session_s=7)
    assert list(replay(record(tmp_path, EVERYTHING, special))) == []


def test_a_changed_output_is_found_at_its_line(tmp_path: Path) -> None:
    path = record(tmp_path, EVERYTHING)
    change(path, 2, b"conversation.item.added", b"conversation.item.created")
    (difference,) = replay(path)
    assert isinstance(difference, Difference)
    assert difference.line == 3
    assert difference.recorded[0]["type"] == "conversation.item.created"
    assert difference.replayed[0]["type"] == "conversation.item.added"


def test_a_changed_input_is_found_in_what_follows(tmp_path: Path) -> None:
    path = record(tmp_path, EVERYTHING)
    change(path, 9, b'"text":"Hi"', b'"text":"Ho"')
    assert next(difference.line for difference in replay(path)) == 10


@pytest.mark.parametrize(
    ("old", "new"), [(b'"made_samples":3250', b'"made_samples":3251'), (b"rate_limits", b"x")]
)
def test_numbers_and_names_count(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = record(tmp_path, EVERYTHING)
    change(path, 13, old, new)
    assert [difference.line for difference in replay(path)] == [14]


def test_an_output_that_is_missing_is_found(tmp_path: Path) -> None:
    path = record(tmp_path, EVERYTHING)
    lines = path.read_bytes().splitlines(keepends=True)
    line = msgspec.json.decode(lines[2])
    line["out"].pop()
    lines[2] = msgspec.json.encode(line) + b"\n"
    path.write_bytes(b"".join(lines))
    assert [difference.line for difference in replay(path)] == [3]


def test_the_last_bits_of_a_number_do_not_count(tmp_path: Path) -> None:
    path = record(tmp_path, EVERYTHING)
    lines = path.read_bytes().splitlines(keepends=True)
    line = msgspec.json.decode(lines[13])
    (ledger,) = [each["ledger"] for each in line["out"] if each.get("kind") == "RecordAudio"]
    ledger["first_audio_s"] += 1e-9
    lines[13] = msgspec.json.encode(line) + b"\n"
    path.write_bytes(b"".join(lines))
    assert list(replay(path)) == []


def test_only_the_owner_may_read_a_trace(tmp_path: Path) -> None:
    path = record(tmp_path / "new" / "folder", [Connected()])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_another_file_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text('{"antiphon_trace": 99}\n')
    with pytest.raises(ValueError, match=r"other\.jsonl is no trace of version 1"):
        list(replay(path))


def test_half_of_a_surrogate_pair_does_not_stop_a_recording(tmp_path: Path) -> None:
    inputs = [Connected(), CREATE, ResponseProduced(1, SpokenText("\ud83d"))]
    assert list(replay(record(tmp_path, inputs))) == []


def test_a_full_disk_stops_the_recording_alone(caplog: pytest.LogCaptureFixture) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no device that is always full")
    talk = Talk()
    with full.open("wb", buffering=0) as file:
        trace = Trace(file)
        for _ in range(3):
            trace.record(NOW, Connected(), talk.give(Connected()))
        trace.close()
    assert [each.message for each in caplog.records] == ["trace_failed"]


def test_samples_for_engines_are_measured_not_kept() -> None:
    order = ScoreSpeech(1, np.full((2, 512), 0.5, np.float32))
    assert plain(order) == {
        "kind": "ScoreSpeech",
        "job": 1,
        "frames": {"shape": [2, 512], "loudness": 0.5},
    }
    nothing = plain(np.zeros(0, np.float32))
    assert nothing == {"shape": [0], "loudness": 0.0}


def test_credentials_are_replaced_by_numbers(tmp_path: Path) -> None:
    def define(authorization: str, **headers: str) -> Input:
        tool = {
            "type": "mcp",
            "server_label": "docs",
            "server_url": "https://docs.example.com/mcp",
            "authorization": authorization,
            "headers": headers,
        }
        event = {"type": "response.create", "response": {"tools": [tool]}}
        update = {"type": "session.update", "session": {"type": "realtime", "tools": [tool]}}
        return codec.decode(msgspec.json.encode(update if headers else event))

    inputs: list[Input] = [
        Connected(),
        define("s3cret-one", Key="s3cret-two"),
        define("s3cret-one", Key="s3cret-two"),
        ToolsListed(1, (McpToolListing(name="f", input_schema={"type": "object"}),)),
        define("s3cret-three"),
        ToolAnswered(9, error=McpHttpError(code=502, message="Bad.")),
        ToolAnswered(9, output="fine"),
    ]
    path = record(tmp_path, inputs)
    text = path.read_text()
    assert "s3cret" not in text
    assert text.count("<secret 1>") == 2
    assert list(replay(path)) == []


def test_credentials_of_the_operator_are_not_kept_either() -> None:
    tool = McpTool(server_label="d", server_url="https://d.example", authorization="s3cret")
    assert "s3cret" not in str(plain(StoredPrompt({"1": PromptVersion("Hi", tools=(tool,))})))


def test_a_talk_in_many_steps_replays(tmp_path: Path) -> None:
    talk = Talk()
    inputs: list[Input] = [Connected()]
    give = talk.give

    def kept(received: Input) -> list[object]:
        inputs.append(received)
        return give(received)

    talk.give = kept  # type: ignore[method-assign, assignment]
    talk.client(session_update(transcription={"model": "gpt-realtime-whisper"}))
    talk.says(600).understands("What").pauses(400).replies(audio_ms=130)
    talk.says(300).pauses(300).client(RESPOND).client("{").replies(finish=True)
    assert list(replay(record(tmp_path, inputs))) == []
