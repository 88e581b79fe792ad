"""The sound of one utterance: where speech begins and ends in it, and where it can be cut.

Loudness decides, in frames of 10 ms and relative to the loudest of them. That is crude, and enough:
whether somebody speaks is the VAD's business, and the transcriber itself hears nothing in noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.stt import STT_SAMPLE_RATE_HZ

_Samples = NDArray[np.float32]

_FRAME = STT_SAMPLE_RATE_HZ // 100
_SILENCE_RMS = 0.0005
"""-66 dB of full scale: nothing quieter is speech."""
_AUDIBLE = 0.01
"""Part of the loudest frame's level from which a frame is heard: -40 dB."""
_PAUSE = 0.1
"""Part of the usual level of speech below which a frame may belong to a pause: -20 dB."""

_LEAD_MS = 60
_TRAIL_MS = 200
_LEAST_TRAIL_MS = 100
_LEAST_SPEECH_MS = 100
_KEPT_SILENCE_MS = 300
_FORGOTTEN_SILENCE_MS = 1000

LONGEST_PART_MS = 15_000
"""Speech is cut before it grows longer than this."""
_LEAST_PART_MS = 4_000
_PAUSES_TO_CUT_AT = ((12_000, 200), (8_000, 400))
"""The longer speech goes on, the shorter the pause at which it is cut."""
_FORCED_CUT_MS = (7_500, 14_000)


@dataclass(frozen=True, slots=True)
class Window:
    """Speech to transcribe, without the silence around it."""

    begins: int
    """Position of its first sample in the utterance."""
    ends: int
    """Position after the last frame in which something is heard; silence may follow."""
    samples: _Samples

    @property
    def speech_ms(self) -> int:
        """How long speech is heard."""
        return _ms(self.ends - self.begins)

    def hears_the_same(self, other: "Window | None") -> bool:
        """Tell whether both hold the same speech."""
        return other is not None and (self.begins, self.ends) == (other.begins, other.ends)


class Utterance:
    """Collect the samples of one utterance and forget those that are no longer needed."""

    def __init__(self) -> None:
        self._samples: _Samples = np.empty(STT_SAMPLE_RATE_HZ, np.float32)
        self._held = 0
        self._levels: _Samples = np.empty(0, np.float32)
        self._forgotten = 0

    @property
    def length(self) -> int:
        """The number of samples that have arrived, forgotten ones included."""
        return self._forgotten + self._held

    def append(self, samples: _Samples) -> None:
        """Take the next samples."""
        needed = self._held + len(samples)
        if needed > len(self._samples):
            larger = np.empty(max(needed, 2 * len(self._samples)), np.float32)
            larger[: self._held] = self._samples[: self._held]
            self._samples = larger
        self._samples[self._held : needed] = samples
        self._held = needed
        measured = len(self._levels) * _FRAME
        frames = (needed - measured) // _FRAME
        fresh = self._samples[measured : measured + frames * _FRAME].reshape(frames, _FRAME)
        levels = np.sqrt(np.mean(np.square(fresh), axis=1))
        self._levels = np.concatenate((self._levels, levels))
        self._forget_silence()

    def window(self) -> Window | None:
        """Return the speech that is held, or None when there is none."""
        return self._window(len(self._levels))

    def silence_ms(self) -> int:
        """Return how long nothing has been heard at the end."""
        audible = np.flatnonzero(self._levels >= _threshold(self._levels))
        return 10 * (len(self._levels) - 1 - int(audible[-1]) if len(audible) else 0)

    def finished_part(self) -> Window | None:
        """Cut off speech that no later audio will change; None while there is little of it."""
        part = None
        while part is None and (cut := _place_to_cut(self._levels)) is not None:
            part = self._window(cut)
            self._forget(cut)
        return part

    def _window(self, frames: int) -> Window | None:
        levels = self._levels[:frames]
        audible = np.flatnonzero(levels >= _threshold(levels))
        if not len(audible):
            return None
        first, last = int(audible[0]), int(audible[-1]) + 1
        if (last - first) * 10 < _LEAST_SPEECH_MS:
            return None
        begin = max(0, first * _FRAME - _samples(_LEAD_MS))
        end = min(frames * _FRAME, last * _FRAME + _samples(_TRAIL_MS))
        missing = last * _FRAME + _samples(_LEAST_TRAIL_MS) - end
        speech = np.pad(self._samples[begin:end], (0, max(0, missing)))
        return Window(self._forgotten + begin, self._forgotten + last * _FRAME, speech)

    def _forget_silence(self) -> None:
        frames = len(self._levels)
        if frames * 10 > _FORGOTTEN_SILENCE_MS and self._levels.max() < _SILENCE_RMS:
            self._forget(frames - _KEPT_SILENCE_MS // 10)

    def _forget(self, frames: int) -> None:
        samples = frames * _FRAME
        self._samples = self._samples[samples : self._held].copy()
        self._held -= samples
        self._levels = self._levels[frames:].copy()
        self._forgotten += samples


def _samples(ms: int) -> int:
    return ms * STT_SAMPLE_RATE_HZ // 1000


def _ms(samples: int) -> int:
    return samples * 1000 // STT_SAMPLE_RATE_HZ


def _threshold(levels: _Samples) -> float:
    return max(_SILENCE_RMS, _AUDIBLE * float(levels.max(initial=0)))


def _place_to_cut(levels: _Samples) -> int | None:
    """Return the frame before which speech can be cut, or None while it is short."""
    length_ms = 10 * len(levels)
    if length_ms > LONGEST_PART_MS:
        part = levels[: LONGEST_PART_MS // 10]
        return _longest_pause(part, _PAUSES_TO_CUT_AT[0][1]) or _quietest_place(part)
    least_pause_ms = next(
        (least for longer, least in _PAUSES_TO_CUT_AT if length_ms > longer), None
    )
    return None if least_pause_ms is None else _longest_pause(levels, least_pause_ms)


def _longest_pause(levels: _Samples, least_ms: int) -> int | None:
    """Return the middle of the longest pause that is long enough and not at either end."""
    usual = float(np.percentile(levels, 90))
    quiet = np.concatenate(([False], levels < max(_SILENCE_RMS, _PAUSE * usual), [False]))
    borders = np.flatnonzero(quiet[1:] != quiet[:-1])
    pauses = [
        (end - begin, begin + (end - begin) // 2)
        for begin, end in borders.reshape(-1, 2).tolist()
        if (end - begin) * 10 >= least_ms and begin * 10 >= _LEAST_PART_MS and end < len(levels)
    ]
    return max(pauses)[1] if pauses else None


def _quietest_place(levels: _Samples) -> int:
    first, last = (ms // 10 for ms in _FORCED_CUT_MS)
    smoothed = np.convolve(levels, np.full(20, 1 / 20, np.float32), "same")
    return first + int(smoothed[first:last].argmin())
