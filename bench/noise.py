"""What noise reduction does to noise and to the words that are heard.

Run: ``python bench/noise.py [--clips DIR] [--noise babble|fan] [--reducer NAME] [--texts N]``

Clean speech is the recordings of `bench/speech.py` and sentences in the voices of Kokoro. Noise is
added at 5 dB, counted over the parts of a clip in which somebody speaks: babble is eight Kokoro
voices that say other sentences at once, the fan is pink noise with the tones of its blades. Each
clip begins with two seconds of noise, as a session does; words are those that Moonshine base hears
from 0.3 s before the speech on, as in a turn.

* words: errors in clean speech, in noise, and after reduction; and in clean speech after it.
* voice over pauses: how far the voice is above what is heard in the pauses, as one measures it from
  outside: how much better that becomes.
* while speaking: how much better the ratio of voice and noise becomes from 0.3 s before the speech
  to its end. The filter that the reducer made of the mixture is taken from the difference that a
  small change of the noise, and of the voice, makes.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray
from speech import CLIPS, SENTENCES, listen, load_clips, said, sound, synthesizer, transcriber

from antiphon.audio.pcm import SAMPLE_RATE_HZ
from antiphon.audio.resample import resample
from antiphon.engines import plugins
from antiphon.engines.noise import Field, NoiseReducer
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ, Transcriber
from antiphon.testing.wer import normalise, word_errors

Samples = NDArray[np.float32]

TEXTS = (
    "The train to the coast leaves at nine in the morning and comes back in the evening.",
    "My sister wants to know whether the library is open on Sunday.",
    "Please send the report to the whole team before the end of the week.",
    "We walked along the river until the rain became too heavy.",
    "Could you tell me how many people came to the concert last night?",
    "I would like a table for four near the window, if you have one.",
    "The doctor said that he should drink more water and sleep longer.",
    "They painted the kitchen yellow because the old paint was too dark.",
    "Turn off the lights in the garden and close the front door.",
    "Nobody understood the question, so the teacher asked it again.",
    "The people next door have two dogs that bark whenever a car goes by.",
    "After lunch we will look at the numbers from the last quarter.",
)
SNR_DB = 5.0
LEAD_S, BEFORE_S, TRAIL_S = 2.0, 0.3, 0.5
TALKERS = 8


@dataclass(frozen=True, slots=True)
class Clip:
    """Somebody says something, at 24 kHz."""

    text: str
    voice: Samples
    noise: Samples

    @property
    def mixed(self) -> Samples:
        return self.voice + self.noise


async def speak(texts: Sequence[str], voices: int, offset: int) -> list[tuple[str, Samples]]:
    kokoro = synthesizer("kokoro")
    names = sorted(kokoro.capabilities.voices or ())
    return [
        (text, (await sound(kokoro, text, names[(2 * index + 5 * turn + offset) % len(names)]))[0])
        for index, text in enumerate(texts)
        for turn in range(voices)
    ]


def spoken(samples: Samples) -> NDArray[np.bool_]:
    """Say for each sample whether somebody speaks there."""
    hop = SAMPLE_RATE_HZ // 100
    power = np.square(samples[: len(samples) // hop * hop].reshape(-1, hop)).mean(axis=1)
    return np.pad(np.repeat(power > power.max() * 1e-4, hop), (0, len(samples) % hop))


def power(samples: Samples) -> float:
    return float(np.mean(np.square(samples))) + 1e-12


def db(ratio: float) -> float:
    return 10 * float(np.log10(ratio))


def fan(length: int, chance: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(chance.standard_normal(length))
    pitch = np.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ)
    air = np.fft.irfft(spectrum / np.sqrt(np.maximum(pitch, 60)), length)
    time = np.arange(length) / SAMPLE_RATE_HZ
    blades = sum(
        level * np.sin(2 * np.pi * 117 * number * time + number)
        for number, level in ((1, 0.5), (2, 0.35), (3, 0.2), (5, 0.1))
    )
    swell = 1 + 0.15 * np.sin(2 * np.pi * 1.3 * time)
    made: Samples = ((air / air.std() + blades) * swell).astype(np.float32)
    return made / np.float32(made.std())


def babble(length: int, chance: np.random.Generator, voices: Sequence[Samples]) -> Samples:
    total = np.zeros(length, np.float32)
    for _ in range(TALKERS):
        line: list[Samples] = []
        while sum(map(len, line)) < length + SAMPLE_RATE_HZ:
            voice = voices[int(chance.integers(len(voices)))]
            line.append(voice / np.float32(np.sqrt(power(voice[spoken(voice)]))))
        begin = int(chance.integers(SAMPLE_RATE_HZ))
        total += np.concatenate(line)[begin : begin + length]
    return total / np.float32(total.std())


def place(text: str, voice: Samples, made: Samples) -> Clip:
    """Put a voice into noise."""
    lead, trail = round(LEAD_S * SAMPLE_RATE_HZ), round(TRAIL_S * SAMPLE_RATE_HZ)
    level = np.sqrt(power(voice[spoken(voice)]) / 10 ** (SNR_DB / 10))
    return Clip(text, np.pad(voice, (lead, trail)), made * np.float32(level))


def reduce(reducer: NoiseReducer, field: Field, samples: Samples) -> Samples:
    stream = reducer.open(field, 1.0)
    size = SAMPLE_RATE_HZ // 10
    pieces = [stream.push(samples[at : at + size]) for at in range(0, len(samples), size)]
    return np.concatenate([*pieces, stream.flush()])


async def heard_wrong(engine: Transcriber, texts: Sequence[str], sounds: Sequence[Samples]) -> int:
    begin = round((LEAD_S - BEFORE_S) * SAMPLE_RATE_HZ)
    errors = 0
    for text, samples in zip(texts, sounds, strict=True):
        narrow = resample(samples[begin:], SAMPLE_RATE_HZ, STT_SAMPLE_RATE_HZ)
        heard = await listen(engine, narrow, live=False)
        errors += word_errors(said(text), said(heard.text))
    return errors


def gained_from_outside(clip: Clip, reduced: Samples) -> float:
    """Return by how much the voice rose over what is heard in pauses."""
    speaks = spoken(clip.voice)
    near = np.convolve(speaks, np.ones(SAMPLE_RATE_HZ * 2 // 5), "same") > 0.5
    pauses = ~near
    pauses[: SAMPLE_RATE_HZ // 2] = False
    before = power(clip.mixed[speaks]) / power(clip.mixed[pauses])
    return db(power(reduced[speaks]) / power(reduced[pauses])) - db(before)


def gained_while_speaking(
    reducer: NoiseReducer, field: Field, clip: Clip, reduced: Samples
) -> float:
    """Return by how much the voice rose over the noise around it, seen through small changes."""
    small = np.float32(1e-2)
    turn = slice(round((LEAD_S - BEFORE_S) * SAMPLE_RATE_HZ), None)
    parts = [
        (reduce(reducer, field, clip.mixed + small * part) - reduced) / small
        for part in (clip.voice, clip.noise)
    ]
    before = power(clip.voice[turn]) / power(clip.noise[turn])
    return db(power(parts[0][turn]) / power(parts[1][turn])) - db(before)


def material(directory: Path, texts: int) -> tuple[list[tuple[str, Samples]], list[Samples]]:
    recorded = [
        (CLIPS[name], resample(samples, STT_SAMPLE_RATE_HZ, SAMPLE_RATE_HZ))
        for name, samples in load_clips(directory).items()
    ]
    made = asyncio.run(speak(TEXTS, 2, 0))
    others = asyncio.run(speak(SENTENCES, 2, 3))
    return (recorded + made)[:texts], [samples for _, samples in others]


def measure(options: argparse.Namespace) -> bool:
    clean, others = material(options.clips, options.texts)
    reducer = cast("Any", plugins.load("noise_reducer", options.reducer)({}))
    engine = transcriber("moonshine-base")
    texts = [text for text, _ in clean]
    words = sum(len(normalise(said(text))) for text in texts)
    chance = np.random.default_rng(options.seed)
    quiet = [place(text, voice, np.zeros(len(voice) + 60_000, np.float32)) for text, voice in clean]
    wrong = asyncio.run(heard_wrong(engine, texts, [clip.voice for clip in quiet]))
    print(f"{words} words. Clean: {wrong} wrong.")
    good = True
    for field in get_args(Field):
        sounds = [reduce(reducer, field, clip.voice) for clip in quiet]
        print(f"clean, {field}: {asyncio.run(heard_wrong(engine, texts, sounds))} wrong")
    for kind in options.noise:
        clips = [
            place(
                text,
                voice,
                fan(length, chance) if kind == "fan" else babble(length, chance, others),
            )
            for text, voice in clean
            for length in (len(voice) + round((LEAD_S + TRAIL_S) * SAMPLE_RATE_HZ),)
        ]
        before = asyncio.run(heard_wrong(engine, texts, [clip.mixed for clip in clips]))
        print(f"{kind}: {before} wrong")
        for field in get_args(Field):
            sounds = [reduce(reducer, field, clip.mixed) for clip in clips]
            after = asyncio.run(heard_wrong(engine, texts, sounds))
            outside = [gained_from_outside(*each) for each in zip(clips, sounds, strict=True)]
            inside = [
                gained_while_speaking(reducer, field, clip, reduced)
                for clip, reduced in zip(clips, sounds, strict=True)
            ]
            good &= bool(after <= before * 2 / 3 and np.mean(outside) >= 6)
            print(
                f"{kind}, {field}: {after} wrong ({100 * (after / max(1, before) - 1):+.0f} %); "
                f"voice over pauses {np.mean(outside):+.1f} dB, "
                f"while speaking {np.mean(inside):+.1f} dB",
                flush=True,
            )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description="What noise reduction does.")
    clips = Path(tempfile.gettempdir()) / "antiphon-clips"
    parser.add_argument("--clips", type=Path, default=clips)
    parser.add_argument("--noise", action="append", choices=("babble", "fan"))
    parser.add_argument("--reducer", default="spectral")
    parser.add_argument("--texts", type=int, default=1_000, help="use only the first so many")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.noise = options.noise or ["babble", "fan"]
    return 0 if measure(options) else 1


if __name__ == "__main__":
    raise SystemExit(main())
