"""The door to a realtime session: a WebSocket becomes a connection, a session and a runner."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from starlette.websockets import WebSocket, WebSocketDisconnect

from antiphon.core.ids import Ids
from antiphon.protocol.dialects import Dialect
from antiphon.protocol.dialects.ga import Ga
from antiphon.protocol.dialects.translation import Translation
from antiphon.protocol.errors import ClientError
from antiphon.protocol.server_events import Error, ErrorBody
from antiphon.runtime.metrics import MeteredConnection, Metrics
from antiphon.runtime.quotas import Account
from antiphon.runtime.runner import Surroundings, run_session
from antiphon.transports.base import DEFAULT_LIMITS, OutboxLimits
from antiphon.transports.websocket import WebSocketConnection
from antiphon.web.admission import Admission, unlimited
from antiphon.web.catalogue import Asked, Catalogue, Deployment, Kind
from antiphon.web.entrance import Entrance, asked, chosen_subprotocol
from antiphon.web.refusals import INVALID_REQUEST_CLOSE, Refusal, family_of
from antiphon.web.sessions import OpenSessions

_logger = logging.getLogger(__name__)

_FAULT = (1011, "The server had an error. Connect again.")

_DIALECTS: Mapping[Kind, Callable[[], Dialect]] = {
    "realtime": Ga,
    "transcription": Ga,
    "translation": Translation,
}
"""The words that are spoken in each kind of session."""


@dataclass(frozen=True, slots=True)
class RealtimeDoor:
    """Opens sessions of every kind on `/v1/realtime` and `/openai/v1/realtime`."""

    entrance: Entrance
    catalogue: Catalogue
    sessions: OpenSessions
    metrics: Metrics
    traces: Path | None = None
    """Where sessions are recorded; None: nowhere."""
    outbox: OutboxLimits = DEFAULT_LIMITS
    """How much may wait for a client that reads slowly."""
    admission: Admission = field(default_factory=unlimited)
    """Who may open how many sessions."""

    async def enter(self, socket: WebSocket) -> None:
        """Serve one connection from its handshake to its end."""
        refusal = self.entrance.check_session(socket) or self.sessions.find_room()
        wanted = asked(socket)
        deployment = self.catalogue.deployment(wanted)
        if refusal is None and deployment is not None:
            await self._open(socket, wanted, deployment)
        elif refusal is not None:
            await self._turn_away(socket, refusal)

    async def _open(self, socket: WebSocket, wanted: Asked, deployment: Deployment) -> None:
        # Room is taken before anything is awaited, so that a rush cannot exceed the limit.
        connection = WebSocketConnection(socket, _DIALECTS[wanted.kind](), self.outbox)
        name = wanted.model or wanted.kind
        key_id = self.entrance.key_id(socket)
        with self.sessions.hold(connection):
            async with self.admission.hold(key_id, name) as admitted:
                if isinstance(admitted, Refusal):
                    await self._turn_away(socket, admitted)
                    return
                await socket.accept(chosen_subprotocol(socket))
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(connection.write())
                    visit = _Visit(name, key_id, admitted)
                    await self._converse(socket, connection, deployment, visit)

    async def _turn_away(self, socket: WebSocket, refusal: Refusal) -> None:
        self.metrics.refusals.labels(refusal.code).inc()
        await refuse(socket, refusal)

    async def _converse(
        self,
        socket: WebSocket,
        connection: WebSocketConnection,
        deployment: Deployment,
        visit: "_Visit",
    ) -> None:
        model = visit.name
        metered = MeteredConnection(connection, self.metrics, model, time.monotonic)
        around = Surroundings(
            time.time, self.sessions.stopping, self.traces, self.metrics.record_audio, visit.account
        )
        fields = {
            "request": socket.scope.get("antiphon.request_id"),
            "model": model,
            "key": visit.key_id,
        }
        start = time.monotonic()
        end = "fault"
        _logger.info("session_opened", extra=fields)
        try:
            with self.metrics.sessions.labels(model).track_inprogress():
                await run_session(metered, deployment.offer, deployment.pipeline, around)
            end = connection.ending
        except Exception as fault:
            _logger.error("session_failed", exc_info=fault, extra=fields)
            await connection.close(*_FAULT)
        finally:
            await connection.close(1000, "")
            seconds = time.monotonic() - start
            self.metrics.session_seconds.labels(model, end).observe(seconds)
            fields |= {"session": metered.session_id, "end": end, "s": round(seconds, 3)}
            _logger.info("session_closed", extra=fields)


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who was let in, and to what."""

    name: str
    """Of the deployment, or of the kind of session where none is named."""
    key_id: str
    account: Account


async def refuse(socket: WebSocket, refusal: Refusal) -> None:
    """Refuse a connection, over HTTP or on the open socket, whichever its clients understand."""
    family = family_of(cast("str", socket.scope["path"]))
    if family == "azure" or not refusal.is_told_on_socket:
        await socket.send_denial_response(refusal.response(family))
        return
    error = ClientError(refusal.code, refusal.message, refusal.param, type=refusal.type)
    event = Error(event_id=Ids(secrets.token_bytes(16)).event(), error=ErrorBody.of(error))
    with suppress(WebSocketDisconnect):  # a client that leaves needs no reason
        await socket.accept(chosen_subprotocol(socket))
        for frame in Ga().encode(event):
            await socket.send_text(frame)
        # Observed: the reference server closes with the error's type and code as the reason.
        await socket.close(INVALID_REQUEST_CLOSE, f"{refusal.type}.{refusal.code}")
