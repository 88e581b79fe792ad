"""Pictures that a user shows: what may be shown, told from their first bytes alone.

Nothing is unpacked here. A picture of a few kilobytes can unpack to gigabytes wherever it is read,
so its size in pixels is taken from its header and bounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import pybase64

from antiphon.protocol import errors
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import ContentPart, InputImage

MAX_PICTURE_BYTES = 4 * 1024 * 1024
"""Of all pictures of one message; each is told to the client twice."""
MAX_PICTURE_PIXELS = 50_000_000
MAX_PICTURE_SIDE = 16_384
MAX_PICTURES_PER_MESSAGE = 16

_TOKENS_AT_A_GLANCE = 85
_TOKENS_PER_TILE = 170
_TILE = 512
_LONGEST_SIDE = 2048
_SHORTEST_SIDE = 768

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = b"\x00\x00\x00\rIHDR"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_ENDS = frozenset({0xD9, 0xDA})

_CURE = "Send a PNG or JPEG picture as a data URI that names its own kind, with padded base64."


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int


def measure(content: Sequence[ContentPart], path: str) -> int:
    """Return the tokens of a message's pictures; raise `ClientError` for what must not be shown.

    ``path`` is where the content stands in its event.
    """
    shown = [(index, part) for index, part in enumerate(content) if isinstance(part, InputImage)]
    if len(shown) > MAX_PICTURES_PER_MESSAGE:
        raise _unusable(
            path,
            f"the message shows {len(shown)} pictures. Send at most {MAX_PICTURES_PER_MESSAGE} in "
            "one message.",
        )
    room = _encoded_length(MAX_PICTURE_BYTES)
    tokens = 0
    for index, part in shown:
        place = f"{path}[{index}].image_url"
        room -= len(part.image_url)
        if room < 0:
            mebibytes = MAX_PICTURE_BYTES // (1024 * 1024)
            raise _unusable(
                place,
                f"the message's pictures have more than {mebibytes} MiB. Send smaller ones, or "
                "several messages.",
            )
        size = _size(part.image_url, place)
        tokens += _TOKENS_AT_A_GLANCE if part.detail == "low" else _tokens(size)
    return tokens


def _encoded_length(size_bytes: int) -> int:
    return (size_bytes + 2) // 3 * 4 + len("data:image/jpeg;base64,") * MAX_PICTURES_PER_MESSAGE


def _tokens(size: Size) -> int:
    """Count as the documentation does: a glance at the whole, and tiles of it scaled down."""
    width, height = float(size.width), float(size.height)
    shrink = min(1.0, _LONGEST_SIDE / max(width, height))
    shrink *= min(1.0, _SHORTEST_SIDE / (min(width, height) * shrink))
    tiles = ceil(width * shrink / _TILE) * ceil(height * shrink / _TILE)
    return _TOKENS_AT_A_GLANCE + _TOKENS_PER_TILE * tiles


def _size(url: str, path: str) -> Size:
    head, _, encoded = url.partition(",")
    kind = head.removeprefix("data:").removesuffix(";base64")
    try:
        content = pybase64.b64decode(encoded, validate=True)
    except ValueError:
        raise _unusable(path, f"the picture is not valid base64. {_CURE}") from None
    find_size = _KINDS.get(kind)
    size = find_size(content) if find_size is not None else None
    if size is None:
        raise _unusable(path, f"the bytes are no whole {kind} picture. {_CURE}")
    _check_size(size, path)
    return size


def _check_size(size: Size, path: str) -> None:
    width, height = size.width, size.height
    if min(width, height) < 1:
        raise _unusable(path, f"the picture has {width} x {height} pixels. Send one with some.")
    if max(width, height) > MAX_PICTURE_SIDE or width * height > MAX_PICTURE_PIXELS:
        raise _unusable(
            path,
            f"the picture has {width} x {height} pixels. Send at most {MAX_PICTURE_SIDE} on a "
            f"side and {MAX_PICTURE_PIXELS // 1_000_000} million in all.",
        )


def _png_size(content: bytes) -> Size | None:
    if not content.startswith(_PNG_SIGNATURE + _PNG_HEADER) or len(content) < 24:
        return None
    return Size(int.from_bytes(content[16:20]), int.from_bytes(content[20:24]))


def _jpeg_size(content: bytes) -> Size | None:
    """Go from segment to segment up to the one that tells the size."""
    if not content.startswith(_JPEG_SIGNATURE):
        return None
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:
            place += 1  # padding
        elif marker in _JPEG_SIZE_MARKERS:
            height = int.from_bytes(content[place + 5 : place + 7])
            return Size(int.from_bytes(content[place + 7 : place + 9]), height)
        elif marker in _JPEG_BARE_MARKERS:
            place += 2
        elif marker in _JPEG_ENDS:
            return None
        else:
            place += 2 + int.from_bytes(content[place + 2 : place + 4])
    return None


_KINDS: dict[str, Callable[[bytes], Size | None]] = {
    "image/png": _png_size,
    "image/jpeg": _jpeg_size,
}


def _unusable(path: str, fault: str) -> ClientError:
    return errors.unusable_value(path, f"Invalid '{path}': {fault}")
