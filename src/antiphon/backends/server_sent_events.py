"""Server-sent events, cut out of bytes that arrive in pieces of any length.

Follows the parsing rules of the HTML standard (section 9.2.6) as far as engines need them: the
data of each event. Names, ids and retry times are read over, and so are comments, which servers
send to keep a connection open.
"""

MAX_EVENT_BYTES = 1_048_576

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_ENDS = (b"\n", b"\r")


class EventTooLong(Exception):  # noqa: N818 - says what happened
    """An event is longer than any honest one."""


class EventStream:
    """Turn the bytes of one stream into the data of its events."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_first_line = True
        self._ended_in_return = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes and return the data of the events that they complete.

        Raises `EventTooLong`.
        """
        if not piece:
            return []
        if self._ended_in_return and piece.startswith(b"\n"):
            # The second half of a line end that was cut between two pieces.
            piece = piece[1:]
        self._ended_in_return = piece.endswith(b"\r")
        events: list[bytes] = []
        for part in piece.splitlines(keepends=True):
            self._line += part
            if len(self._line) + self._data_bytes > self._max_event_bytes:
                raise EventTooLong
            if part.endswith(_LINE_ENDS):
                events += self._end_line()
        return events

    def finish(self) -> list[bytes]:
        """End the stream; an event counts even if the blank line that closes it is missing."""
        return self.feed(b"\n") + self.feed(b"\n")

    def _end_line(self) -> list[bytes]:
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        if self._is_first_line:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._is_first_line = False
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._data_bytes += len(value) + 1
        return []

    def _dispatch(self) -> list[bytes]:
        if not self._data:
            return []
        event = b"\n".join(self._data)
        self._data.clear()
        self._data_bytes = 0
        return [event]
