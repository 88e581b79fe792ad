"""Every state against every input: what each cell answers, refusals included."""

from collections.abc import Callable

import pytest
from talk import (
    CANCEL,
    CLEAR,
    COMMIT,
    MANUAL,
    RESPOND,
    Event,
    Talk,
    pairs,
    pcm,
    response_create,
    server_vad,
    session_update,
    truncate,
    user_audio,
    user_text,
)

from antiphon.core.inputs import Disconnected

State = Callable[[Talk], object]


def told(talk: Talk, event: Event) -> list[str]:
    """Send an event and return what is told at once: error codes for errors, types for others."""
    mark = len(talk.events)
    talk.client(event)
    return [
        str(each["error"]["code"]) if each["type"] == "error" else each["type"]
        for each in talk.events[mark:]
    ]


# Responses


def idle(talk: Talk) -> None:
    """Nothing has happened."""


def waiting(talk: Talk) -> None:
    talk.hears_at_once = False
    talk.client(user_audio(pcm(300))).client(RESPOND)


def running(talk: Talk) -> None:
    talk.client(RESPOND)


def speaking(talk: Talk) -> None:
    talk.client(RESPOND).replies(audio_ms=100)


def done(talk: Talk) -> None:
    talk.client(RESPOND).replies(audio_ms=100, finish=True)


def aside(talk: Talk) -> None:
    talk.client(response_create(conversation="none", input=[]))


ASIDE = response_create(conversation="none", input=[])
VOICE = session_update(voice="cedar")
ITEM = user_text("Hi")
CLOSE = {"type": "session.close"}
ACTIVE = ["conversation_already_has_active_response"]
CREATED = ["response.created"]
NONE = ["response_cancel_not_active"]
ENDED = ["response.done", "rate_limits.updated"]
CUT = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    *ENDED,
]
UPDATED = ["session.updated"]
LOCKED = ["cannot_update_voice"]
ADDED = ["conversation.item.added", "conversation.item.done"]

RESPONSES: dict[State, list[tuple[Event, list[str]]]] = {
    idle: [
        (RESPOND, CREATED),
        (ASIDE, CREATED),
        (CANCEL, NONE),
        (VOICE, UPDATED),
        (ITEM, ADDED),
        (CLOSE, []),
    ],
    waiting: [
        (RESPOND, ACTIVE),
        (ASIDE, CREATED),
        (CANCEL, ENDED),
        (VOICE, UPDATED),
        (ITEM, ADDED),
        (CLOSE, ENDED),
    ],
    running: [
        (RESPOND, ACTIVE),
        (ASIDE, CREATED),
        (CANCEL, ENDED),
        (VOICE, UPDATED),
        (ITEM, ADDED),
        (CLOSE, ENDED),
    ],
    speaking: [
        (RESPOND, ACTIVE),
        (ASIDE, CREATED),
        (CANCEL, CUT),
        (VOICE, LOCKED),
        (ITEM, ADDED),
        (CLOSE, CUT),
    ],
    done: [
        (RESPOND, CREATED),
        (ASIDE, CREATED),
        (CANCEL, NONE),
        (VOICE, LOCKED),
        (ITEM, ADDED),
        (CLOSE, []),
    ],
    aside: [
        (RESPOND, CREATED),
        (ASIDE, CREATED),
        (CANCEL, NONE),
        (VOICE, UPDATED),
        (ITEM, ADDED),
        (CLOSE, ENDED),
    ],
}


@pytest.mark.parametrize(
    ("state", "event", "answer"),
    [(state, *cell) for state, cells in RESPONSES.items() for cell in cells],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_each_state_of_a_response(
    talk: Talk, state: State, event: Event, answer: list[str]
) -> None:
    state(talk)
    assert told(talk, event) == answer
    talk.give(Disconnected())
    assert not list(pairs(talk.events))


# The input buffer and the turn in it


def manual_empty(talk: Talk) -> None:
    talk.client(MANUAL)


def manual_little(talk: Talk) -> None:
    talk.client(MANUAL).append(pcm(50))


def manual_enough(talk: Talk) -> None:
    talk.client(MANUAL).append(pcm(320))


def vad_empty(talk: Talk) -> None:
    """A session opens so."""


def vad_silence(talk: Talk) -> None:
    talk.append(pcm(320, 0))


def vad_speech(talk: Talk) -> None:
    talk.append(pcm(320))


def vad_pause(talk: Talk) -> None:
    talk.append(pcm(320)).append(pcm(160, 0))


def vad_after_a_turn(talk: Talk) -> None:
    talk.client(session_update(turn_detection=server_vad(create_response=False)))
    talk.append(pcm(320)).append(pcm(320, 0))


ULAW = session_update(input_format={"type": "audio/pcmu"})
VAD = session_update(turn_detection=server_vad(create_response=False))
SILENCE = {"type": "input_audio_buffer.append", "audio": "A" * 4 * 3840}
"""240 ms."""
SPEECH_CODE = user_audio(pcm(160))["item"]["content"][0]["audio"]
SPEECH = {"type": "input_audio_buffer.append", "audio": SPEECH_CODE}
EMPTY = ["input_audio_buffer_commit_empty"]
COMMITTED = ["input_audio_buffer.committed", *ADDED]
CLEARED = ["input_audio_buffer.cleared"]
REFUSED = ["invalid_value"]
STARTED = ["input_audio_buffer.speech_started"]
STOPPED = ["input_audio_buffer.speech_stopped", *COMMITTED]

BUFFER: dict[State, list[tuple[Event, list[str]]]] = {
    manual_empty: [
        (COMMIT, EMPTY),
        (CLEAR, CLEARED),
        (ULAW, UPDATED),
        (VAD, UPDATED),
        (SPEECH, []),
        (SILENCE, []),
    ],
    manual_little: [
        (COMMIT, EMPTY),
        (CLEAR, CLEARED),
        (ULAW, REFUSED),
        (VAD, UPDATED),
        (SPEECH, []),
        (SILENCE, []),
    ],
    manual_enough: [
        (COMMIT, COMMITTED),
        (CLEAR, CLEARED),
        (ULAW, REFUSED),
        (VAD, UPDATED),
        (SPEECH, []),
        (SILENCE, []),
    ],
    vad_empty: [
        (COMMIT, EMPTY),
        (CLEAR, CLEARED),
        (ULAW, UPDATED),
        (MANUAL, UPDATED),
        (SPEECH, STARTED),
        (SILENCE, []),
    ],
    vad_silence: [
        (COMMIT, COMMITTED),
        (CLEAR, CLEARED),
        (ULAW, REFUSED),
        (MANUAL, UPDATED),
        (SPEECH, STARTED),
        (SILENCE, []),
    ],
    vad_speech: [
        (COMMIT, COMMITTED),
        (CLEAR, CLEARED),
        (ULAW, REFUSED),
        (MANUAL, UPDATED),
        (SPEECH, []),
        (SILENCE, [*STOPPED, "response.created"]),
    ],
    vad_pause: [
        (COMMIT, COMMITTED),
        (CLEAR, CLEARED),
        (ULAW, REFUSED),
        (MANUAL, UPDATED),
        (SPEECH, []),
        (SILENCE, [*STOPPED, "response.created"]),
    ],
    vad_after_a_turn: [
        (COMMIT, EMPTY),
        (CLEAR, CLEARED),
        (ULAW, REFUSED),
        (MANUAL, UPDATED),
        (SPEECH, STARTED),
        (SILENCE, []),
    ],
}


@pytest.mark.parametrize(
    ("state", "event", "answer"),
    [(state, *cell) for state, cells in BUFFER.items() for cell in cells],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_each_state_of_the_input_buffer(
    talk: Talk, state: State, event: Event, answer: list[str]
) -> None:
    state(talk)
    assert told(talk, event) == answer


# Items against what may be done to them


def written(talk: Talk) -> None:
    talk.client(user_text("Hi", id="i"))


def spoken_by_user(talk: Talk) -> None:
    talk.client(user_audio(pcm(300), id="i"))


def spoken_by_assistant(talk: Talk) -> None:
    part = {"type": "output_audio", "audio": SPEECH_CODE, "transcript": "Hi"}
    item = {"id": "i", "type": "message", "role": "assistant", "content": [part]}
    talk.client({"type": "conversation.item.create", "item": item})


def called(talk: Talk) -> None:
    item = {"id": "i", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    talk.client({"type": "conversation.item.create", "item": item})


def missing(talk: Talk) -> None:
    """No item at all."""


RETRIEVE = {"type": "conversation.item.retrieve", "item_id": "i"}
DELETE = {"type": "conversation.item.delete", "item_id": "i"}
AGAIN = user_text("Ho", id="i")
AFTER = user_text("Ho") | {"previous_item_id": "i"}
OUTPUT = {
    "type": "conversation.item.create",
    "item": {"type": "function_call_output", "call_id": "c", "output": "42"},
}
FOUND = ["conversation.item.retrieved"]
DELETED = ["conversation.item.deleted"]
TAKEN = ["item_already_exists"]
NO_CALL = ["invalid_tool_call_id"]

ITEMS: dict[State, list[tuple[Event, list[str]]]] = {
    written: [
        (RETRIEVE, FOUND),
        (DELETE, DELETED),
        (truncate("i", 0), ["None"]),
        (AGAIN, TAKEN),
        (AFTER, ADDED),
        (OUTPUT, NO_CALL),
    ],
    spoken_by_user: [
        (RETRIEVE, FOUND),
        (DELETE, DELETED),
        (truncate("i", 0), ["None"]),
        (AGAIN, TAKEN),
        (AFTER, ADDED),
        (OUTPUT, NO_CALL),
    ],
    spoken_by_assistant: [
        (RETRIEVE, FOUND),
        (DELETE, DELETED),
        (truncate("i", 160), ["conversation.item.truncated"]),
        (AGAIN, TAKEN),
        (AFTER, ADDED),
        (OUTPUT, NO_CALL),
    ],
    called: [
        (RETRIEVE, FOUND),
        (DELETE, DELETED),
        (truncate("i", 0), ["None"]),
        (AGAIN, TAKEN),
        (AFTER, ADDED),
        (OUTPUT, ADDED),
    ],
    missing: [
        (RETRIEVE, ["item_retrieve_invalid_item_id"]),
        (DELETE, ["item_delete_invalid_item_id"]),
        (truncate("i", 0), ["item_truncate_invalid_item_id"]),
        (AGAIN, ADDED),
        (AFTER, ["item_create_invalid_previous_item_id"]),
        (OUTPUT, NO_CALL),
    ],
}


@pytest.mark.parametrize(
    ("state", "event", "answer"),
    [(state, *cell) for state, cells in ITEMS.items() for cell in cells],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_each_kind_of_item(talk: Talk, state: State, event: Event, answer: list[str]) -> None:
    state(talk)
    assert told(talk, event) == answer
