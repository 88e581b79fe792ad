"""The message of a response, while it is made: its events in their order, from opened to closed."""

from antiphon.core.happenings import ItemClosed, ItemOpened, Told
from antiphon.core.ids import Ids
from antiphon.core.output_audio import OutputAudio, cut
from antiphon.protocol.codec import encode_audio
from antiphon.protocol.items import ItemStatus, MessageItem, OutputText
from antiphon.protocol.items import OutputAudio as SpokenPart
from antiphon.protocol.server_events import (
    AudioPart,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    TextPart,
)

_CONTENT_INDEX = 0


class WrittenMessage:
    """An answer in text."""

    __slots__ = ("_ids", "_text", "item_id", "output_index", "response_id")

    def __init__(self, ids: Ids, response_id: str, item_id: str, output_index: int) -> None:
        self._ids = ids
        self._text: list[str] = []
        self.response_id = response_id
        self.item_id = item_id
        self.output_index = output_index

    def open(self) -> list[Told]:
        """Begin the item and its one part."""
        return [
            ItemOpened(self.response_id, self.output_index, self.item("in_progress", empty=True)),
            ResponseContentPartAdded(
                event_id=self._ids.event(),
                part=TextPart(text=""),
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            ),
        ]

    def write(self, text: str) -> list[Told]:
        """Add a piece of text."""
        self._text.append(text)
        return [
            ResponseOutputTextDelta(
                event_id=self._ids.event(),
                delta=text,
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            )
        ]

    def close(self, status: ItemStatus, _now: float) -> list[Told]:
        """End the part and the item."""
        text = "".join(self._text)
        return [
            ResponseOutputTextDone(
                event_id=self._ids.event(),
                text=text,
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            ),
            ResponseContentPartDone(
                event_id=self._ids.event(),
                part=TextPart(text=text),
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            ),
            ItemClosed(self.response_id, self.output_index, self.item(status)),
        ]

    def item(self, status: ItemStatus, *, empty: bool = False) -> MessageItem:
        """Return the item as it stands."""
        content = () if empty else (OutputText(text="".join(self._text)),)
        return MessageItem(id=self.item_id, status=status, role="assistant", content=content)


class SpokenMessage:
    """An answer in speech, with its transcript."""

    __slots__ = (
        "_heard_until_ms",
        "_ids",
        "_transcript",
        "audio",
        "item_id",
        "output_index",
        "response_id",
    )

    def __init__(
        self, ids: Ids, response_id: str, item_id: str, output_index: int, audio: OutputAudio
    ) -> None:
        self._ids = ids
        self._transcript: list[str] = []
        self._heard_until_ms: int | None = None
        self.audio = audio
        self.response_id = response_id
        self.item_id = item_id
        self.output_index = output_index

    def open(self) -> list[Told]:
        """Begin the item and its one part."""
        return [
            ItemOpened(self.response_id, self.output_index, self.item("in_progress", empty=True)),
            ResponseContentPartAdded(
                event_id=self._ids.event(),
                part=AudioPart(transcript=""),
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            ),
        ]

    def say(self, text: str) -> list[Told]:
        """Add a piece of transcript."""
        self._transcript.append(text)
        return [
            ResponseOutputAudioTranscriptDelta(
                event_id=self._ids.event(),
                delta=text,
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            )
        ]

    def sound(self, pcm: bytes, clause: str, now: float) -> list[Told]:
        """Add a piece of sound."""
        return [self._audio_delta(chunk) for chunk in self.audio.push(pcm, clause, now)]

    def truncate(self, audio_end_ms: int) -> None:
        """Note that the user hears no more than this."""
        self._heard_until_ms = audio_end_ms

    def close(self, status: ItemStatus, now: float) -> list[Told]:
        """Send what is left of the sound if the message is complete; end part and item."""
        told: list[Told] = []
        if status == "completed":
            told += [self._audio_delta(chunk) for chunk in self.audio.flush(now)]
        told += self._ends("".join(self._transcript))
        heard_ms = self._heard_until_ms
        if heard_ms is None and status == "incomplete":
            heard_ms = self.audio.played_ms(now)
        told.append(
            ItemClosed(
                self.response_id,
                self.output_index,
                self.item(status),
                audio=cut(self.audio.made, self._heard_until_ms),
                clauses=self.audio.clauses,
                heard_ms=heard_ms,
            )
        )
        return told

    def item(self, status: ItemStatus, *, empty: bool = False) -> MessageItem:
        """Return the item as it stands."""
        part = SpokenPart(transcript="".join(self._transcript))
        if self._heard_until_ms is not None:
            # Spec: truncating removes the transcript, lest it holds what nobody heard.
            part = SpokenPart()
        content = () if empty else (part,)
        return MessageItem(id=self.item_id, status=status, role="assistant", content=content)

    def _ends(self, transcript: str) -> list[Told]:
        return [
            ResponseOutputAudioDone(
                event_id=self._ids.event(),
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            ),
            ResponseOutputAudioTranscriptDone(
                event_id=self._ids.event(),
                transcript=transcript,
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            ),
            ResponseContentPartDone(
                event_id=self._ids.event(),
                part=AudioPart(transcript=transcript),
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                content_index=_CONTENT_INDEX,
            ),
        ]

    def _audio_delta(self, chunk: bytes) -> Told:
        return ResponseOutputAudioDelta(
            event_id=self._ids.event(),
            delta=encode_audio(chunk),
            response_id=self.response_id,
            item_id=self.item_id,
            output_index=self.output_index,
            content_index=_CONTENT_INDEX,
        )
