"""A function call of a response, while its arguments are made."""

from antiphon.core.happenings import ItemClosed, ItemOpened, Told
from antiphon.core.ids import Ids
from antiphon.protocol.items import FunctionCallItem, ItemStatus
from antiphon.protocol.server_events import (
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
)


class FunctionCall:
    """The wish that the client call a function; name and call id are known from the beginning."""

    __slots__ = (
        "_arguments",
        "_call_id",
        "_ids",
        "_name",
        "item_id",
        "output_index",
        "response_id",
    )

    def __init__(
        self, ids: Ids, response_id: str, item_id: str, output_index: int, name: str
    ) -> None:
        self._ids = ids
        self._name = name
        self._call_id = ids.call()
        self._arguments: list[str] = []
        self.response_id = response_id
        self.item_id = item_id
        self.output_index = output_index

    def open(self) -> list[Told]:
        """Begin the item."""
        return [ItemOpened(self.response_id, self.output_index, self.item("in_progress"))]

    def write(self, delta: str) -> list[Told]:
        """Add a piece of the arguments."""
        self._arguments.append(delta)
        return [
            ResponseFunctionCallArgumentsDelta(
                event_id=self._ids.event(),
                delta=delta,
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=self.output_index,
                call_id=self._call_id,
            )
        ]

    def close(self, status: ItemStatus, _now: float) -> list[Told]:
        """End the item; half a call gets no `…arguments.done`, which clients would act upon."""
        told: list[Told] = []
        if status == "completed":
            told.append(
                ResponseFunctionCallArgumentsDone(
                    event_id=self._ids.event(),
                    name=self._name,
                    arguments="".join(self._arguments),
                    response_id=self.response_id,
                    item_id=self.item_id,
                    output_index=self.output_index,
                    call_id=self._call_id,
                )
            )
        told.append(ItemClosed(self.response_id, self.output_index, self.item(status)))
        return told

    def item(self, status: ItemStatus) -> FunctionCallItem:
        """Return the item as it stands."""
        return FunctionCallItem(
            id=self.item_id,
            status=status,
            name=self._name,
            call_id=self._call_id,
            arguments="".join(self._arguments),
        )
