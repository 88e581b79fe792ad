"""Chats: whatever the template refuses and however long the conversation is."""

from collections.abc import Callable

import pytest

from antiphon.backends import llama_chatml
from antiphon.backends.llama_prompt import Room
from antiphon.backends.llama_server import (
    Ended,
    PromptRead,
    PromptTooLong,
    Refused,
    Written,
)
from antiphon.backends.llama_work import Chat, ChatRunner
from antiphon.protocol.errors import EngineError

LATE_SYSTEM = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "system", "content": "Say goodbye."},
]


class Server:
    """A model whose template accepts some conversations, and whose slots hold some characters."""

    def __init__(self, accepts: Callable[[list[str]], bool], room: int = 100_000) -> None:
        self.asked: list[list[dict[str, str]]] = []
        self._accepts = accepts
        self._room = room

    def ask(self, request, take) -> None:
        messages = request.get("messages")
        if messages is None:
            take(Refused("This model knows no ChatML."))
            return
        self.asked.append(messages)
        size = sum(len(message["content"]) for message in messages)
        if not self._accepts([message["role"] for message in messages]):
            take(Refused("Conversation roles must alternate."))
        elif size > self._room:
            take(PromptTooLong(size))
        else:
            for event in (PromptRead(1, 1), Written("Bye."), Ended("stop", 1, 0, 1)):
                if not take(event):
                    return


def run(
    server: Server,
    messages: list[dict[str, str]],
    runner: ChatRunner | None = None,
    tokens: int = 10_000,
) -> str:
    texts: list[str] = []

    def take(event) -> bool:
        if isinstance(event, Written):
            texts.append(event.text)
        return True

    (runner or ChatRunner(server)).run(Chat(messages, Room(tokens), {}), 0, take)
    return "".join(texts)


def accepts_anything(_: list[str]) -> bool:
    return True


def accepts_system_first_only(roles: list[str]) -> bool:
    return "system" not in roles[1:]


def accepts_no_system(roles: list[str]) -> bool:
    return "system" not in roles


@pytest.mark.parametrize(
    ("accepts", "roles"),
    [
        (accepts_anything, ["system", "user", "assistant", "system"]),
        (accepts_system_first_only, ["system", "user", "assistant", "user"]),
        (accepts_no_system, ["user", "assistant", "user"]),
    ],
)
def test_a_conversation_takes_the_most_faithful_form_that_the_template_accepts(
    accepts: Callable[[list[str]], bool], roles: list[str]
) -> None:
    server = Server(accepts)
    assert run(server, LATE_SYSTEM) == "Bye."
    assert [message["role"] for message in server.asked[-1]] == roles


def test_what_the_template_accepted_is_tried_first_the_next_time() -> None:
    server = Server(accepts_no_system)
    runner = ChatRunner(server)
    run(server, LATE_SYSTEM, runner)
    before = len(server.asked)
    run(server, LATE_SYSTEM, runner)
    assert len(server.asked) == before + 1


def test_a_template_that_accepts_nothing_is_an_error() -> None:
    with pytest.raises(EngineError, match="chat template"):
        run(Server(lambda _: False), LATE_SYSTEM)


def test_a_conversation_that_the_guess_made_too_long_is_shortened_until_it_fits() -> None:
    # A character is a token here, three times what the guess says.
    server = Server(accepts_anything, room=5_000)
    turns = [
        {"role": role, "content": f"{number} " + "word " * 20}
        for number in range(100)
        for role in ("user", "assistant")
    ]
    newest = {"role": "user", "content": "The newest."}
    assert run(server, [LATE_SYSTEM[0], *turns, newest], tokens=5_000) == "Bye."
    assert server.asked[-1][0] == LATE_SYSTEM[0]
    assert server.asked[-1][-1] == newest


def test_a_conversation_that_never_fits_is_an_error() -> None:
    with pytest.raises(EngineError, match="context_tokens"):
        run(Server(accepts_anything, room=1), LATE_SYSTEM)


def test_what_must_be_kept_whole_is_never_shortened() -> None:
    def answer(room: int) -> Server:
        server = Server(accepts_anything, room)
        chat = Chat(LATE_SYSTEM, Room(1), {}, keeps_all=True)
        ChatRunner(server).run(chat, 0, lambda _: True)
        return server

    assert answer(1000).asked[-1] == LATE_SYSTEM
    with pytest.raises(EngineError, match=r"session\.truncation") as refused:
        answer(1)
    assert refused.value.code == "context_length_exceeded"


def test_only_what_is_of_the_same_conversation_is_moved_within_a_slot() -> None:
    def moved(*, shifts: bool) -> list[object]:
        asked: list[object] = []

        class Slot(ChatmlServer):
            def ask(self, request, take) -> None:
                asked.append(request.get("n_cache_reuse"))
                super().ask(request, take)

        runner = ChatRunner(Slot())
        asked.clear()
        runner.run(Chat(HELLO, Room(1000), {}, shifts=shifts), 0, lambda _: True)
        return asked

    assert moved(shifts=False) == [None, None]
    assert moved(shifts=True) == [32, 32]


class ChatmlServer:
    """A model with the ChatML template that counts characters as tokens."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._slot = ""

    def ask(self, request, take) -> None:
        prompt = request.get("prompt") or llama_chatml.written(request["messages"], ahead=False)
        self.asked.append(prompt)
        known = self._slot == prompt
        self._slot = prompt
        read = PromptRead(len(prompt) - 1 if known else 0, len(prompt))
        events = (read, Written("Bye."), Ended("stop", 1, 0, 1))
        all(map(take, events))


HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}]


def test_what_was_said_is_read_before_the_reply_is_opened() -> None:
    server = ChatmlServer()
    runner = ChatRunner(server)
    probes = len(server.asked)
    assert run(server, HELLO, runner) == "Bye."
    said, opened = server.asked[probes:]
    assert said.endswith("Hi.")
    assert opened == llama_chatml.written(HELLO, ahead=False)


def test_a_reply_given_up_while_the_words_are_read_is_not_opened() -> None:
    server = ChatmlServer()
    runner = ChatRunner(server)
    probes = len(server.asked)
    runner.run(Chat(HELLO, Room(10_000), {}), 0, lambda _: False)
    assert len(server.asked) == probes + 1
