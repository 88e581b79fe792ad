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
from antiphon.runtime.parking import Parking
from antiphon.runtime.quotas import Account
from antiphon.runtime.resumable_connection import ResumableConnection
from antiphon.runtime.runner import Resumption, Surroundings, run_session
from antiphon.runtime.usage import UsageMeter
from antiphon.transports.base import DEFAULT_LIMITS, OutboxLimits
from antiphon.transports.websocket import WebSocketConnection
from antiphon.web.admission import Admission, unlimited
from antiphon.web.catalogue import Asked, Catalogue, Deployment, Kind
from antiphon.web.coming_back import (
    Return,
    asked_return,
    check_return,
    not_resumable,
    resumption_not_available,
)
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
    parking: Parking | None = None
    """The sessions to which clients may come back; None: they may to none."""

    async def enter(self, socket: WebSocket) -> None:
        """Serve one connection from its handshake to its end."""
        wish = asked_return(socket)
        if wish is not None and wish.token is not None:
            await self._come_back(socket, wish, wish.token)
            return
        refusal = (
            self.entrance.check_session(socket)
            or check_return(wish, can_resume=self.parking is not None)
            or self.sessions.find_room()
        )
        wanted = asked(socket)
        deployment = self.catalogue.deployment(wanted)
        if refusal is None and deployment is not None:
            await self._open(socket, wanted, deployment, None if wish is None else self.parking)
        elif refusal is not None:
            await self._turn_away(socket, refusal)

    async def _open(
        self, socket: WebSocket, wanted: Asked, deployment: Deployment, parking: Parking | None
    ) -> None:
        """Open a session. With ``parking`` it outlives the socket; it ends in this task even so."""
        # Room is taken before anything is awaited, so that a rush cannot exceed the limit.
        dialect = _DIALECTS[wanted.kind]
        connection = WebSocketConnection(socket, dialect(), self.outbox)
        client = None
        if parking is not None:
            client = parking.open(self.entrance.keys_of(socket), wanted.model, dialect)
        name = wanted.model or wanted.kind
        key_id = self.entrance.key_id(socket)
        with self.sessions.hold(client or connection):
            async with self.admission.hold(key_id, name) as admitted:
                if isinstance(admitted, Refusal):
                    await self._turn_away(socket, admitted)
                    return
                await socket.accept(chosen_subprotocol(socket))
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(connection.write())
                    if client is not None:
                        tasks.create_task(client.attend(client.seat(connection)))
                    with self.admission.meter(key_id, name, self.metrics) as meter:
                        visit = _Visit(name, key_id, admitted, meter)
                        await self._converse(socket, client or connection, deployment, visit)

    async def _come_back(self, socket: WebSocket, wish: Return, token: str) -> None:
        """Give a client the session back to which its token belongs."""
        refusal = self.entrance.check_return(socket) or check_return(
            wish, can_resume=self.parking is not None
        )
        if refusal is not None or self.parking is None:
            await self._turn_away(socket, refusal or resumption_not_available())
            return
        model = asked(socket).model
        client = self.parking.redeem(token, self.entrance.keys_of(socket), model)
        if client is None:
            refusal = not_resumable(self.parking.terms.wait_s)
            await self._turn_away(socket, refusal)
            return
        request = socket.scope.get("antiphon.request_id")
        _logger.info("session_resumed", extra={"request": request, "model": client.model})
        await socket.accept(chosen_subprotocol(socket))
        connection = WebSocketConnection(socket, client.dialect(), self.outbox)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(connection.write())
            await client.attend(client.seat(connection, wish.after))
            await connection.close(1000, "")

    async def _turn_away(self, socket: WebSocket, refusal: Refusal) -> None:
        self.metrics.refusals.labels(refusal.code).inc()
        await refuse(socket, refusal)

    async def _converse(
        self,
        socket: WebSocket,
        connection: WebSocketConnection | ResumableConnection,
        deployment: Deployment,
        visit: "_Visit",
    ) -> None:
        model = visit.name
        metered = MeteredConnection(connection, self.metrics, model, visit.meter)
        around = Surroundings(
            time.time, self.sessions.stopping, self.traces, metered.record_audio, visit.account
        )
        fields = {
            "request": socket.scope.get("antiphon.request_id"),
            "model": model,
            "key": visit.key_id,
        }
        start = time.monotonic()
        end = "fault"
        _logger.info("session_opened", extra=fields)
        resumption = None
        if isinstance(connection, ResumableConnection):
            resumption = Resumption(connection.terms, connection.park)
        try:
            with self.metrics.sessions.labels(model).track_inprogress():
                await run_session(
                    metered, deployment.offer, deployment.pipeline, around, resumption
                )
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
    meter: UsageMeter


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
