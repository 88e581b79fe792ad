"""Microphone and loudspeaker, where there are any: through PortAudio and the extra `audio`."""

import asyncio
import importlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from threading import Lock
from typing import Any, Protocol

from antiphon.audio.pcm import SAMPLE_RATE_HZ
from antiphon.protocol.errors import AntiphonError

CHUNK_MS = 100
CHUNK_BYTES = SAMPLE_RATE_HZ * CHUNK_MS // 1000 * 2
_BYTES_PER_MS = SAMPLE_RATE_HZ // 1000 * 2
_WAITING_CHUNKS = 100


class NoDeviceError(AntiphonError):
    """There is no microphone or loudspeaker to be had; the message tells what works instead."""


class Microphone(Protocol):
    """A source of live sound."""

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield 100 ms of 24 kHz mono PCM16 at a time, as it is spoken."""
        ...


class Loudspeaker(Protocol):
    """A place to play replies."""

    def play(self, item: str, pcm: bytes) -> None:
        """Play sound of a message after whatever plays already."""
        ...

    def stop(self) -> tuple[str, int] | None:
        """Fall silent; return the message that was playing and how many ms of it were heard."""
        ...


class Playback:
    """The sound that waits for a loudspeaker, and how much of each message was played.

    `play` and `stop` belong to the conversation, `fill` to the loudspeaker's own thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._item = ""
        self._played_bytes = 0

    def play(self, item: str, pcm: bytes) -> None:
        """Play sound of a message after whatever plays already."""
        with self._lock:
            self._waiting.append((item, pcm))

    def stop(self) -> tuple[str, int] | None:
        """Fall silent; return the message that was playing and how many ms of it were heard."""
        with self._lock:
            is_playing = bool(self._waiting)
            self._waiting.clear()
            return (self._item, self._played_bytes // _BYTES_PER_MS) if is_playing else None

    def fill(self, size: int) -> bytes:
        """Return the next bytes to play, silence included."""
        filled = bytearray()
        with self._lock:
            while self._waiting and len(filled) < size:
                item, pcm = self._waiting.popleft()
                taken, rest = pcm[: size - len(filled)], pcm[size - len(filled) :]
                if item != self._item:
                    self._item, self._played_bytes = item, 0
                self._played_bytes += len(taken)
                filled += taken
                if rest:
                    self._waiting.appendleft((item, rest))
        return bytes(filled).ljust(size, b"\0")


class PortAudioMicrophone:
    """The system's microphone."""

    def __init__(self) -> None:
        self._audio = _load()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield 100 ms of sound at a time; what nobody takes for ten seconds is lost."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_CHUNKS)

        def put(chunk: bytes) -> None:
            if not waiting.full():
                waiting.put_nowait(chunk)

        def hear(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            loop.call_soon_threadsafe(put, bytes(data))

        with _open(self._audio, "RawInputStream", hear):
            while True:
                yield await waiting.get()


class PortAudioLoudspeaker(Playback):
    """The system's loudspeaker; it sounds while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self._audio = _load()
        self._stream: Any = None

    def __enter__(self) -> "PortAudioLoudspeaker":
        """Begin to sound."""

        def fill(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            data[:] = self.fill(len(data))

        self._stream = _open(self._audio, "RawOutputStream", fill)
        self._stream.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Be silent."""
        self._stream.close()


def _load() -> Any:
    # An extra without types, which looks for PortAudio when it is imported.
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise NoDeviceError(
            "The microphone needs the extra `audio`: pip install 'antiphon[audio]'. Without it, "
            "give a WAV file (antiphon talk question.wav --out reply.wav) or --text."
        ) from error
    except OSError as error:
        raise NoDeviceError(
            "The microphone needs PortAudio: apt install libportaudio2, or dnf install portaudio. "
            "Without it, give a WAV file or --text."
        ) from error


def _open(audio: Any, kind: str, callback: Callable[..., None]) -> Any:
    try:
        return getattr(audio, kind)(
            samplerate=SAMPLE_RATE_HZ,
            channels=1,
            dtype="int16",
            blocksize=CHUNK_BYTES // 2,
            callback=callback,
        )
    except (audio.PortAudioError, ValueError) as error:
        raise NoDeviceError(
            "The microphone or loudspeaker cannot be opened. Check the system's sound settings, or "
            "give a WAV file or --text."
        ) from error
