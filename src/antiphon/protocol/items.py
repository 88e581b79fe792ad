"""Conversation items and their content parts.

The same types serve both directions. A client may leave out `id`, `object` and `status`; the server
sends `object` always, the other two when they are known.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from antiphon.protocol.wire import Tagged, Wire

MAX_ITEM_ID_CHARACTERS = 32
"""The longest id that a client may choose for a message or function item, and for a call."""

MAX_MCP_ITEM_ID_CHARACTERS = 64
"""The longest id of an MCP item: the documented `mcp_approval_<request id>` needs more room."""

ItemId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_ITEM_ID_CHARACTERS)]
McpItemId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_MCP_ITEM_ID_CHARACTERS)]
CallId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_ITEM_ID_CHARACTERS)]

ItemStatus: TypeAlias = Literal["completed", "incomplete", "in_progress"]
Role: TypeAlias = Literal["system", "user", "assistant"]


class InputText(Tagged, frozen=True, kw_only=True, tag="input_text"):
    """Text of a user or system message."""

    text: str


class InputAudio(Tagged, frozen=True, kw_only=True, tag="input_audio"):
    """Speech of a user message."""

    audio: str | UnsetType = UNSET
    """Base64 of the sound; sent by the server in `conversation.item.retrieved` only."""

    transcript: str | None = None
    """What was heard; null until it is transcribed, and sent even then."""


class InputImage(Tagged, frozen=True, kw_only=True, tag="input_image"):
    """A picture in a user message."""

    image_url: str
    """A data URI with a PNG or JPEG picture."""

    detail: Literal["auto", "low", "high"] | UnsetType = UNSET


class OutputText(Tagged, frozen=True, kw_only=True, tag="output_text"):
    """Text that the assistant wrote."""

    text: str


class OutputAudio(Tagged, frozen=True, kw_only=True, tag="output_audio"):
    """Speech that the assistant spoke."""

    audio: str | UnsetType = UNSET
    """Base64 of the sound; sent by the server in `conversation.item.retrieved` only."""

    transcript: str | UnsetType = UNSET
    """What was said."""


SystemContent: TypeAlias = InputText
UserContent: TypeAlias = InputText | InputAudio | InputImage
AssistantContent: TypeAlias = OutputText | OutputAudio
ContentPart: TypeAlias = SystemContent | UserContent | AssistantContent


class MessageItem(Tagged, frozen=True, kw_only=True, tag="message"):
    """A message of the application, the user or the assistant."""

    id: ItemId | UnsetType = UNSET
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus | UnsetType = UNSET
    role: Role
    content: tuple[ContentPart, ...]
    """`SystemContent`, `UserContent` or `AssistantContent`, as the role says."""

    phase: Literal["commentary", "final_answer"] | UnsetType = UNSET
    """Whether the assistant thinks aloud or answers; only models that tell the two apart set it."""


class FunctionCallItem(Tagged, frozen=True, kw_only=True, tag="function_call"):
    """The assistant's wish that the client call a function."""

    id: ItemId | UnsetType = UNSET
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus | UnsetType = UNSET
    name: str
    call_id: CallId | UnsetType = UNSET
    """Ties the call to its output; the server makes one when the client leaves it out."""

    arguments: str
    """JSON text."""


class FunctionCallOutputItem(Tagged, frozen=True, kw_only=True, tag="function_call_output"):
    """What a function returned."""

    id: ItemId | UnsetType = UNSET
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus | UnsetType = UNSET
    """Accepted from clients without effect."""

    call_id: CallId
    """The call that this answers."""

    output: str


class McpToolListing(Wire, frozen=True, kw_only=True):
    """One tool of an MCP server."""

    name: str
    description: str = ""
    """Never left out: some clients refuse a tool without it."""

    input_schema: Any
    annotations: Any = UNSET


class McpListToolsItem(Tagged, frozen=True, kw_only=True, tag="mcp_list_tools"):
    """The tools that an MCP server offers."""

    id: McpItemId | UnsetType = UNSET
    object: Literal["realtime.item"] = "realtime.item"
    server_label: str
    tools: tuple[McpToolListing, ...]
    error: str | UnsetType = UNSET
    """Why there are none; only after a failure. The Responses API has the same field."""


class McpProtocolError(Tagged, frozen=True, kw_only=True, tag="protocol_error"):
    """An MCP server broke the protocol."""

    code: int
    message: str


class McpToolExecutionError(Tagged, frozen=True, kw_only=True, tag="tool_execution_error"):
    """A tool reported a failure of its own."""

    message: str


class McpHttpError(Tagged, frozen=True, kw_only=True, tag="http_error"):
    """An MCP server answered with an HTTP error."""

    code: int
    message: str


McpError: TypeAlias = McpProtocolError | McpToolExecutionError | McpHttpError


class McpCallItem(Tagged, frozen=True, kw_only=True, tag="mcp_call"):
    """A tool call that the server made at an MCP server."""

    id: McpItemId
    object: Literal["realtime.item"] = "realtime.item"
    server_label: str
    name: str
    arguments: str
    """JSON text."""

    approval_request_id: str | None = None
    output: str | None = None
    error: McpError | None = None


class McpApprovalRequestItem(Tagged, frozen=True, kw_only=True, tag="mcp_approval_request"):
    """The question whether the server may call a tool."""

    id: McpItemId
    object: Literal["realtime.item"] = "realtime.item"
    server_label: str
    name: str
    arguments: str
    """JSON text."""


class McpApprovalResponseItem(Tagged, frozen=True, kw_only=True, tag="mcp_approval_response"):
    """The client's answer to an `McpApprovalRequestItem`."""

    id: McpItemId | UnsetType = UNSET
    object: Literal["realtime.item"] = "realtime.item"
    approval_request_id: str
    approve: bool
    reason: str | UnsetType = UNSET


class ItemReference(Tagged, frozen=True, kw_only=True, tag="item_reference"):
    """An item of the conversation, by its id; only in the input of `response.create`."""

    id: str


Item: TypeAlias = (
    MessageItem
    | FunctionCallItem
    | FunctionCallOutputItem
    | McpListToolsItem
    | McpCallItem
    | McpApprovalRequestItem
    | McpApprovalResponseItem
)

ResponseInputItem: TypeAlias = Item | ItemReference
