"""The tools of MCP servers in one session: found, offered to responses, called, told about."""

from collections.abc import Iterable, Iterator

from antiphon.core import mcp
from antiphon.core.commands import CancelJob
from antiphon.core.configuration import SessionOffer
from antiphon.core.conversation import Conversation
from antiphon.core.follow_ups import FollowUps
from antiphon.core.happenings import ApprovalAsked, McpCallReady, ResponseEnded, Told
from antiphon.core.ids import Ids
from antiphon.core.inputs import ToolAnswered, ToolsListed
from antiphon.core.mcp_calls import Answer, McpCalls
from antiphon.core.mcp_servers import McpServers
from antiphon.core.plan import ResponsePlan
from antiphon.core.responses import Responses
from antiphon.core.server_items import ServerItems
from antiphon.protocol.items import McpApprovalResponseItem
from antiphon.protocol.session import Tool


class McpTools:
    """Servers and calls, and the responses that they serve."""

    __slots__ = ("_calls", "_reach", "_responses", "_servers")

    def __init__(
        self,
        offer: SessionOffer,
        conversation: Conversation,
        responses: Responses,
        ids: Ids,
        jobs: Iterator[int],
    ) -> None:
        items = ServerItems(conversation, ids)
        self._reach = offer.reach
        self._responses = responses
        self._servers = McpServers(items, ids, jobs, offer.list_patience_s)
        self._calls = McpCalls(items, ids, jobs, offer.call_patience_s)

    @property
    def deadline(self) -> float | None:
        """When something has to be done even if nothing arrives."""
        moments = (self._servers.deadline, self._calls.deadline, self.follow_ups.deadline)
        return min((each for each in moments if each is not None), default=None)

    @property
    def follow_ups(self) -> FollowUps:
        """The response that tells what tools have answered."""
        return self._calls.follow_ups

    # Servers

    def check(self, tools: tuple[Tool, ...], path: str) -> tuple[Tool, ...]:
        """Return tools with their definitions complete; raise `ClientError` for impossible ones."""
        mcp.check(tools, path, self._servers.labels, self._reach)
        return self._servers.resolve(tools)

    def shown(self, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        """Return tools as their client may see them again."""
        return tuple(mcp.without_secrets(tool) for tool in tools)

    def define(self, tools: Iterable[Tool], now: float) -> list[Told]:
        """Take definitions that have been checked, and ask new servers for their tools."""
        return self._servers.define(tools, now)

    def listed(self, listed: ToolsListed) -> list[Told]:
        """Take the tools of a server."""
        return self._servers.listed(listed.job, listed.tools)

    def is_awaited(self, planned: ResponsePlan) -> bool:
        """Tell whether a response has to wait for the tools of a server that it brought."""
        return bool(planned.awaited) and self._servers.is_loading(planned.awaited)

    def equip(self, planned: ResponsePlan) -> ResponsePlan:
        """Return a plan with all tools that its servers have at this moment."""
        return self._servers.equip(planned)

    # Calls

    def follow(self, happening: McpCallReady | ApprovalAsked, now: float) -> list[Told]:
        """Make a call that a response has ready, or remember what the client is asked."""
        response = self._responses.find(happening.response_id)
        match happening:
            case McpCallReady(server_label=label):
                server = self._servers.server(label)
                return self._tell(self._calls.begin(happening, server, response.plan, now), now)
            case ApprovalAsked():
                self._calls.ask(happening, response.plan)
                return []

    def answered(self, answered: ToolAnswered, now: float) -> list[Told]:
        """Take what a tool has answered."""
        told = self._calls.settle(answered.job, answered.output, answered.error, now)
        return self._tell(told, now)

    def check_approval(self, item: McpApprovalResponseItem) -> None:
        """Refuse the answer to a question that is not open."""
        self._calls.check_approval(item)

    def approve(self, item: McpApprovalResponseItem, now: float) -> list[Told]:
        """Take the client's answer to the question whether a call may be made."""
        server = self._servers.server(self._calls.approval_label(item))
        return self._calls.approve(item, server, now)

    def fail(self, job: int, message: str, now: float) -> list[Told] | None:
        """Take the failure of a job; None when it is none of ours."""
        told = self._servers.fail(job, message)
        if told is not None:
            return told
        answer = self._calls.fail(job, message, now)
        return None if answer is None else self._tell(answer, now)

    def expire(self, now: float) -> list[Told]:
        """Give up on servers and tools that have been silent for too long."""
        told = self._servers.expire(now)
        for job in self._calls.expired(now):
            told += [CancelJob(job), *self._tell(self._calls.give_up(job, now), now)]
        return told

    def end_response(self, ended: ResponseEnded, now: float) -> list[Told]:
        """Stop the calls of a response that has ended without them."""
        return self._calls.end_response(ended, now)

    def drop_item(self, item_id: str) -> None:
        """Forget what was asked by an item that is gone."""
        self._calls.drop_item(item_id)

    def abandon(self, now: float) -> list[Told]:
        """Close what is open: the session ends."""
        return [*self._servers.abandon(), *self._calls.abandon(now)]

    def _tell(self, told: list[Told] | Answer, now: float) -> list[Told]:
        return self._responses.settle(told, now) if isinstance(told, Answer) else told
