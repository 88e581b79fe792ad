"""What a model reads of MCP items: calls and their results."""

from antiphon.engines.responder import CallTurn, ResultTurn, Turn
from antiphon.protocol.items import (
    Item,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    McpError,
    McpProtocolError,
    McpToolExecutionError,
)


def turns(item: Item, refusal: str | None) -> tuple[Turn, ...]:
    """Return the turns that an item is read as; a call without an answer is not read yet.

    ``refusal`` tells why a call was not approved, where one was not.
    """
    match item:
        case McpApprovalRequestItem() if refusal is not None:
            result = refusal
        case McpCallItem(output=str(output)):
            result = output
        case McpCallItem(error=error) if error is not None:
            result = _in_words(error)
        case _:
            return ()
    return CallTurn(item.id, item.name, item.arguments), ResultTurn(item.id, result)


def refusal(answer: McpApprovalResponseItem) -> str:
    """Return what a model is told of a call that was not approved."""
    reason = f" The reason: {answer.reason}" if answer.reason else ""
    return f"The user did not allow this call, and it was not made.{reason}"


def _in_words(error: McpError) -> str:
    match error:
        case McpToolExecutionError(message=message):
            return f"The tool failed: {message}"
        case McpProtocolError(message=message):
            return f"The tool could not be called: {message}"
        case _:
            return f"The tool's server answered with HTTP status {error.code}: {error.message}"
