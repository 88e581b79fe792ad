"""What can be asked over plain HTTP: what this is, which models there are, and how it fares."""

import html
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from antiphon import __version__
from antiphon.runtime.metrics import CONTENT_TYPE, Metrics
from antiphon.web import refusals
from antiphon.web.admission import Admission, unlimited
from antiphon.web.catalogue import Catalogue
from antiphon.web.entrance import Entrance
from antiphon.web.refusals import Refusal, family_of
from antiphon.web.sessions import OpenSessions


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of this server."""

    entrance: Entrance
    catalogue: Catalogue
    sessions: OpenSessions
    metrics: Metrics
    admission: Admission = field(default_factory=unlimited)
    started: int = field(default_factory=lambda: int(time.time()))

    async def show_root(self, request: Request) -> Response:
        """Say what this is and how to use it."""
        facts = self._describe()
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse(facts)
        rows = "".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(_in_words(value))}</dd>"
            for name, value in facts.items()
        )
        return HTMLResponse(_PAGE.format(version=html.escape(__version__), rows=rows))

    async def show_health(self, _request: Request) -> Response:
        """Tell that the process lives."""
        return JSONResponse({"status": "ok"})

    async def show_readiness(self, _request: Request) -> Response:
        """Tell whether sessions can begin, and what is still missing."""
        if self.sessions.stopping.is_set():
            return JSONResponse({"status": "draining", "sessions": len(self.sessions)}, 503)
        if not self.catalogue.is_open:
            return JSONResponse({"status": "loading", "loading": self.catalogue.loading}, 503)
        return JSONResponse({"status": "ready"})

    async def show_metrics(self, _request: Request) -> Response:
        """Return the metrics."""
        return Response(self.metrics.render(), media_type=CONTENT_TYPE)

    async def list_models(self, request: Request) -> Response:
        """List all models."""
        if (refusal := await self._check(request)) is not None:
            return refuse(request, refusal)
        models = [self._model(name) for name in self.catalogue.names]
        return JSONResponse({"object": "list", "data": models})

    async def show_model(self, request: Request) -> Response:
        """Describe one model."""
        if (refusal := await self._check(request)) is not None:
            return refuse(request, refusal)
        name = str(request.path_params["model"])
        if name not in self.catalogue.names:
            return refuse(request, refusals.unknown_model(name, self.catalogue.realtime))
        return JSONResponse(self._model(name))

    async def _check(self, request: Request) -> Refusal | None:
        refusal = self.entrance.check_key(request)
        return refusal or await self.admission.count(self.entrance.key_id(request))

    def _model(self, name: str) -> dict[str, object]:
        return {"id": name, "object": "model", "created": self.started, "owned_by": "antiphon"}

    def _describe(self) -> dict[str, str | bool | Sequence[str]]:
        return {
            "name": "Antiphon",
            "version": __version__,
            "description": "A server for spoken conversations over the OpenAI Realtime API.",
            "realtime": ["/v1/realtime?model=", "/openai/v1/realtime?model="],
            "translation": [
                "/v1/realtime/translations?model=",
                "/openai/v1/realtime/translations?model=",
            ],
            "models": "/v1/models",
            "state": ["/health", "/ready", "/metrics"],
            "ready": self.catalogue.is_open and not self.sessions.stopping.is_set(),
        }


def refuse(request: Request, refusal: Refusal) -> Response:
    """Return the response that refuses a request, in the shape of its path."""
    return refusal.response(family_of(request.scope["path"]))


def _in_words(value: str | bool | Sequence[str]) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case _:
            return ", ".join(value)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Antiphon</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto;
  padding: 0 1rem; }}
dt {{ font-weight: 600; }} dd {{ margin: 0 0 .6rem; font-family: ui-monospace, monospace; }}
</style>
</head>
<body>
<h1>Antiphon {version}</h1>
<p>Point an OpenAI SDK at this address, or talk to it with <code>antiphon talk</code>.</p>
<dl>{rows}</dl>
</body>
</html>
"""
