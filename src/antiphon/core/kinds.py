"""The kinds of session: what a deployment offers decides which one a connection becomes."""

from antiphon.core.configuration import SessionOffer
from antiphon.core.ids import Ids
from antiphon.core.routing import RoutedSession
from antiphon.core.session import Session
from antiphon.core.transcription_offer import TranscriptionSessionOffer
from antiphon.core.transcription_session import TranscriptionSession

Offer = SessionOffer | TranscriptionSessionOffer
"""What a session may be opened with; each kind of session has an offer of its own."""

OFFERS: dict[str, type[Offer]] = {
    each.__name__: each for each in (SessionOffer, TranscriptionSessionOffer)
}
"""Offers by their names, as traces hold them."""


def open_session(offer: Offer, ids: Ids, now: float) -> RoutedSession:
    """Open the kind of session that an offer is for, at ``now`` in seconds of Unix time."""
    match offer:
        case SessionOffer():
            return Session(offer, ids, now)
        case TranscriptionSessionOffer():
            return TranscriptionSession(offer, ids, now)
