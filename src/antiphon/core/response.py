"""One response, from `response.created` to its one `response.done`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never

from msgspec import UNSET

from antiphon.core.context import Context, text_tokens
from antiphon.core.happenings import ItemClosed, ResponseEnded, Told
from antiphon.core.ids import Ids
from antiphon.core.mcp_items import McpApproval, McpCall, begin
from antiphon.core.memory import Reading
from antiphon.core.output_audio import AudioLedger, DropReason, OutputAudio
from antiphon.core.output_items import FunctionCall, SpokenMessage, WrittenMessage
from antiphon.core.plan import McpTarget, ResponsePlan
from antiphon.core.usage import Made, usage
from antiphon.engines.llm import NO_TOKENS, TokenUsage
from antiphon.engines.responder import (
    FunctionCallArguments,
    FunctionCallStarted,
    ResponseFinished,
    ResponsePiece,
    SpokenAudio,
    SpokenText,
    WrittenText,
)
from antiphon.protocol.items import Item, McpError
from antiphon.protocol.response import (
    FailureError,
    ResponseAudio,
    ResponseAudioOutput,
    ResponseStatus,
    StatusDetails,
    Usage,
)
from antiphon.protocol.response import (
    Response as Resource,
)
from antiphon.protocol.server_events import ResponseCreated, ResponseDone


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ends."""

    status: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: DropReason | Literal["max_output_tokens", "content_filter"] | None = None
    error: FailureError | None = None

    @property
    def cuts_off(self) -> DropReason | None:
        """Who does not want the rest of the sound, if anybody."""
        match self.reason:
            case "turn_detected" | "client_cancelled":
                return self.reason
            case _:
                return None


COMPLETED = Ending("completed")


def failure(code: str, message: str) -> Ending:
    """Return the ending of a response that could not be made."""
    return Ending("failed", error=FailureError(type="server_error", code=code, message=message))


_Call = FunctionCall | McpCall | McpApproval
_Making = SpokenMessage | WrittenMessage | _Call


@dataclass(slots=True)
class _Progress:
    """What a response has made so far."""

    items: list[_Making] = field(default_factory=list[_Making])
    closed: dict[int, Item] = field(default_factory=dict[int, Item])
    message: SpokenMessage | WrittenMessage | None = None
    call: _Call | None = None
    targets: Mapping[str, McpTarget] = field(default_factory=dict[str, McpTarget])
    held: Ending | None = None
    """How it will end when the tools that it called have answered."""
    tokens: int = 0
    has_ended: bool = False
    usage: TokenUsage = NO_TOKENS


class Response:
    """A response that has been announced to the client."""

    __slots__ = (
        "_context",
        "_conversation_id",
        "_ids",
        "_progress",
        "_started_at",
        "heard_at",
        "id",
        "job",
        "plan",
        "reads",
    )

    def __init__(
        self,
        plan: ResponsePlan,
        conversation_id: str,
        reads: Reading,
        ids: Ids,
        now: float,
    ) -> None:
        self.id = ids.response()
        self.plan = plan
        self.reads = reads
        self.job: int | None = None
        """The job that makes it; None while it waits for a transcript."""
        self.heard_at = now
        """When the responder last gave a sign of life."""
        self._ids = ids
        self._conversation_id = conversation_id if plan.in_conversation else None
        self._context = Context()
        self._progress = _Progress()
        self._started_at = now

    @property
    def has_ended(self) -> bool:
        """Whether it has said its `response.done`."""
        return self._progress.has_ended

    @property
    def is_held(self) -> bool:
        """Whether all is made, and tools have still to answer."""
        return self._progress.held is not None

    @property
    def has_sound(self) -> bool:
        """Whether any sound was made."""
        message = self._progress.message
        return isinstance(message, SpokenMessage) and message.audio.made_ms > 0

    @property
    def spent_tokens(self) -> int:
        """What it has cost so far; nothing before it has made something."""
        usage = self._usage()
        return usage.total_tokens if usage.output_tokens else 0

    def announce(self) -> Told:
        """Return its `response.created`."""
        return ResponseCreated(
            event_id=self._ids.event(), response=self._resource("in_progress", None, None)
        )

    def equip(self, targets: Mapping[str, McpTarget]) -> None:
        """Note which of its tools are MCP tools, by the model's names for them."""
        self._progress.targets = targets

    def start(self, job: int, context: Context, now: float) -> None:
        """Note that a job makes it from now on, and from what."""
        self.job, self._context, self.heard_at = job, context, now

    def message_of(self, item_id: str) -> SpokenMessage | None:
        """Return the spoken message that is being made under this item id."""
        message = self._progress.message
        if not isinstance(message, SpokenMessage) or message.item_id != item_id:
            return None
        return None if message.output_index in self._progress.closed else message

    def take(self, piece: ResponsePiece, now: float) -> list[Told]:
        """Take the next piece of the answer."""
        self.heard_at = now
        match piece:
            case WrittenText(text, tokens):
                self._progress.tokens += tokens
                return self._write(text)
            case SpokenText(text, tokens):
                self._progress.tokens += tokens
                return self._say(text)
            case SpokenAudio(pcm, clause):
                return self._sound(pcm, clause, now)
            case FunctionCallStarted(name):
                return self._close_call(now) + self._open_call(name)
            case FunctionCallArguments(delta, tokens):
                self._progress.tokens += tokens
                call = self._progress.call
                return call.write(delta) if call is not None else []
            case ResponseFinished(reason, usage):
                self._progress.usage = usage
                return self._finish(self._ending(reason), now)
            case _:
                assert_never(piece)

    def settle(
        self, item_id: str, output: str | None, error: McpError | None, now: float
    ) -> list[Told]:
        """Take what an MCP tool has answered; the last answer ends a response that waits."""
        if self.has_ended:
            return []
        told: list[Told] = []
        for item in self._pending():
            if item.item_id == item_id:
                told += self._note(item, item.settle(output, error))
        held = self._progress.held
        return told if held is None or self._pending() else told + self.end(held, now)

    def exceeds_its_tokens(self) -> bool:
        """Tell whether text and sound have passed `max_output_tokens`."""
        most = self.plan.max_output_tokens
        return isinstance(most, int) and self._progress.tokens + self._audio_tokens() > most

    def end(self, ending: Ending, now: float) -> list[Told]:
        """Close whatever is open and say `response.done`."""
        self._progress.has_ended = True
        progress = self._progress
        if ending.cuts_off and isinstance(progress.message, SpokenMessage):
            progress.message.cut_off()
        told: list[Told] = []
        status: Literal["completed", "incomplete"] = (
            "completed" if ending.status == "completed" else "incomplete"
        )
        for item in progress.items:
            if item.output_index not in progress.closed:
                told += self._close(item, status, now)
        usage = Usage() if ending.status == "failed" or self.job is None else self._usage()
        ledger = self._ledger(ending, now)
        assert ending.status != "completed" or ledger.dropped_samples == 0, ledger  # noqa: S101
        told.append(
            ResponseDone(
                event_id=self._ids.event(),
                response=self._resource(ending.status, _details(ending), usage),
            )
        )
        awaits_client = any(isinstance(item, FunctionCall) for item in progress.items)
        return [*told, ResponseEnded(self.id, ledger, usage.total_tokens, awaits_client)]

    def _finish(self, ending: Ending, now: float) -> list[Told]:
        """End it, or wait for the tools that it called."""
        is_whole = ending.status == "completed" and isinstance(self._progress.call, McpCall)
        told = self._close_call(now) if is_whole else []
        pending = self._pending()
        if not pending:
            return told + self.end(ending, now)
        self._progress.held = ending
        status: Literal["completed", "incomplete"] = (
            "completed" if ending.status == "completed" else "incomplete"
        )
        for item in self._progress.items:
            if item not in pending and item.output_index not in self._progress.closed:
                told += self._close(item, status, now)
        return told

    def _pending(self) -> list[McpCall]:
        """Return the calls whose tools have not answered."""
        return [
            item
            for item in self._progress.items
            if isinstance(item, McpCall)
            and item.is_called
            and item.output_index not in self._progress.closed
        ]

    def _ending(self, reason: Literal["stop", "length", "content_filter"]) -> Ending:
        match reason:
            case "length":
                return Ending("incomplete", "max_output_tokens")
            case "content_filter":
                return Ending("incomplete", "content_filter")
            case "stop":
                if self._progress.items:
                    return COMPLETED
                return failure(
                    "empty_response", "The model answered with nothing. Send response.create again."
                )
            case _:
                assert_never(reason)

    def _write(self, text: str) -> list[Told]:
        told: list[Told] = []
        if self._progress.message is None:
            told += self._open(WrittenMessage(self._ids, self.id, len(self._progress.items)))
        written = self._progress.message
        return told + (written.write(text) if isinstance(written, WrittenMessage) else [])

    def _say(self, text: str) -> list[Told]:
        told = self._open_spoken()
        spoken = self._progress.message
        return told + (spoken.say(text) if isinstance(spoken, SpokenMessage) else [])

    def _sound(self, pcm: bytes, clause: str, now: float) -> list[Told]:
        told = self._open_spoken()
        spoken = self._progress.message
        return told + (spoken.sound(pcm, clause, now) if isinstance(spoken, SpokenMessage) else [])

    def _open_spoken(self) -> list[Told]:
        """Open the spoken message unless a message is open."""
        if self._progress.message is not None:
            return []
        audio = OutputAudio(str(self.plan.format.__struct_config__.tag), self.plan.speed)
        index = len(self._progress.items)
        return self._open(SpokenMessage(self._ids, self.id, index, audio))

    def _open(self, message: SpokenMessage | WrittenMessage) -> list[Told]:
        self._progress.message = message
        self._progress.items.append(message)
        return message.open()

    def _open_call(self, name: str) -> list[Told]:
        index, target = len(self._progress.items), self._progress.targets.get(name)
        call = (
            FunctionCall(self._ids, self.id, index, name)
            if target is None
            else begin(self._ids, self.id, index, target)
        )
        self._progress.call = call
        self._progress.items.append(call)
        return call.open()

    def _close_call(self, now: float) -> list[Told]:
        call, self._progress.call = self._progress.call, None
        return [] if call is None else self._close(call, "completed", now)

    def _close(
        self, item: _Making, status: Literal["completed", "incomplete"], now: float
    ) -> list[Told]:
        return self._note(item, item.close(status, now))

    def _note(self, item: _Making, told: list[Told]) -> list[Told]:
        for each in told:
            if isinstance(each, ItemClosed):
                self._progress.closed[item.output_index] = each.item
        return told

    def _audio_tokens(self) -> int:
        message = self._progress.message
        return message.audio.tokens if isinstance(message, SpokenMessage) else 0

    def _usage(self) -> Usage:
        spent = self._progress.usage
        made = Made(spent.completion or self._progress.tokens, self._audio_tokens())
        return usage(spent, self._context, text_tokens(self.plan.instructions), made)

    def _ledger(self, ending: Ending, now: float) -> AudioLedger:
        message = self._progress.message
        if isinstance(message, SpokenMessage):
            audio, why = message.audio, ending.cuts_off
            return audio.account(self.id, ending.status, why, self._started_at, now)
        return AudioLedger(self.id, ending.status)

    def _resource(
        self, status: ResponseStatus, details: StatusDetails | None, usage: Usage | None
    ) -> Resource:
        closed = self._progress.closed
        metadata = self.plan.metadata
        return Resource(
            id=self.id,
            status=status,
            status_details=details,
            output=tuple(closed[index] for index in sorted(closed)),
            conversation_id=self._conversation_id,
            output_modalities=(self.plan.modality,),
            max_output_tokens=self.plan.max_output_tokens,
            audio=ResponseAudio(
                output=ResponseAudioOutput(format=self.plan.format, voice=self.plan.voice)
            ),
            usage=usage,
            metadata=None if metadata is None else dict(metadata),
        )


def _details(ending: Ending) -> StatusDetails | None:
    if ending.status == "completed":
        # Observed: null for a completed response (conformance case 48).
        return None
    return StatusDetails(
        type=ending.status,
        reason=UNSET if ending.reason is None else ending.reason,
        error=UNSET if ending.error is None else ending.error,
    )
