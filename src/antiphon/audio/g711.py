"""G.711 by table: µ-law and A-law bytes to samples and back.

The tables follow ITU-T G.711 (tables 1 and 2) for 16-bit samples: a code decodes to the value at
the middle of its interval, and a sample takes the code of the interval it lies in. Negative
samples mirror positive ones, so silence codes as silence on either side of zero.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from antiphon.audio.pcm import FULL_SCALE, Samples, to_int16

SAMPLE_RATE_HZ = 8_000
ULAW_SILENCE = 0xFF
ALAW_SILENCE = 0xD5

_Codes = NDArray[np.uint8]
_Values = NDArray[np.int32]

_ULAW_BIAS = 33
_ALL_CODES: _Values = np.arange(256, dtype=np.int32)


def decode_ulaw(codes: bytes) -> Samples:
    """Decode µ-law bytes to samples."""
    return _ulaw_samples().take(np.frombuffer(codes, np.uint8))


def encode_ulaw(samples: Samples) -> bytes:
    """Encode samples as µ-law bytes."""
    return _ulaw_codes().take(to_int16(samples).view(np.uint16)).tobytes()


def decode_alaw(codes: bytes) -> Samples:
    """Decode A-law bytes to samples."""
    return _alaw_samples().take(np.frombuffer(codes, np.uint8))


def encode_alaw(samples: Samples) -> bytes:
    """Encode samples as A-law bytes."""
    return _alaw_codes().take(to_int16(samples).view(np.uint16)).tobytes()


@lru_cache(maxsize=1)
def _ulaw_samples() -> Samples:
    # All bits are inverted on the line; inverted back, the sign bit is set for negative values.
    exponent, mantissa, negative = _fields(_ALL_CODES ^ 0xFF)
    magnitude = ((2 * mantissa + _ULAW_BIAS) << exponent) - _ULAW_BIAS
    return _frozen(np.where(negative, -4, 4) * magnitude / np.float32(FULL_SCALE))


@lru_cache(maxsize=1)
def _alaw_samples() -> Samples:
    # Even bits are inverted on the line; inverted back, the sign bit is set for positive values.
    exponent, mantissa, positive = _fields(_ALL_CODES ^ 0x55)
    linear = 2 * mantissa + 1
    magnitude = np.where(exponent == 0, linear, (linear + 32) << np.maximum(exponent - 1, 0))
    return _frozen(np.where(positive, 8, -8) * magnitude / np.float32(FULL_SCALE))


@lru_cache(maxsize=1)
def _ulaw_codes() -> _Codes:
    magnitude, negative = _magnitudes(drop_bits=2)
    biased = np.minimum(magnitude + _ULAW_BIAS, 0x1FFF)
    exponent = _bit_lengths(biased) - 6
    mantissa = (biased >> (exponent + 1)) & 0x0F
    return _frozen_codes((np.where(negative, 0x80, 0) | (exponent << 4) | mantissa) ^ 0xFF)


@lru_cache(maxsize=1)
def _alaw_codes() -> _Codes:
    magnitude, negative = _magnitudes(drop_bits=3)
    exponent = np.maximum(_bit_lengths(magnitude) - 5, 0)
    mantissa = (magnitude >> np.maximum(exponent, 1)) & 0x0F
    return _frozen_codes((np.where(negative, 0, 0x80) | (exponent << 4) | mantissa) ^ 0x55)


def _fields(codes: _Values) -> tuple[_Values, _Values, NDArray[np.bool_]]:
    """Split codes into exponent, mantissa and whether the sign bit is set."""
    return (codes >> 4) & 0x07, codes & 0x0F, codes >= 0x80


def _magnitudes(drop_bits: int) -> tuple[_Values, NDArray[np.bool_]]:
    """Return magnitude and sign of every 16-bit sample, in the order of its unsigned bits."""
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    negative = samples < 0
    # Spec: ITU-T G.191 takes the one's complement, which mirrors the intervals around zero.
    return np.where(negative, ~samples, samples) >> drop_bits, negative


def _bit_lengths(values: _Values) -> _Values:
    _, exponents = np.frexp(values)
    return exponents.astype(np.int32)


def _frozen(samples: NDArray[np.floating]) -> Samples:
    table = samples.astype(np.float32)
    table.setflags(write=False)
    return table


def _frozen_codes(codes: _Values) -> _Codes:
    table = codes.astype(np.uint8)
    table.setflags(write=False)
    return table
