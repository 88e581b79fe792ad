"""How long nobody has spoken since the assistant did.

The timeout counts from the end of a reply's playback. Where the client sends audio it counts in the
audio: so many milliseconds in which the VAD heard no speech, whatever the network does to their
arrival. Where the client sends none, the clock decides.
"""

from dataclasses import dataclass

FLOWS_FOR_S = 1.0
"""Audio that came in so long ago is a sign that more is under way."""


@dataclass(frozen=True, slots=True)
class _Silence:
    start_ms: int
    """The position in the input audio at which the reply had been played."""
    start_at: float


class IdleClock:
    """The silence after a reply, while there is one."""

    __slots__ = ("_audio_at", "_is_held", "_silence")

    def __init__(self) -> None:
        self._silence: _Silence | None = None
        self._audio_at = 0.0
        self._is_held = False

    def start(self, position_ms: int, unplayed_s: float, now: float) -> None:
        """Begin to count: a reply has been sent, and so much of it is still to be played."""
        self._silence = _Silence(position_ms + round(unplayed_s * 1000), now + unplayed_s)

    @property
    def is_running(self) -> bool:
        """Whether the silence after a reply is counted."""
        return self._silence is not None

    def restart(self, position_ms: int) -> None:
        """Begin anew at the audio that came in last."""
        self._silence = _Silence(position_ms, self._audio_at)

    def stop(self) -> None:
        """Count no more: somebody does something."""
        self._silence = None

    def hold(self) -> None:
        """Count nothing until `release`: there is nobody who could speak."""
        self._is_held = True

    def release(self, position_ms: int, now: float) -> None:
        """Count from here on, if a silence was being counted."""
        self._is_held = False
        if self._silence is not None:
            self._silence = _Silence(max(position_ms, self._silence.start_ms), now)

    def hear(self, now: float) -> None:
        """Note that audio comes in."""
        self._audio_at = now

    def deadline(self, timeout_ms: int | None) -> float | None:
        """Return when it is too long by the clock."""
        if self._silence is None or self._is_held or timeout_ms is None:
            return None
        return max(self._silence.start_at + timeout_ms / 1000, self._audio_at + FLOWS_FOR_S)

    def start_of(self, position_ms: int, timeout_ms: int | None) -> int | None:
        """Return where the silence began if it is too long at a position in the audio."""
        if self._silence is None or timeout_ms is None:
            return None
        start_ms = self._silence.start_ms
        return start_ms if position_ms >= start_ms + timeout_ms else None

    def end(self, position_ms: int) -> int:
        """Stop because it is too long by the clock; return where the silence began."""
        silence, self._silence = self._silence, None
        return position_ms if silence is None else min(position_ms, silence.start_ms)
