"""What resampling and the audio formats cost, and how faithful they are.

Run: ``OPENBLAS_NUM_THREADS=1 python bench/resample.py [--json]``. Times are per chunk of 20 or
100 ms. The held-back time is how far the output is behind the input after chunks of 20 ms.
"""

import numpy as np
from numpy.typing import NDArray
from timing import Figure, constant, main, time_call

from antiphon.audio.formats import ALAW, PCM, ULAW, InputDecoder, OutputEncoder
from antiphon.audio.pcm import to_pcm16
from antiphon.audio.resample import Resampler, resample

PAIRS = [
    (24_000, 16_000),
    (16_000, 24_000),
    (8_000, 16_000),
    (8_000, 24_000),
    (24_000, 8_000),
    (48_000, 24_000),
    (24_000, 48_000),
    (48_000, 16_000),
    (22_050, 24_000),
    (44_100, 24_000),
]
CHUNKS_MS = (20, 100)


def noise(rate_hz: int, ms: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-0.5, 0.5, rate_hz * ms // 1000).astype(np.float32)


def tone(frequency_hz: float, rate_hz: int, count: int) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * frequency_hz * np.arange(count) / rate_hz).astype(np.float32)


def decibels(samples: NDArray[np.float32]) -> float:
    """Return the level relative to a full-scale tone."""
    return 10 * float(np.log10(2 * np.mean(np.square(samples, dtype=np.float64))))


def quality(from_hz: int, to_hz: int) -> list[Figure]:
    name = f"{from_hz} to {to_hz} Hz"
    inner = slice(to_hz // 20, -to_hz // 20)
    output = resample(tone(1_000, from_hz, from_hz), from_hz, to_hz)
    error = output - tone(1_000, to_hz, len(output))
    figures = [constant(f"{name}, noise at 1 kHz", "dB", decibels(error[inner]))]
    if from_hz > to_hz:
        folded = resample(tone(0.54 * to_hz, from_hz, from_hz), from_hz, to_hz)[inner]
        level = decibels(folded)
        figures.append(constant(f"{name}, alias of 1.08 x Nyquist", "dB", level))
    stream, given = Resampler(from_hz, to_hz), 0
    for _ in range(50):
        given += len(stream.push(noise(from_hz, 20)))
    figures.append(constant(f"{name}, held back", "ms", 1_000 - given * 1_000 / to_hz))
    return figures


def resampling(from_hz: int, to_hz: int, ms: int) -> Figure:
    stream, chunk = Resampler(from_hz, to_hz), noise(from_hz, ms)
    return time_call(f"{from_hz} to {to_hz} Hz, {ms} ms", lambda: stream.push(chunk), "us")


def decoding(format_name: str, ms: int) -> Figure:
    samples = noise(24_000, ms)
    encoder = OutputEncoder(format_name)
    audio = encoder.push(samples) + encoder.flush()
    decoder = InputDecoder(format_name)
    return time_call(f"decode {format_name}, {ms} ms", lambda: decoder.push(audio), "us")


def encoding(format_name: str, ms: int) -> Figure:
    encoder, pcm = OutputEncoder(format_name), to_pcm16(noise(24_000, ms))
    return time_call(f"encode {format_name}, {ms} ms", lambda: encoder.push(pcm), "us")


def measure() -> list[Figure]:
    formats = (PCM, ULAW, ALAW)
    return [
        *(resampling(*pair, ms) for pair in PAIRS for ms in CHUNKS_MS),
        *(decoding(name, ms) for name in formats for ms in CHUNKS_MS),
        *(encoding(name, ms) for name in formats for ms in CHUNKS_MS),
        *(figure for pair in PAIRS for figure in quality(*pair)),
    ]


if __name__ == "__main__":
    raise SystemExit(main("Resampling and audio formats", measure))
