"""Calls of MCP tools: those under way, those that wait for the client's word, and what follows.

The calls of one response belong together: when the last of them has its answer, the user is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import msgspec

from antiphon.core import mcp_turns
from antiphon.core.commands import CallTool, CancelJob
from antiphon.core.follow_ups import FollowUps
from antiphon.core.happenings import ApprovalAsked, McpCallReady, ResponseEnded, Told
from antiphon.core.ids import Ids
from antiphon.core.mcp_server import McpServer
from antiphon.core.plan import ResponsePlan
from antiphon.core.server_items import ServerItems
from antiphon.protocol import errors
from antiphon.protocol.items import (
    McpApprovalResponseItem,
    McpCallItem,
    McpError,
    McpProtocolError,
    McpToolExecutionError,
)
from antiphon.protocol.server_events import (
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ResponseMcpCallInProgress,
)
from antiphon.protocol.shapes import is_object

MAX_CALLS = 64
"""Calls of one session at once."""

_INVALID_PARAMS = -32602
_INTERNAL_ERROR = -32603


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call of a running response has come to."""

    response_id: str
    item_id: str
    output: str | None
    error: McpError | None


@dataclass(frozen=True, slots=True)
class _Call:
    """A call under way."""

    response_id: str
    item_id: str
    asked_at: float
    approved: McpCallItem | None = None
    """Its item, where it was approved after its response had ended."""
    output_index: int = 0


@dataclass(slots=True)
class _Batch:
    """The calls of one response."""

    plan: ResponsePlan
    open: set[str] = field(default_factory=set[str])
    """What is still to come: items of calls, and of approvals that are not given."""
    is_response_over: bool = False
    is_told: bool = False
    """Whether anything was answered that the user should hear of."""


class McpCalls:
    """The calls of one session."""

    __slots__ = (
        "_approvals",
        "_batches",
        "_calls",
        "_ids",
        "_items",
        "_jobs",
        "_patience_s",
        "follow_ups",
    )

    def __init__(
        self, items: ServerItems, ids: Ids, jobs: Iterator[int], patience_s: float
    ) -> None:
        self._items = items
        self._ids = ids
        self._jobs = jobs
        self._patience_s = patience_s
        self._calls: dict[int, _Call] = {}
        self._approvals: dict[str, ApprovalAsked] = {}
        self._batches: dict[str, _Batch] = {}
        self.follow_ups = FollowUps()

    @property
    def deadline(self) -> float | None:
        """When the first tool has been silent for too long."""
        moments = [each.asked_at + self._patience_s for each in self._calls.values()]
        return min(moments, default=None)

    def begin(
        self, ready: McpCallReady, server: McpServer, planned: ResponsePlan, now: float
    ) -> list[Told] | Answer:
        """Make a call of a running response, or answer it where nobody could."""
        if planned.in_conversation:
            self._batch(ready.response_id, planned).open.add(ready.item_id)
        refused = self._refusal(ready.arguments)
        if refused is not None:
            self._close(ready.response_id, ready.item_id, is_told=True, now=now)
            return Answer(ready.response_id, ready.item_id, None, refused)
        call = _Call(ready.response_id, ready.item_id, now)
        return [self._order(call, server, ready.name, ready.arguments)]

    def ask(self, asked: ApprovalAsked, planned: ResponsePlan) -> None:
        """Remember what the client was asked."""
        request_id = str(asked.request.id)
        self._approvals[request_id] = asked
        self._batch(asked.response_id, planned).open.add(request_id)

    def check_approval(self, item: McpApprovalResponseItem) -> None:
        """Refuse the answer to a question that is not open."""
        if item.approval_request_id not in self._approvals:
            raise errors.unusable_value(
                "item.approval_request_id",
                f"No approval is pending for '{item.approval_request_id}'. Use the id of an "
                "mcp_approval_request item that has not been answered.",
            )

    def approve(self, item: McpApprovalResponseItem, server: McpServer, now: float) -> list[Told]:
        """Take the client's answer that was checked: make the call, or tell that it is not made."""
        request_id = item.approval_request_id
        asked = self._approvals.pop(request_id)
        if not item.approve:
            self._items.annotate(request_id, mcp_turns.refusal(item))
            self._close(asked.response_id, request_id, is_told=True, now=now)
            return []
        if not self._items.is_free(asked.item_id):
            # A client has taken the id that was told for the call.
            asked = replace(asked, item_id=self._ids.item())
        batch = self._batches.get(asked.response_id)
        if batch is not None:
            batch.open = {*batch.open - {request_id}, asked.item_id}
        request = asked.request
        made = McpCallItem(
            id=asked.item_id,
            server_label=request.server_label,
            name=request.name,
            arguments=request.arguments,
            approval_request_id=request_id,
        )
        told: list[Told] = [
            self._items.add(made),
            ResponseMcpCallInProgress(
                event_id=self._ids.event(), item_id=asked.item_id, output_index=asked.output_index
            ),
        ]
        call = _Call(asked.response_id, asked.item_id, now, made, asked.output_index)
        refused = self._refusal(made.arguments)
        if refused is not None:
            return told + self._end_approved(call, made, (None, refused), now)
        return [*told, self._order(call, server, made.name, made.arguments)]

    def approval_label(self, item: McpApprovalResponseItem) -> str:
        """Return the label of the server that an open question is about."""
        return self._approvals[item.approval_request_id].request.server_label

    def settle(
        self, job: int, output: str | None, error: McpError | None, now: float
    ) -> list[Told] | Answer:
        """Take what a tool has answered; an `Answer` belongs to a response that still runs."""
        call = self._calls.pop(job, None)
        if call is None:
            return []
        if call.approved is not None:
            return self._end_approved(call, call.approved, (output, error), now)
        self._close(call.response_id, call.item_id, is_told=True, now=now)
        return Answer(call.response_id, call.item_id, output, error)

    def fail(self, job: int, message: str, now: float) -> list[Told] | Answer | None:
        """Take the failure of a job; None when it makes no call."""
        if job not in self._calls:
            return None
        error = McpProtocolError(code=_INTERNAL_ERROR, message=message)
        return self.settle(job, None, error, now)

    def expired(self, now: float) -> list[int]:
        """Return the jobs of tools that have not answered in time."""
        return [job for job, call in self._calls.items() if now >= call.asked_at + self._patience_s]

    def give_up(self, job: int, now: float) -> list[Told] | Answer:
        """Answer for a tool that has not answered in time."""
        message = f"The tool did not answer within {self._patience_s:g} s."
        return self.settle(job, None, McpToolExecutionError(message=message), now)

    def end_response(self, ended: ResponseEnded, now: float) -> list[Told]:
        """Stop the calls of a response that has ended without them."""
        jobs = [
            job
            for job, call in self._calls.items()
            if call.response_id == ended.response_id and call.approved is None
        ]
        for job in jobs:
            self._calls.pop(job)
        batch = self._batches.get(ended.response_id)
        if batch is not None:
            batch.is_response_over = True
            if ended.ledger.status != "completed":
                batch.open &= set(self._approvals)
                batch.is_told = False
            if ended.awaits_client:
                # The client answers functions, and asks for the response that tells of all.
                del self._batches[ended.response_id]
            else:
                self._follow_up(ended.response_id, now)
        return [CancelJob(job) for job in jobs]

    def drop_item(self, item_id: str) -> None:
        """Forget a question whose item was deleted."""
        asked = self._approvals.pop(item_id, None)
        batch = None if asked is None else self._batches.get(asked.response_id)
        if batch is not None:
            batch.open.discard(item_id)

    def abandon(self, now: float) -> list[Told]:
        """Close what is open: the session ends."""
        told: list[Told] = []
        for job, call in list(self._calls.items()):
            if call.approved is not None:
                error = McpToolExecutionError(message="The session has ended.")
                told += [
                    CancelJob(job),
                    *self._end_approved(call, call.approved, (None, error), now),
                ]
                del self._calls[job]
        self.follow_ups.forget()
        return told

    def _refusal(self, arguments: str) -> McpError | None:
        if len(self._calls) >= MAX_CALLS:
            message = f"{MAX_CALLS} calls are under way. The tool was not called."
            return McpToolExecutionError(message=message)
        return _wrong_arguments(arguments)

    def _order(self, call: _Call, server: McpServer, name: str, arguments: str) -> CallTool:
        job = next(self._jobs)
        self._calls[job] = call
        return CallTool(job, server, name, arguments or "{}")

    def _end_approved(
        self,
        call: _Call,
        item: McpCallItem,
        answer: tuple[str | None, McpError | None],
        now: float,
    ) -> list[Told]:
        output, error = answer
        ended = ResponseMcpCallCompleted if error is None else ResponseMcpCallFailed
        event = ended(
            event_id=self._ids.event(), item_id=call.item_id, output_index=call.output_index
        )
        done = self._items.finish(msgspec.structs.replace(item, output=output, error=error))
        self._close(call.response_id, call.item_id, is_told=True, now=now)
        return [event, done]

    def _batch(self, response_id: str, planned: ResponsePlan) -> _Batch:
        return self._batches.setdefault(response_id, _Batch(planned))

    def _close(self, response_id: str, item_id: str, *, is_told: bool, now: float) -> None:
        batch = self._batches.get(response_id)
        if batch is not None:
            batch.open.discard(item_id)
            batch.is_told |= is_told
            self._follow_up(response_id, now)

    def _follow_up(self, response_id: str, now: float) -> None:
        """Have the user told of a response's calls, once all of them are over."""
        batch = self._batches[response_id]
        if batch.open or not batch.is_response_over:
            return
        del self._batches[response_id]
        if batch.is_told:
            self.follow_ups.expect(batch.plan, now)


def _wrong_arguments(arguments: str) -> McpError | None:
    try:
        is_right = is_object(msgspec.json.decode(arguments or "{}"))
    except msgspec.DecodeError:
        is_right = False
    if is_right:
        return None
    message = "The model's arguments are no JSON object. The tool was not called."
    return McpProtocolError(code=_INVALID_PARAMS, message=message)
