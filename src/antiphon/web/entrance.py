"""The WebSocket handshake: whom to let in, and in what words to refuse the others."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from antiphon.web import refusals
from antiphon.web.catalogue import Asked, Catalogue
from antiphon.web.keyring import ANYBODY, Keyring, offered_subprotocols, presented_keys
from antiphon.web.refusals import Refusal, family_of

_GA_API_VERSIONS = frozenset({"v1", "preview"})
_BETA_HEADER = "realtime=v1"
_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
TRANSLATIONS = "/translations"
"""Where an address that asks for a translation ends."""

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Entrance:
    """Checks requests at the door, in an order that tells strangers the least."""

    keyring: Keyring
    catalogue: Catalogue

    def check_key(self, request: HTTPConnection) -> Refusal | None:
        """Return why a request's credentials do not do, if so."""
        keys = presented_keys(request)
        if not keys:
            return refusals.no_credentials()
        if not self.keyring.accepts(keys):
            return refusals.wrong_key()
        # Without a configured key any page in the user's browser could talk to this server.
        if self.keyring.accepts_any and not _is_own_page(request.headers.get("origin")):
            return refusals.foreign_page()
        return None

    def key_id(self, request: HTTPConnection) -> str:
        """Return the id of the key that let a request in."""
        return self.keyring.identify(presented_keys(request)) or ANYBODY

    def check_session(self, request: HTTPConnection) -> Refusal | None:
        """Return why a request cannot open a session, if so."""
        checks: tuple[Callable[[HTTPConnection], Refusal | None], ...] = (
            self.check_key,
            _check_api_version,
            _check_dialect,
            self._check_kind,
            self._check_model,
            self._check_loaded,
        )
        return next((refusal for check in checks if (refusal := check(request))), None)

    def check_return(self, request: HTTPConnection) -> Refusal | None:
        """Return why a request cannot come back to a session, whichever that is, if so."""
        checks = (self.check_key, _check_api_version, _check_dialect)
        return next((refusal for check in checks if (refusal := check(request))), None)

    def keys_of(self, request: HTTPConnection) -> frozenset[bytes]:
        """Return the SHA-256 of each of a request's keys that opens this server."""
        return self.keyring.digests_of(presented_keys(request))

    def _check_kind(self, request: HTTPConnection) -> Refusal | None:
        return refusals.unknown_call() if "call_id" in request.query_params else None

    def _check_model(self, request: HTTPConnection) -> Refusal | None:
        wanted, models = asked(request), self.catalogue.realtime
        model = wanted.model
        if wanted.kind == "transcription":
            return refusals.model_of_transcription_session() if model else None
        if wanted.kind == "translation":
            return self._check_translation_model(model)
        if not model:
            return refusals.missing_model(models)
        if model in models:
            return None
        if model in self.catalogue.transcription:
            return refusals.transcription_model(model, models)
        if model in self.catalogue.translation:
            return refusals.translation_model(model, models)
        return refusals.unknown_model(model, models)

    def _check_translation_model(self, model: str) -> Refusal | None:
        models = self.catalogue.translation
        if model in models:
            return None
        if not models:
            return refusals.no_translation()
        if not model:
            return refusals.missing_model(models)
        if model in self.catalogue.realtime or model in self.catalogue.transcription:
            return refusals.not_a_translation_model(model, models)
        return refusals.unknown_model(model, models)

    def _check_loaded(self, _request: HTTPConnection) -> Refusal | None:
        return None if self.catalogue.is_open else refusals.still_loading(self.catalogue.loading)


def asked(request: HTTPConnection) -> Asked:
    """Return what a request's address asks for."""
    query = request.query_params
    # Observed: some Azure clients say `deployment` on the GA address too.
    model = query.get("model") or query.get("deployment") or ""
    if str(request.scope["path"]).endswith(TRANSLATIONS):
        return Asked(model, "translation")
    return Asked(model, "transcription" if query.get("intent") == "transcription" else "realtime")


def chosen_subprotocol(request: HTTPConnection) -> str | None:
    """Return the subprotocol to select: browsers fail when none of theirs is."""
    return "realtime" if "realtime" in offered_subprotocols(request) else None


def _check_api_version(request: HTTPConnection) -> Refusal | None:
    version = request.query_params.get("api-version")
    if family_of(request.scope["path"]) == "openai" or version is None:
        return None
    return None if version in _GA_API_VERSIONS else refusals.api_version_on_ga_path(version)


def _check_dialect(request: HTTPConnection) -> Refusal | None:
    # Spec: on Azure's GA path the header changes nothing.
    if family_of(request.scope["path"]) == "azure":
        return None
    header = request.headers.get("openai-beta", "")
    asks_for_beta = _BETA_HEADER in (each.strip() for each in header.split(","))
    if asks_for_beta or _BETA_SUBPROTOCOL in offered_subprotocols(request):
        return refusals.preview_shape()
    return None


def _is_own_page(origin: str | None) -> bool:
    if origin is None:
        return True  # not a browser
    if origin == "null":
        return False  # a sandboxed page; it may be anyone's
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme not in {"http", "https"} or parts.hostname in _LOOPBACK_HOSTS
