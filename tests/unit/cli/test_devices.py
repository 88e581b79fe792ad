import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from antiphon.cli.devices import (
    NoDeviceError,
    Playback,
    PortAudioLoudspeaker,
    PortAudioMicrophone,
)


class PortAudioError(Exception):
    pass


class Stream:
    """A stream of the audio library, whose callback a test calls."""

    opened: "list[Stream]"

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.is_running = False
        self.opened.append(self)

    def start(self) -> None:
        self.is_running = True

    def close(self) -> None:
        self.is_running = False

    def __enter__(self) -> "Stream":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[Stream]:
    """The streams that are opened on a machine with the audio library."""
    Stream.opened = []
    library = SimpleNamespace(
        RawInputStream=Stream, RawOutputStream=Stream, PortAudioError=PortAudioError
    )
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    return Stream.opened


def test_the_microphone_gives_what_it_hears_and_is_closed_afterwards(streams) -> None:
    async def listen() -> bytes:
        chunks = PortAudioMicrophone().chunks()
        first = asyncio.ensure_future(anext(chunks))
        while not streams:
            await asyncio.sleep(0)
        streams[0].settings["callback"](b"\1\2", 1, None, None)
        heard = await first
        await chunks.aclose()
        return heard

    assert asyncio.run(listen()) == b"\1\2"
    (stream,) = streams
    assert not stream.is_running
    kept = {name: stream.settings[name] for name in ("samplerate", "channels", "dtype")}
    assert kept == {"samplerate": 24_000, "channels": 1, "dtype": "int16"}


def test_the_loudspeaker_sounds_while_it_is_entered(streams) -> None:
    with PortAudioLoudspeaker() as loudspeaker:
        (stream,) = streams
        assert stream.is_running
        loudspeaker.play("a", b"\1\2")
        data = bytearray(4)
        stream.settings["callback"](data, 2, None, None)
        assert data == b"\1\2\0\0"
    assert not stream.is_running


@pytest.mark.parametrize("error", [PortAudioError(), ValueError()])
def test_a_machine_without_devices_says_what_works_instead(streams, monkeypatch, error) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(sys.modules["sounddevice"], "RawOutputStream", fail)
    with pytest.raises(NoDeviceError, match="--text"), PortAudioLoudspeaker():
        pass


def test_a_machine_without_the_library_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(NoDeviceError, match=r"antiphon\[audio\]"):
        PortAudioMicrophone()


def test_sound_is_played_in_order_and_padded_with_silence() -> None:
    playback = Playback()
    playback.play("a", b"\1\1")
    playback.play("a", b"\2\2\2\2")
    assert playback.fill(4) == b"\1\1\2\2"
    assert playback.fill(4) == b"\2\2\0\0"
    assert playback.fill(2) == b"\0\0"


def test_stopping_tells_how_much_of_the_message_was_heard() -> None:
    playback = Playback()
    playback.play("a", bytes(48 * 500))
    playback.fill(48 * 120)
    assert playback.stop() == ("a", 120)
    assert playback.fill(2) == b"\0\0"
    assert playback.stop() is None


def test_each_message_is_counted_by_itself() -> None:
    playback = Playback()
    playback.play("a", bytes(48 * 100))
    playback.play("b", bytes(48 * 500))
    playback.fill(48 * 150)
    assert playback.stop() == ("b", 50)


def test_what_has_been_heard_to_the_end_cannot_be_stopped() -> None:
    playback = Playback()
    playback.play("a", bytes(48))
    playback.fill(96)
    assert playback.stop() is None
