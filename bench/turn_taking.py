"""How well turns are told from pauses, and replies protected from what is not speech.

Run: ``python bench/turn_taking.py [--clips DIR] [--voices N] [--only pauses|interruptions|speed]``

A session's core is driven in virtual time with the real engines (Silero, Smart Turn, Moonshine
base): audio comes in appends, results come at once, so every figure but those of `speed` is the
same on every machine.

* pauses: sentences with a pause of 900 ms inside them, under `semantic_vad`: how many stay one
  turn, and how much silence after the end of the sentence ends the turn. Recorded sentences (those
  of bench/speech.py) and sentences spoken by Kokoro, cut where the speaker makes the longest stops.
* interruptions: coughs, typing, clicks over a reply: how many end it; and short commands in several
  voices: how many do, and how long after their first sound.
* speed: the time that Smart Turn takes for a decision, features included, and the processor's
  share of it.
"""

import argparse
import asyncio
import base64
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from speech import load_clips

from antiphon.audio.pcm import to_pcm16
from antiphon.audio.resample import resample
from antiphon.core import commands, inputs
from antiphon.core.configuration import SessionOffer
from antiphon.core.ids import Ids
from antiphon.core.session import Session
from antiphon.engines import plugins
from antiphon.engines.responder import SpokenAudio, SpokenText
from antiphon.engines.stt import FinalTranscript, Transcriber, TranscriptionOptions
from antiphon.engines.tts import SynthesisRequest, Synthesizer
from antiphon.engines.turn import TurnPredictor
from antiphon.engines.vad import PendingFrames, Vad
from antiphon.protocol import codec
from antiphon.protocol.wire import Wire
from antiphon.testing.speech import clicks, cough, noise, typing

Samples = NDArray[np.float32]

HZ = 24_000
PAUSE_S = 0.9
APPEND = HZ // 10
ROOM = 0.0005
SENTENCES = (
    "I would like to book a table for four people, preferably near the window.",
    "Could you tell me what the weather will be like in London tomorrow afternoon?",
    "My flight leaves at half past seven, so I need a taxi before five.",
    "Please remind me to call my mother when I get home this evening.",
    "If it rains on Saturday, can we move the party to the town hall?",
    "The printer in my office stopped working, and nobody knows how to fix it.",
    "What is the best way to get from the airport to the city centre?",
    "When I was a child, we used to spend every summer by the sea.",
    "I am looking for a present for my sister, who likes old maps.",
    "Can you explain how a heat pump works in a very cold winter?",
)
COMMANDS = ("Stop.", "Wait!", "No.", "Hold on.", "Okay, stop.")
VOICES = ("alloy", "echo", "coral", "sage", "verse")
RECORDED = ("sense", "something", "goforward")
"""The clips that hold one sentence each."""

EAGERNESS = ("low", "medium", "high")


@dataclass
class Engines:
    """The engines of the profile `default` that hear."""

    vad: Vad
    predictor: TurnPredictor
    transcriber: Transcriber

    @classmethod
    def load(cls) -> "Engines":
        return cls(
            cast("Vad", plugins.load("vad", "silero")({})),
            cast("TurnPredictor", plugins.load("turn", "smart-turn")({})),
            cast("Transcriber", plugins.load("transcriber", "moonshine-base")({"partials": False})),
        )


@dataclass
class Drive:
    """A session whose orders are carried out at once."""

    engines: Engines
    now: float = 1_000.0
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    orders: list[commands.StartResponse] = field(default_factory=list[commands.StartResponse])

    def __post_init__(self) -> None:
        offer = SessionOffer("bench", frozenset({"alloy"}), predicts_turns=True)
        self._session = Session(offer, Ids(b"bench"), self.now)
        self._stream = self.engines.vad.open()
        self._heard: dict[int, list[Samples]] = {}

    async def give(self, received: Any) -> None:
        waiting = [received]
        while waiting:
            for output in self._session.handle(waiting.pop(0), self.now):
                if isinstance(output, Wire):
                    self.events.append(json.loads(codec.encode(output)))
                else:
                    waiting += await self._perform(output)

    async def client(self, event: dict[str, Any]) -> None:
        await self.give(codec.interpret(event))

    async def hear(self, samples: Samples) -> None:
        """Append samples in real time; 24 kHz."""
        pcm = to_pcm16(samples)
        for begin in range(0, len(pcm), 2 * APPEND):
            piece = pcm[begin : begin + 2 * APPEND]
            self.now += len(piece) / 2 / HZ
            audio = base64.b64encode(piece).decode()
            await self.client({"type": "input_audio_buffer.append", "audio": audio})

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == f"input_audio_buffer.{kind}"]

    async def _perform(self, order: commands.Command) -> list[Any]:
        match order:
            case commands.ScoreSpeech(job, frames):
                (scores,) = self.engines.vad.score([PendingFrames(self._stream, frames)])
                return [inputs.SpeechScored(job, tuple(scores.tolist()))]
            case commands.PredictTurnEnd(job, samples):
                return [inputs.TurnEndPredicted(job, await self.engines.predictor.predict(samples))]
            case commands.FeedTranscription(job, samples):
                self._heard.setdefault(job, []).append(samples)
            case commands.SettleTranscription(job) | commands.EndTranscription(job):
                return [inputs.TranscriptSettled(job, await self._transcribe(job))]
            case commands.StartResponse():
                self.orders.append(order)
            case _:
                pass
        return []

    async def _transcribe(self, job: int) -> str:
        async def pieces() -> Any:
            for samples in self._heard.get(job, []):
                yield samples

        text = ""
        async for each in self.engines.transcriber.transcribe(pieces(), TranscriptionOptions("en")):
            text = each.text if isinstance(each, FinalTranscript) else text
        return text


@dataclass(frozen=True)
class Cut:
    """A sentence with a pause in it."""

    name: str
    samples: Samples
    pause_ends_s: float
    ends_s: float


def trimmed(samples: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1]


def stops(samples: Samples, count: int) -> list[int]:
    """Return the middles of the longest stops inside a sentence, else its quietest place."""
    window = HZ // 25
    power = np.convolve(samples**2, np.ones(window) / window, "same")
    first, last = len(samples) // 4, 3 * len(samples) // 4
    quiet = np.sqrt(power[first:last]) < 0.08 * np.sqrt(np.mean(samples**2))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    runs = sorted(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[0] - run[1])
    found = [int(first + (begin + end) // 2) for begin, end in runs if end - begin > HZ // 33]
    return found[:count] or [int(first + np.argmin(power[first:last]))]


def with_pause(name: str, samples: Samples, at: int) -> Cut:
    lead, pause, tail = HZ // 2, int(PAUSE_S * HZ), 9 * HZ
    joined = np.pad(samples, (lead, pause + tail))
    joined[lead + at + pause : lead + pause + len(samples)] = samples[at:]
    joined[lead + at : lead + at + pause] = 0
    joined += noise(1000 * len(joined) // HZ + 1, HZ, level=ROOM)[: len(joined)]
    resumed = (lead + at + pause) / HZ
    return Cut(name, joined, resumed, (lead + len(samples) + pause) / HZ)


async def spoken(text: str, voice: str, synthesizer: Synthesizer) -> Samples:
    request = SynthesisRequest(text, voice)
    return trimmed(np.concatenate([piece async for piece in synthesizer.synthesize(request)]))


def recorded(directory: Path) -> Iterator[Cut]:
    for name, clip in load_clips(directory).items():
        if name.startswith(RECORDED):
            samples = trimmed(resample(clip, 16_000, HZ).astype(np.float32))
            for at in stops(samples, 3):
                yield with_pause(name, samples, at)


async def pauses(engines: Engines, cuts: Sequence[Cut], title: str) -> None:
    print(f"{title}: {len(cuts)} sentences with a pause of {PAUSE_S:.1f} s")
    for eagerness in EAGERNESS:
        kept = 0
        waits: list[float] = []
        for cut in cuts:
            drive = Drive(engines)
            vad = {"type": "semantic_vad", "eagerness": eagerness}
            session = {"type": "realtime", "audio": {"input": {"turn_detection": vad}}}
            await drive.client({"type": "session.update", "session": session})
            await drive.hear(cut.samples)
            ends = [stopped["audio_end_ms"] / 1000 for stopped in drive.all("speech_stopped")]
            kept += all(end > cut.pause_ends_s for end in ends)
            waits += [end - cut.ends_s for end in ends[-1:]]
        share = 100 * kept / len(cuts)
        low, high = np.percentile(waits, (10, 90))
        print(
            f"  {eagerness:6}  one turn {share:5.1f} %   silence to the end of the turn "
            f"{median(waits):.2f} s ({low:.2f} to {high:.2f}, longest {max(waits):.2f})"
        )


async def replying(engines: Engines, sound: Samples) -> tuple[Drive, float]:
    """Let a reply be spoken over; return where in the audio the sound begins."""
    drive = Drive(engines)
    await drive.client({"type": "response.create"})
    job = drive.orders[-1].job
    await drive.give(inputs.ResponseProduced(job, SpokenText("A long story.")))
    await drive.give(inputs.ResponseProduced(job, SpokenAudio(bytes(2 * HZ * 20), "A long story.")))
    lead = HZ
    heard = noise(1000 * (len(sound) + 2 * lead) // HZ, HZ, level=ROOM)
    heard[lead : lead + len(sound)] += sound
    # In appends of one frame, so that times are as fine as the VAD's.
    for begin in range(0, len(heard), 768):
        pcm = to_pcm16(heard[begin : begin + 768])
        drive.now += len(pcm) / 2 / HZ
        audio = base64.b64encode(pcm).decode()
        await drive.client({"type": "input_audio_buffer.append", "audio": audio})
        if drive.all("speech_started"):
            return drive, (begin + 768 - lead) / HZ
    return drive, float("nan")


async def interruptions(engines: Engines, synthesizer: Synthesizer, voices: int) -> None:
    harmless = {
        "coughs": [cough(HZ, seed=seed, level=0.3 + 0.1 * (seed % 6)) for seed in range(100)],
        "typing": [typing(3_000, HZ, seed=seed) for seed in range(20)],
        "clicks": [clicks(3_000, HZ, every_ms=80 + 20 * index) for index in range(10)],
    }
    for name, sounds in harmless.items():
        ended = [(await replying(engines, sound))[1] for sound in sounds]
        print(f"  {name}: {np.count_nonzero(~np.isnan(ended))} of {len(sounds)} end a reply")
    after: list[float] = []
    for voice in VOICES[:voices]:
        for text in COMMANDS:
            sound = await spoken(text, voice, synthesizer)
            after.append((await replying(engines, sound))[1])
    told = [1000 * each for each in after if not np.isnan(each)]
    late = sum(each > 300 for each in told)
    print(
        f"  commands: {len(told)} of {len(after)} end it, {median(told):.0f} ms after their first "
        f"sound (longest {max(told):.0f}; {late} later than 300)"
    )


async def speed(predictor: TurnPredictor) -> None:
    turn = noise(8_000, 16_000)
    times: list[float] = []
    busy = time.process_time()
    for _ in range(40):
        began = time.perf_counter()
        await predictor.predict(turn)
        times.append(1000 * (time.perf_counter() - began))
    busy = 1000 * (time.process_time() - busy) / len(times)
    print(
        f"Smart Turn: {median(times):.1f} ms a decision (90 %: {np.percentile(times, 90):.1f}), "
        f"{busy:.1f} ms of processor time"
    )


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=Path, default=Path("clips"))
    parser.add_argument("--voices", type=int, default=len(VOICES))
    parser.add_argument("--only", choices=["pauses", "interruptions", "speed"])
    options = parser.parse_args()
    engines = Engines.load()
    synthesizer = cast("Synthesizer", plugins.load("synthesizer", "kokoro")({}))
    if options.only in (None, "speed"):
        await speed(engines.predictor)
    if options.only in (None, "pauses"):
        await pauses(engines, list(recorded(options.clips)), "Recorded speech")
        cuts: list[Cut] = []
        for voice in VOICES[: options.voices]:
            for text in SENTENCES:
                samples = await spoken(text, voice, synthesizer)
                cuts.append(with_pause(voice, samples, stops(samples, 1)[0]))
        await pauses(engines, cuts, "Kokoro")
    if options.only in (None, "interruptions"):
        print("Over a reply:")
        await interruptions(engines, synthesizer, options.voices)


if __name__ == "__main__":
    asyncio.run(main())
