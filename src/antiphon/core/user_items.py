"""What the user said becomes an item of the conversation."""

from antiphon.core.conversation import Conversation, Entry
from antiphon.core.happenings import Told, TurnCommitted
from antiphon.core.ids import Ids
from antiphon.protocol import server_events as server
from antiphon.protocol.items import InputAudio, InputText, MessageItem

SILENT = "(The user has said nothing for a while.)"
"""Stands for the silence that an idle timeout ends."""
NUDGE = (
    "Nobody has been heard to speak for a while. If the recording that follows holds speech, "
    "answer it. Otherwise take up the last topic again, or ask whether the user is still there."
)
"""Tells the model what to make of that silence."""


def commit(turn: TurnCommitted, conversation: Conversation, ids: Ids) -> list[Told]:
    """Add a turn to the conversation, and tell so."""
    told = _explain_silence(conversation, ids) if turn.by == "timeout" else []
    item = MessageItem(id=turn.item_id, status="completed", role="user", content=(InputAudio(),))
    heard = SILENT if turn.by == "timeout" else None
    entry = Entry(turn.item_id, item, audio=(turn.audio,), heard=heard)
    previous = conversation.add(entry)
    committed = server.InputAudioBufferCommitted(
        event_id=ids.event(), previous_item_id=previous, item_id=turn.item_id
    )
    return [*told, committed, *tell(entry, previous, ids)]


def _explain_silence(conversation: Conversation, ids: Ids) -> list[Told]:
    # Observed: the reference server says so in an item before the silence; pinned by
    # tests/conformance/recorded.
    item_id = ids.item()
    note = MessageItem(
        id=item_id, status="completed", role="system", content=(InputText(text=NUDGE),)
    )
    entry = Entry(item_id, note)
    return tell(entry, conversation.add(entry), ids)


def tell(entry: Entry, previous: str | None, ids: Ids) -> list[Told]:
    """Tell of an item that is complete as it comes."""
    return [
        server.ConversationItemAdded(
            event_id=ids.event(), previous_item_id=previous, item=entry.item
        ),
        server.ConversationItemDone(
            event_id=ids.event(), previous_item_id=previous, item=entry.item
        ),
    ]
