"""Sound as endpoints stream it, bytes cut anywhere, turned into samples at 24 kHz.

Bare samples are what is usually asked for, but some endpoints send a WAV file whatever is asked
for, and some a compressed one; the first bytes tell.
"""

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import FULL_SCALE, empty
from antiphon.audio.resample import Resampler
from antiphon.backends.wav import UnreadableWav, WavReader
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ

_SAMPLE_BYTES = 2
_SIGNATURE_BYTES = 4
_COMPRESSED = (b"ID3", b"OggS", b"fLaC", b"\x1aE\xdf\xa3")
"""How MP3 (with tags), Ogg, FLAC and WebM begin."""


class UnusableSound(Exception):  # noqa: N818 - says what happened
    """The bytes are no 16-bit sound."""


class SoundStream:
    """One streamed sound: bare samples of a known rate, or a WAV file."""

    def __init__(self, rate_hz: int, *, is_wav: bool = False) -> None:
        self._rate_hz = rate_hz
        self._is_wav = is_wav
        self._channels = 1
        self._first = bytearray()
        self._wav: WavReader | None = None
        self._rest = b""
        """The beginning of a frame that is not complete yet."""
        self._resampler: Resampler | None = None

    def take(self, piece: bytes) -> NDArray[np.float32]:
        """Take the next bytes and return the samples that they complete.

        Raises `UnusableSound`.
        """
        if len(self._first) < _SIGNATURE_BYTES:
            self._first += piece
            if len(self._first) < _SIGNATURE_BYTES:
                return empty()
            piece = bytes(self._first)
            self._recognise(piece)
        return self._play(piece if self._wav is None else self._unwrap(self._wav, piece))

    def finish(self) -> NDArray[np.float32]:
        """End the sound and return its tail.

        Raises `UnusableSound` if there was none, or if it ends inside a sample.
        """
        if self._resampler is None:
            raise UnusableSound("it holds no sound")
        if self._rest:
            raise UnusableSound("it ends inside a sample, so it is no 16-bit sound")
        return self._resampler.flush()

    def _recognise(self, beginning: bytes) -> None:
        if beginning.startswith(_COMPRESSED):
            raise UnusableSound("it is compressed sound")
        if beginning.startswith(b"RIFF"):
            self._wav = WavReader()
        elif self._is_wav:
            raise UnusableSound("it is no WAV file")

    def _unwrap(self, wav: WavReader, piece: bytes) -> bytes:
        try:
            pcm = wav.feed(piece)
        except UnreadableWav as unreadable:
            raise UnusableSound(f"{unreadable}") from None
        if wav.format is not None:
            self._rate_hz, self._channels = wav.format.rate_hz, wav.format.channels
        return pcm

    def _play(self, pcm: bytes) -> NDArray[np.float32]:
        if not pcm:
            return empty()
        joined = self._rest + pcm
        whole = len(joined) - len(joined) % (_SAMPLE_BYTES * self._channels)
        self._rest = joined[whole:]
        resampler = self._resampler or self._new_resampler()
        samples = np.frombuffer(joined[:whole], "<i2").reshape(-1, self._channels)
        if self._channels == 1:
            return resampler.push(samples[:, 0])
        return resampler.push(samples.mean(axis=1, dtype=np.float32))

    def _new_resampler(self) -> Resampler:
        try:
            self._resampler = Resampler(self._rate_hz, TTS_SAMPLE_RATE_HZ, gain=1 / FULL_SCALE)
        except ValueError:
            raise UnusableSound(f"its rate of {self._rate_hz} Hz is not a usual one") from None
        return self._resampler
