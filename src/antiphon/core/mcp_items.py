"""The items of MCP calls while a response makes them."""

from collections.abc import Callable

from antiphon.core.happenings import ApprovalAsked, ItemClosed, ItemOpened, McpCallReady, Told
from antiphon.core.ids import Ids
from antiphon.core.output_items import OutputItem
from antiphon.core.plan import McpTarget
from antiphon.protocol import server_events as server
from antiphon.protocol.items import (
    ItemStatus,
    McpApprovalRequestItem,
    McpCallItem,
    McpError,
    McpToolExecutionError,
)

_CUT_OFF = McpToolExecutionError(
    message="The response ended before the tool answered. Whether it has done its work is unknown."
)


class _Arguments(OutputItem):
    """The arguments of a call, which are told the same way whatever becomes of it."""

    __slots__ = ("_target",)

    def __init__(self, ids: Ids, response_id: str, output_index: int, target: McpTarget) -> None:
        super().__init__(ids, response_id, output_index)
        self._target = target

    def write(self, delta: str) -> list[Told]:
        """Add a piece of the arguments."""
        self._text.append(delta)
        # Observed: agents-js knows this event only with `obfuscation`, of whatever length.
        return [self._tell(server.ResponseMcpCallArgumentsDelta, delta=delta, obfuscation="")]


class McpCall(_Arguments):
    """A call that the server makes itself; the item stays open until the tool has answered."""

    __slots__ = ("_is_called",)

    def __init__(self, ids: Ids, response_id: str, output_index: int, target: McpTarget) -> None:
        super().__init__(ids, response_id, output_index, target)
        self._is_called = False

    @property
    def is_called(self) -> bool:
        """Whether the tool has been called."""
        return self._is_called

    def open(self) -> list[Told]:
        """Begin the item."""
        return [ItemOpened(self.response_id, self.output_index, self._item())]

    def close(self, status: ItemStatus, _now: float) -> list[Told]:
        """Make the call once its arguments are complete; end it where nobody waits any more."""
        if status != "completed":
            return self.settle(None, _CUT_OFF)
        if self._is_called:
            return []
        self._is_called = True
        target = self._target
        return [
            self._tell(server.ResponseMcpCallArgumentsDone, arguments=self.text),
            self._progress(server.ResponseMcpCallInProgress),
            McpCallReady(
                self.response_id, self.item_id, target.server_label, target.name, self.text
            ),
        ]

    def settle(self, output: str | None, error: McpError | None) -> list[Told]:
        """End the item with what the tool answered."""
        ended = server.ResponseMcpCallCompleted if error is None else server.ResponseMcpCallFailed
        return [
            self._progress(ended),
            ItemClosed(self.response_id, self.output_index, self._item(output, error)),
        ]

    def _item(self, output: str | None = None, error: McpError | None = None) -> McpCallItem:
        return McpCallItem(
            id=self.item_id,
            server_label=self._target.server_label,
            name=self._target.name,
            arguments=self.text,
            output=output,
            error=error,
        )

    def _progress(self, event: Callable[..., server.ServerEvent]) -> Told:
        # Spec: unlike all else that a response tells, these events do not name the response.
        return event(
            event_id=self._ids.event(), item_id=self.item_id, output_index=self.output_index
        )


class McpApproval(_Arguments):
    """The question whether a call may be made, asked once its arguments are complete.

    Observed: the arguments come first and already name the item that the call itself will have, so
    that clients can tell what is asked of them (the MCP example of OpenAI's Ruby library).
    """

    __slots__ = ()

    def open(self) -> list[Told]:
        """Begin: there is nothing to show yet."""
        return []

    def close(self, status: ItemStatus, _now: float) -> list[Told]:
        """Ask, unless the arguments were cut off."""
        if status != "completed":
            return []
        request = McpApprovalRequestItem(
            id=self._ids.item(),
            server_label=self._target.server_label,
            name=self._target.name,
            arguments=self.text,
        )
        return [
            self._tell(server.ResponseMcpCallArgumentsDone, arguments=self.text),
            ItemOpened(self.response_id, self.output_index, request),
            ItemClosed(self.response_id, self.output_index, request),
            ApprovalAsked(self.response_id, request, self.item_id, self.output_index),
        ]


def begin(
    ids: Ids, response_id: str, output_index: int, target: McpTarget
) -> McpCall | McpApproval:
    """Return the item of a call, or of the question that comes before it."""
    kind = McpApproval if target.needs_approval else McpCall
    return kind(ids, response_id, output_index, target)
