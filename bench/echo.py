"""Does the assistant hear itself, and does it still hear others?

Run: ``python bench/echo.py [--calls N] [--no-guard] [--clips DIR]``

The session is the real core in virtual time, the VAD is Silero. Replies are sentences in the voices
of Kokoro, sent as fast as the server does. They come back as from the loudspeaker of a laptop (350
to 6000 Hz, a little distorted), through rooms with 0.2 to 0.6 s of reverberation (image method),
after 50 to 400 ms, 6 to 30 dB weaker, with the noise of a room at -65 dBFS; the client sends 20 to
100 ms at a time. Each call has two replies: nobody speaks over the first; over the second somebody
does, a recorded sentence of `bench/speech.py` of two seconds and more, at -18 to -26 dBFS, from
0.5 to 1.5 s after the reply began.

* cut by its own echo: a first reply that was interrupted.
* failed to interrupt: a person who spoke over the second one, and it went on.
* headphones: calls without any echo; how long after the first word a reply ends there, and without
  the guard.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pybase64
from noise import TEXTS, power, speak, spoken
from numpy.typing import NDArray
from speech import CLIPS, load_clips

from antiphon.audio.pcm import SAMPLE_RATE_HZ, to_pcm16
from antiphon.audio.resample import resample
from antiphon.core.commands import ScoreSpeech, StartResponse
from antiphon.core.configuration import SessionOffer
from antiphon.core.ids import Ids
from antiphon.core.inputs import Connected, ResponseProduced, SpeechScored
from antiphon.core.session import Session
from antiphon.engines import plugins
from antiphon.engines.llm import TokenUsage
from antiphon.engines.responder import ResponseFinished, SpokenAudio
from antiphon.engines.vad import PendingFrames, Vad
from antiphon.protocol import client_events as client
from antiphon.protocol import server_events as server

Samples = NDArray[np.float32]

RATE = SAMPLE_RATE_HZ
START = 1_800_000_000.0
SOUND_MPS = 343.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client is."""

    response: Samples
    delay_s: float
    level_db: float | None
    """How much weaker the echo is than what was played; None: there is none."""
    chunk_ms: int


def room(chance: np.random.Generator, reverberation_s: float) -> Samples:
    """Return the impulse response of a room between a loudspeaker and a microphone near it."""
    size = chance.uniform((2.5, 3.0, 2.3), (5.0, 6.0, 3.0))
    speaker = chance.uniform(0.3, 0.7, 3) * size
    microphone = speaker + chance.uniform(-0.3, 0.3, 3)
    surface = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    absorbed = min(0.9, 0.161 * size.prod() / (reverberation_s * surface))
    reflected = np.sqrt(1 - absorbed)
    order = range(-8, 9)
    grid = np.array([(x, y, z) for x in order for y in order for z in order])
    images = np.where(grid % 2, (grid + 1) * size - speaker, grid * size + speaker)
    distance = np.linalg.norm(images - microphone, axis=1)
    bounces = np.abs(grid).sum(axis=1)
    heard = reflected**bounces / np.maximum(distance, 0.05)
    response = np.zeros(int(reverberation_s * RATE), np.float32)
    at = (distance / SOUND_MPS * RATE).astype(int)
    inside = at < len(response)
    np.add.at(response, at[inside], heard[inside].astype(np.float32))
    return response / np.float32(np.sqrt(np.square(response).sum()))


def loudspeaker(samples: Samples) -> Samples:
    """Play through a laptop: no lows, few highs, and a little too loud."""
    spectrum = np.fft.rfft(samples)
    pitch = np.fft.rfftfreq(len(samples), 1 / RATE)
    through = 1 / (1 + (350 / np.maximum(pitch, 1)) ** 4) / (1 + (pitch / 6_000) ** 6)
    played = np.fft.irfft(spectrum * through, len(samples))
    peak = max(float(np.abs(played).max()), 1e-6)
    bent: Samples = (np.tanh(1.5 * played / peak) * peak / 1.5).astype(np.float32)
    return bent


def echo(samples: Samples, place: Place) -> Samples:
    """Return what of a sound comes back."""
    if place.level_db is None:
        return np.zeros(len(samples), np.float32)
    played = loudspeaker(samples)
    size = len(played) + len(place.response) - 1
    back = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(place.response, size), size)
    wanted = power(samples[spoken(samples)]) * 10 ** (place.level_db / 10)
    scaled: Samples = (
        back * np.sqrt(wanted / power(back[: len(samples)].astype(np.float32)))
    ).astype(np.float32)
    return scaled


class Call:
    """One client and the session that serves it, in virtual time."""

    def __init__(self, place: Place, vad: Vad, chance: np.random.Generator, guard: bool) -> None:
        offer = SessionOffer(
            "bench",
            None,
            hears="audio",
            transcription_models=MappingProxyType({}),
            guards_echo=guard,
        )
        self.now = START
        self.place = place
        self.session = Session(offer, Ids(b"0" * 16), START)
        self._vad, self._state = vad, vad.open()
        self._chance = chance
        self.air: Samples = np.zeros(RATE * 120, np.float32)
        self.started: list[StartResponse] = []
        self._job = 0
        self._take(Connected())

    def reply(self, sound: Samples) -> None:
        """Let the assistant say something; the client plays it."""
        self._take(client.ResponseCreate())
        self._job = self.started[-1].job
        self._take(ResponseProduced(self._job, SpokenAudio(to_pcm16(sound), "Words.")))
        back = echo(sound, self.place)
        begin = round((self.now - START + self.place.delay_s) * RATE)
        self.air[begin : begin + len(back)] += back

    def finish(self) -> None:
        self._take(ResponseProduced(self._job, ResponseFinished("stop", TokenUsage(1, 1, 0))))

    def say(self, voice: Samples, after_s: float) -> None:
        """Let somebody say something."""
        begin = round((self.now - START + after_s) * RATE)
        self.air[begin : begin + len(voice)] += voice

    def run(self, seconds: float) -> float | None:
        """Let time pass; return when somebody was heard to speak."""
        size = self.place.chunk_ms * RATE // 1000
        for _ in range(round(seconds * 1000 / self.place.chunk_ms)):
            begin = round((self.now - START) * RATE)
            hiss = 10 ** (-65 / 20) * self._chance.standard_normal(size).astype(np.float32)
            heard = to_pcm16(self.air[begin : begin + size] + hiss)
            self.now += self.place.chunk_ms / 1000
            audio = pybase64.b64encode_as_string(heard)
            if self._take(client.InputAudioBufferAppend(audio=audio)):
                return self.now
        return None

    def _take(self, received: Any) -> bool:
        has_begun = False
        for output in self.session.handle(received, self.now):
            match output:
                case ScoreSpeech(job, frames):
                    (scores,) = self._vad.score([PendingFrames(self._state, frames)])
                    has_begun |= self._take(SpeechScored(job, tuple(scores.tolist())))
                case StartResponse():
                    self.started.append(output)
                case server.InputAudioBufferSpeechStarted():
                    has_begun = True
                case _:
                    pass
        return has_begun


@dataclass(slots=True)
class Tally:
    """What happened in all calls."""

    calls: int = 0
    cut: int = 0
    failed: int = 0
    waits_s: list[float] = field(default_factory=list[float])
    """How long it took to interrupt."""


def call(
    place: Place,
    replies: Sequence[Samples],
    person: Samples,
    vad: Vad,
    chance: np.random.Generator,
    *,
    guard: bool,
) -> tuple[int, float | None]:
    """Return how many replies were cut, and how long it took to interrupt the second one."""
    talk = Call(place, vad, chance, guard)
    talk.run(0.4)
    talk.reply(replies[0])
    cut = int(talk.run(len(replies[0]) / RATE + 1.0) is not None)
    if cut:
        talk = Call(place, vad, chance, guard)
    else:
        talk.finish()
        talk.run(0.5)
    talk.reply(replies[1])
    level = 10 ** (chance.uniform(-26, -18) / 20) / np.sqrt(power(person[spoken(person)]))
    after_s = chance.uniform(0.5, 1.5)
    talk.say((person * level).astype(np.float32), after_s)
    if talk.run(after_s) is not None:
        return cut + 1, 0.0
    begun = talk.now
    heard_at = talk.run(len(person) / RATE + 0.3)
    return cut, None if heard_at is None else heard_at - begun


def measure(options: argparse.Namespace, voices: Sequence[Samples] | None = None) -> Tally:
    chance = np.random.default_rng(options.seed)
    if voices is None:
        voices = [samples for _, samples in asyncio.run(speak(TEXTS, 2, 0))]
    people = [
        resample(samples, 16_000, RATE)
        for name, samples in load_clips(options.clips).items()
        if name in CLIPS and len(samples) > 32_000
    ]
    vad = cast("Vad", plugins.load("vad", "silero")({}))
    tally = Tally()
    for number in range(options.calls):
        place = Place(
            room(chance, chance.uniform(0.2, 0.6)),
            chance.uniform(0.05, 0.4),
            None if options.headphones else chance.uniform(-30, -6),
            int(chance.choice((20, 40, 100))),
        )
        replies = [
            np.concatenate([voices[int(chance.integers(len(voices)))] for _ in range(2)])
            for _ in range(2)
        ]
        person = people[number % len(people)]
        cut, wait = call(place, replies, person, vad, chance, guard=not options.no_guard)
        tally.calls += 1
        tally.cut += cut
        tally.failed += wait is None
        tally.waits_s += [] if wait is None else [wait]
        if options.verbose and (cut or wait is None):
            print(
                number,
                "cut" if cut else "",
                "failed" if wait is None else "",
                place.level_db,
                round(place.delay_s, 2),
                place.chunk_ms,
                flush=True,
            )
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description="Echoes and interruptions.")
    clips = Path(tempfile.gettempdir()) / "antiphon-clips"
    parser.add_argument("--clips", type=Path, default=clips)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-guard", action="store_true")
    parser.add_argument("--headphones", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    tally = measure(parser.parse_args())
    print(
        f"{tally.calls} calls: {tally.cut} replies cut by their own echo, "
        f"{tally.failed} people failed to interrupt, "
        f"the others were heard after {np.median(tally.waits_s):.2f} s (median)"
    )
    return 0 if tally.cut == 0 and tally.failed <= tally.calls // 50 else 1


if __name__ == "__main__":
    raise SystemExit(main())
