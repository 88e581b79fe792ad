"""Tell our own voice, as it comes back through the client's microphone, from somebody else's.

What was sent is known to the last sample; the client plays it after an unknown time, through an
unknown loudspeaker and room. Both sides are seen as the loudness of ten bands every 16 ms. The echo
that is to be expected in a band is the loudest that was played in the time in which it can still
sound, turned down by how far echoes in this band lay below it until now. Sound that rises above
this in most of its energy is somebody's; sound that does not is ours, and begins no turn.

How loud the echo is, is learnt from above: at first it may be as loud as what was sent, and each
moment in which less comes back brings the expectation down. So a client without echo (headphones,
or a canceller of its own) is found out within the first second of a reply; and where an echo is,
nothing of it is taken for a voice while it is being learnt. The delay is learnt by correlation and
narrows the time in which an echo is expected.
"""

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.formats import ENGINE_RATE_HZ, InputDecoder
from antiphon.protocol.codec import decode_audio
from antiphon.protocol.server_events import (
    ConversationItemTruncated,
    ResponseDone,
    ResponseOutputAudioDelta,
)

Samples = NDArray[np.float32]
Levels = NDArray[np.float32]
"""Decibels of each band."""

HOP = 256
HOP_S = HOP / ENGINE_RATE_HZ
LONGEST_DELAY_S = 0.8
"""From sending to the echo's arrival: transmission both ways, buffers, the way through the air."""

_EDGES_HZ = (250, 400, 550, 700, 900, 1150, 1450, 1800, 2250, 2800, 3500)
_BANDS = len(_EDGES_HZ) - 1
_LAGS = round(LONGEST_DELAY_S / HOP_S)
_MEMORY = 2 * _LAGS
"""For how many hops what was played may still sound."""
_QUIET_DB = -100.0
_SILENT_DB = -95.0
_PLAYED_DB = -65.0
"""Below this nothing is played in a band."""
_DECAY_DB = 1.0
"""By how much sound in a room dies away in a hop: 60 dB in a second, slower than most rooms."""
_MOST_FRAMES = 32
"""More at once is a recording, and no microphone beside a loudspeaker."""
_MOST_DB = 0.0
"""The loudest echo at first, compared with what was sent."""
_MARGIN_DB = 4.0
"""How far above the expectation something must be to be unexpected."""
_FALL, _PLUNGE, _FAR_BELOW_DB = 0.004, 0.02, 15.0
"""How fast the expectation comes down to what is heard, and to what is far below it."""
_RISE_DB, _CATCH_UP = 0.03, 0.25
"""How fast it rises while somebody speaks, and to an echo that is a little louder."""
_FORGET = 0.99
"""What of the correlation is left after a hop: a second and a half are remembered."""
_CERTAIN = 0.5
"""The likeness at which a delay is believed."""
_OTHERS_SHARE = 0.5
"""So much of the energy must be unexpected to be somebody else's."""


class EchoGuard:
    """Follow what one client plays and hears."""

    __slots__ = (
        "_correlation",
        "_decoder",
        "_gain_db",
        "_heard",
        "_offset_s",
        "_played",
        "_sent",
        "_until_s",
    )

    def __init__(self) -> None:
        self._played = _Bands()
        self._heard = _Bands()
        self._sent = _Sent()
        self._until_s = 0.0
        self._offset_s: float | None = None
        self._gain_db: Levels = np.full(_BANDS, _MOST_DB, np.float32)
        self._correlation = _Correlation()
        self._decoder: tuple[str, InputDecoder] | None = None

    def follow(self, output: object, format_name: str, now: float) -> None:
        """Note what the client plays and stops playing, as far as an event tells; any may come."""
        match output:
            case ResponseOutputAudioDelta(delta=sound):
                self.play(decode_audio(sound), format_name, now)
            case ResponseDone(response=done) if done.status == "cancelled":
                self.stop(now)
            case ConversationItemTruncated():
                self.stop(now)
            case _:
                pass

    def play(self, audio: bytes, format_name: str, now: float) -> None:
        """Note sound that was sent; the client plays it after what was sent before."""
        if self._decoder is None or self._decoder[0] != format_name:
            self._decoder = format_name, InputDecoder(format_name)
        samples = self._decoder[1].push(audio).samples
        begin_s = max(self._until_s, now)
        if begin_s > self._until_s + HOP_S:
            self._played = _Bands()
        self._until_s = begin_s + len(samples) / ENGINE_RATE_HZ
        self._sent.add(round(begin_s / HOP_S), self._played.push(samples))

    def stop(self, now: float) -> None:
        """Note that the client was told to play no more."""
        self._until_s = min(self._until_s, now)
        self._sent.cut(round(now / HOP_S))

    def explain(self, frames: Samples, end_ms: int, now: float) -> tuple[bool, ...]:
        """Tell for each frame of 32 ms that ends by ``end_ms`` whether it is our own voice.

        Of frames that are not told of, nothing is known: they came too late or too many at once.
        """
        if self._sent.is_over(round(now / HOP_S)) or len(frames) > _MOST_FRAMES:
            return ()
        offset_s = now - end_ms / 1000
        # What comes late was not spoken late: the earliest arrival tells the time best.
        if self._offset_s is None or offset_s < self._offset_s:
            self._offset_s = offset_s
        else:
            self._offset_s += min(0.01, offset_s - self._offset_s)
        heard = self._heard.push(frames.reshape(-1))
        end = round((self._offset_s + end_ms / 1000) / HOP_S)
        others = [
            self._others(levels, end - len(heard) + 1 + index) for index, levels in enumerate(heard)
        ]
        # Two hops a frame; the second one of the newest frame may still be open.
        pairs = [others[index : index + 2] for index in range(0, 2 * len(frames), 2)]
        return tuple(bool(each) and sum(each) / len(each) < _OTHERS_SHARE for each in pairs)

    def _others(self, heard: Levels, at: int) -> float:
        """Return the share of the energy of a hop that is no echo of ours."""
        table = self._sent.before(at)
        self._correlation.follow(heard, table)
        expected = self._expected(table)
        is_played = expected > _PLAYED_DB
        if not is_played.any():
            return 1.0
        ratio = heard - expected
        limit = expected + self._gain_db + _MARGIN_DB
        energy = np.power(10, heard / 10)
        unexpected = np.maximum(0, energy - np.power(10, limit / 10))
        share = float(unexpected.sum() / energy.sum())
        self._learn(ratio, is_played, self._is_fresh(table, expected), share)
        # What has nothing in any band cannot be recognised as ours.
        return share if heard.max() > _SILENT_DB else 1.0

    def _learn(
        self,
        ratio: Levels,
        is_played: NDArray[np.bool_],
        is_fresh: NDArray[np.bool_],
        share: float,
    ) -> None:
        above = ratio > self._gain_db
        below = np.maximum(0, self._gain_db - ratio)
        step = _FALL * below + _PLUNGE * np.maximum(0, below - _FAR_BELOW_DB)
        fall = self._gain_db - np.where(is_fresh, step, 0)
        is_ours = share < _OTHERS_SHARE
        rise = self._gain_db + (_CATCH_UP * (ratio - self._gain_db) if is_ours else _RISE_DB)
        learnt = np.where(above, np.minimum(rise, _MOST_DB), fall)
        self._gain_db = np.where(is_played, learnt, self._gain_db).astype(np.float32)

    def _expected(self, table: Levels) -> Levels:
        """Return the loudest of what may still sound."""
        lag = self._correlation.lag
        begin, end = (0, _LAGS) if lag is None else (max(0, lag - 3), lag + 3)
        ages = np.arange(len(table), dtype=np.float32)[:, None]
        fading = np.where(ages < begin, -300, -_DECAY_DB * np.maximum(0, ages - end))
        expected: Levels = (table + fading).max(axis=0)
        return expected

    def _is_fresh(self, table: Levels, expected: Levels) -> NDArray[np.bool_]:
        """Tell where what sounds is being played right now, and not fading away."""
        lag = self._correlation.lag
        # Before the delay is known, what was sent just now may still be on its way.
        begin, end = (_LAGS * 5 // 8, _LAGS) if lag is None else (max(0, lag - 2), lag + 3)
        fresh: NDArray[np.bool_] = table[begin:end].max(axis=0) > expected - 3
        return fresh


class _Sent:
    """The levels of what was sent, by the hop in which the client can play it soonest."""

    __slots__ = ("_begin", "_end", "_levels", "_read")

    def __init__(self) -> None:
        self._levels: Levels = np.zeros((0, _BANDS), np.float32)
        self._begin = self._end = 0
        self._read = 0

    def is_over(self, at: int) -> bool:
        """Tell whether nothing of it can sound any more."""
        return at >= self._end + _MEMORY

    def add(self, at: int, levels: Levels) -> None:
        """Add what is played from ``at`` on, or from the end of what was added before."""
        if self.is_over(at):
            self._levels, self._begin, self._end = levels, at, at + len(levels)
            return
        gap = np.full((max(0, at - self._end), _BANDS), _QUIET_DB, np.float32)
        old = min(max(0, self._read - _MEMORY - self._begin), len(self._levels))
        self._levels = np.concatenate((self._levels[old:], gap, levels))
        self._begin += old
        self._end = self._begin + len(self._levels)

    def cut(self, at: int) -> None:
        """Drop what would be played after ``at``."""
        self._levels = self._levels[: max(0, at + 1 - self._begin)]
        self._end = self._begin + len(self._levels)

    def before(self, at: int) -> Levels:
        """Return what was played in the hops up to ``at``, the newest first."""
        self._read = at
        table = np.full((_MEMORY, _BANDS), _QUIET_DB, np.float32)
        newest = min(at, self._end - 1)
        oldest = max(at - _MEMORY + 1, self._begin)
        if newest >= oldest:
            rows = self._levels[oldest - self._begin : newest + 1 - self._begin]
            table[at - newest : at - oldest + 1] = rows[::-1]
        return table


class _Bands:
    """Cut a stream into hops and measure the bands of each, over two hops."""

    __slots__ = ("_rest",)

    _WINDOW = np.hanning(2 * HOP + 1)[:-1].astype(np.float32)
    _BINS = tuple(round(edge * 2 * HOP / ENGINE_RATE_HZ) for edge in _EDGES_HZ)

    def __init__(self) -> None:
        self._rest: Samples = np.zeros(HOP, np.float32)

    def push(self, samples: Samples) -> Levels:
        """Take the next samples; return the levels of the hops they complete, one a row."""
        joined = np.concatenate((self._rest, samples))
        count = max(0, len(joined) // HOP - 1)
        self._rest = joined[count * HOP :].copy()
        hops = joined[: (count + 1) * HOP].reshape(-1, HOP)
        windows = np.concatenate((hops[:-1], hops[1:]), axis=1) * self._WINDOW
        spectra = np.fft.rfft(windows, axis=1)
        power = np.square(spectra.real) + np.square(spectra.imag)
        summed = np.add.reduceat(power, self._BINS, axis=1)[:, :_BANDS] / (HOP * HOP)
        levels: Levels = (10 * np.log10(summed + 1e-10)).astype(np.float32)
        return levels


class _Correlation:
    """Find the delay at which what is heard follows what was played."""

    __slots__ = ("_both", "_heard", "_heard_mean", "_played", "_played_mean", "_weight", "lag")

    def __init__(self) -> None:
        self._both = np.zeros(_LAGS)
        self._heard = 1e-6
        self._played = np.full(_LAGS, 1e-6)
        self._heard_mean: Levels | None = None
        self._played_mean: Levels | None = None
        self._weight = 0.0
        self.lag: int | None = None
        """The delay in hops; None: not known."""

    def follow(self, heard: Levels, table: Levels) -> None:
        """Take the next hop of both."""
        if self._heard_mean is None or self._played_mean is None:
            self._heard_mean, self._played_mean = heard.copy(), table[0].copy()
        self._heard_mean += 0.02 * (heard - self._heard_mean)
        self._played_mean += 0.02 * (np.maximum(table[0], _PLAYED_DB) - self._played_mean)
        one = heard - self._heard_mean
        other = np.maximum(table[:_LAGS], _PLAYED_DB) - self._played_mean
        self._both = _FORGET * self._both + other @ one
        self._heard = _FORGET * self._heard + float(one @ one)
        self._played = _FORGET * self._played + np.square(other).sum(axis=1)
        self._weight = _FORGET * self._weight + 1
        likeness = self._both / np.sqrt(self._heard * self._played)
        best = int(likeness.argmax())
        if self._weight > 40 and likeness[best] > _CERTAIN:
            self.lag = best
        elif likeness[best] < _CERTAIN / 2:
            self.lag = None
