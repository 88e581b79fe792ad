"""The items of a response while they are made: their events in order, from opened to closed."""

from collections.abc import Callable
from typing import Any

from antiphon.core.happenings import ItemClosed, ItemOpened, Told
from antiphon.core.ids import Ids
from antiphon.core.output_audio import Clause, OutputAudio, cut
from antiphon.protocol import errors
from antiphon.protocol import server_events as server
from antiphon.protocol.codec import encode_audio
from antiphon.protocol.items import FunctionCallItem, ItemStatus, MessageItem, OutputText
from antiphon.protocol.items import OutputAudio as SpokenPart

_THE_PART = {"content_index": 0}


class OutputItem:
    """What all items of a response have in common: a place in it, and text that grows."""

    __slots__ = ("_ids", "_text", "item_id", "output_index", "response_id")

    def __init__(self, ids: Ids, response_id: str, output_index: int) -> None:
        self._ids = ids
        self._text: list[str] = []
        self.item_id = ids.item()
        self.response_id = response_id
        self.output_index = output_index

    @property
    def text(self) -> str:
        """All text so far: written, spoken or arguments."""
        return "".join(self._text)

    def _tell(self, event: Callable[..., server.ServerEvent], **fields: Any) -> Told:
        """Return an event about this item."""
        return event(
            event_id=self._ids.event(),
            response_id=self.response_id,
            item_id=self.item_id,
            output_index=self.output_index,
            **fields,
        )

    def _open_message(self, part: server.TextPart | server.AudioPart) -> list[Told]:
        return [
            ItemOpened(self.response_id, self.output_index, self._message("in_progress")),
            self._tell(server.ResponseContentPartAdded, part=part, **_THE_PART),
        ]

    def _message(self, status: ItemStatus, *parts: OutputText | SpokenPart) -> MessageItem:
        return MessageItem(id=self.item_id, status=status, role="assistant", content=parts)


class WrittenMessage(OutputItem):
    """An answer in text."""

    __slots__ = ()

    def open(self) -> list[Told]:
        """Begin the item and its one part."""
        return self._open_message(server.TextPart(text=""))

    def write(self, text: str) -> list[Told]:
        """Add a piece of text."""
        self._text.append(text)
        return [self._tell(server.ResponseOutputTextDelta, delta=text, **_THE_PART)]

    def close(self, status: ItemStatus, _now: float) -> list[Told]:
        """End the part and the item."""
        item = self._message(status, OutputText(text=self.text))
        part = server.TextPart(text=self.text)
        return [
            self._tell(server.ResponseOutputTextDone, text=self.text, **_THE_PART),
            self._tell(server.ResponseContentPartDone, part=part, **_THE_PART),
            ItemClosed(self.response_id, self.output_index, item),
        ]


class SpokenMessage(OutputItem):
    """An answer in speech, with its transcript."""

    __slots__ = ("_heard_until_ms", "_is_cut_off", "audio")

    def __init__(self, ids: Ids, response_id: str, output_index: int, audio: OutputAudio) -> None:
        super().__init__(ids, response_id, output_index)
        self._heard_until_ms: int | None = None
        self._is_cut_off = False
        self.audio = audio

    def open(self) -> list[Told]:
        """Begin the item and its one part."""
        return self._open_message(server.AudioPart(transcript=""))

    def say(self, text: str) -> list[Told]:
        """Add a piece of transcript."""
        self._text.append(text)
        return [self._tell(server.ResponseOutputAudioTranscriptDelta, delta=text, **_THE_PART)]

    def sound(self, pcm: bytes, clause: str, now: float) -> list[Told]:
        """Add a piece of sound."""
        return self._send(self.audio.push(pcm, clause, now))

    def truncate(self, content_index: int, audio_end_ms: int) -> None:
        """Note that the user hears no more than this; raise `ClientError` if that cannot be."""
        made_ms, until_ms = self.audio.made_ms, self._heard_until_ms
        have_ms = made_ms if until_ms is None else min(made_ms, until_ms)
        if content_index:
            raise errors.unknown_content_part(content_index)
        if audio_end_ms > have_ms:
            raise errors.audio_already_shorter(have_ms, audio_end_ms)
        self._heard_until_ms = audio_end_ms

    def cut_off(self) -> None:
        """Send no more of the sound: somebody stops it."""
        self._is_cut_off = True

    def close(self, status: ItemStatus, now: float) -> list[Told]:
        """End part and item, after the rest of the sound unless it was cut off."""
        told = [] if self._is_cut_off else self._send(self.audio.flush(now))
        transcript = self.text
        told += [
            self._tell(server.ResponseOutputAudioDone, **_THE_PART),
            self._tell(
                server.ResponseOutputAudioTranscriptDone, transcript=transcript, **_THE_PART
            ),
            self._tell(
                server.ResponseContentPartDone,
                part=server.AudioPart(transcript=transcript),
                **_THE_PART,
            ),
        ]
        # Spec: truncating removes the transcript, lest it holds what nobody heard.
        is_truncated = self._heard_until_ms is not None
        part = SpokenPart() if is_truncated else SpokenPart(transcript=transcript)
        closed = ItemClosed(
            self.response_id,
            self.output_index,
            self._message(status, part),
            audio=cut(self.audio.sent, self._heard_until_ms),
            # A responder that does not say where its words are has spread them evenly.
            clauses=self.audio.clauses or (Clause(0, self.audio.made_ms, transcript),),
            heard_ms=self._heard_ms(status, now),
        )
        return [*told, closed]

    def _heard_ms(self, status: ItemStatus, now: float) -> int | None:
        """Return how much of the message its user hears in the end; None: all of it."""
        if self._heard_until_ms is not None:
            return self._heard_until_ms
        if self._is_cut_off:
            return self.audio.played_ms(now)
        # The transcript runs ahead of the sound: its end was never spoken.
        return None if status == "completed" else self.audio.made_ms

    def _send(self, chunks: list[bytes]) -> list[Told]:
        return [
            self._tell(server.ResponseOutputAudioDelta, delta=encode_audio(chunk), **_THE_PART)
            for chunk in chunks
        ]


class FunctionCall(OutputItem):
    """The wish that the client call a function; name and call id are known from the beginning."""

    __slots__ = ("_call_id", "_name")

    def __init__(self, ids: Ids, response_id: str, output_index: int, name: str) -> None:
        super().__init__(ids, response_id, output_index)
        self._name = name
        self._call_id = ids.call()

    def open(self) -> list[Told]:
        """Begin the item."""
        item = self._item("in_progress")
        return [ItemOpened(self.response_id, self.output_index, item)]

    def write(self, delta: str) -> list[Told]:
        """Add a piece of the arguments."""
        self._text.append(delta)
        return [
            self._tell(
                server.ResponseFunctionCallArgumentsDelta, delta=delta, call_id=self._call_id
            )
        ]

    def close(self, status: ItemStatus, _now: float) -> list[Told]:
        """End the item; half a call gets no `…arguments.done`, which clients would act upon."""
        told: list[Told] = []
        if status == "completed":
            told.append(
                self._tell(
                    server.ResponseFunctionCallArgumentsDone,
                    name=self._name,
                    arguments=self.text,
                    call_id=self._call_id,
                )
            )
        return [*told, ItemClosed(self.response_id, self.output_index, self._item(status))]

    def _item(self, status: ItemStatus) -> FunctionCallItem:
        return FunctionCallItem(
            id=self.item_id,
            status=status,
            name=self._name,
            call_id=self._call_id,
            arguments=self.text,
        )
