"""What embedded synthesizers do to the sound of a clause before it is played.

The models begin with up to 0.4 s of silence and end with up to 0.6 s. The first is time that
somebody waits; the second is replaced by the pause that belongs to the clause's last mark. Voices
are brought to the same loudness, and peaks stay below full scale.
"""

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import limit_peaks
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ

_FRAME = TTS_SAMPLE_RATE_HZ // 200
_AUDIBLE = 0.003
"""Part of the loudest frame's level from which a frame is heard: -50 dB."""

LEAD_MS = 25
_PAUSES_MS = {".": 250, "!": 250, "?": 250, "…": 300, ",": 120, ";": 150, ":": 150, "—": 150}
_PAUSE_MS = 60


def finish(samples: NDArray[np.float32], phonemes: str, gain: float) -> NDArray[np.float32]:
    """Return the sound of a clause as it is played."""
    speech = _without_silence(samples)
    if not len(speech):
        return speech
    pause_ms = _PAUSES_MS.get(phonemes.rstrip("\"'”’) ")[-1:], _PAUSE_MS)
    return np.pad(limit_peaks(speech * np.float32(gain)), (0, _samples(pause_ms)))


def _without_silence(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    levels = np.sqrt(np.mean(np.square(frames), axis=1))
    audible = np.flatnonzero(levels > _AUDIBLE * levels.max(initial=0))
    if not len(audible):
        return samples[:0]
    begin = max(0, int(audible[0]) * _FRAME - _samples(LEAD_MS))
    return samples[begin : (int(audible[-1]) + 1) * _FRAME]


def _samples(ms: int) -> int:
    return ms * TTS_SAMPLE_RATE_HZ // 1000
