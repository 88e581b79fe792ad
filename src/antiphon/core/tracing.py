"""Tracing: the names under which a session is found again in our own traces and log."""

from msgspec import UNSET

from antiphon.core.commands import NameSession
from antiphon.protocol.errors import ClientError
from antiphon.protocol.session import Tracing, TracingConfiguration


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


def name_session(before: Tracing | None, now: Tracing | None) -> list[NameSession]:
    """Return what is to be noted when tracing is enabled with names."""
    if now == before or not isinstance(now, TracingConfiguration):
        return []
    workflow_name = None if now.workflow_name is UNSET else now.workflow_name
    group_id = None if now.group_id is UNSET else now.group_id
    return [NameSession(workflow_name, group_id)]
