"""How well the embedded speech engines hear and speak, and how soon.

Run: ``python bench/speech.py [--clips DIR] [--only stt|voices|speed] [--json]``

* stt: real recorded speech, streamed in real time with 0.15 s of silence after it, through
  Moonshine tiny and base. Word errors, the time from the mark to the final text, and the time from
  the start of the clip to the first partial text.
* voices: six sentences in each voice, heard by Moonshine base: words that differ, and peaks.
* speed: a short and a long sentence in each engine, from the request to the first sound, and the
  time that a second of sound takes.

The clips are data files of two packages that `pip download` brings and checks by hash; nothing of
them is installed. pocketsphinx 5.1.1 has five sentences of a LibriVox reading of "Sense and
Sensibility", five phrases with cards and two commands, useful-moonshine-onnx 20251121 has one
reading. They are kept in the directory of ``--clips``. Thirteen clips with 112
words: enough to tell good from bad, not enough to rank what is good.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import to_float32
from antiphon.audio.resample import resample
from antiphon.engines import plugins
from antiphon.engines.speakable import speakable
from antiphon.engines.stt import (
    STT_SAMPLE_RATE_HZ,
    FinalTranscript,
    Settle,
    Transcriber,
    TranscriptionOptions,
)
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ, SynthesisRequest, Synthesizer
from antiphon.testing.speech import read_wav
from antiphon.testing.wer import normalise, word_errors

Samples = NDArray[np.float32]

PACKAGES = {
    "pocketsphinx==5.1.1": "675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355",
    "useful-moonshine-onnx==20251121": (
        "b4189b0d7dc8064d567fd0b5d5ce78634be290b0a3a3274ab80ad11c46d531a2"
    ),
}
# What is said; the packages' own texts have spelled-out titles and one word too many.
CLIPS = {
    "sense_and_sensibility_01_austen_64kb-0870.wav": "And Mr. John Dashwood had then leisure to "
    "consider how much there might be prudently in his power to do for them.",
    "sense_and_sensibility_01_austen_64kb-0880.wav": "He was not an ill-disposed young man",
    "sense_and_sensibility_01_austen_64kb-0890.wav": "unless to be rather cold-hearted and rather "
    "selfish is to be ill-disposed",
    "sense_and_sensibility_01_austen_64kb-0920.wav": "Had he married a more amiable woman he might "
    "have been made still more respectable than he was.",
    "sense_and_sensibility_01_austen_64kb-0930.wav": "He might even have been made amiable himself",
    "001.wav": "ten of clubs",
    "002.wav": "four queen of clubs",
    "003.wav": "seven of clubs",
    "004.wav": "five five",
    "005.wav": "eight of spades four of clubs seven of hearts",
    "goforward.raw": "go forward ten meters",
    "something.raw": "go somewhere and do something",
    "beckett.wav": "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
}
SENTENCES = (
    "Sure, I can help you with that. What would you like to know?",
    "The capital of France is Paris, and about two million people live there.",
    "It will probably rain this afternoon, so take an umbrella with you.",
    "I have set a timer for ten minutes. Shall I also play some music?",
    "Your meeting with Sarah starts at half past three in the small room.",
    "Sorry, I did not catch that. Could you say it again, please?",
)
SHORT, LONG = "Sure, I can help you with that.", SENTENCES[1]
BARS = {"moonshine-tiny": 10.0, "moonshine-base": 3.0, "voice": 5.0}
CHUNK_S = 0.1
LEAD_S, TRAIL_S = 0.3, 0.15
REPEATS = 7


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result."""

    part: str
    name: str
    words: int = 0
    errors: int = 0
    peak: float | None = None
    first_ms: tuple[float, float, float] | None = None
    """10 %, median and 90 % of the time to the first partial text or to the first sound."""
    final_ms: tuple[float, float, float] | None = None
    """The same for the time from the mark to the final text."""
    realtime_factor: float | None = None
    wrong: tuple[str, ...] = ()

    @property
    def error_percent(self) -> float:
        return 100 * self.errors / max(1, self.words)

    @property
    def passes(self) -> bool:
        bar = BARS.get(self.name, BARS["voice"])
        return self.error_percent <= bar and (self.peak is None or self.peak < 1)


def fetch(directory: Path) -> None:
    """Bring the clips into a directory; nothing of the packages is installed."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "clips.txt"
        lines = (f"{name} --hash=sha256:{digest}" for name, digest in PACKAGES.items())
        wanted.write_text("\n".join(lines), encoding="utf-8")
        options = ("--no-deps", "--require-hashes", "--no-binary", "pocketsphinx", "--quiet")
        command = (sys.executable, "-m", "pip", "download", *options, "-r", str(wanted))
        subprocess.run((*command, "--dest", folder), check=True)
        for archive in Path(folder).iterdir():
            for name, data in members(archive):
                (directory / name).write_bytes(data)


def members(archive: Path) -> list[tuple[str, bytes]]:
    """Return the clips that an archive holds."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            found = [name for name in wheel.namelist() if Path(name).name in CLIPS]
            return [(Path(name).name, wheel.read(name)) for name in found]
    if archive.suffix != ".gz":
        return []
    with tarfile.open(archive) as sources:
        files = [each for each in sources.getmembers() if Path(each.name).name in CLIPS]
        opened = [(Path(each.name).name, sources.extractfile(each)) for each in files]
        return [(name, file.read()) for name, file in opened if file is not None]


def load_clips(directory: Path) -> dict[str, Samples]:
    directory.mkdir(parents=True, exist_ok=True)
    if any(not (directory / name).is_file() for name in CLIPS):
        fetch(directory)
    clips: dict[str, Samples] = {}
    for name in CLIPS:
        data = (directory / name).read_bytes()
        clips[name] = to_float32(data) if name.endswith(".raw") else read_wav(data)[0]
    return clips


def transcriber(name: str) -> Transcriber:
    return cast("Transcriber", plugins.load("transcriber", name)({}))


def synthesizer(name: str, **settings: object) -> Synthesizer:
    return cast("Synthesizer", plugins.load("synthesizer", name)(settings))


@dataclass(frozen=True, slots=True)
class Heard:
    text: str
    final_ms: float
    first_ms: float | None


async def listen(engine: Transcriber, samples: Samples, *, live: bool) -> Heard:
    """Stream samples, in real time if ``live``, and ask for the text at once after the last."""
    began = marked = time.perf_counter()

    async def speak() -> AsyncIterator[Samples | Settle]:
        nonlocal marked
        size = int(CHUNK_S * STT_SAMPLE_RATE_HZ)
        for end in range(size, len(samples) + size, size):
            due = began + min(end, len(samples)) / STT_SAMPLE_RATE_HZ
            if live:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            yield samples[end - size : end]
        marked = time.perf_counter()
        yield Settle()

    first: float | None = None
    async for heard in engine.transcribe(speak(), TranscriptionOptions("en")):
        now = time.perf_counter()
        if isinstance(heard, FinalTranscript):
            return Heard(heard.text, 1000 * (now - marked), first)
        first = first or 1000 * (now - began - LEAD_S)
    raise AssertionError("A transcriber answers every mark.")


def spread(values: Sequence[float]) -> tuple[float, float, float] | None:
    if not values:
        return None
    low, middle, high = np.percentile(values, (10, 50, 90)).tolist()
    return round(low, 1), round(middle, 1), round(high, 1)


async def measure_hearing(directory: Path) -> list[Row]:
    clips = load_clips(directory)
    rows: list[Row] = []
    for name in ("moonshine-tiny", "moonshine-base"):
        engine = transcriber(name)
        heard = {clip: await listen(engine, surround(clips[clip]), live=True) for clip in CLIPS}
        errors = {
            clip: word_errors(said(text), said(heard[clip].text)) for clip, text in CLIPS.items()
        }
        firsts = [each.first_ms for each in heard.values() if each.first_ms is not None]
        rows.append(
            Row(
                "stt",
                name,
                words=sum(len(normalise(said(text))) for text in CLIPS.values()),
                errors=sum(errors.values()),
                first_ms=spread(firsts),
                final_ms=spread([each.final_ms for each in heard.values()]),
                wrong=tuple(heard[clip].text for clip, wrong in errors.items() if wrong),
            )
        )
    return rows


def surround(samples: Samples) -> Samples:
    lead, trail = (int(seconds * STT_SAMPLE_RATE_HZ) for seconds in (LEAD_S, TRAIL_S))
    return np.pad(samples, (lead, trail))


def said(text: str) -> str:
    """Write figures as words and one spelling for words that have two."""
    return speakable(text).replace("metres", "meters").replace("to-morrow", "tomorrow")


async def sound(engine: Synthesizer, text: str, voice: str) -> tuple[Samples, float, float]:
    """Return a text's sound, the seconds until it began and those until it was all there."""
    began = time.perf_counter()
    first = 0.0
    pieces: list[Samples] = []
    async for piece in engine.synthesize(SynthesisRequest(text, voice)):
        first = first or time.perf_counter() - began
        pieces.append(piece)
    return np.concatenate(pieces), first, time.perf_counter() - began


async def measure_voices(_: Path) -> list[Row]:
    judge = transcriber("moonshine-base")
    kokoro, hibari = synthesizer("kokoro"), synthesizer("hibari")
    rows = [await judged(judge, hibari, "marin", "marin (hibari)")]
    names = sorted(kokoro.capabilities.voices or ())
    return [*rows, *[await judged(judge, kokoro, each, f"{each} (kokoro)") for each in names]]


async def judged(judge: Transcriber, engine: Synthesizer, voice: str, name: str) -> Row:
    words = errors = 0
    peak = 0.0
    wrong: list[str] = []
    for text in SENTENCES:
        samples, _, _ = await sound(engine, text, voice)
        narrow = resample(samples, TTS_SAMPLE_RATE_HZ, STT_SAMPLE_RATE_HZ)
        heard = await listen(judge, surround(narrow), live=False)
        missed = word_errors(said(text), said(heard.text))
        words, errors = words + len(normalise(said(text))), errors + missed
        peak = max(peak, float(np.abs(samples).max()))
        if missed:
            wrong.append(heard.text)
    return Row("voices", name, words, errors, round(peak, 3), wrong=tuple(wrong))


async def measure_speed(_: Path) -> list[Row]:
    rows: list[Row] = []
    for engine, voice in (("hibari", "marin"), ("kokoro", "alloy")):
        voices = synthesizer(engine)
        for length, text in (("short", SHORT), ("long", LONG)):
            runs = [await sound(voices, text, voice) for _ in range(REPEATS)]
            factors = [whole * TTS_SAMPLE_RATE_HZ / len(made) for made, _, whole in runs]
            rows.append(
                Row(
                    "speed",
                    f"{engine}, {length}",
                    first_ms=spread([1000 * first for _, first, _ in runs]),
                    realtime_factor=round(median(factors), 4),
                )
            )
    return rows


PARTS: dict[str, Callable[[Path], Coroutine[Any, Any, list[Row]]]] = {
    "stt": measure_hearing,
    "voices": measure_voices,
    "speed": measure_speed,
}


def cell(value: object) -> str:
    match value:
        case None:
            return ""
        case (low, middle, high):
            return f"{middle} ({low}-{high})"
        case _:
            return str(value)


def table(rows: Sequence[Row]) -> str:
    lines: list[tuple[str, ...]] = [
        ("", "words wrong", "peak", "first, ms", "final, ms", "s per s", "")
    ]
    for row in rows:
        wrong = f"{row.errors} of {row.words} = {row.error_percent:.1f} %" if row.words else ""
        verdict = "" if row.passes else "ABOVE THE BAR"
        figures = (row.peak, row.first_ms, row.final_ms, row.realtime_factor)
        lines.append((row.name, wrong, *map(cell, figures), verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"


def main() -> int:
    parser = argparse.ArgumentParser(description="How well the speech engines hear and speak.")
    parser.add_argument(
        "--clips", type=Path, default=Path(tempfile.gettempdir()) / "antiphon-clips"
    )
    parser.add_argument("--only", choices=sorted(PARTS))
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args()
    rows: list[Row] = []
    for name, part in PARTS.items():
        if chosen.only in (None, name):
            rows += asyncio.run(part(chosen.clips))
    if chosen.json:
        figures = [{**asdict(row), "error_percent": row.error_percent} for row in rows]
        print(json.dumps({"machine": machine(), "figures": figures}))
    else:
        print(machine())
        print(table(rows))
        for row in rows:
            for text in row.wrong:
                print(f"  {row.name} heard: {text}")
    return 0 if all(row.passes for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
