"""The web application: every route and door of the server in one place."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from antiphon.web import refusals, unavailable
from antiphon.web.edge import Edge
from antiphon.web.entrance import TRANSLATIONS
from antiphon.web.pages import Pages, refuse
from antiphon.web.realtime import RealtimeDoor
from antiphon.web.realtime import refuse as refuse_socket

REALTIME_PATHS = ("/v1/realtime", "/openai/v1/realtime", "/realtime")
TRANSLATION_PATHS = tuple(f"{path}{TRANSLATIONS}" for path in REALTIME_PATHS)
_SOCKET_PATHS = (*REALTIME_PATHS, *TRANSLATION_PATHS)
_MODEL_PATHS = ("/v1/models", "/openai/v1/models")


def create_application(pages: Pages, door: RealtimeDoor) -> Starlette:
    """Return the ASGI application."""
    routes: list[BaseRoute] = [
        Route("/", pages.show_root),
        Route("/health", pages.show_health),
        Route("/ready", pages.show_readiness),
        Route("/metrics", pages.show_metrics),
        *(Route(path, pages.list_models) for path in _MODEL_PATHS),
        *(Route(f"{path}/{{model}}", pages.show_model) for path in _MODEL_PATHS),
        *(WebSocketRoute(path, door.enter) for path in _SOCKET_PATHS),
        *(Route(path, _demand_upgrade) for path in _SOCKET_PATHS),
        *unavailable.routes(),
        WebSocketRoute("/{path:path}", _refuse_unknown_socket),
    ]
    application = Starlette(
        routes=routes,
        middleware=[Middleware(Edge)],
        exception_handlers={HTTPException: _refuse_route, 500: _tell_fault},
    )
    application.router.redirect_slashes = False
    return application


async def _demand_upgrade(request: Request) -> Response:
    return refuse(request, refusals.upgrade_required())


async def _refuse_unknown_socket(socket: WebSocket) -> None:
    await refuse_socket(socket, refusals.no_such_route(socket.scope["path"]))


async def _refuse_route(request: Request, error: Exception) -> Response:
    path = str(request.scope["path"])
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET")
        return refuse(request, refusals.wrong_method(request.method, path, allowed))
    return refuse(request, refusals.no_such_route(path))


async def _tell_fault(request: Request, _error: Exception) -> Response:
    return refuse(request, refusals.server_fault())
