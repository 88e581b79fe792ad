"""Refusals before a session: status, code and words, in the shape that each path's clients read.

Every message ends with what to do instead. On OpenAI's paths most SDKs cannot read the body of a
refused handshake, so mistakes in the address are told on the open socket: one `error` event, then a
close frame. On Azure's paths they are told by HTTP.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from starlette.responses import JSONResponse

from antiphon.protocol.errors import MODEL_OF_TRANSCRIPTION_SESSION

Family = Literal["openai", "azure"]
"""Whose habits a path follows."""

INVALID_REQUEST_CLOSE = 4000

_RETRY_S = "5"
_SHOWN_NAMES = 6
_SHOWN_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served."""

    status: int
    code: str
    message: str
    azure_code: str
    azure_message: str = ""
    """Azure's own words where clients know them; else the message."""
    param: str | None = None
    type: str = "invalid_request_error"
    is_told_on_socket: bool = False
    """Whether OpenAI's paths open the socket to say it."""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType[str, str]({}))

    def body(self, family: Family) -> dict[str, object]:
        """Return the JSON body."""
        if family == "azure":
            message = self.azure_message or self.message
            return {"error": {"code": self.azure_code, "message": message}}
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self, family: Family) -> JSONResponse:
        """Return the HTTP response."""
        return JSONResponse(self.body(family), self.status, headers=dict(self.headers))


def family_of(path: str) -> Family:
    """Return whose habits a path follows."""
    return "azure" if path.startswith(("/openai/", "/voice-live/")) else "openai"


# Credentials


def no_credentials() -> Refusal:
    """Refuse a request without a key."""
    message = (
        "You didn't provide an API key. Send it in an Authorization header "
        "(Authorization: Bearer YOUR_KEY) or in an api-key header."
    )
    return Refusal(
        401,
        "missing_api_key",
        message,
        azure_code="401",
        azure_message="Access denied due to missing subscription key. "
        "Send your key in an api-key header, or as Authorization: Bearer YOUR_KEY.",
        headers={"www-authenticate": "Bearer"},
    )


def wrong_key() -> Refusal:
    """Refuse a key that is not configured."""
    cure = (
        "`antiphon keys list` shows which keys this server knows; `antiphon keys create` adds one."
    )
    return Refusal(
        401,
        "invalid_api_key",
        f"Incorrect API key provided. {cure}",
        azure_code="401",
        azure_message="Access denied due to invalid subscription key or wrong API endpoint. Make "
        f"sure to provide a valid key for an active subscription. {cure}",
        headers={"www-authenticate": "Bearer"},
    )


def foreign_page() -> Refusal:
    """Refuse a web page of another site on a server that accepts any key."""
    return Refusal(
        403,
        "origin_not_allowed",
        "Pages of other sites may not use this server while it accepts any key. Configure a key "
        "with `antiphon keys create` and give it to the page, or serve the page from this machine.",
        azure_code="403",
    )


# Addresses


def api_version_on_ga_path(version: str) -> Refusal:
    """Refuse a Preview version on the GA address."""
    return Refusal(
        401,
        "api_version_not_supported",
        f"The GA address takes no api-version, but got '{version[:_SHOWN_CHARACTERS]}'. "
        "Remove the api-version query parameter, or set it to 'v1'.",
        azure_code="401",
        param="api-version",
    )


def preview_shape() -> Refusal:
    """Refuse the Preview dialect on OpenAI's path."""
    return Refusal(
        400,
        "beta_api_shape_disabled",
        "The Realtime Beta API is not available on this server. Remove the OpenAI-Beta header or "
        "the openai-beta subprotocol, and use the GA events (update your SDK).",
        azure_code="BadRequest",
        is_told_on_socket=True,
    )


def model_of_transcription_session() -> Refusal:
    """Refuse a model for a session that has none of its own."""
    return Refusal(
        400,
        "invalid_parameter",
        MODEL_OF_TRANSCRIPTION_SESSION,
        azure_code="BadRequest",
        param="model",
        is_told_on_socket=True,
    )


def unknown_call() -> Refusal:
    """Refuse to attach to a call."""
    return Refusal(
        404,
        "call_not_found",
        "There is no such call: this server carries no WebRTC or SIP calls. "
        "Open a WebSocket of your own with ?model= instead of ?call_id=.",
        azure_code="404",
        param="call_id",
    )


def missing_model(models: Sequence[str]) -> Refusal:
    """Refuse a connection that names no model."""
    return Refusal(
        400,
        "missing_model",
        f"You must provide a model parameter. Add ?model= to the address. {_known(models)}",
        azure_code="BadRequest",
        param="model",
        is_told_on_socket=True,
    )


def unknown_model(model: str, models: Sequence[str]) -> Refusal:
    """Refuse a model that is not deployed."""
    name = model[:_SHOWN_CHARACTERS]
    cure = f"{_known(models)} GET /v1/models lists all."
    return Refusal(
        404,
        "model_not_found",
        f"The model '{name}' does not exist on this server. {cure}",
        azure_code="DeploymentNotFound",
        azure_message=f"The API deployment for this resource does not exist: '{name}'. {cure}",
        param="model",
        is_told_on_socket=True,
    )


def transcription_model(model: str, models: Sequence[str]) -> Refusal:
    """Refuse a transcription model as the model of the connection."""
    cure = (
        "Name it in session.audio.input.transcription.model instead, on a connection with one of "
        f"these, or with ?intent=transcription and no model. {_known(models)}"
    )
    return _wrong_model(
        f'Model "{model}" is a transcription model and cannot be used as the realtime session '
        f"model. {cure}",
        cure,
    )


def translation_model(model: str, models: Sequence[str]) -> Refusal:
    """Refuse a translation model as the model of a conversation."""
    cure = f"Connect to /v1/realtime/translations?model={model} instead. {_known(models)}"
    return _wrong_model(
        f'Model "{model}" is a translation model and cannot be used as the realtime session '
        f"model. {cure}",
        cure,
    )


def not_a_translation_model(model: str, models: Sequence[str]) -> Refusal:
    """Refuse a model that does not translate."""
    return _wrong_model(
        f'Model "{model}" is not supported in translation sessions. {_known(models)}',
        _known(models),
    )


def no_translation() -> Refusal:
    """Refuse a translation where no deployment translates."""
    return not_available(
        "Translation is",
        'Define a deployment with kind = "translation" in the settings, and name it by ?model=.',
    )


def _wrong_model(message: str, cure: str) -> Refusal:
    return Refusal(
        400,
        "invalid_model",
        message,
        azure_code="OpperationNotSupported",  # Spec: Azure spells it so, and clients compare it.
        azure_message="The realtime operation does not work with the specified model. Please "
        f"choose different model and try again. {cure}",
        param="model",
        is_told_on_socket=True,
    )


# Room


def still_loading(engines: Sequence[str]) -> Refusal:
    """Refuse a session while engines are not ready."""
    waiting = f" Still loading: {', '.join(engines)}." if engines else ""
    return _unavailable(
        "server_starting", f"The server is starting.{waiting} Try again in a few seconds."
    )


def shutting_down() -> Refusal:
    """Refuse a session while the server ends."""
    return _unavailable(
        "server_shutting_down", "The server is shutting down. Connect again in a few seconds."
    )


def overloaded() -> Refusal:
    """Refuse a session while the server lags."""
    return _unavailable(
        "server_overloaded", "The server is overloaded. Try again in a few seconds."
    )


def too_many_sessions(limit: int) -> Refusal:
    """Refuse one session more than there may be."""
    return Refusal(
        429,
        "rate_limit_exceeded",
        f"All {limit} sessions of this server are in use. Close one, or try again later; "
        "`max_sessions` in the section [server] of the settings allows more.",
        azure_code="429",
        type="rate_limit_error",
        headers={"retry-after": _RETRY_S},
    )


def quota_used_up(message: str, kind: str, wait_s: float) -> Refusal:
    """Refuse what a quota leaves no room for."""
    # Rounded up: whoever comes back a moment early is refused again.
    seconds = math.ceil(wait_s)
    return Refusal(
        429,
        "rate_limit_exceeded",
        message,
        azure_code="429",
        azure_message=f"{message} Please retry after {seconds} seconds.",
        type=kind,
        headers={"retry-after": str(seconds), "retry-after-ms": str(math.ceil(wait_s * 1000))},
    )


def no_seat(limit: int, owner: str) -> Refusal:
    """Refuse one session more than a key or a deployment may have."""
    message = (
        f"Rate limit reached: this {owner} has all of its {limit} sessions in use. Close one, or "
        f"try again in {_RETRY_S}s."
    )
    return quota_used_up(message, "sessions", int(_RETRY_S))


# Routes


def no_such_route(path: str) -> Refusal:
    """Refuse an address that this server does not have."""
    return Refusal(
        404,
        "unknown_url",
        f"Unknown address: {path[:_SHOWN_CHARACTERS]}. This server speaks the Realtime API over "
        "WebSocket at /v1/realtime?model= and /openai/v1/realtime?model=, and lists its models at "
        "/v1/models.",
        azure_code="404",
    )


def wrong_method(method: str, path: str, allowed: str) -> Refusal:
    """Refuse a method that an address does not have."""
    return Refusal(
        405,
        "method_not_allowed",
        f"{path[:_SHOWN_CHARACTERS]} does not accept {method}. Use {allowed}.",
        azure_code="405",
        headers={"allow": allowed},
    )


def upgrade_required() -> Refusal:
    """Refuse plain HTTP where a WebSocket is spoken."""
    return Refusal(
        426,
        "upgrade_required",
        "The Realtime API is spoken over WebSocket here. Connect with ws:// or wss:// and "
        "?model=, for example through the realtime client of an OpenAI SDK.",
        azure_code="426",
        headers={"upgrade": "websocket", "connection": "Upgrade"},
    )


def not_available(feature: str, instead: str) -> Refusal:
    """Refuse a part of the API that this server does not have, and name what works."""
    return Refusal(
        404,
        "not_available",
        f"{feature} not available on this server. {instead}",
        azure_code="404",
    )


def server_fault() -> Refusal:
    """Tell that the server itself failed."""
    return Refusal(
        500,
        "server_error",
        "The server had an error while processing your request. Try again; the server's log holds "
        "the x-request-id of this response.",
        azure_code="500",
        type="server_error",
    )


def _unavailable(code: str, message: str) -> Refusal:
    return Refusal(
        503,
        code,
        message,
        azure_code="503",
        type="server_error",
        headers={"retry-after": _RETRY_S},
    )


def _known(models: Sequence[str]) -> str:
    shown = ", ".join(models[:_SHOWN_NAMES])
    more = f" and {len(models) - _SHOWN_NAMES} more" if len(models) > _SHOWN_NAMES else ""
    return f"Models here: {shown}{more}."
