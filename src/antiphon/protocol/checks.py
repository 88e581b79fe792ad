"""Rules of client events that their types cannot express."""

import msgspec

from antiphon.protocol import errors
from antiphon.protocol.client_events import ConversationItemCreate, ResponseCreate
from antiphon.protocol.items import (
    ContentPart,
    InputAudio,
    InputImage,
    InputText,
    Item,
    ItemReference,
    MessageItem,
    OutputAudio,
    OutputText,
    Role,
)
from antiphon.protocol.response import MAX_METADATA_VALUE_CHARACTERS, Metadata, ResponseParameters

_PARTS_OF_ROLE: dict[Role, tuple[type[ContentPart], ...]] = {
    "system": (InputText,),
    "user": (InputText, InputAudio, InputImage),
    "assistant": (OutputText, OutputAudio),
}

_IMAGE_PREFIXES = ("data:image/png;base64,", "data:image/jpeg;base64,")


def check(event: msgspec.Struct) -> None:
    """Raise `ClientError` if an event contradicts itself."""
    match event:
        case ConversationItemCreate():
            _check_item(event.item, "item")
        case ResponseCreate(response=ResponseParameters() as parameters):
            _check_parameters(parameters)
        case _:
            """The types say it all."""


def _check_parameters(parameters: ResponseParameters) -> None:
    if parameters.metadata is not msgspec.UNSET:
        _check_metadata(parameters.metadata, "response.metadata")
    if parameters.input is not msgspec.UNSET:
        for index, item in enumerate(parameters.input):
            _check_item(item, f"response.input[{index}]")


def _check_metadata(metadata: Metadata, path: str) -> None:
    for key, value in metadata.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if len(text) > MAX_METADATA_VALUE_CHARACTERS:
            raise errors.string_above_max_length(
                f"{path}.{key}", MAX_METADATA_VALUE_CHARACTERS, len(text)
            )


def _check_item(item: Item | ItemReference, path: str) -> None:
    if not isinstance(item, MessageItem):
        return
    if item.phase is not msgspec.UNSET and item.role != "assistant":
        raise errors.unusable_value(
            f"{path}.phase",
            f"Invalid '{path}.phase': only messages of the assistant have a phase. Leave it out.",
        )
    allowed = _PARTS_OF_ROLE[item.role]
    for index, part in enumerate(item.content):
        place = f"{path}.content[{index}]"
        if not isinstance(part, allowed):
            raise errors.invalid_value(f"{place}.type", _tag(type(part)), [*map(_tag, allowed)])
        if isinstance(part, InputImage) and not part.image_url.startswith(_IMAGE_PREFIXES):
            raise errors.unusable_value(
                f"{place}.image_url",
                f"Invalid '{place}.image_url': expected a data URI with a PNG or JPEG picture. "
                "Fetch the picture and send 'data:image/png;base64,…'.",
            )


def _tag(part: type[ContentPart]) -> str:
    return str(part.__struct_config__.tag)
