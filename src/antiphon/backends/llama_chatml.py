"""ChatML, the template of most small models, written by us.

The server renders every template, but always to the end: it closes the last message and opens the
reply. A prompt that is read ahead must stay open where the user's words will go on; else those
closing tokens are read for nothing, each time, while the user speaks. So where the model's template
is ChatML to the token, prompts are written here.
"""

from collections.abc import Sequence

from antiphon.backends.llama_prompt import RenderedMessage
from antiphon.backends.llama_server import LlamaServer, PromptRead, ServerEvent

_PROBE: tuple[RenderedMessage, ...] = (
    {"role": "system", "content": "a"},
    {"role": "user", "content": "b"},
    {"role": "assistant", "content": "c"},
    {"role": "system", "content": "d"},
    {"role": "user", "content": "e"},
)


def written(messages: Sequence[RenderedMessage], *, ahead: bool) -> str:
    """Return the prompt; one that is read ahead ends in the middle of its last message."""
    text = "".join(
        f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in messages
    )
    if ahead:
        return text.removesuffix("<|im_end|>\n").rstrip(" ")
    return f"{text}<|im_start|>assistant\n"


def is_template_of(server: LlamaServer) -> bool:
    """Tell whether the model's own template makes the same tokens; it is warm after that."""
    reads: list[PromptRead] = []

    def take(event: ServerEvent) -> bool:
        if isinstance(event, PromptRead):
            reads.append(event)
        return True

    common = {"max_tokens": 1, "id_slot": 0, "cache_prompt": True}
    server.ask({**common, "messages": _PROBE}, take)
    by_template = len(reads)
    server.ask({**common, "prompt": written(_PROBE, ahead=False)}, take)
    # Equal prompts: all but the last token, which is always read, is found in the slot.
    return 0 < by_template < len(reads) and (
        reads[by_template] == PromptRead(reads[0].total - 1, reads[0].total)
    )
