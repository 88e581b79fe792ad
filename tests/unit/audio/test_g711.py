"""G.711, against the tables of the recommendation evaluated slowly and independently.

The reference below lists decision and output values as ITU-T G.711 tabulates them, segment by
segment, and finds the interval of each sample by search. It shares no arithmetic with the codec.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.audio.g711 import (
    ALAW_SILENCE,
    ULAW_SILENCE,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
)


def magnitudes(decisions_end: list[int], steps: list[int], start: list[int]) -> list[int]:
    """List decision values, segment after segment."""
    values = list(start)
    for end, step in zip(decisions_end, steps, strict=True):
        values += range(values[-1] + step, end + 1, step)
    return values


ULAW_DECISIONS = magnitudes(
    [31, 95, 223, 479, 991, 2015, 4063, 8159], [2, 4, 8, 16, 32, 64, 128, 256], start=[0, 1]
)
ALAW_DECISIONS = magnitudes([64, 128, 256, 512, 1024, 2048, 4096], [2, 4, 8, 16, 32, 64, 128], [0])


@dataclass(frozen=True)
class Law:
    """One law of the recommendation, and the codec under test."""

    encode: Callable[[NDArray[np.float32]], bytes]
    decode: Callable[[bytes], NDArray[np.float32]]
    decisions: list[int]
    outputs: list[float]
    code_of_interval: Callable[[int, bool], int]
    silence: int
    """Its code for zero."""
    scale: int
    """How many 16-bit steps a unit of the tables is."""

    def interval(self, sample: int) -> int:
        """Return which interval a 16-bit sample's magnitude lies in."""
        # A value on a border belongs to the interval above it on the number line, that is to the
        # larger magnitude if positive and to the smaller one if negative.
        find = bisect_right if sample >= 0 else bisect_left
        return find(self.decisions[1:-1], abs(sample) / self.scale)


ULAW = Law(
    encode=encode_ulaw,
    decode=decode_ulaw,
    decisions=ULAW_DECISIONS,
    outputs=[0, *(sum(pair) / 2 for pair in pairwise(ULAW_DECISIONS[1:]))],
    code_of_interval=lambda number, negative: (0x7F if negative else 0xFF) - number,
    silence=ULAW_SILENCE,
    scale=4,
)
ALAW = Law(
    encode=encode_alaw,
    decode=decode_alaw,
    decisions=ALAW_DECISIONS,
    outputs=[sum(pair) / 2 for pair in pairwise(ALAW_DECISIONS)],
    code_of_interval=lambda number, negative: (number | (0 if negative else 0x80)) ^ 0x55,
    silence=ALAW_SILENCE,
    scale=8,
)
laws = pytest.mark.parametrize("law", [ULAW, ALAW], ids=["u-law", "a-law"])
ALL_SAMPLES = range(-32_768, 32_768)


def as_floats(samples: Iterable[int]) -> NDArray[np.float32]:
    return np.array(list(samples), np.float32) / np.float32(32_768)


def test_the_reference_has_the_recommended_number_of_intervals() -> None:
    assert len(ULAW_DECISIONS) == len(ALAW_DECISIONS) == 129
    assert ULAW.outputs[-1] == 8031
    assert ALAW.outputs[-1] == 4032


@laws
def test_every_sample_takes_the_code_of_its_interval(law: Law) -> None:
    expected = bytes(
        law.code_of_interval(law.interval(sample), sample < 0) for sample in ALL_SAMPLES
    )
    assert law.encode(as_floats(ALL_SAMPLES)) == expected


@laws
def test_every_code_decodes_to_the_recommended_value(law: Law) -> None:
    for number, magnitude in enumerate(law.outputs):
        positive, negative = law.code_of_interval(number, False), law.code_of_interval(number, True)
        value = np.float32(magnitude * law.scale / 32_768)
        assert law.decode(bytes([positive, negative])).tolist() == [value, -value]


@laws
def test_every_code_survives_the_way_there_and_back(law: Law) -> None:
    # Both codes of zero decode to the same sample, and that takes the positive one.
    minus_zero: set[int] = {law.code_of_interval(0, True)} if law.outputs[0] == 0 else set()
    codes = bytes(sorted(set(range(256)) - minus_zero))
    assert law.encode(law.decode(codes)) == codes


@laws
def test_silence_has_the_code_that_telephones_expect(law: Law) -> None:
    assert law.encode(np.zeros(3, np.float32)) == bytes([law.silence] * 3)
    assert abs(float(law.decode(bytes([law.silence]))[0])) <= 8 / 32_768


@laws
def test_samples_beyond_full_scale_take_the_outermost_code(law: Law) -> None:
    loud = np.array([4.0, -4.0], np.float32)
    assert law.encode(loud) == bytes(
        [law.code_of_interval(127, False), law.code_of_interval(127, True)]
    )


@laws
def test_decoded_samples_are_the_callers_own(law: Law) -> None:
    samples = law.decode(b"\x10\x90")
    samples[:] = 0
    assert law.decode(b"\x10\x90").all()


@laws
def test_no_audio_codes_to_no_audio(law: Law) -> None:
    assert law.encode(law.decode(b"")) == b""
