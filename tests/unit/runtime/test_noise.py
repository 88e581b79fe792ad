"""Noise reduction between the client and the session.

Shows Sound: noise reduction for near and far microphones, in each format
"""

import base64
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caller import Caller, converse
from talk import CLEAR, COMMIT, MANUAL, pcm, retrieve, session_update

from antiphon.audio.g711 import decode_ulaw, encode_ulaw
from antiphon.audio.pcm import to_float32
from antiphon.runtime.trace import replay
from antiphon.testing.noise_reducer import ScriptedNoiseReducer

LOUD, QUIET = 8_000, 2_000


def reduction(**fields: Any) -> dict[str, Any]:
    wanted = {"noise_reduction": {"type": "near_field"} | fields}
    session = {"type": "realtime", "audio": {"input": {"turn_detection": None, **wanted}}}
    return {"type": "session.update", "session": session}


OFF = session_update()
OFF["session"]["audio"] = {"input": {"noise_reduction": None}}


async def commit(caller: Caller) -> np.ndarray:
    """Commit the buffer and return the sound of its item."""
    await caller.send(COMMIT)
    item_id = (await caller.expect("input_audio_buffer.committed"))["item_id"]
    await caller.send(retrieve(item_id))
    item = (await caller.expect("conversation.item.retrieved"))["item"]
    return np.frombuffer(base64.b64decode(item["content"][0]["audio"]), "<i2")


def test_what_is_retrieved_is_what_was_left_of_the_sound() -> None:
    reducer = ScriptedNoiseReducer(0.25)

    async def script(caller: Caller, _: object) -> None:
        await caller.send(reduction(type="far_field", strength=1))
        await caller.append(350)
        sound = await commit(caller)
        assert len(sound) == 350 * 24
        assert set(sound.tolist()) == {QUIET}

    converse(script, noise_reducer=reducer)
    assert reducer.opened == [("far_field", 1.0)]


def test_it_applies_from_the_update_on_and_stops_with_the_next_one() -> None:
    async def script(caller: Caller, _: object) -> None:
        await caller.send(MANUAL)
        await caller.append(200)
        await caller.send(reduction())
        await caller.append(200)
        await caller.send(OFF)
        await caller.append(200)
        sound = await commit(caller)
        assert len(sound) == 600 * 24
        parts = [set(part.tolist()) for part in np.split(sound, 3)]
        assert parts == [{LOUD}, {QUIET}, {LOUD}]

    converse(script)


def test_a_change_of_strength_begins_a_new_stream_without_a_gap() -> None:
    reducer = ScriptedNoiseReducer(0.0)

    async def script(caller: Caller, _: object) -> None:
        await caller.send(reduction(strength=0.5))
        await caller.append(200)
        await caller.send(reduction(strength=0.25))
        await caller.append(200)
        first, second = np.split(await commit(caller), 2)
        assert set(first.tolist()) == {4_000}
        assert set(second.tolist()) == {6_000}

    converse(script, noise_reducer=reducer)
    assert reducer.opened == [("near_field", 0.5), ("near_field", 0.25)]


def test_an_update_of_something_else_leaves_the_stream_alone() -> None:
    reducer = ScriptedNoiseReducer()

    async def script(caller: Caller, _: object) -> None:
        await caller.send(reduction())
        await caller.append(200)
        await caller.send(session_update(instructions="Be brief."))
        await caller.append(200)
        assert len(await commit(caller)) == 400 * 24

    converse(script, noise_reducer=reducer)
    assert len(reducer.opened) == 1


def test_telephone_sound_is_reduced_too() -> None:
    async def script(caller: Caller, _: object) -> None:
        await caller.send(session_update(input_format={"type": "audio/pcmu"}))
        await caller.send(reduction())
        audio = encode_ulaw(to_float32(pcm(100))[::3])
        for _ in range(4):
            text = base64.b64encode(audio).decode()
            await caller.send({"type": "input_audio_buffer.append", "audio": text})
        sound = decode_ulaw((await commit(caller)).tobytes())
        assert len(sound) == 400 * 8
        assert np.median(sound) == pytest.approx(QUIET / 32_768, rel=0.05)

    converse(script)


def test_clearing_clears_what_was_held_back() -> None:
    async def script(caller: Caller, _: object) -> None:
        await caller.send(reduction())
        await caller.append(200)
        await caller.send(CLEAR)
        await caller.expect("input_audio_buffer.cleared")
        await caller.append(100)
        assert len(await commit(caller)) == 100 * 24

    converse(script)


def test_turns_are_found_in_reduced_sound() -> None:
    async def script(caller: Caller, _: object) -> None:
        update = reduction(strength=1)
        update["session"]["audio"]["input"]["turn_detection"] = {"type": "server_vad"}
        await caller.send(update)
        await caller.append(600)
        await caller.append(600, 0)
        stopped = await caller.expect("input_audio_buffer.speech_stopped")
        await caller.send(retrieve(stopped["item_id"]))
        item = (await caller.expect("conversation.item.retrieved"))["item"]
        sound = np.frombuffer(base64.b64decode(item["content"][0]["audio"]), "<i2")
        assert sound.max() == QUIET

    converse(script)


@pytest.mark.parametrize("audio", ["!!", base64.b64encode(b"odd").decode()])
def test_bad_audio_is_refused_as_ever_and_harms_nothing(audio: str) -> None:
    async def script(caller: Caller, _: object) -> None:
        await caller.send(reduction())
        await caller.append(200)
        append = {"type": "input_audio_buffer.append", "audio": audio, "event_id": "mine"}
        await caller.send(append)
        assert (await caller.expect("error"))["error"]["event_id"] == "mine"
        assert len(await commit(caller)) == 200 * 24

    converse(script)


class BrokenReducer(ScriptedNoiseReducer):
    def open(self, field: Any, strength: float) -> Any:
        super().open(field, strength)
        return self

    def push(self, samples: np.ndarray) -> np.ndarray:
        raise RuntimeError(f"secret words, {len(samples)}")

    def flush(self) -> np.ndarray:
        raise RuntimeError("secret words")


def test_sound_goes_on_unreduced_when_the_reducer_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def script(caller: Caller, _: object) -> None:
        await caller.send(reduction())
        await caller.append(300)
        assert set((await commit(caller)).tolist()) == {LOUD}

    with caplog.at_level(logging.ERROR):
        converse(script, noise_reducer=BrokenReducer())
    assert [record.getMessage() for record in caplog.records] == ["noise_reduction_failed"]
    assert "secret" not in caplog.text


def test_a_recorded_session_replays_without_the_reducer(tmp_path: Path) -> None:
    async def script(caller: Caller, _: object) -> None:
        await caller.send(reduction())
        await caller.append(300)
        await commit(caller)

    converse(script, traces=tmp_path)
    (path,) = tmp_path.iterdir()
    assert list(replay(path)) == []
