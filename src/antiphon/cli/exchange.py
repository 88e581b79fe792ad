"""One turn of a conversation as its client sees it: what was said, answered, and how fast."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

Event = Mapping[str, Any]
Write = Callable[[str], None]

_BYTES_PER_MS = 48  # PCM16 mono at 24 kHz


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a turn came to."""

    said: str
    """What the server heard, or the text that was sent."""
    reply: str
    status: str
    """Status of the response; "not heard" or "unanswered" without one."""
    latency_ms: int | None
    """From the end of what was said to the first audio, or to the first text without audio."""
    audio_ms: int
    commits: int
    """More than one: the server took a pause for the end."""


@dataclass(slots=True)
class Reply:
    """A response as it arrives."""

    id: str = ""
    item: str = ""
    """The message that is spoken."""
    text: str = ""
    shown: int = 0
    """Characters of the text that have been written."""
    audio: bytearray = field(default_factory=bytearray)
    first: float | None = None
    """When its first audio came."""
    status: str = ""
    """Empty while it arrives."""


@dataclass(slots=True)
class Exchange:
    """Follows the events of one turn and writes both transcripts as they come."""

    write: Write
    ended: float | None = None
    """When the last of what was said had been sent."""
    said: str = ""
    error: str = ""
    reply: Reply = field(default_factory=Reply)
    """The latest: one that speech has cut off is not the answer to the turn."""
    _commits: int = 0
    _is_heard: bool = False
    _is_speaking: bool = False

    def send_text(self, text: str, now: float) -> None:
        """Note a turn in writing."""
        self.said = text
        self.ended = now
        self._is_heard = True
        self._commits = 1
        self.write(f"you: {text}\n")

    @property
    def is_committed(self) -> bool:
        """Whether the server has taken all that was said for complete."""
        return self._commits > 0 and not self._is_speaking

    @property
    def is_over(self) -> bool:
        """Whether the turn has been answered, or cannot be."""
        is_answered = self._is_heard and self.reply.status not in {"", "cancelled"}
        return bool(self.error) or (self.ended is not None and self.is_committed and is_answered)

    def observe(self, event: Event, now: float) -> None:
        """Take a server event."""
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._is_speaking = True
            case "input_audio_buffer.committed":
                self._is_speaking = False
                self._commits += 1
                self._is_heard = False
            case "conversation.item.input_audio_transcription.completed":
                self._hear(str(event["transcript"]))
            case "conversation.item.input_audio_transcription.failed":
                self._hear("(not understood)")
            case "error":
                self.error = str(event["error"]["message"])
            case _:
                self._observe_reply(event, now)

    def cut(self) -> None:
        """Note that the user speaks over the reply."""
        self.reply.status = self.reply.status or "cancelled"
        self._show_reply()

    def outcome(self) -> Outcome:
        """Return what the turn came to."""
        latency = None
        if self.reply.first is not None and self.ended is not None:
            latency = round((self.reply.first - self.ended) * 1000)
        return Outcome(
            said=self.said.strip(),
            reply=self.reply.text.strip(),
            status=self.reply.status or ("unanswered" if self._commits else "not heard"),
            latency_ms=latency,
            audio_ms=len(self.reply.audio) // _BYTES_PER_MS,
            commits=self._commits,
        )

    def _observe_reply(self, event: Event, now: float) -> None:
        reply = self.reply
        match event["type"]:
            case "response.created":
                self.reply = Reply(str(event["response"]["id"]))
            case "response.output_audio.delta":
                reply.first = reply.first or now
                reply.item = str(event["item_id"])
                reply.audio += base64.b64decode(event["delta"])
            case "response.output_text.delta":
                reply.first = reply.first or now
                reply.text += str(event["delta"])
            case "response.output_audio_transcript.delta":
                reply.text += str(event["delta"])
            case "response.done":
                self._finish(event["response"])
            case _:
                return  # says nothing that a person needs
        self._show_reply()

    def _finish(self, response: Event) -> None:
        if response["id"] != self.reply.id:
            return
        self.reply.status = str(response["status"])
        if self.reply.status == "failed":
            details = cast("Event", response.get("status_details") or {})
            fault = cast("Event", details.get("error") or {})
            self.error = str(fault.get("message") or "The response failed.")

    def _hear(self, transcript: str) -> None:
        self.said = f"{self.said} {transcript}".strip()
        self._is_heard = True
        self.write(f"you: {transcript.strip()}\n")
        self._show_reply()

    def _show_reply(self) -> None:
        # The reply often begins before the transcript of the question is there; it waits for it.
        reply = self.reply
        if not self._is_heard:
            return
        if reply.shown < len(reply.text):
            self.write(("" if reply.shown else "antiphon: ") + reply.text[reply.shown :])
            reply.shown = len(reply.text)
        if reply.status and reply.shown and not reply.text.endswith("\n"):
            reply.text += "\n"
            reply.shown += 1
            self.write(" …\n" if reply.status == "cancelled" else "\n")
