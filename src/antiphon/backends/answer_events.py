"""The events of an endpoint's streamed answer."""

from contextlib import suppress

from antiphon.backends.http import Answer, Endpoint
from antiphon.backends.server_sent_events import EventStream, EventTooLong


class AnswerEvents:
    """Read an answer event by event, for as long as its reader expects more."""

    def __init__(self, endpoint: Endpoint, answer: Answer) -> None:
        self.is_ended = False
        """Whether the answer is over; its last event may then be one that was cut off."""
        self._endpoint = endpoint
        self._answer = answer
        self._stream = EventStream()
        self._is_empty = True

    async def next(self) -> list[bytes]:
        """Wait for more and return the data of the events in it.

        Raises `EngineError` if the answer is over, since its reader expects more.
        """
        if self.is_ended and self._is_empty:
            raise self._endpoint.invalid_answer("it is empty")
        if self.is_ended:
            raise self._endpoint.interrupted()
        piece = await self._answer.next_piece()
        if piece is None:
            self.is_ended = True
            return self._stream.finish()
        self._is_empty = False
        try:
            return self._stream.feed(piece)
        except EventTooLong:
            raise self._endpoint.invalid_answer("a line of it does not end") from None

    async def rest(self) -> list[bytes]:
        """Return the events that follow when all that matters has come."""
        with suppress(EventTooLong):
            return self._stream.feed(await self._answer.read_trailer())
        return []
