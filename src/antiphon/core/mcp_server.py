"""An MCP server as the shell has to know it: where it is, and the secrets that open it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that is handed on and never shown: not in events, not in traces, not in logs."""

    value: str

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True)
class McpServer:
    """One server that a client of this session has named."""

    label: str
    url: str
    headers: tuple[tuple[str, Secret], ...] = ()
    """Sent with every request, credentials among them."""
