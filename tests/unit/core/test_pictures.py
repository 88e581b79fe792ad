"""Pictures in messages: which are taken, and how large they may be.

Shows Context: images where the model sees
"""

import base64
import struct
import zlib

import pytest

from antiphon.core.pictures import MAX_PICTURE_BYTES, MAX_PICTURES_PER_MESSAGE, measure
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import InputImage, InputText

EXIF = b"\xff\xe1\x00\x10" + b"Exif\0\0" + b"\xff\xd8\xff\xc0\0\0\0\0"
"""A segment with a picture of its own, whose size is not the size."""


def png(width: int, height: int, more: bytes = b"") -> bytes:
    header = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    checksum = struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + checksum + more


def jpeg(width: int, height: int, *, marker: int = 0xC0, before: bytes = EXIF) -> bytes:
    frame = struct.pack(">BBHBHHB", 0xFF, marker, 17, 8, height, width, 3)
    return b"\xff\xd8" + before + frame + bytes(9) + b"\xff\xda"


def uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def image(content: bytes, kind: str = "png", **fields: str) -> InputImage:
    return InputImage(image_url=uri(content, kind), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [(1, 1, 255), (512, 512, 255), (513, 512, 425), (1024, 1024, 765), (2048, 4096, 1105)],
)
def test_a_picture_costs_a_glance_and_its_tiles(width: int, height: int, tokens: int) -> None:
    assert measure([image(png(width, height))], "c") == tokens
    assert measure([image(jpeg(width, height), "jpeg")], "c") == tokens


def test_a_glance_is_all_that_low_detail_costs() -> None:
    assert measure([image(png(4000, 4000), detail="low")], "c") == 85
    assert measure([image(png(1024, 1024), detail="high")], "c") == 765
    assert measure([InputText(text="No picture.")], "c") == 0


@pytest.mark.parametrize(
    "content",
    [
        jpeg(7, 5, before=b""),
        jpeg(7, 5, marker=0xC2),
        jpeg(7, 5, before=b"\xff\xc4\x00\x04ab"),
        jpeg(7, 5, before=b"\xff\xff\xff\xfe\x00\x03!"),
        jpeg(7, 5, before=b"\xff\x01\xff\xe0\x00\x02"),
    ],
)
def test_the_size_of_a_jpeg_is_found_behind_other_segments(content: bytes) -> None:
    assert measure([image(content, "jpeg")], "c") == 255


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "png"),
        (b"GIF89a", "png"),
        (png(3, 3)[:20], "png"),
        (png(3, 3), "jpeg"),
        (jpeg(3, 3), "png"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"\xff\xd8\xff\xda" + bytes(40), "jpeg"),
        (b"\xff\xd8\xff\xd9" + bytes(40), "jpeg"),
        (b"\xff\xd8" + EXIF + bytes(40), "jpeg"),
        (b"\xff\xd8\xff\xe0\xff\xff" + bytes(40), "jpeg"),
        (b"\xff\xd8\xff\xe0\x00\x00" * 4, "jpeg"),
        (png(0, 5), "png"),
        (jpeg(5, 0), "jpeg"),
        (png(16_385, 1), "png"),
        (png(10_000, 10_000), "png"),
        (jpeg(65_535, 65_535), "jpeg"),
        (png(2**31, 2**31), "png"),
    ],
)
def test_what_is_no_picture_of_a_bearable_size_is_refused(content: bytes, kind: str) -> None:
    with pytest.raises(ClientError) as refused:
        measure([InputText(text="Look:"), image(content, kind)], "item.content")
    assert refused.value.code == "invalid_value"
    assert refused.value.param == "item.content[1].image_url"


def test_a_bomb_is_known_by_its_header() -> None:
    with pytest.raises(ClientError, match="16384 x 16384 pixels"):
        measure([image(png(16_384, 16_384))], "c")


@pytest.mark.parametrize("code", ["@@@@", "AAA", "AA==AAAA", "", "A A="])
def test_only_base64_is_read(code: str) -> None:
    with pytest.raises(ClientError) as refused:
        measure([InputImage(image_url=f"data:image/png;base64,{code}")], "c")
    assert refused.value.param == "c[0].image_url"


def test_the_pictures_of_a_message_are_bounded_in_number_and_size() -> None:
    many = [image(png(1, 1))] * MAX_PICTURES_PER_MESSAGE
    assert measure(many, "c") == 255 * MAX_PICTURES_PER_MESSAGE
    with pytest.raises(ClientError) as refused:
        measure([*many, many[0]], "c")
    assert (refused.value.param, refused.value.code) == ("c", "invalid_value")
    half = MAX_PICTURE_BYTES // 2 - 100
    assert measure([image(png(1, 1, bytes(half)))] * 2, "c") == 510
    with pytest.raises(ClientError, match="more than 4 MiB"):
        measure([image(png(1, 1, bytes(half + 2000)))] * 2, "c")
