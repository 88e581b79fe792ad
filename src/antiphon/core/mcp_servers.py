"""The MCP servers that a session knows: their definitions, and the tools found there.

A server is asked for its tools when a client first defines it, and again when its address, its
credentials or its allowed tools change or the last attempt failed. Nobody waits meanwhile, except
a response that brought the definition itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from msgspec import UNSET, structs

from antiphon.core import mcp
from antiphon.core.commands import CancelJob, ListTools
from antiphon.core.happenings import Told
from antiphon.core.ids import Ids
from antiphon.core.mcp_server import McpServer
from antiphon.core.plan import McpTarget, ResponsePlan
from antiphon.core.server_items import ServerItems
from antiphon.protocol.items import McpListToolsItem, McpToolListing
from antiphon.protocol.server_events import (
    McpListToolsCompleted,
    McpListToolsFailed,
    McpListToolsInProgress,
)
from antiphon.protocol.session import (
    MAX_TOOLS,
    FunctionChoice,
    FunctionTool,
    McpChoice,
    McpTool,
    Tool,
    ToolChoice,
)

_NO_TOOLS = "has no tools that this response may use"
_STILL_LOADING = "has not told its tools yet"


@dataclass(frozen=True, slots=True)
class _Known:
    """A server under its label."""

    definition: McpTool
    server: McpServer
    item_id: str
    state: Literal["loading", "loaded", "failed"] = "loading"
    job: int = 0
    asked_at: float = 0
    tools: tuple[McpToolListing, ...] = ()
    trouble: str = ""


class McpServers:
    """The servers of one session by label."""

    __slots__ = ("_ids", "_items", "_jobs", "_known", "_patience_s")

    def __init__(
        self, items: ServerItems, ids: Ids, jobs: Iterator[int], patience_s: float
    ) -> None:
        self._items = items
        self._ids = ids
        self._jobs = jobs
        self._patience_s = patience_s
        self._known: dict[str, _Known] = {}

    @property
    def labels(self) -> frozenset[str]:
        """The labels under which servers were defined."""
        return frozenset(self._known)

    @property
    def deadline(self) -> float | None:
        """When the first server has been silent for too long."""
        asked = [each.asked_at for each in self._known.values() if each.state == "loading"]
        return min(asked) + self._patience_s if asked else None

    def server(self, label: str) -> McpServer:
        """Return where a server is that has been defined."""
        return self._known[label].server

    def resolve(self, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        """Complete definitions that name a label alone by what was said of it before."""
        return tuple(self._completed(tool) if isinstance(tool, McpTool) else tool for tool in tools)

    def define(self, tools: Iterable[Tool], now: float) -> list[Told]:
        """Take definitions that have been checked, and ask new servers for their tools."""
        told: list[Told] = []
        for tool in mcp.servers(tools):
            definition = self._completed(tool)
            before = self._known.get(tool.server_label)
            if before is not None and before.state != "failed" and _is_same(before, definition):
                self._known[tool.server_label] = replace(before, definition=definition)
                continue
            if before is not None and before.state == "loading":
                told += [CancelJob(before.job), *self._fail(before, "It was defined anew.")]
            told += self._ask(definition, now)
        return told

    def listed(self, job: int, tools: tuple[McpToolListing, ...]) -> list[Told]:
        """Take the tools of a server."""
        known = self._asked_by(job)
        if known is None:
            return []
        shown = tuple(each for each in tools if mcp.allows(known.definition.allowed_tools, each))
        if len(shown) > MAX_TOOLS:
            message = f"It offers {len(shown)} tools; {MAX_TOOLS} can be used. Narrow them by "
            return self._fail(known, f"{message}`allowed_tools`.")
        self._known[known.server.label] = replace(known, state="loaded", tools=tools)
        return [
            McpListToolsCompleted(event_id=self._ids.event(), item_id=known.item_id),
            self._items.finish(_listing(known, shown)),
        ]

    def fail(self, job: int, message: str) -> list[Told] | None:
        """Note that a server did not tell its tools; None when the job asked none."""
        known = self._asked_by(job)
        return None if known is None else self._fail(known, message)

    def expire(self, now: float) -> list[Told]:
        """Give up on servers that have been silent for too long."""
        told: list[Told] = []
        for known in list(self._known.values()):
            if known.state == "loading" and now >= known.asked_at + self._patience_s:
                message = f"It did not tell its tools within {self._patience_s:g} s."
                told += [CancelJob(known.job), *self._fail(known, message)]
        return told

    def abandon(self) -> list[Told]:
        """Close what is open: the session ends."""
        told: list[Told] = []
        for known in list(self._known.values()):
            if known.state == "loading":
                told += [CancelJob(known.job), *self._fail(known, "The session has ended.")]
        return told

    def is_loading(self, labels: frozenset[str]) -> bool:
        """Tell whether any of these servers has yet to tell its tools."""
        return any(
            known.state == "loading" for label, known in self._known.items() if label in labels
        )

    def equip(self, planned: ResponsePlan) -> ResponsePlan:
        """Return a plan with the tools of its servers beside its functions, as they are now."""
        if not planned.servers or planned.targets:
            return planned
        found = self._offered(planned)
        names = mcp.visible_names(planned.tools, found)
        targets = {names[key]: target for key, (_, target) in found.items()}
        offered = tuple(
            FunctionTool(
                name=names[key], description=tool.description, parameters=tool.input_schema
            )
            for key, (tool, _) in found.items()
        )
        equipped = replace(planned, tools=planned.tools + offered, targets=targets)
        choice = planned.tool_choice
        return self._chosen(equipped, choice) if isinstance(choice, McpChoice) else equipped

    def _offered(
        self, planned: ResponsePlan
    ) -> Mapping[tuple[str, str], tuple[McpToolListing, McpTarget]]:
        found: dict[tuple[str, str], tuple[McpToolListing, McpTarget]] = {}
        for each in planned.servers:
            definition = self._completed(each)
            known = self._known.get(each.server_label)
            for tool in () if known is None else known.tools:
                asks = mcp.needs_approval(definition, tool)
                if not mcp.allows(definition.allowed_tools, tool):
                    continue
                # An approval is an item of the conversation, where this response has none.
                if asks and not planned.in_conversation:
                    continue
                target = McpTarget(each.server_label, tool.name, asks)
                found[each.server_label, tool.name] = (tool, target)
        return found

    def _chosen(self, equipped: ResponsePlan, choice: McpChoice) -> ResponsePlan:
        """Leave the model nothing but the tools that were chosen."""
        fitting = {
            name: target
            for name, target in equipped.targets.items()
            if target.server_label == choice.server_label and choice.name in (UNSET, target.name)
        }
        tools = tuple(tool for tool in equipped.tools if tool.name in fitting)
        forced: ToolChoice = FunctionChoice(name=tools[0].name) if len(tools) == 1 else "required"
        return replace(
            equipped,
            tools=tools,
            targets=fitting,
            tool_choice=forced,
            shortage="" if tools else self._shortage(choice),
        )

    def _shortage(self, choice: McpChoice) -> str:
        known = self._known.get(choice.server_label)
        why = _NO_TOOLS
        if known is not None and known.state == "loading":
            why = _STILL_LOADING
        elif known is not None and known.trouble:
            why = f"failed: {known.trouble}"
        elif known is not None and choice.name is not UNSET:
            why = f"has no tool '{choice.name}' that this response may use"
        return f"The MCP server '{choice.server_label}' {why}"

    def _completed(self, tool: McpTool) -> McpTool:
        known = self._known.get(tool.server_label)
        if tool.server_url is not UNSET or known is None:
            return tool
        said = {name: getattr(tool, name) for name in tool.__struct_fields__}
        changes = {name: value for name, value in said.items() if value is not UNSET}
        return structs.replace(known.definition, **changes)

    def _ask(self, definition: McpTool, now: float) -> list[Told]:
        server = mcp.address(definition)
        job = next(self._jobs)
        known = _Known(definition, server, self._ids.item(), job=job, asked_at=now)
        self._known[server.label] = known
        return [
            self._items.add(_listing(known, ())),
            McpListToolsInProgress(event_id=self._ids.event(), item_id=known.item_id),
            ListTools(job, server),
        ]

    def _fail(self, known: _Known, message: str) -> list[Told]:
        self._known[known.server.label] = replace(known, state="failed", trouble=message)
        return [
            McpListToolsFailed(event_id=self._ids.event(), item_id=known.item_id),
            self._items.finish(structs.replace(_listing(known, ()), error=message)),
        ]

    def _asked_by(self, job: int) -> _Known | None:
        return next(
            (each for each in self._known.values() if each.job == job and each.state == "loading"),
            None,
        )


def _is_same(known: _Known, definition: McpTool) -> bool:
    """Tell whether a definition leads to the same tools as the one before."""
    return (
        known.server == mcp.address(definition)
        and known.definition.allowed_tools == definition.allowed_tools
    )


def _listing(known: _Known, tools: tuple[McpToolListing, ...]) -> McpListToolsItem:
    return McpListToolsItem(id=known.item_id, server_label=known.server.label, tools=tools)
