"""The kinds of session: what a deployment offers decides which one a connection becomes."""

from antiphon.core.configuration import SessionOffer
from antiphon.core.ids import Ids
from antiphon.core.resumption import ResumableSession, ResumptionTerms
from antiphon.core.routing import RoutedSession
from antiphon.core.session import Session
from antiphon.core.transcription_offer import TranscriptionSessionOffer
from antiphon.core.transcription_session import TranscriptionSession
from antiphon.core.translation import TranslationSession
from antiphon.core.translation_settings import TranslationOffer
from antiphon.protocol import codec
from antiphon.protocol.dialects import translation
from antiphon.protocol.families import AnyClientEvent
from antiphon.protocol.shapes import Object

Offer = SessionOffer | TranscriptionSessionOffer | TranslationOffer
"""What a session may be opened with; each kind of session has an offer of its own."""

OFFERS: dict[str, type[Offer]] = {
    each.__name__: each for each in (SessionOffer, TranscriptionSessionOffer, TranslationOffer)
}
"""Offers by their names, as traces hold them."""


AnySession = RoutedSession | ResumableSession


def open_session(
    offer: Offer, ids: Ids, now: float, terms: ResumptionTerms | None = None
) -> AnySession:
    """Open the kind of session that an offer is for, at ``now`` in seconds of Unix time.

    With ``terms`` it is one to which its client may come back.
    """
    session = _open(offer, ids, now)
    return session if terms is None else ResumableSession(session, ids, now, terms)


def _open(offer: Offer, ids: Ids, now: float) -> RoutedSession:
    match offer:
        case SessionOffer():
            return Session(offer, ids, now)
        case TranscriptionSessionOffer():
            return TranscriptionSession(offer, ids, now)
        case TranslationOffer():
            return TranslationSession(offer, ids, now)


def interpret(event: Object, offer: Offer) -> AnyClientEvent:
    """Return what a client said in the kind of session that an offer is for."""
    if isinstance(offer, TranslationOffer):
        return translation.VOCABULARY.interpret(event)
    return codec.interpret(event)
