import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.backends.server_sent_events import EventStream, EventTooLong


def read(*pieces: bytes) -> list[bytes]:
    stream = EventStream()
    return [event for piece in pieces for event in stream.feed(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_blank_line_ends_an_event_whatever_ends_a_line(end: bytes) -> None:
    stream = EventStream()
    events = stream.feed(b"data: one" + end + end + b"data: two" + end + end)
    assert events + stream.finish() == [b"one", b"two"]


def test_lines_of_data_are_joined() -> None:
    assert read(b'data: {"a":\ndata: 1}\n\n') == [b'{"a":\n1}']


def test_comments_names_ids_and_retry_times_are_read_over() -> None:
    assert read(b": keep-alive\n\nevent: x\nid: 7\nretry: 10\ndata: one\n\n") == [b"one"]


def test_one_space_after_the_colon_belongs_to_the_format() -> None:
    assert read(b"data:one\n\n", b"data: one\n\n", b"data:  one\n\n") == [b"one", b"one", b" one"]


def test_a_byte_order_mark_is_read_over() -> None:
    assert read(b"\xef\xbb\xbfdata: one\n\n") == [b"one"]


def test_an_event_without_data_is_none() -> None:
    assert read(b"event: ping\n\n\n\n") == []


def test_an_empty_line_of_data_is_data() -> None:
    assert read(b"data:\n\n", b"data\n\n") == [b"", b""]


def test_an_event_whose_blank_line_is_missing_counts_at_the_end() -> None:
    stream = EventStream()
    assert stream.feed(b"data: one\n\ndata: two") == [b"one"]
    assert stream.finish() == [b"two"]


@given(st.lists(st.integers(0, 60), max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_do_not_depend_on_where_the_bytes_are_cut(cuts: list[int], end: bytes) -> None:
    whole = end.join([b"data: one", b"data: two", b"", b": pause", b"data: three", b"", b""])
    places = [0, *sorted(cuts), len(whole)]
    pieces = [whole[begin:stop] for begin, stop in itertools.pairwise(places)]
    stream = EventStream()
    events = [event for piece in pieces for event in stream.feed(piece)]
    assert events + stream.finish() == [b"one\ntwo", b"three"]


def test_a_line_that_does_not_end_is_refused() -> None:
    stream = EventStream(max_event_bytes=100)
    stream.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLong):
        stream.feed(b"x" * 10)


def test_an_event_that_does_not_end_is_refused() -> None:
    stream = EventStream(max_event_bytes=100)
    with pytest.raises(EventTooLong):
        stream.feed(b"data: one\n" * 30)


def test_many_events_that_do_end_are_not_refused() -> None:
    assert len(EventStream(max_event_bytes=100).feed(b"data: one\n\n" * 1000)) == 1000
