"""The response that tells what MCP tools have answered.

Some clients ask for it themselves, as they do after a function call; others expect it to come. So
the server waits a moment before it begins one, and whoever asked meanwhile has it. The wait costs
nothing, because the answer is made unseen.
"""

from dataclasses import replace

from antiphon.core.plan import ResponsePlan
from antiphon.core.response import Response
from antiphon.protocol.session import ToolChoice

FOLLOW_UP_AFTER_S = 0.3
"""How long a client may take to ask for it."""

MAX_FOLLOW_UPS = 16
"""Responses in a row that the server begins by itself and that may call tools again."""


class FollowUps:
    """The one that is to come, if any."""

    __slots__ = ("_at", "_claimed", "_is_made", "_plan")

    def __init__(self) -> None:
        self._plan: ResponsePlan | None = None
        self._at = 0.0
        self._is_made = False
        self._claimed = ""

    @property
    def deadline(self) -> float | None:
        """When the server begins it, unless somebody does before."""
        return None if self._plan is None else self._at

    def expect(self, answered: ResponsePlan, now: float) -> None:
        """Have one follow to a response whose tools have answered."""
        number = answered.follow_ups + 1
        # What was forced has happened; forced again, it would go on for ever.
        is_last = answered.tool_choice == "none" or number > MAX_FOLLOW_UPS
        choice: ToolChoice = "none" if is_last else "auto"
        self._plan = replace(answered, tool_choice=choice, metadata=None, follow_ups=number)
        self._at = now + FOLLOW_UP_AFTER_S
        self._is_made = False

    def forget(self) -> None:
        """Expect none: a response begins that tells everything, or the session ends."""
        self._plan = None

    def due(self, now: float) -> ResponsePlan | None:
        """Return its plan when the server is to begin it."""
        return self._plan if now >= self._at else None

    def unseen(self) -> ResponsePlan | None:
        """Return its plan, once, for it to be made ahead."""
        if self._is_made:
            return None
        self._is_made = True
        return self._plan

    def claim(self, active: Response | None) -> bool:
        """Tell whether a bare `response.create` means what the server has just begun; once."""
        if active is None or not active.plan.follow_ups or active.id == self._claimed:
            return False
        self._claimed = active.id
        return True
