"""Sounds for tests, the same on every machine: speech-like, and everything that is not speech.

`speech` is no recording and says nothing. It is a row of syllables, each a buzz at the pitch of a
voice, shaped by the moving resonances of a mouth: enough for voice activity detection to take it
for speech, which a tone, a noise or a click is not.
"""

import io
import wave
from collections.abc import Iterator

import numpy as np
import pybase64
from numpy.typing import NDArray

from antiphon.audio.pcm import SAMPLE_RATE_HZ, Samples, to_float32, to_pcm16

APPEND_MS = 100

# Resonances of a, e, i, o, u in Hz (Peterson and Barney, 1952, men), and how wide they are.
_VOWELS_HZ = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
)
_WIDTHS_HZ = (60, 80, 100)
_SYLLABLE_MS = 140
_PITCH_HZ = 110.0


def speech(ms: int, rate_hz: int = SAMPLE_RATE_HZ, *, level: float = 0.3, seed: int = 0) -> Samples:
    """Return speech-like sound; ``level`` is its peak."""
    chance = np.random.default_rng(seed)
    samples = ms * rate_hz // 1000
    syllable = _SYLLABLE_MS * rate_hz // 1000
    count = -(-samples // syllable)
    marks = np.arange(count + 1) * syllable
    vowels = np.array(_VOWELS_HZ, np.float64)[chance.integers(len(_VOWELS_HZ), size=count + 1)]
    time = np.arange(samples)
    resonances = np.stack([np.interp(time, marks, vowels[:, each]) for each in range(3)])
    accents = chance.uniform(0.9, 1.15, count + 1)
    pitch = _PITCH_HZ * np.interp(time, marks, accents)
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    sound = np.zeros(samples)
    for harmonic in range(1, int(min(4000, 0.45 * rate_hz) / (_PITCH_HZ * 1.15))):
        sound += _loudness(harmonic * pitch, resonances) * np.cos(harmonic * phase) / harmonic
    # Opening and closing of the mouth, never quite shut within a word.
    opening = 0.04 + 0.96 * np.sin(np.pi * (time % syllable) / syllable) ** 0.7
    breath = 0.003 * chance.standard_normal(samples) * np.abs(sound).max(initial=0.0)
    sound = (sound + breath) * opening
    peak = max(float(np.abs(sound).max(initial=0.0)), 1e-9)
    scaled: Samples = (sound * (level / peak)).astype(np.float32)
    return scaled


def _loudness(pitch: NDArray[np.float64], resonances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much the mouth lets through at a pitch."""
    through = np.ones_like(pitch)
    for centre, width in zip(resonances, _WIDTHS_HZ, strict=True):
        # A two-pole resonance, 1 at 0 Hz.
        square = centre**2
        through *= square / np.sqrt((square - pitch**2) ** 2 + (width * pitch) ** 2)
    return through


def tone(pitch_hz: float, ms: int, rate_hz: int = SAMPLE_RATE_HZ, *, level: float = 0.3) -> Samples:
    """Return a sine tone."""
    time_s = np.arange(ms * rate_hz // 1000) / rate_hz
    return (level * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


def silence(ms: int, rate_hz: int = SAMPLE_RATE_HZ) -> Samples:
    """Return nothing to hear."""
    return np.zeros(ms * rate_hz // 1000, np.float32)


def noise(ms: int, rate_hz: int = SAMPLE_RATE_HZ, *, level: float = 0.05, seed: int = 0) -> Samples:
    """Return white noise; ``level`` is its root mean square."""
    chance = np.random.default_rng(seed)
    return (level * chance.standard_normal(ms * rate_hz // 1000)).astype(np.float32)


def clicks(
    ms: int, rate_hz: int = SAMPLE_RATE_HZ, *, every_ms: int = 250, level: float = 0.8
) -> Samples:
    """Return short clicks, as of a keyboard."""
    sound = silence(ms, rate_hz)
    click = np.exp(-np.arange(rate_hz // 500) * (4000 / rate_hz)).astype(np.float32) * level
    for begin in range(0, len(sound), every_ms * rate_hz // 1000):
        part = sound[begin : begin + len(click)]
        part += click[: len(part)] * np.where(np.arange(len(part)) % 2, -1, 1)
    return sound


def cough(rate_hz: int = SAMPLE_RATE_HZ, *, level: float = 0.5, seed: int = 0) -> Samples:
    """Return a cough of a quarter to half a second; each seed gives another.

    It bursts, rushes through an open throat, and closes with a short voice of falling pitch: the
    three phases that recordings of coughs show.
    """
    chance = np.random.default_rng(seed)
    burst = _rush(chance, chance.uniform(0.03, 0.06), (400, 3500), rate_hz)
    rush = 0.5 * _rush(chance, chance.uniform(0.12, 0.22), (500, 2500), rate_hz)
    closing = 0.15 * _rush(chance, chance.uniform(0.06, 0.14), (400, 2000), rate_hz)
    time_s = np.arange(len(closing)) / rate_hz
    pitch_hz = chance.uniform(110, 240)
    phase = 2 * np.pi * pitch_hz * (time_s - 0.8 * time_s**2)
    voice = sum(np.sin(each * phase) / each**1.2 for each in range(1, 14))
    fading = np.exp(-np.linspace(0, 3, len(closing)))
    closing += chance.uniform(0.05, 0.3) * voice * fading
    sound = np.concatenate([burst, rush, closing])
    scaled: Samples = (sound * (level / np.abs(sound).max())).astype(np.float32)
    return scaled


def _rush(
    chance: np.random.Generator, seconds: float, band_hz: tuple[int, int], rate_hz: int
) -> NDArray[np.float64]:
    """Return a fading noise of a band; its peak is 1 at the most."""
    samples = int(seconds * rate_hz)
    octaves = np.log2(np.maximum(1, np.fft.rfftfreq(samples, 1 / rate_hz)))
    low, high = np.log2(band_hz)
    shape = np.exp(-0.5 * ((octaves - (low + high) / 2) / (0.5 * (high - low))) ** 2)
    sound = np.fft.irfft(np.fft.rfft(chance.standard_normal(samples)) * shape, samples)
    rush: NDArray[np.float64] = sound / np.abs(sound).max() * np.exp(-np.linspace(0, 3, samples))
    return rush


def typing(ms: int, rate_hz: int = SAMPLE_RATE_HZ, *, level: float = 0.2, seed: int = 0) -> Samples:
    """Return the noise of a keyboard near the microphone: keys that strike and spring back."""
    chance = np.random.default_rng(seed)
    sound = np.zeros(ms * rate_hz // 1000 + rate_hz // 4)
    begin = 0
    while begin < ms * rate_hz // 1000:
        loud = level * chance.uniform(0.3, 1)
        strike = chance.standard_normal(rate_hz * 12 // 1000)
        strike *= loud * np.exp(-np.linspace(0, 6, len(strike)))
        time_s = np.arange(rate_hz // 20) / rate_hz
        thud = np.sin(2 * np.pi * chance.uniform(90, 250) * time_s) * np.exp(-100 * time_s)
        sound[begin : begin + len(strike)] += strike
        sound[begin : begin + len(thud)] += 0.3 * loud * thud
        release = begin + int(chance.uniform(0.06, 0.1) * rate_hz)
        sound[release : release + len(strike)] += 0.4 * strike
        begin += int(chance.uniform(0.08, 0.3) * rate_hz)
    return sound[: ms * rate_hz // 1000].astype(np.float32)


def appends(samples: Samples, *, ms: int = APPEND_MS) -> Iterator[str]:
    """Yield 24 kHz samples as the ``audio`` of `input_audio_buffer.append` events."""
    pcm = to_pcm16(samples)
    size = 2 * ms * SAMPLE_RATE_HZ // 1000
    for begin in range(0, len(pcm), size):
        yield pybase64.b64encode_as_string(pcm[begin : begin + size])


def wav(samples: Samples, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """Return a WAV file of 16-bit samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(rate_hz)
        recording.writeframes(to_pcm16(samples))
    return file.getvalue()


def read_wav(file: bytes) -> tuple[Samples, int]:
    """Return the samples of a mono 16-bit WAV file and their rate."""
    with wave.open(io.BytesIO(file)) as recording:
        if (recording.getnchannels(), recording.getsampwidth()) != (1, 2):
            raise ValueError("Only mono WAV files of 16-bit samples can be read.")
        pcm = recording.readframes(recording.getnframes())
        return to_float32(pcm), recording.getframerate()
