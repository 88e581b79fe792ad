"""What is noted of one question to an MCP server, and how it failed if it did."""

from contextvars import ContextVar
from dataclasses import dataclass

from antiphon.protocol.errors import EngineError
from antiphon.protocol.items import McpError


@dataclass(slots=True)
class Exchange:
    """What happened on the wire while something was asked."""

    status: int | None = None
    """The last HTTP status that told of an error."""
    trouble: EngineError | None = None
    """Why there was no answer."""


exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""Where the transport notes what happens to the question in hand; the library passes it on."""


class McpFailed(EngineError):  # noqa: N818 - it is an answer as much as an error
    """A question to an MCP server came to nothing."""

    def __init__(self, kind: str, error: McpError, *, ends_session: bool = False) -> None:
        super().__init__("mcp_failed", error.message)
        self.kind = kind
        """What failed, for the log: no text of the server's."""
        self.error = error
        self.ends_session = ends_session
        """Whether the session with the server is of no use any more."""
