"""Tracing: the names under which a session is found again in our own traces and log."""

from antiphon.protocol.errors import ClientError
from antiphon.protocol.session import Tracing


def check_tracing(current: Tracing | None, wanted: Tracing | None) -> None:
    """Raise `ClientError` unless a session may be traced so.

    Spec: once tracing is enabled for a session, its configuration cannot be modified.
    """
    if current is not None and wanted != current:
        raise ClientError(
            "invalid_value",
            "Cannot update tracing once it is enabled for a session. "
            "Leave 'tracing' out, repeat it as it is, or open a new session.",
            "session.tracing",
        )
