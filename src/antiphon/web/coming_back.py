"""How a connection asks to be able to come back, and comes back.

An extension that no client of the API asks for by accident: a query parameter, or a header of the
same meaning for clients that can set one.
"""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from antiphon.runtime.parking import TOKEN_PREFIX
from antiphon.web.refusals import Refusal

RESUME = "antiphon_resume"
AFTER = "antiphon_after"
_RESUME_HEADER = "x-antiphon-resume"
_AFTER_HEADER = "x-antiphon-after"
_YES = frozenset({"1", "true"})
_NO = frozenset({"", "0", "false"})
_LONGEST_TOKEN = 128
_LONGEST_EVENT_ID = 512


@dataclass(frozen=True, slots=True)
class Return:
    """What a connection wants of resumption."""

    token: str | None
    """Of the session to come back to; None: a new session, to which it may come back later."""
    after: str | None
    """The id of the last event that the client has."""


def asked_return(request: HTTPConnection) -> Return | None:
    """Return what a connection wants of resumption; None: nothing."""
    value = _given(request, RESUME, _RESUME_HEADER)
    if value in _NO:
        return None
    after = _given(request, AFTER, _AFTER_HEADER) or None
    return Return(None if value in _YES else value, after)


def check_return(wish: Return | None, *, can_resume: bool) -> Refusal | None:
    """Return why a wish to come back, or to be able to, cannot be granted, if so."""
    if wish is None:
        return None
    if not can_resume:
        return resumption_not_available()
    token, after = wish.token, wish.after
    if token is not None and not (token.startswith(TOKEN_PREFIX) and len(token) <= _LONGEST_TOKEN):
        return _no_resume_token()
    if after is not None and len(after) > _LONGEST_EVENT_ID:
        return _overlong()
    return None


def _given(request: HTTPConnection, parameter: str, header: str) -> str:
    return request.query_params.get(parameter) or request.headers.get(header, "").strip()


# Refusals


def resumption_not_available() -> Refusal:
    """Refuse a client that wants to be able to come back where nobody can."""
    return Refusal(
        400,
        "resumption_not_available",
        f"Sessions of this server cannot be resumed. Connect without {RESUME}; `resume_seconds` in "
        "the section [server] of the settings allows it.",
        azure_code="BadRequest",
        param=RESUME,
        is_told_on_socket=True,
    )


def _no_resume_token() -> Refusal:
    """Refuse what is neither a wish to be able to come back nor a token."""
    return Refusal(
        400,
        "invalid_value",
        f"Invalid value for {RESUME}. Send '1' to open a session that can be resumed, or the token "
        "of the last antiphon.session.resumable event to resume it.",
        azure_code="BadRequest",
        param=RESUME,
        is_told_on_socket=True,
    )


def _overlong() -> Refusal:
    """Refuse a value that is longer than any that could be meant."""
    return Refusal(
        400,
        "invalid_value",
        f"{AFTER} is longer than {_LONGEST_EVENT_ID} characters. Send the event_id of the last "
        "server event that you have, or leave it out.",
        azure_code="BadRequest",
        param=AFTER,
        is_told_on_socket=True,
    )


def not_resumable(seconds: int) -> Refusal:
    """Refuse a token, in the same words whatever is wrong with it."""
    return Refusal(
        404,
        "session_not_resumable",
        "No session can be resumed with this token and key. A token works once, with the key and "
        f"the model of its session, and until {seconds} seconds after the session has lost its "
        f"connection. Open a new session with {RESUME}=1.",
        azure_code="404",
        param=RESUME,
        is_told_on_socket=True,
    )
