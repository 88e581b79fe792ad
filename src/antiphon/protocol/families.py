"""What may be said in any kind of session: the shell carries all of it alike.

Realtime and transcription sessions share one family of events, translation sessions have their own.
Clients that may come back to their session hear three events more.
"""

from typing import TypeAlias

from antiphon.protocol import client_events, server_events, translation
from antiphon.protocol.resumption import ResumptionEvent

AnyClientEvent: TypeAlias = client_events.ClientEvent | translation.ClientEvent
AnyServerEvent: TypeAlias = server_events.ServerEvent | translation.ServerEvent | ResumptionEvent
