"""ChatML: prompts written by us, to the token those of the model's own template."""

from antiphon.backends.llama_chatml import is_template_of, written
from antiphon.backends.llama_server import Ended, PromptRead

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi "}]


class Server:
    """Count characters as tokens, and remember the last prompt, as a slot does."""

    def __init__(self, render) -> None:
        self._render = render
        self._slot = ""

    def ask(self, request, take) -> None:
        prompt = request.get("prompt") or self._render(request["messages"])
        kept = 0
        while kept < min(len(prompt) - 1, len(self._slot)) and prompt[kept] == self._slot[kept]:
            kept += 1
        self._slot = prompt
        take(PromptRead(kept, len(prompt)))
        take(PromptRead(len(prompt), len(prompt)))
        take(Ended("stop", len(prompt), kept, 1))


def test_a_prompt_ends_where_the_reply_begins() -> None:
    assert written(TALK, ahead=False) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_prompt_that_is_read_ahead_stays_open() -> None:
    assert written(TALK, ahead=True).endswith("<|im_start|>user\nHi")
    whole = [*TALK[:1], {"role": "user", "content": "Hi there"}]
    assert written(whole, ahead=False).startswith(written(TALK, ahead=True))


def test_a_template_that_makes_the_same_tokens_is_recognised() -> None:
    assert is_template_of(Server(lambda messages: written(messages, ahead=False)))


def test_any_other_template_is_not() -> None:
    def with_date(messages) -> str:
        return "Today is Monday." + written(messages, ahead=False)

    def shorter(messages) -> str:
        return written(messages, ahead=False).replace("system", "sys")

    assert not is_template_of(Server(with_date))
    assert not is_template_of(Server(shorter))


def test_a_template_that_refuses_the_probe_is_not() -> None:
    class Refusing(Server):
        def ask(self, request, take) -> None:
            if "prompt" in request:
                super().ask(request, take)

    assert not is_template_of(Refusing(None))
