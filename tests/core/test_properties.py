"""What holds in every session, whatever the client, the engines and the clock do."""

import base64
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from chaos import OFFERS, SESSIONS, Chaos, Step
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import (
    CLEAR,
    COMMIT,
    Event,
    Talk,
    offer,
    pairs,
    pcm,
    response_create,
    server_vad,
    session_update,
    sound_of,
)

from antiphon.core.commands import (
    CallTool,
    FeedTranscription,
    ListTools,
    OpenTranscription,
    StartResponse,
)
from antiphon.core.configuration import SessionOffer
from antiphon.core.inputs import Disconnected

EXAMPLES = settings(max_examples=120, deadline=None)
_ID = re.compile(r"\b(event|item|resp|sess|conv|call)_[0-9A-Za-z]{16,21}\b")


def nameless(events: list[Event]) -> list[Event]:
    """The events with their ids replaced by the order in which they were first told."""
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        kind = found[1]
        if kind == "event":
            return kind
        return names.setdefault(found[0], f"{kind}#{len(names)}")

    return [json.loads(_ID.sub(name, json.dumps(event))) for event in events]


def order_told(events: list[Event]) -> Iterator[str]:
    """Follow the conversation by its events; yield what contradicts it."""
    order: list[str] = []
    for event in events:
        kind = event["type"]
        if kind == "conversation.item.added":
            before = event["previous_item_id"]
            if before is not None and before not in order:
                yield f"{event['item']['id']} follows {before}, which is not there"
                continue
            order.insert(0 if before is None else order.index(before) + 1, event["item"]["id"])
        elif kind == "conversation.item.deleted":
            order.remove(event["item_id"])
        elif kind == "conversation.item.done" and event["item"]["id"] in order:
            place = order.index(event["item"]["id"])
            if event["previous_item_id"] != (order[place - 1] if place else None):
                yield f"{event['item']['id']} is done after {event['previous_item_id']}: {order}"


@EXAMPLES
@given(OFFERS, st.booleans(), SESSIONS)
def test_whatever_begins_ends_once(opened: SessionOffer, answers: bool, steps: list[Step]) -> None:
    chaos = Chaos(opened, answers).take(steps)
    assert chaos.deadlines_passed
    chaos.talk.give(Disconnected())
    events = chaos.talk.events
    assert list(pairs(events)) == []
    assert list(order_told(events)) == []
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids)
    assert chaos.talk.session.deadline() is None
    cancelled = chaos.talk.cancelled()
    ordered = {
        order.job
        for order in chaos.talk.commands
        if isinstance(order, StartResponse | OpenTranscription | ListTools | CallTool)
    }
    assert set(cancelled) <= ordered
    assert len(set(cancelled)) == len(cancelled)
    assert chaos.talk.give(Disconnected()) == []


@EXAMPLES
@given(OFFERS, st.booleans(), SESSIONS)
def test_equal_inputs_give_equal_outputs(
    opened: SessionOffer,
    answers: bool,
    steps: list[Step],
) -> None:
    assert Chaos(opened, answers).take(steps).seen == Chaos(opened, answers).take(steps).seen


@EXAMPLES
@given(OFFERS, st.booleans(), SESSIONS)
def test_a_refused_event_leaves_no_trace(
    opened: SessionOffer,
    answers: bool,
    steps: list[Step],
) -> None:
    steps = [*steps, ("client", session_update(tracing=None))]
    chaos = Chaos(opened, answers).take(steps)
    again = Chaos(opened, answers)
    kept: list[Event] = []
    for step, events in zip(steps, chaos.seen, strict=True):
        errors = [event["type"] for event in events].count("error")
        if step[0] in ("fail", "wait", "deadline"):
            again.take([step])
        elif errors:
            assert len(events) == errors == 1
            again.skip(step)
            continue
        else:
            again.take([step])
        kept += events
    assert nameless(again.talk.events[1:]) == nameless(kept)


@EXAMPLES
@given(OFFERS, SESSIONS)
def test_completed_means_that_all_sound_was_sent(opened: SessionOffer, steps: list[Step]) -> None:
    talk = Chaos(opened, answers=True).take(steps).talk
    talk.give(Disconnected())
    sent: dict[str, int] = {}
    for event in talk.all("response.output_audio.delta"):
        size = len(base64.b64decode(event["delta"]))
        sent[event["response_id"]] = sent.get(event["response_id"], 0) + size
    done = {event["response"]["id"]: event["response"] for event in talk.all("response.done")}
    assert sorted(ledger.response_id for ledger in talk.ledgers()) == sorted(done)
    for ledger in talk.ledgers():
        response = done[ledger.response_id]
        assert ledger.status == response["status"]
        assert ledger.made_samples == ledger.sent_samples + ledger.dropped_samples
        assert ledger.played_samples <= ledger.sent_samples
        assert (ledger.dropped_why is not None) == (ledger.dropped_samples > 0)
        assert ledger.status == "cancelled" or ledger.dropped_samples == 0
        bytes_per_sample = 2 if response["audio"]["output"]["format"]["type"] == "audio/pcm" else 3
        told = sent.get(ledger.response_id, 0)
        if bytes_per_sample == 2:
            assert told == ledger.sent_samples * 2
        else:
            assert told == pytest.approx(ledger.sent_samples / 3, abs=1)


# Audio


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, list[bytes], list[bytes]]:
    """A stretch of speech and silence, cut in two ways."""
    parts = draw(
        st.lists(
            st.tuples(st.sampled_from([0, 8000]), st.integers(1, 1500)), min_size=1, max_size=8
        )
    )
    audio = b"".join(pcm(ms, level) for level, ms in parts)
    return audio, cut(draw, audio), cut(draw, audio)


def cut(draw: st.DrawFn, audio: bytes) -> list[bytes]:
    size = draw(st.sampled_from([160, 2400, 2401, 24_000]))
    first = draw(st.integers(0, size))
    places = [0, *range(first * 2, len(audio), size * 2), len(audio)]
    return [audio[a:b] for a, b in itertools.pairwise(places)]


@settings(max_examples=40, deadline=None)
@given(
    chunked(),
    st.booleans(),
    st.sampled_from(["audio/pcm", "audio/pcmu"]),
    st.sampled_from([0, 200, 700]),
)
def test_the_same_audio_in_other_chunks_gives_the_same_turns(
    audio: tuple[bytes, list[bytes], list[bytes]],
    answered: bool,
    name: str,
    silence_ms: int,
) -> None:
    vad = server_vad(create_response=answered, silence_duration_ms=silence_ms)
    heard = []
    for chunks in audio[1:]:
        talk = Talk(offer(hears="audio" if answered else "transcript"))
        talk.client(session_update(turn_detection=vad, input_format={"type": name}))
        for chunk in chunks:
            talk.append(chunk)
        talk.client(COMMIT)
        told = [e for e in talk.events if e["type"].startswith("input_audio_buffer.")]
        items = [event["item_id"] for event in talk.all("input_audio_buffer.committed")]
        sounds = [sound_of(talk.item(each)["content"][0]) for each in items]
        fed: dict[int, list[np.ndarray]] = {}
        for command in talk.commands:
            if isinstance(command, FeedTranscription):
                fed.setdefault(command.job, []).append(command.samples)
        engines = [np.concatenate(pieces) for pieces in fed.values()]
        heard.append((nameless(told), sounds, engines))
    (told, sounds, engines), (told_too, sounds_too, engines_too) = heard
    assert told == told_too
    assert sounds == sounds_too
    assert [len(each) for each in engines] == [len(each) for each in engines_too]
    for one, other in zip(engines, engines_too, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


BUFFER_STEPS = st.lists(
    st.one_of(st.integers(1, 9000), st.sampled_from(["commit", "clear"])), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(BUFFER_STEPS, st.sampled_from(["audio/pcm", "audio/pcmu", "audio/pcma"]))
def test_each_appended_sample_is_committed_cleared_or_still_there_once(
    steps: list[int | str], name: str
) -> None:
    talk = Talk()
    talk.client(session_update(turn_detection=None, input_format={"type": name}))
    size = 2 if name == "audio/pcm" else 1
    buffered, turns, appended = 0, [], 0
    for step in steps:
        match step:
            case "commit":
                talk.client(COMMIT)
                if buffered >= 100 * (24 if size == 2 else 8):
                    turns.append(buffered)
                    buffered = 0
            case "clear":
                talk.client(CLEAR)
                appended -= buffered
                buffered = 0
            case int():
                talk.append(b"\x7f" * step * size)
                buffered += step
                appended += step
    told = [event["item_id"] for event in talk.all("input_audio_buffer.committed")]
    stored = [len(sound_of(talk.item(each)["content"][0])) // size for each in told]
    assert stored == turns
    assert sum(stored) + buffered == appended
    talk.append(b"\x7f" * 2400 * size).client(COMMIT)
    last = talk.last("input_audio_buffer.committed")["item_id"]
    assert len(sound_of(talk.item(last)["content"][0])) // size == buffered + 2400


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["user", "assistant", "after", "root", "delete"]), max_size=20))
def test_the_model_reads_items_in_the_order_that_was_told(steps: list[str]) -> None:
    chaos = Chaos(replace(offer(), context_tokens=100_000), answers=True)
    order: list[str] = []
    for step in steps:
        chaos.take([("delete", 0)] if step == "delete" else [("text", step)])
    for event in chaos.talk.events:
        if event["type"] == "conversation.item.added":
            before = event["previous_item_id"]
            order.insert(0 if before is None else order.index(before) + 1, event["item"]["id"])
        elif event["type"] == "conversation.item.deleted":
            order.remove(event["item_id"])
    chaos.talk.client(response_create(conversation="none"))
    assert [text.replace(" ", "_") for text in chaos.talk.memory] == order
