"""Who speaks: names for the voices of a session, in the order in which they are first heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist

from antiphon.engines.stt import Segment

MAX_SPEAKERS = 26
"""One for each letter; whoever comes later is taken for the nearest."""
LEAST_MS = 1_500
"""Shorter speech is not taken for a new voice: it hardly shows whose it is."""
_SAME_VOICE = 1.0
"""Transcribers place the utterances of one voice no farther apart than this."""


@dataclass(slots=True)
class _Voice:
    """Where a voice is, on the average of all that was heard of it."""

    place: tuple[float, ...]
    heard_ms: int

    def move(self, place: Sequence[float], heard_ms: int) -> None:
        share = heard_ms / (self.heard_ms + heard_ms)
        pairs = zip(self.place, place, strict=True)
        self.place = tuple(old + share * (new - old) for old, new in pairs)
        self.heard_ms += heard_ms


class Speakers:
    """Name speakers by their voices. An engine that names them itself is believed."""

    __slots__ = ("_voices",)

    def __init__(self) -> None:
        self._voices: list[_Voice] = []

    def name(self, segment: Segment) -> str:
        """Return who speaks a segment."""
        if not segment.voice:
            return segment.speaker or "A"
        heard_ms = max(1, segment.end_ms - segment.start_ms)
        distances = [dist(voice.place, segment.voice) for voice in self._voices]
        nearest = min(range(len(distances)), key=distances.__getitem__, default=None)
        may_be_new = len(self._voices) < MAX_SPEAKERS and heard_ms >= LEAST_MS
        if nearest is None or (distances[nearest] > _SAME_VOICE and may_be_new):
            self._voices.append(_Voice(segment.voice, heard_ms))
            return _letter(len(self._voices) - 1)
        if distances[nearest] <= _SAME_VOICE:
            self._voices[nearest].move(segment.voice, heard_ms)
        return _letter(nearest)


def _letter(index: int) -> str:
    return chr(ord("A") + index)
