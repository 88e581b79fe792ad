"""Recorded sessions, replayed: the core answers them as it did when they were recorded.

Shows Operation: session traces that replay
"""

from pathlib import Path

import msgspec
import pytest

from antiphon.runtime.trace import replay

TRACES = sorted(Path(__file__).parent.glob("*.jsonl"))


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.stem)
def test_a_recorded_session_replays_to_the_same_outputs(trace: Path) -> None:
    assert list(replay(trace)) == []


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.stem)
def test_every_line_that_says_something_is_compared(trace: Path, tmp_path: Path) -> None:
    lines = trace.read_bytes().splitlines(keepends=True)
    said = [index for index, line in enumerate(lines) if index and msgspec.json.decode(line)["out"]]
    assert len(said) > 10
    for index in said[:: len(said) // 10]:
        line = msgspec.json.decode(lines[index])
        line["out"] = line["out"][1:]
        changed = tmp_path / "changed.jsonl"
        changed.write_bytes(
            b"".join([*lines[:index], msgspec.json.encode(line) + b"\n", *lines[index + 1 :]])
        )
        assert [difference.line for difference in replay(changed)] == [index + 1]


def test_there_is_something_to_replay() -> None:
    assert [trace.stem for trace in TRACES] == [
        "interruption",
        "spoken_turn",
        "tools_and_mistakes",
        "transcription",
        "translation",
    ]
