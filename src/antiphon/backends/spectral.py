"""Noise reduction without a model: how much of each band is voice, judged by what stays.

Noise is what is always there: the quietest moments of the last seconds show, band by band, how loud
it is (minimum statistics). Each band is turned down as far as it holds noise, by the rule that
keeps the expected error of the logarithm of its loudness least, and never out altogether: rests of
noise disturb a transcriber less than holes do. Noise that comes and goes as voices do cannot be
told from the voice in front of it; beneath a voice it is left nearly as it is. While nobody speaks
for longer, all is turned down further; the voice that comes next is seen 30 ms ahead, so that it
keeps its beginning.

Gains are those of 20 ms windows every 10 ms. With the half window that is still open, 40 ms are
held back.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import Samples
from antiphon.audio.spectra import Analysis, Spectra, Synthesis
from antiphon.engines.noise import NOISE_SAMPLE_RATE_HZ, Field
from antiphon.protocol.errors import EngineError

Bands = NDArray[np.float32]

_WINDOW = NOISE_SAMPLE_RATE_HZ // 50
_BANDS = _WINDOW // 2 + 1
_BAND_HZ = 50
_AHEAD_HOPS = 3
_VOICE = slice(200 // _BAND_HZ, 4_050 // _BAND_HZ)
_STEADY_TO_RESTLESS_DB = (2.4, 3.2)
"""How far noise is above its quietest moments: a fan and a room full of people."""


@dataclass(frozen=True, slots=True)
class _Tuning:
    """What differs between microphones; the figures are in docs/design/sound.md."""

    floor: float
    """The least gain of a band in steady noise, as of a fan, while somebody speaks."""
    restless_floor: float
    """The same in noise that comes and goes as voices do."""
    rest: float
    """By how much everything is turned down besides while nobody does."""


_TUNINGS: Mapping[Field, _Tuning] = {
    "near_field": _Tuning(floor=0.04, restless_floor=0.8, rest=0.3),
    "far_field": _Tuning(floor=0.03, restless_floor=0.8, rest=0.15),
}


def create(settings: Mapping[str, object]) -> "SpectralReducer":
    """Create the noise reducer; it has no settings."""
    for name in settings:
        raise EngineError(
            "engine_misconfigured", f"The engine 'spectral' has no setting '{name}'. Remove it."
        )
    return SpectralReducer()


class SpectralReducer:
    """Reduce the noise of any number of streams."""

    def open(self, field: Field, strength: float) -> "SpectralStream":
        """Begin a stream."""
        return SpectralStream(_TUNINGS[field], strength)


@dataclass(frozen=True, slots=True)
class _Window:
    """A window on its way out."""

    spectrum: NDArray[np.complex64]
    gain: Bands
    holds_voice: bool


class SpectralStream:
    """One stream. What it knows of the noise outlives a flush."""

    def __init__(self, tuning: _Tuning, strength: float) -> None:
        self._tuning = tuning
        self._strength = np.float32(strength)
        self._noise = _Noise()
        self._presence = _Presence()
        self._openness = 1.0
        self._gain: Bands = np.ones(_BANDS, np.float32)
        self._begin()

    def push(self, samples: Samples) -> Samples:
        """Take the next samples and return the next reduced ones."""
        self._due += len(samples)
        spectra = self._analysis.push(samples)
        self._ahead.extend(map(self._judge, spectra))
        return self._give(len(self._ahead) - _AHEAD_HOPS)

    def flush(self) -> Samples:
        """End the stream: return what was held back."""
        due = self._due
        silence = self._analysis.push(np.zeros(_WINDOW, np.float32))
        # The end of the sound is no quiet moment to learn the noise from.
        self._ahead.extend(_Window(each, self._gain, holds_voice=False) for each in silence)
        tail = self._give(len(self._ahead))[:due]
        self._begin()
        return tail

    def _begin(self) -> None:
        self._analysis, self._synthesis = Analysis(_WINDOW), Synthesis(_WINDOW)
        self._ahead: deque[_Window] = deque()
        self._due = 0

    def _judge(self, spectrum: NDArray[np.complex64]) -> _Window:
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        holds_voice = self._presence.of(power)
        gain = self._noise.gain(power)
        if not holds_voice:
            self._noise.watch(power)
        floors = (self._tuning.floor, self._tuning.restless_floor)
        floor = np.interp(self._noise.unrest_db, _STEADY_TO_RESTLESS_DB, floors)
        self._gain = np.maximum(gain, np.float32(floor))
        return _Window(spectrum, self._gain, holds_voice)

    def _give(self, count: int) -> Samples:
        """Return the sound of so many windows, the oldest first."""
        reduced = [self._reduce(self._ahead) for _ in range(count)]
        spectra: Spectra = (
            np.stack(reduced) if reduced else np.zeros((0, _BANDS), dtype=np.complex64)
        )
        sound = self._synthesis.push(spectra)
        self._due -= len(sound)
        return sound

    def _reduce(self, ahead: deque[_Window]) -> NDArray[np.complex64]:
        opens = any(each.holds_voice for each in islice(ahead, _AHEAD_HOPS + 1))
        step = _Presence.RISE if opens else _Presence.FALL
        self._openness += step * (opens - self._openness)
        window = ahead.popleft()
        rest = self._tuning.rest + (1 - self._tuning.rest) * self._openness
        gain = window.gain * np.float32(rest)
        reduced: NDArray[np.complex64] = window.spectrum * (1 - self._strength * (1 - gain))
        return reduced


class _Noise:
    """Follow the noise in each band, and say how much of a window is not noise."""

    _BIAS = np.float32(1.6)
    """By how much the mean of noise lies above the quietest of several moments."""
    _SMOOTHING = np.float32(0.15)
    _LEANING = np.float32(0.92)
    """How much the estimate of a band leans on the one before it."""
    _TRUSTING = np.float32(0.08)
    _LEAST_RATIO = np.float32(1e-3)
    _LEAST_POWER = np.float32(1e-10)
    _SPANS, _SPAN_HOPS = 8, 18
    """1.5 s are remembered: longer than most words, shorter than people wait."""
    _LEARNING_HOPS = 50
    _WATCHING = 0.02

    def __init__(self) -> None:
        self._smooth: Bands | None = None
        self._lowest: Bands = np.full(_BANDS, np.inf, np.float32)
        self._spans: deque[Bands] = deque(maxlen=self._SPANS)
        self._hops = 0
        self._clean: Bands = np.zeros(_BANDS, np.float32)
        self._level: Bands = np.full(_BANDS, self._LEAST_POWER, np.float32)
        self._above = 1.6
        self.unrest_db = 2.0
        """How far the noise is above what is taken for noise, on average."""

    def watch(self, power: Bands) -> None:
        """Take a window in which nobody speaks."""
        above = float(power[_VOICE].sum()) / float(self._level[_VOICE].sum())
        self._above += self._WATCHING * (above - self._above)
        self.unrest_db = 10 * float(np.log10(max(self._above, 1.0)))

    def gain(self, power: Bands) -> Bands:
        """Return the gain of each band of the next window."""
        ratio: Bands = power / self._follow(power)
        above = (ratio - 1).clip(0, None).astype(np.float32)
        leaning = self._LEANING * self._clean + self._TRUSTING * above
        prior: Bands = leaning.clip(self._LEAST_RATIO, None).astype(np.float32)
        wiener = (prior / (prior + 1)).astype(np.float32)
        gain = (wiener * np.exp(_half_integral(wiener * ratio))).clip(0, 1).astype(np.float32)
        self._clean = gain * gain * ratio
        # Who speaks from the first moment on is not to be taken for noise.
        known = np.float32(min(1.0, self._hops / self._LEARNING_HOPS))
        learnt: Bands = 1 - known * (1 - gain)
        return learnt

    def _follow(self, power: Bands) -> Bands:
        if self._smooth is None:
            self._smooth = power.copy()
        self._smooth += self._SMOOTHING * (power - self._smooth)
        np.minimum(self._lowest, self._smooth, out=self._lowest)
        quietest: Bands = np.minimum.reduce([self._lowest, *self._spans])
        self._hops += 1
        if self._hops % self._SPAN_HOPS == 0:
            self._spans.append(self._lowest)
            self._lowest = np.full(_BANDS, np.inf, np.float32)
        self._level = np.maximum(self._BIAS * quietest, self._LEAST_POWER)
        return self._level


class _Presence:
    """Say whether somebody speaks in front of the microphone."""

    RISE, FALL = 0.9, 0.06
    _ABOVE_DB = 6.0
    """How far a voice is above the usual sound of the room."""
    _HOLD_HOPS = 150
    """A pause of this length is one between turns and not between words."""

    _FIRST_HOPS = 50
    """So long everybody counts as somebody who speaks."""

    def __init__(self) -> None:
        self._level_db: float | None = None
        self._room_db = 0.0
        self._left = self._FIRST_HOPS

    def of(self, power: Bands) -> bool:
        """Take the next window."""
        heard_db = 10 * float(np.log10(float(power[_VOICE].sum()) + 1e-9))
        if self._level_db is None:
            self._level_db = self._room_db = heard_db
        weight = 0.5 if heard_db > self._level_db else 0.15
        self._level_db += weight * (heard_db - self._level_db)
        # Up 4 dB a second, down 12: the room is what is heard most of the time.
        self._room_db += 0.04 if self._level_db > self._room_db else -0.12
        is_loud = self._level_db - self._room_db > self._ABOVE_DB
        self._left = self._HOLD_HOPS if is_loud else max(0, self._left - 1)
        return self._left > 0


def _half_integral(values: Bands) -> Bands:
    """Return half of the exponential integral E1, as near as hearing needs."""
    small = -np.log(np.maximum(values, np.float32(1e-9))) - np.float32(0.5772) + values
    large = np.exp(-values) / (values + 1)
    half: Bands = np.float32(0.5) * np.where(values < 1, small, large).clip(0, 6)
    return half.astype(np.float32)
