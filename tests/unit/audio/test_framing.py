"""Frames for the VAD, chunks for the client."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.framing import ChunkCutter, FrameCutter

REPLY_SIZES = (4_800, 7_200, 12_000)


def ramp(count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.arange(count, dtype=np.float32)


def test_frames_are_cut_in_order_and_the_rest_waits() -> None:
    cutter = FrameCutter(4)
    assert cutter.push(ramp(3)).shape == (0, 4)
    assert cutter.push(ramp(6)[:6]).tolist() == [[0, 1, 2, 0], [1, 2, 3, 4]]
    assert cutter.pending_samples == 1


def test_a_frame_is_32_ms_at_16_khz_unless_said() -> None:
    assert FrameCutter().push(ramp(1_600)).shape == (3, 512)


def test_a_reset_cutter_forgets_the_unfinished_frame() -> None:
    cutter = FrameCutter(4)
    cutter.push(ramp(3))
    cutter.reset()
    assert cutter.pending_samples == 0
    assert cutter.push(ramp(4)).tolist() == [[0, 1, 2, 3]]


@given(st.integers(1, 50), st.lists(st.integers(0, 120), max_size=12))
def test_frames_do_not_depend_on_the_chunks(size: int, sizes: list[int]) -> None:
    samples = ramp(sum(sizes) + 17)
    cutter = FrameCutter(size)
    frames = np.concatenate([cutter.push(part) for part in np.split(samples, np.cumsum(sizes))])
    whole = len(samples) // size
    assert np.array_equal(frames, samples[: whole * size].reshape(whole, size))
    assert cutter.pending_samples == len(samples) % size


def test_a_reply_starts_with_short_chunks_and_goes_on_with_long_ones() -> None:
    cutter = ChunkCutter(REPLY_SIZES)
    chunks = cutter.push(bytes(40_000))
    assert [len(chunk) for chunk in chunks] == [4_800, 7_200, 12_000, 12_000]
    assert cutter.pending_bytes == 4_000
    assert len(cutter.flush()) == 4_000


def test_after_the_end_the_schedule_starts_again() -> None:
    cutter = ChunkCutter((2, 3))
    cutter.push(b"abcdef")
    assert cutter.flush() == b"f"
    assert cutter.flush() == b""
    assert cutter.push(b"ghijk") == [b"gh", b"ijk"]


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.lists(st.binary(max_size=90), max_size=9),
)
def test_chunks_join_to_the_stream_and_do_not_depend_on_its_division(
    sizes: list[int], parts: list[bytes]
) -> None:
    cutter, whole = ChunkCutter(sizes), ChunkCutter(sizes)
    chunks = [chunk for part in parts for chunk in cutter.push(part)]
    assert chunks == whole.push(b"".join(parts))
    assert b"".join([*chunks, cutter.flush()]) == b"".join(parts)


@pytest.mark.parametrize("sizes", [(), (0,), (10, -1)])
def test_a_schedule_that_would_never_cut_is_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="size"):
        ChunkCutter(sizes)
