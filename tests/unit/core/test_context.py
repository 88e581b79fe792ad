import pytest
from msgspec import UNSET

from antiphon.core.context import INAUDIBLE, fit, read, text_tokens
from antiphon.core.conversation import Entry
from antiphon.engines.responder import (
    AssistantTurn,
    CallTurn,
    ResultTurn,
    SystemTurn,
    Turn,
    UserTurn,
)
from antiphon.protocol.errors import ClientError
from antiphon.protocol.items import (
    ContentPart,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputText,
    Item,
    McpListToolsItem,
    MessageItem,
    OutputAudio,
    OutputText,
    Role,
)
from antiphon.protocol.session import RetentionRatio, TokenLimits

SOUND = b"\1\0" * 24_000


def message(role: Role, *parts: ContentPart, **known: object) -> Entry:
    return Entry("i", MessageItem(id="i", role=role, content=parts), **known)  # type: ignore[arg-type]


def turns(*entries: Entry, as_audio: bool = False) -> tuple[Turn, ...]:
    return read(entries, as_audio=as_audio).turns


def entry(item: Item) -> Entry:
    return Entry("i", item)


def test_items_become_turns() -> None:
    assert turns(
        message("system", InputText(text="Be kind."), InputText(text="Be brief.")),
        message("user", InputText(text="Hi")),
        message("assistant", OutputText(text="Hello.")),
        entry(FunctionCallItem(id="i", name="f", call_id="c", arguments="{}")),
        entry(FunctionCallOutputItem(id="i", call_id="c", output="42")),
    ) == (
        SystemTurn("Be kind.\nBe brief."),
        UserTurn("Hi"),
        AssistantTurn("Hello."),
        CallTurn("c", "f", "{}"),
        ResultTurn("c", "42"),
    )


def test_other_items_are_not_read() -> None:
    assert turns(entry(McpListToolsItem(id="i", server_label="s", tools=()))) == ()


def test_speech_is_read_as_what_was_heard_in_its_place() -> None:
    parts = (InputText(text="Look:"), InputAudio(), InputText(text="."), InputAudio())
    assert turns(message("user", *parts, heard="a cat")) == (UserTurn("Look:\na cat\n."),)
    assert turns(message("user", InputAudio(), heard="")) == (UserTurn(INAUDIBLE),)
    assert turns(message("user", InputAudio())) == (UserTurn(""),)


def test_a_responder_that_hears_gets_the_sound() -> None:
    parts = (InputText(text="Look:"), InputAudio())
    spoken = message("user", *parts, audio=(b"", SOUND), heard=None)
    assert turns(spoken, as_audio=True) == (UserTurn("Look:", SOUND),)
    unsounded = message("user", InputAudio(transcript="Hi"), heard="Hi")
    assert turns(unsounded, as_audio=True) == (UserTurn("Hi"),)


def test_the_assistant_is_read_as_far_as_it_was_heard() -> None:
    spoken = (OutputAudio(transcript="All of it."),)
    assert turns(message("assistant", *spoken)) == (AssistantTurn("All of it."),)
    assert turns(message("assistant", *spoken, heard="All")) == (AssistantTurn("All"),)
    assert turns(message("assistant", *spoken, heard="")) == ()
    assert turns(message("assistant", OutputAudio(transcript=UNSET))) == ()


def test_tokens_are_counted_by_modality() -> None:
    spoken = message("user", InputAudio(), audio=(SOUND,), heard="four")
    context = read([spoken, message("user", InputText(text="x" * 40))], as_audio=False)
    assert (context.audio_tokens, context.spoken_text_tokens) == (10, 1)
    assert context.text_tokens == 1 + 4 + 10 + 4


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_four_characters_are_a_token(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


TEN = tuple(UserTurn(f"{index:024}") for index in range(10))  # ten tokens each


@pytest.mark.parametrize(
    ("budget", "kept"), [(100, 10), (99, 9), (90, 9), (45, 4), (10, 1), (5, 1), (1, 1)]
)
def test_the_oldest_turns_go_first_and_the_last_one_stays(budget: int, kept: int) -> None:
    assert fit(TEN, "auto", budget) == TEN[10 - kept :]


def test_a_result_is_not_read_without_its_call() -> None:
    dialogue = (CallTurn("c", "f" * 4, "{}"), ResultTurn("c", "4" * 24), UserTurn("Hi"))
    assert fit(dialogue, "auto", 15) == (UserTurn("Hi"),)
    assert fit(dialogue, "auto", 21) == dialogue
    assert fit(dialogue[:2], "auto", 10) == dialogue[1:2]


def test_every_kind_of_turn_has_weight() -> None:
    assert fit((UserTurn("", SOUND), *TEN[:1]), "auto", 23) == TEN[:1]
    assert len(fit((UserTurn("", SOUND), *TEN[:1]), "auto", 24)) == 2
    assert fit((SystemTurn("x" * 24), AssistantTurn("x" * 24)), "auto", 19) == (
        AssistantTurn("x" * 24),
    )


def test_without_truncation_what_does_not_fit_is_refused() -> None:
    assert fit(TEN, "disabled", 100) == TEN
    with pytest.raises(ClientError) as overflow:
        fit(TEN, "disabled", 99)
    assert overflow.value.code == "context_length_exceeded"
    assert "about 100 tokens and the model holds 99" in overflow.value.message


def test_a_ratio_leaves_room_for_the_next_turns() -> None:
    assert fit(TEN, RetentionRatio(retention_ratio=0.5), 99) == TEN[6:]
    assert fit(TEN, RetentionRatio(retention_ratio=0.5), 100) == TEN
    assert fit(TEN, RetentionRatio(retention_ratio=0.0), 99) == TEN[9:]


def test_a_limit_of_tokens_counts_when_it_is_lower() -> None:
    def limited(most: int | None) -> RetentionRatio:
        limits = TokenLimits() if most is None else TokenLimits(post_instructions=most)
        return RetentionRatio(retention_ratio=1.0, token_limits=limits)

    assert fit(TEN, limited(30), 100) == TEN[7:]
    assert fit(TEN, limited(200), 100) == TEN
    assert fit(TEN, limited(None), 50) == TEN[5:]
    assert fit((), limited(30), 100) == ()
