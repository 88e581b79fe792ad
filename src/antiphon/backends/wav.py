"""WAV files: written whole for whoever transcribes, read piece by piece from whoever speaks.

A streaming endpoint writes the header before it knows how long the speech will be, so the sizes in
it say nothing, or nonsense; what counts is where the stream ends.
"""

import struct
from dataclasses import dataclass

_PCM = 1
_EXTENSIBLE = 0xFFFE
_MAX_HEADER_BYTES = 65_536
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_SUBFORMAT_OFFSET = 24
_UNKNOWN_SIZE = 0x7FFF_0000
"""Sizes from here on, and 0, mean that the writer did not know."""


class UnreadableWav(Exception):  # noqa: N818 - says what happened
    """The bytes are no WAV file, or one of samples that are not 16-bit PCM."""


def wav_file(pcm: bytes, rate_hz: int) -> bytes:
    """Return mono PCM16 samples as a WAV file."""
    sound_format = _FORMAT.pack(_PCM, 1, rate_hz, 2 * rate_hz, 2, 16)
    head = _CHUNK.pack(b"fmt ", len(sound_format)) + sound_format + _CHUNK.pack(b"data", len(pcm))
    return _CHUNK.pack(b"RIFF", 4 + len(head) + len(pcm)) + b"WAVE" + head + pcm


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What the header says."""

    rate_hz: int
    channels: int


class WavReader:
    """Take a WAV file in pieces of any length and give out the bytes of its samples."""

    def __init__(self) -> None:
        self.format: WavFormat | None = None
        """Known once the first samples have come."""
        self._header = bytearray()
        self._left_bytes: int | None = None

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes and return those that are samples.

        Raises `UnreadableWav`.
        """
        if self.format is None:
            self._header += piece
            piece = self._read_header()
        if self._left_bytes is not None:
            # Tags may follow the samples.
            piece = piece[: self._left_bytes]
            self._left_bytes -= len(piece)
        return piece

    def _read_header(self) -> bytes:
        """Return what follows the header, once it is complete."""
        header = bytes(self._header)
        if not (b"RIFF".startswith(header[:4]) and b"WAVE".startswith(header[8:12])):
            raise UnreadableWav("it does not begin like a WAV file")
        sound_format: WavFormat | None = None
        position = 12
        while position + _CHUNK.size <= len(header):
            name, size = _CHUNK.unpack_from(header, position)
            position += _CHUNK.size
            if name == b"data":
                return self._begin_samples(sound_format, size, header[position:])
            if name == b"fmt " and position + size <= len(header):
                sound_format = _read_format(header[position : position + size])
            # Chunks are padded to an even length.
            position += size + size % 2
        if max(position, len(header)) > _MAX_HEADER_BYTES:
            raise UnreadableWav("its header does not end")
        return b""

    def _begin_samples(self, sound_format: WavFormat | None, size: int, rest: bytes) -> bytes:
        if sound_format is None:
            raise UnreadableWav("its samples come before their format")
        self.format = sound_format
        self._left_bytes = size if 0 < size < _UNKNOWN_SIZE else None
        self._header.clear()
        return rest


def _read_format(chunk: bytes) -> WavFormat:
    if len(chunk) < _FORMAT.size:
        raise UnreadableWav("its format is incomplete")
    kind, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(chunk)
    if kind == _EXTENSIBLE and len(chunk) >= _SUBFORMAT_OFFSET + 2:
        kind = int.from_bytes(chunk[_SUBFORMAT_OFFSET : _SUBFORMAT_OFFSET + 2], "little")
    if kind != _PCM or bits != 16 or channels < 1:
        raise UnreadableWav(f"its samples have {bits} bits in encoding {kind}, not 16-bit PCM")
    return WavFormat(rate_hz, channels)
