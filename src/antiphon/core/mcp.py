"""Rules for MCP tools: what can be honoured, which tools are allowed, what is echoed."""

import re
from collections.abc import Collection, Iterable, Mapping

from msgspec import UNSET, UnsetType, structs

from antiphon.core.mcp_server import McpServer, Secret
from antiphon.core.reach import Reach
from antiphon.protocol import errors
from antiphon.protocol.items import McpToolListing
from antiphon.protocol.session import (
    ApprovalFilter,
    FunctionTool,
    McpTool,
    Tool,
    ToolFilter,
)
from antiphon.protocol.shapes import is_object

MAX_SERVERS = 16
"""MCP servers that one session may name."""

_AUTHORIZATION = "authorization"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]{0,8192}")
_OWN_HEADERS = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "host",
        "last-event-id",
        "mcp-protocol-version",
        "mcp-session-id",
        "transfer-encoding",
    }
)
"""Headers that the connection needs for itself."""

_NAME_CHARACTERS = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME = 64


def servers(tools: Iterable[Tool]) -> tuple[McpTool, ...]:
    """Return the MCP servers among tools."""
    return tuple(tool for tool in tools if isinstance(tool, McpTool))


def check(tools: tuple[Tool, ...], path: str, known: Collection[str], reach: Reach) -> None:
    """Refuse definitions that cannot be honoured; ``known`` are the labels defined before."""
    labels: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, McpTool):
            continue
        place = f"{path}[{index}]"
        label = tool.server_label
        if label in labels:
            raise errors.unusable_value(
                f"{place}.server_label",
                f"Duplicate server_label '{label}'. Give every MCP server a label of its own.",
            )
        labels.add(label)
        _check_source(tool, place, known, reach)
        _check_secrets(tool, place)
        _check_options(tool, place)
    if len(labels | set(known)) > MAX_SERVERS:
        raise errors.array_above_max_length(path, MAX_SERVERS, len(labels | set(known)))


def without_secrets(tool: Tool) -> Tool:
    """Return a tool as it may be shown."""
    if isinstance(tool, McpTool):
        return structs.replace(tool, authorization=UNSET, headers=UNSET)
    return tool


def address(tool: McpTool) -> McpServer:
    """Return what the shell needs to call a server that has been checked."""
    headers = {} if tool.headers is UNSET else dict(tool.headers)
    if tool.authorization is not UNSET:
        headers["Authorization"] = _as_bearer(tool.authorization)
    return McpServer(
        tool.server_label,
        str(tool.server_url),
        tuple((name, Secret(value)) for name, value in sorted(headers.items())),
    )


def allows(allowed: tuple[str, ...] | ToolFilter | UnsetType, tool: McpToolListing) -> bool:
    """Tell whether `allowed_tools` lets a tool be used."""
    if allowed is UNSET:
        return True
    return _matches(allowed, tool) if isinstance(allowed, ToolFilter) else tool.name in allowed


def needs_approval(definition: McpTool, tool: McpToolListing) -> bool:
    """Tell whether the client must approve each call: it must, unless `never` says otherwise."""
    required = definition.require_approval
    if isinstance(required, ApprovalFilter):
        if required.always is not UNSET and _matches(required.always, tool):
            return True
        return required.never is UNSET or not _matches(required.never, tool)
    return required != "never"


def visible_names(
    functions: Iterable[FunctionTool], found: Iterable[tuple[str, str]]
) -> Mapping[tuple[str, str], str]:
    """Return what the model calls each tool, given as label and name.

    That is the tool's own name where no other tool and no function has it, and else the server's
    label before it.
    """
    tools = list(found)
    names = [name for _, name in tools]
    taken = {each.name for each in functions}
    chosen: dict[tuple[str, str], str] = {}
    for label, name in tools:
        is_plain = names.count(name) == 1 and name not in taken
        wanted = _NAME_CHARACTERS.sub("_", name if is_plain else f"{label}__{name}")[:_MAX_NAME]
        number = 2
        visible = wanted
        while visible in taken:
            visible = f"{wanted[: _MAX_NAME - 4]}_{number}"
            number += 1
        taken.add(visible)
        chosen[label, name] = visible
    return chosen


def _check_source(tool: McpTool, place: str, known: Collection[str], reach: Reach) -> None:
    sources = ("server_url", "connector_id", "tunnel_id")
    given = [name for name in sources if getattr(tool, name) is not UNSET]
    if len(given) > 1:
        raise errors.unusable_value(
            f"{place}.{given[1]}",
            f"Both `{given[0]}` and `{given[1]}` are given for '{tool.server_label}'. "
            "Give `server_url` alone.",
        )
    if not given and tool.server_label not in known:
        raise errors.missing_parameter(
            f"{place}.server_url",
            f"No MCP server was defined as '{tool.server_label}' in this session: give its "
            "address, or the label of one that was.",
        )
    if "connector_id" in given:
        raise errors.not_supported(
            f"{place}.connector_id",
            "A connector",
            "Run an MCP server for that service, and give its address as `server_url`.",
        )
    if "tunnel_id" in given:
        raise errors.not_supported(
            f"{place}.tunnel_id", "A tunnel", "Give the server's address as `server_url`."
        )
    if tool.server_url is not UNSET:
        refusal = reach.refusal(tool.server_url)
        if refusal is not None:
            raise errors.unusable_value(f"{place}.server_url", f"Invalid MCP address. {refusal}")


def _check_secrets(tool: McpTool, place: str) -> None:
    headers = {} if tool.headers is UNSET else tool.headers
    if tool.server_url is UNSET and (headers or tool.authorization is not UNSET):
        raise errors.missing_parameter(
            f"{place}.server_url",
            "Give the address again together with new credentials, so that they go nowhere else.",
        )
    for name, value in headers.items():
        if name.lower() == _AUTHORIZATION and tool.authorization is not UNSET:
            raise errors.unusable_value(
                f"{place}.authorization",
                "Both `authorization` and `headers.Authorization` are given. Give one of them.",
            )
        if name.lower() in _OWN_HEADERS or not _HEADER_NAME.fullmatch(name):
            raise errors.unusable_value(
                f"{place}.headers", f"The header {name!r} cannot be set here. Remove it."
            )
        if not _HEADER_VALUE.fullmatch(value):
            raise errors.unusable_value(
                f"{place}.headers.{name}",
                "A header's value is at most 8192 printable ASCII characters on one line.",
            )
    if tool.authorization is not UNSET and not (
        tool.authorization and _HEADER_VALUE.fullmatch(tool.authorization)
    ):
        raise errors.unusable_value(
            f"{place}.authorization",
            "An access token is 1 to 8192 printable ASCII characters on one line.",
        )


def _check_options(tool: McpTool, place: str) -> None:
    if tool.defer_loading is True:
        raise errors.not_supported(
            f"{place}.defer_loading",
            "Loading tools later",
            "Leave it out; narrow the tools by `allowed_tools` if there are too many.",
        )
    if tool.allowed_callers is not UNSET and "programmatic" in tool.allowed_callers:
        raise errors.not_supported(
            f"{place}.allowed_callers", "The caller 'programmatic'", "Leave it out."
        )


def _as_bearer(token: str) -> str:
    return token if token.lower().startswith(("bearer ", "basic ")) else f"Bearer {token}"


def _matches(wanted: ToolFilter, tool: McpToolListing) -> bool:
    if wanted.tool_names is not UNSET and tool.name not in wanted.tool_names:
        return False
    return wanted.read_only is UNSET or wanted.read_only == _is_read_only(tool)


def _is_read_only(tool: McpToolListing) -> bool:
    hints = tool.annotations
    return is_object(hints) and hints.get("readOnlyHint") is True
