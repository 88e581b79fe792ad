"""Parts of the Realtime API that this server does not have: each is refused with what works."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from antiphon.web import refusals
from antiphon.web.pages import refuse as refuse_request
from antiphon.web.realtime import refuse as refuse_socket
from antiphon.web.refusals import Refusal

_WEBSOCKET = (
    "Open a WebSocket at /v1/realtime?model= (or /openai/v1/realtime?model=) with an API key."
)

_SECRETS = refusals.not_available("Client secrets are", _WEBSOCKET)
_CALLS = refusals.not_available("WebRTC and SIP calls are", _WEBSOCKET)
_TRANSLATION = (
    "Open a WebSocket at /v1/realtime/translations?model= (or /openai/v1/realtime/translations"
    "?model=) with an API key."
)
_TRANSLATION_SECRETS = refusals.not_available("Client secrets are", _TRANSLATION)
_TRANSLATION_CALLS = refusals.not_available("WebRTC calls are", _TRANSLATION)
_PREVIEW_SESSIONS = refusals.not_available("The sessions of the Preview API are", _WEBSOCKET)
_PREVIEW_SOCKET = refusals.not_available(
    "The Preview API is",
    "Connect to /openai/v1/realtime?model=<deployment> without api-version and without the "
    "OpenAI-Beta header, and use the GA events (update your SDK).",
)
_VOICE_LIVE = refusals.not_available(
    "The Voice Live API is", "Connect to /openai/v1/realtime?model=<deployment> instead."
)

_POSTED: dict[str, Refusal] = {
    "/realtime": _CALLS,
    "/realtime/client_secrets": _SECRETS,
    "/realtime/calls": _CALLS,
    "/realtime/calls/{call_id}/accept": _CALLS,
    "/realtime/calls/{call_id}/reject": _CALLS,
    "/realtime/calls/{call_id}/refer": _CALLS,
    "/realtime/calls/{call_id}/hangup": _CALLS,
    "/realtime/sessions": _PREVIEW_SESSIONS,
    "/realtime/transcription_sessions": _PREVIEW_SESSIONS,
    "/realtime/translations/client_secrets": _TRANSLATION_SECRETS,
    "/realtime/translations/calls": _TRANSLATION_CALLS,
}
_CONNECTED: dict[str, Refusal] = {
    "/openai/realtime": _PREVIEW_SOCKET,
    "/voice-live/realtime": _VOICE_LIVE,
}


def routes() -> list[BaseRoute]:
    """Return the routes that refuse what this server does not have."""
    posts: dict[str, Refusal] = {
        base + path: refusal for base in ("/v1", "/openai/v1") for path, refusal in _POSTED.items()
    }
    posts |= {
        "/openai/realtimeapi/sessions": _PREVIEW_SESSIONS,
        "/openai/realtimeapi/transcription_sessions": _PREVIEW_SESSIONS,
        "/v1/realtimertc": _CALLS,
    }
    return [
        *(
            Route(path, _Posted(refusal).refuse, methods=["POST"])
            for path, refusal in posts.items()
        ),
        *(WebSocketRoute(path, _Socket(each).refuse) for path, each in _CONNECTED.items()),
    ]


class _Posted:
    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    async def refuse(self, request: Request) -> Response:
        return refuse_request(request, self._refusal)


class _Socket:
    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    async def refuse(self, socket: WebSocket) -> None:
        await refuse_socket(socket, self._refusal)
