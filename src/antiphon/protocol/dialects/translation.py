"""The words of translation sessions, which are a family of their own."""

from antiphon.protocol import codec, translation
from antiphon.protocol.codec import Vocabulary
from antiphon.protocol.families import AnyServerEvent

VOCABULARY: Vocabulary[translation.ClientEvent] = Vocabulary(translation.ClientEvent)
"""What a client may say."""


class Translation:
    """The dialect of `/realtime/translations`."""

    name = "translation"

    def decode(self, frame: str | bytes) -> translation.ClientEvent:
        """Return what a client said; raise `ClientError`."""
        return VOCABULARY.decode(frame)

    def encode(self, event: AnyServerEvent) -> tuple[str, ...]:
        """Return the one frame that tells an event."""
        return (codec.encode(event),)
