"""A slot at work: requests run on a thread, their events come back to the event loop."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

from antiphon.backends import llama_chatml
from antiphon.backends.llama_prompt import (
    RenderedMessage,
    Room,
    fit,
    guess_tokens,
    without_late_system,
    without_system,
)
from antiphon.backends.llama_server import (
    Ended,
    LlamaServer,
    PromptRead,
    PromptTooLong,
    Refused,
    ServerEvent,
    Written,
)
from antiphon.backends.llama_slots import Lease, SlotPool
from antiphon.protocol.errors import EngineError

ChatEvent = PromptRead | Written | Ended

_FORMS: tuple[Callable[[Sequence[RenderedMessage]], list[RenderedMessage]], ...] = (
    list,
    without_late_system,
    without_system,
)
"""From the most faithful form of a conversation to the one that every template renders."""
_FITTINGS = 3
_SHIFTED_TOKENS = 32
"""The shortest piece of an evaluated prompt that is worth moving to another place."""
_DROP = 'Delete items, or set session.truncation to "auto".'


@dataclass(frozen=True, slots=True)
class Chat:
    """What the model is asked."""

    messages: Sequence[RenderedMessage]
    room: Room
    parameters: Mapping[str, object]
    """Of the server's request: limits, sampling, grammar."""
    ahead: bool = False
    """Only to be read; the last message will go on."""
    keeps_all: bool = False
    """Whether to fail rather than leave anything out."""
    shifts: bool = False
    """Whether what the slot holds is of the same conversation, and may be moved: when the beginning
    of a long one is left out, the rest moves up and need not be read again."""


class ChatRunner:
    """Carry out chats whatever their length and whatever the model's template demands."""

    def __init__(self, server: LlamaServer) -> None:
        self._server = server
        self._writes_chatml = llama_chatml.is_template_of(server)
        self._form = 0
        """The form that the template accepted last; a session's prompts keep their beginning."""

    def run(self, chat: Chat, slot: int, take: Callable[[ChatEvent], bool]) -> None:
        """Block until the chat has ended, or ``take`` returns False."""
        for form in range(self._form, len(_FORMS)):
            if self._run_fitting(chat, slot, form, take):
                self._form = form
                return
        raise EngineError(
            "server_error",
            "The language model's chat template cannot render this conversation. "
            "Use another GGUF file.",
        )

    def _run_fitting(
        self, chat: Chat, slot: int, form: int, take: Callable[[ChatEvent], bool]
    ) -> bool:
        """Return whether the template accepted the form."""
        room = chat.room
        for _ in range(_FITTINGS):
            messages = chat.messages if chat.keeps_all else fit(chat.messages, room)
            problem = self._run_once(_FORMS[form](messages), chat, slot, take)
            if not isinstance(problem, PromptTooLong):
                return problem is None
            if chat.keeps_all:
                break
            room = room.refined(guess_tokens(messages, room), problem.tokens)
        raise EngineError(
            "context_length_exceeded",
            "The conversation does not fit in the language model's context. "
            + (_DROP if chat.keeps_all else "Shorten the instructions, or raise 'context_tokens'."),
        )

    def _run_once(
        self,
        messages: Sequence[RenderedMessage],
        chat: Chat,
        slot: int,
        take: Callable[[ChatEvent], bool],
    ) -> PromptTooLong | Refused | None:
        if not self._writes_chatml:
            return self._ask(chat, {**chat.parameters, "messages": messages}, slot, take).problem
        if not chat.ahead:
            # What the user said is read first and the opening of the reply after it, which takes
            # no longer: an answer that is given up in between gives the model back sooner.
            said = {"prompt": llama_chatml.written(messages, ahead=True), "max_tokens": 1}
            read = self._ask(
                chat, said, slot, lambda each: not isinstance(each, PromptRead) or take(each)
            )
            if read.problem is not None or read.is_given_up:
                return read.problem
        prompt = llama_chatml.written(messages, ahead=chat.ahead)
        return self._ask(chat, {**chat.parameters, "prompt": prompt}, slot, take).problem

    def _ask(
        self,
        chat: Chat,
        request: Mapping[str, object],
        slot: int,
        take: Callable[[ChatEvent], bool],
    ) -> "_Asked":
        asked = _Asked()

        def take_event(event: ServerEvent) -> bool:
            if isinstance(event, PromptTooLong | Refused):
                asked.problem = event
                return False
            asked.is_given_up = not take(event)
            return not asked.is_given_up

        use = {"id_slot": slot, "cache_prompt": True}
        if chat.shifts:
            use["n_cache_reuse"] = _SHIFTED_TOKENS
        self._server.ask({**request, **use}, take_event)
        return asked


@dataclass(slots=True)
class _Asked:
    """How a request went."""

    problem: PromptTooLong | Refused | None = None
    is_given_up: bool = False


class SlotWork:
    """Use a leased slot for one chat after another; `finish` gives it back."""

    def __init__(self, lease: Lease, pool: SlotPool, runner: ChatRunner, threads: Executor) -> None:
        self._lease = lease
        self._pool = pool
        self._runner = runner
        self._threads = threads
        # Bounded by what fits in a slot: the model never waits for its reader.
        self._events: asyncio.Queue[ChatEvent | None] = asyncio.Queue()
        self._job: Future[None] | None = None
        self._abandoned = False
        self._over = False

    def start(self, chat: Chat) -> None:
        """Begin a chat. The one before has ended."""
        loop = asyncio.get_running_loop()
        events = self._events = asyncio.Queue()
        self._abandoned = self._over = False
        chat = replace(chat, shifts=self._lease.is_own)

        def hand_over(event: ChatEvent | None) -> bool:
            if isinstance(event, PromptRead):
                self._lease.has_read = True
            try:
                loop.call_soon_threadsafe(events.put_nowait, event)
            except RuntimeError:
                # The loop has been closed, and whoever listened is gone.
                return False
            return not (self._lease.stopped or self._abandoned)

        try:
            self._job = self._threads.submit(self._runner.run, chat, self._lease.slot, hand_over)
        except RuntimeError as closed:
            raise _shutting_down() from closed
        self._job.add_done_callback(lambda _: hand_over(None))

    async def next_event(self) -> ChatEvent | None:
        """Wait for the next event; None: the chat has ended, `Ended` or not."""
        event = None if self._over else await self._events.get()
        if event is None and self._job is not None:
            self._over = True
            self._job.result()
        return event

    async def abandon(self) -> None:
        """End the chat that runs, within one step, and keep the slot."""
        self._abandoned = True
        while await self.next_event() is not None:
            pass

    def finish(self) -> None:
        """Stop what runs, within one step, and then give the slot back."""
        self._lease.stopped = True
        if self._job is None:
            self._pool.leave(self._lease)
        else:
            self._job.add_done_callback(lambda _: self._pool.leave(self._lease))


def _shutting_down() -> EngineError:
    return EngineError("engine_unavailable", "The server is shutting down.")
