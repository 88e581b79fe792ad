"""Between a client's item and an entry: ids and sound in, sound out again when it is retrieved."""

from msgspec import UNSET, structs

from antiphon.audio.formats import InputDecoder, OutputEncoder
from antiphon.audio.pcm import duration_ms
from antiphon.core.conversation import Entry
from antiphon.core.happenings import ItemClosed
from antiphon.core.ids import Ids
from antiphon.core.output_audio import Clause, words_until
from antiphon.core.pictures import measure
from antiphon.protocol import errors
from antiphon.protocol.codec import decode_audio, encode_audio
from antiphon.protocol.items import (
    ContentPart,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    Item,
    McpApprovalRequestItem,
    MessageItem,
    OutputAudio,
)
from antiphon.protocol.session import Audio, AudioFormat


def entry_of(item: Item, path: str, audio: Audio, ids: Ids, *, sees: bool = False) -> Entry:
    """Make an entry of a client's item; raise `ClientError` for what cannot be kept.

    ``path`` is where the item stands in its event, ``audio`` says how its sound is encoded, and
    ``sees`` whether pictures can be shown.
    """
    match item:
        case MessageItem():
            shown = _look(item, f"{path}.content", sees=sees)
            sounds = tuple(
                _sound(part, f"{path}.content[{index}]", audio)
                for index, part in enumerate(item.content)
            )
            content = tuple(_without_sound(part) for part in item.content)
            item_id = ids.item() if item.id is UNSET else item.id
            told = structs.replace(item, id=item_id, status="completed", content=content)
            known, spoken = _known(item, sounds), _spoken(item, sounds)
            return Entry(
                item_id, told, audio=sounds, heard=known, clauses=spoken, image_tokens=shown
            )
        case FunctionCallItem():
            item_id = ids.item() if item.id is UNSET else item.id
            call_id = ids.call() if item.call_id is UNSET else item.call_id
            called = structs.replace(item, id=item_id, call_id=call_id, status="completed")
            return Entry(item_id, called)
        case FunctionCallOutputItem():
            item_id = ids.item() if item.id is UNSET else item.id
            # Observed: the output's item carries no status (conformance case 60).
            return Entry(item_id, structs.replace(item, id=item_id, status=UNSET))
        case McpApprovalRequestItem():
            raise errors.not_supported(
                f"{path}.type",
                "A question of the client's own (mcp_approval_request)",
                "Questions come from the server; answer them by mcp_approval_response items.",
            )
        case _:
            item_id = ids.item() if item.id is UNSET else item.id
            return Entry(item_id, structs.replace(item, id=item_id))


def with_sound(entry: Entry, audio: Audio) -> Item:
    """Return an entry's item with its sound, in the session's formats."""
    item = entry.item
    if not isinstance(item, MessageItem):
        return item
    parts: list[ContentPart] = []
    for index, part in enumerate(item.content):
        sound = entry.audio[index] if index < len(entry.audio) else b""
        if sound and isinstance(part, InputAudio):
            part = structs.replace(part, audio=_encoded(sound, audio.input.format))  # noqa: PLW2901
        elif sound and isinstance(part, OutputAudio):
            part = structs.replace(part, audio=_encoded(sound, audio.output.format))  # noqa: PLW2901
        parts.append(part)
    return structs.replace(item, content=tuple(parts))


def finished(closed: ItemClosed) -> Entry:
    """Return the entry of an item that a response has finished."""
    heard = closed.heard_ms
    return Entry(
        str(closed.item.id),
        closed.item,
        audio=(closed.audio,) if closed.audio else (),
        heard=None if heard is None else words_until(closed.clauses, heard),
        clauses=closed.clauses,
    )


def _look(item: MessageItem, path: str, *, sees: bool) -> int:
    """Return the tokens of a message's pictures."""
    if not sees:
        for index, part in enumerate(item.content):
            if isinstance(part, InputImage):
                raise errors.not_supported(
                    f"{path}[{index}].type",
                    "An image for this model",
                    "Describe the image in text, or connect to a deployment whose model sees.",
                )
    return measure(item.content, path)


def _sound(part: ContentPart, path: str, audio: Audio) -> bytes:
    match part:
        case InputAudio(audio=sound) if sound is not UNSET:
            return _decoded(sound, audio.input.format, f"{path}.audio")
        case OutputAudio(audio=sound) if sound is not UNSET:
            return _decoded(sound, audio.output.format, f"{path}.audio")
        case _:
            return b""


def _without_sound(part: ContentPart) -> ContentPart:
    if isinstance(part, InputAudio | OutputAudio):
        return structs.replace(part, audio=UNSET)
    return part


def _known(item: MessageItem, sounds: tuple[bytes, ...]) -> str | None:
    """Return the transcript of speech that came without sound: nobody else can hear it."""
    if item.role != "user" or any(sounds):
        return None
    transcripts = [part.transcript or "" for part in item.content if isinstance(part, InputAudio)]
    return " ".join(transcripts) if transcripts else None


def _spoken(item: MessageItem, sounds: tuple[bytes, ...]) -> tuple[Clause, ...]:
    """Return where the words of the assistant's speech are: spread evenly, for all we know."""
    for part, sound in zip(item.content, sounds, strict=True):
        if isinstance(part, OutputAudio) and part.transcript is not UNSET:
            return (Clause(0, duration_ms(sound), part.transcript),)
    return ()


def _decoded(sound: str, audio_format: AudioFormat, path: str) -> bytes:
    data = decode_audio(sound, path)
    decoder = InputDecoder(str(audio_format.__struct_config__.tag))
    try:
        first = decoder.push(data)
    except ValueError:
        raise errors.incomplete_sample(len(data), path) from None
    return first.pcm + decoder.flush().pcm


def _encoded(sound: bytes, audio_format: AudioFormat) -> str:
    encoder = OutputEncoder(str(audio_format.__struct_config__.tag))
    return encode_audio(encoder.push(sound) + encoder.flush())
