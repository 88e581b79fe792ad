"""Items that the server adds to the conversation by itself, outside any response."""

from dataclasses import replace

from antiphon.core.conversation import Conversation, Entry
from antiphon.core.happenings import Told
from antiphon.core.ids import Ids
from antiphon.protocol.items import Item
from antiphon.protocol.server_events import ConversationItemAdded, ConversationItemDone


class ServerItems:
    """Adds items and completes them: each is added once and done once."""

    __slots__ = ("_conversation", "_ids")

    def __init__(self, conversation: Conversation, ids: Ids) -> None:
        self._conversation = conversation
        self._ids = ids

    def add(self, item: Item) -> Told:
        """Put an item that is not complete at the end of the conversation."""
        previous = self._conversation.add(Entry(str(item.id), item))
        return ConversationItemAdded(
            event_id=self._ids.event(), previous_item_id=previous, item=item
        )

    def is_free(self, item_id: str) -> bool:
        """Tell whether no item has this id."""
        return item_id not in self._conversation

    def annotate(self, item_id: str, words: str) -> None:
        """Have the model read an item as more than its client sees of it."""
        entry = self._conversation.find(item_id)
        if entry is not None:
            self._conversation.put(replace(entry, heard=words))

    def finish(self, item: Item) -> Told:
        """Complete an item; one that was deleted meanwhile stays deleted."""
        item_id = str(item.id)
        self._conversation.put(Entry(item_id, item))
        is_there = item_id in self._conversation
        return ConversationItemDone(
            event_id=self._ids.event(),
            previous_item_id=self._conversation.previous_id(item_id) if is_there else None,
            item=item,
        )
