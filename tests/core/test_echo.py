"""The assistant's own voice comes back through the microphone: it interrupts nothing.

Shows Turns: replies that come back through the microphone and do not interrupt themselves
"""

import numpy as np
import pytest
from talk import RESPOND, Talk, offer, session_update

from antiphon.audio.formats import OutputEncoder
from antiphon.audio.pcm import SAMPLE_RATE_HZ, to_pcm16
from antiphon.engines.llm import TokenUsage
from antiphon.engines.responder import ResponseFinished, SpokenAudio
from antiphon.testing.speech import silence, speech

RATE = SAMPLE_RATE_HZ
REPLY_MS = 6_000
DELAY_MS = 200


def words(ms: int, seed: int, pitch: float = 1.0) -> np.ndarray:
    """Return speech with pauses between its words; ``pitch`` is how high, compared with a man's."""
    chance = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < ms * RATE // 1000:
        length = int(chance.integers(200, 500))
        word = speech(round(length * pitch), seed=int(chance.integers(1_000)))
        parts += [word[np.arange(0, len(word) - 1, pitch).astype(int)]]
        parts += [silence(int(chance.integers(50, 200)))]
    return np.concatenate(parts)[: ms * RATE // 1000]


def come_back(sound: np.ndarray, *, gain: float = 0.2) -> np.ndarray:
    """Return what a microphone hears of it: later, weaker, and once more from the wall."""
    later = np.concatenate([silence(DELAY_MS), sound])
    wall = np.concatenate([silence(35), later])[: len(later)]
    return gain * (later + 0.4 * wall)


def hear(talk: Talk, sound: np.ndarray) -> list[str]:
    """Append sound in real time; return the types of what followed."""
    mark = len(talk.events)
    for begin in range(0, len(sound), RATE // 10):
        talk.now += 0.1
        talk.append(to_pcm16(sound[begin : begin + RATE // 10]))
    return talk.since(mark)


def reply(talk: Talk, sound: np.ndarray) -> None:
    talk.client(RESPOND)
    talk.produces(SpokenAudio(to_pcm16(sound), "Words."))


@pytest.mark.parametrize("gain", [0.5, 0.2, 0.05])
def test_a_reply_that_comes_back_goes_on(gain: float) -> None:
    talk = Talk(offer(guards_echo=True))
    sound = words(REPLY_MS, 1)
    hear(talk, silence(300))
    reply(talk, sound)
    heard = hear(talk, come_back(sound, gain=gain))
    assert "input_audio_buffer.speech_started" not in heard
    talk.produces(ResponseFinished("stop", TokenUsage(1, 1, 1)))
    talk.expect("response.done", status="completed")


def test_without_the_guard_it_interrupts_itself() -> None:
    talk = Talk(offer(guards_echo=False))
    sound = words(REPLY_MS, 1)
    hear(talk, silence(300))
    reply(talk, sound)
    assert "input_audio_buffer.speech_started" in hear(talk, come_back(sound))
    talk.expect("response.done", status="cancelled", reason="turn_detected")


def test_somebody_who_speaks_over_the_echo_interrupts() -> None:
    talk = Talk(offer(guards_echo=True))
    sound = words(REPLY_MS, 1)
    hear(talk, silence(300))
    reply(talk, sound)
    back = come_back(sound)
    person = np.concatenate([silence(3_000), words(2_500, 9, pitch=1.7)])
    both = back[: len(person)] + person
    assert "input_audio_buffer.speech_started" not in hear(talk, both[: 3 * RATE])
    assert "input_audio_buffer.speech_started" in hear(talk, both[3 * RATE :])
    talk.expect("response.done", status="cancelled", reason="turn_detected")


def test_with_headphones_nobody_is_taken_for_an_echo() -> None:
    talk = Talk(offer(guards_echo=True))
    hear(talk, silence(300))
    reply(talk, words(REPLY_MS, 1))
    assert "input_audio_buffer.speech_started" not in hear(talk, silence(1_500))
    assert "input_audio_buffer.speech_started" in hear(talk, words(700, 9, pitch=1.7))


def test_when_the_reply_is_over_the_guard_is_too() -> None:
    talk = Talk(offer(guards_echo=True))
    sound = words(1_000, 1)
    reply(talk, sound)
    hear(talk, come_back(sound))
    hear(talk, silence(2_000))
    assert "input_audio_buffer.speech_started" in hear(talk, words(600, 1))


def test_nothing_of_the_sound_is_lost() -> None:
    talk = Talk(offer(guards_echo=True))
    sound = words(2_000, 1)
    reply(talk, sound)
    hear(talk, come_back(sound))
    talk.client({"type": "input_audio_buffer.commit"})
    talk.expect("input_audio_buffer.committed")


def test_a_telephone_hears_itself_too() -> None:
    talk = Talk(offer(guards_echo=True))
    ulaw = {"type": "audio/pcmu"}
    talk.client(session_update(input_format=ulaw, output_format=ulaw))
    sound = words(REPLY_MS, 1)
    reply(talk, sound)
    encoder, mark = OutputEncoder("audio/pcmu"), len(talk.events)
    back = come_back(sound)
    for begin in range(0, len(back), RATE // 10):
        talk.now += 0.1
        talk.append(encoder.push(back[begin : begin + RATE // 10]))
    assert "input_audio_buffer.speech_started" not in talk.since(mark)
