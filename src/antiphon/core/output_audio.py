"""What the assistant says, what of it was sent, and what the client has heard.

The audio ledger counts every sample of a response: made, sent, played, dropped and why. Played is
an estimate, real time since the sound was sent, until the client tells otherwise by truncating.
"""

from dataclasses import dataclass
from typing import Literal

from antiphon.audio.formats import FORMATS, OutputEncoder
from antiphon.audio.framing import ChunkCutter
from antiphon.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, to_float32, to_pcm16
from antiphon.audio.stretch import Stretcher

_BYTES_PER_MS = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE // 1000
_BYTES_PER_TOKEN = _BYTES_PER_MS * 50

DropReason = Literal["turn_detected", "client_cancelled"]


@dataclass(frozen=True, slots=True)
class AudioLedger:
    """Account of one response's audio."""

    response_id: str
    status: str
    made_samples: int = 0
    """Samples at 24 kHz, after the change of speed."""
    sent_samples: int = 0
    played_samples: int = 0
    """Estimate at the end of the response."""
    dropped_samples: int = 0
    """Made and never sent."""
    dropped_why: DropReason | None = None
    first_audio_s: float | None = None
    """From the start of the response to its first audio."""
    longest_gap_s: float = 0.0
    """Longest time for which the client had nothing left to play in mid-answer."""

    @property
    def unplayed_s(self) -> float:
        """How much of what was sent is still to be played; nothing is after a cancellation."""
        if self.status == "cancelled":
            return 0.0
        return (self.sent_samples - self.played_samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Clause:
    """Words and where they are spoken."""

    start_ms: int
    end_ms: int
    text: str


class _Playback:
    """Where a client is that plays sound as soon as it has some."""

    __slots__ = ("_first_at", "_until", "longest_gap_s")

    def __init__(self) -> None:
        self._first_at: float | None = None
        self._until = 0.0
        self.longest_gap_s = 0.0
        """Longest time with nothing left to play."""

    def extend(self, seconds: float, now: float) -> None:
        """Note that so much sound was sent."""
        if self._first_at is None:
            self._first_at = self._until = now
        self.longest_gap_s = max(self.longest_gap_s, now - self._until)
        self._until = max(self._until, now) + seconds

    def left_s(self, now: float) -> float:
        """Return how much of what was sent is still to be played."""
        return max(0.0, self._until - now)

    def first_after(self, start: float) -> float | None:
        """Return the time from ``start`` to the first sound; None: there was none."""
        return None if self._first_at is None else self._first_at - start


class OutputAudio:
    """The sound of one spoken message: cut into chunks, counted, and matched with its words."""

    __slots__ = (
        "_clauses",
        "_cutter",
        "_encoder",
        "_is_whole",
        "_made",
        "_playback",
        "_rate",
        "_sent_bytes",
        "_stretcher",
    )

    def __init__(self, format_name: str, speed: float) -> None:
        audio_format = FORMATS[format_name]
        self._rate = audio_format.sample_rate_hz * audio_format.bytes_per_sample
        self._encoder = OutputEncoder(format_name)
        self._cutter = ChunkCutter(audio_format.chunk_sizes_bytes)
        self._stretcher = Stretcher(speed) if speed != 1 else None
        self._made = bytearray()
        self._clauses: list[tuple[int, str]] = []
        self._sent_bytes = 0
        self._is_whole = False
        self._playback = _Playback()

    @property
    def sent(self) -> bytes:
        """The sound sent so far, as PCM16 mono 24 kHz whatever it was sent as."""
        return bytes(self._made[: self._sent_samples * BYTES_PER_SAMPLE])

    @property
    def made_ms(self) -> int:
        """How much sound was made so far."""
        return len(self._made) // _BYTES_PER_MS

    @property
    def tokens(self) -> int:
        """The output tokens of the sound, by the documented rule of one for 50 ms."""
        return -(-len(self._made) // _BYTES_PER_TOKEN)

    def push(self, pcm: bytes, clause: str, now: float) -> list[bytes]:
        """Take the next sound and return the chunks that are ready to be sent."""
        if clause:
            self._clauses.append((self.made_ms, clause))
        if self._stretcher is not None:
            pcm = to_pcm16(self._stretcher.push(to_float32(pcm)))
        self._made += pcm
        return self._send(self._cutter.push(self._encoder.push(pcm)), now)

    def flush(self, now: float) -> list[bytes]:
        """End the sound and return the chunks that are left: now all that was made is sent."""
        chunks: list[bytes] = []
        if self._stretcher is not None:
            tail = to_pcm16(self._stretcher.flush())
            self._made += tail
            chunks += self._send(self._cutter.push(self._encoder.push(tail)), now)
        chunks += self._send(self._cutter.push(self._encoder.flush()), now)
        rest = self._cutter.flush()
        self._is_whole = True
        return chunks + (self._send([rest], now) if rest else [])

    def played_ms(self, now: float) -> int:
        """Estimate how much of the sound the client has played."""
        sent_ms = self._sent_samples * 1000 // SAMPLE_RATE_HZ
        unplayed_ms = self._playback.left_s(now) * 1000
        return max(0, int(sent_ms - unplayed_ms))

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """The words spoken so far and where; the last one's end moves while sound is made."""
        starts = [start_ms for start_ms, _ in self._clauses]
        ends = [*starts[1:], self.made_ms]
        return tuple(
            Clause(start_ms, end_ms, text)
            for (start_ms, text), end_ms in zip(self._clauses, ends, strict=False)
        )

    def account(
        self, response_id: str, status: str, why: DropReason | None, started_at: float, now: float
    ) -> AudioLedger:
        """Return the ledger at the end of the response; ``why``: who stopped the sound, if any."""
        made, sent = len(self._made) // BYTES_PER_SAMPLE, self._sent_samples
        return AudioLedger(
            response_id=response_id,
            status=status,
            made_samples=made,
            sent_samples=sent,
            played_samples=self.played_ms(now) * SAMPLE_RATE_HZ // 1000,
            dropped_samples=made - sent,
            dropped_why=why if made > sent else None,
            first_audio_s=self._playback.first_after(started_at),
            longest_gap_s=self._playback.longest_gap_s,
        )

    @property
    def _sent_samples(self) -> int:
        made = len(self._made) // BYTES_PER_SAMPLE
        if self._is_whole:
            return made
        return min(made, self._sent_bytes * SAMPLE_RATE_HZ // self._rate)

    def _send(self, chunks: list[bytes], now: float) -> list[bytes]:
        size = sum(len(chunk) for chunk in chunks)
        if size:
            self._playback.extend(size / self._rate, now)
            self._sent_bytes += size
        return chunks


def cut(pcm: bytes, end_ms: int | None) -> bytes:
    """Return sound up to a position; None: all of it."""
    return pcm if end_ms is None else pcm[: end_ms * _BYTES_PER_MS]


def words_until(clauses: tuple[Clause, ...], end_ms: int) -> str:
    """Return the words that were spoken up to a position, to the nearest whole word before it."""
    words: list[str] = []
    for clause in clauses:
        if end_ms >= clause.end_ms > clause.start_ms:
            words.append(clause.text)
            continue
        share = (end_ms - clause.start_ms) / max(1, clause.end_ms - clause.start_ms)
        words.append(_beginning(clause.text, share))
        break
    return "".join(words).strip()


def _beginning(text: str, share: float) -> str:
    """Return whole words from the beginning of a text, at most this share of its characters."""
    end = int(len(text) * max(0.0, min(1.0, share)))
    if end < len(text) and not text[end].isspace():
        end = text.rfind(" ", 0, end) + 1
    return text[:end]
