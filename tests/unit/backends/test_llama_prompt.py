"""Prompts: what the model is shown of a conversation."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.backends.llama_prompt import (
    Room,
    fit,
    guess_tokens,
    render,
    without_late_system,
    without_system,
)
from antiphon.engines.llm import (
    AssistantMessage,
    ChatMessage,
    ChatRequest,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)

BRIEF = SystemMessage("Be brief.")


def shown(*messages: ChatMessage, tools: str = "", ahead: bool = False) -> list[tuple[str, str]]:
    rendered = render(ChatRequest(messages), tools, ahead=ahead)
    return [(message["role"], message["content"]) for message in rendered]


def test_a_conversation_is_shown_as_it_is() -> None:
    assert shown(BRIEF, UserMessage("Hi"), AssistantMessage("Hello."), UserMessage("Bye")) == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello."),
        ("user", "Bye"),
    ]


def test_instructions_and_tools_come_first_in_one_message() -> None:
    assert shown(BRIEF, SystemMessage("Be kind."), UserMessage("Hi"), tools="You have tools.") == [
        ("system", "Be brief.\n\nBe kind.\n\nYou have tools."),
        ("user", "Hi"),
    ]


def test_without_instructions_the_template_does_not_introduce_its_maker() -> None:
    assert shown(UserMessage("Hi"))[0] == ("system", "You are a helpful assistant.")


def test_neighbours_of_one_role_are_joined() -> None:
    assert shown(BRIEF, UserMessage("Hi"), UserMessage("there"), AssistantMessage("A"))[1] == (
        "user",
        "Hi\n\nthere",
    )


def test_a_conversation_that_ends_with_a_system_message_keeps_it_last() -> None:
    ends = shown(BRIEF, UserMessage("Hi"), AssistantMessage("A"), SystemMessage("Say goodbye."))
    assert ends[-1] == ("system", "Say goodbye.")


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (BRIEF,),
        (BRIEF, UserMessage("Hi"), AssistantMessage("Hello.")),
        (AssistantMessage("A"),),
    ],
)
def test_the_last_word_is_never_the_assistants(messages: tuple[ChatMessage, ...]) -> None:
    assert shown(*messages)[-1][0] == "user"
    assert shown(*messages)[-1][1]


def test_silence_is_shown_as_such() -> None:
    assert shown(BRIEF, UserMessage("  "))[-1] == ("user", "(inaudible)")


def test_a_call_and_its_result_are_told() -> None:
    call = ToolCall("c1", "look_up", '{"id": 7}')
    told = shown(
        BRIEF, UserMessage("Where?"), AssistantMessage("Wait.", (call,)), ToolMessage("c1", "here")
    )
    assert told[2] == (
        "assistant",
        'Wait.\n```json\n{"name": "look_up", "arguments": {"id": 7}}\n```',
    )
    assert told[3] == (
        "user",
        "(The function look_up has returned: here Tell me this in plain words.)",
    )


def test_a_result_of_an_unknown_call_is_told_all_the_same() -> None:
    assert "has returned: here" in shown(BRIEF, ToolMessage("gone", "here"))[1][1]


@pytest.mark.parametrize(
    "token", ["<|im_end|>", "<|im_start|>system", "</s>", "<end_of_turn>", "[/INST]"]
)
def test_nothing_that_somebody_says_is_read_as_a_control_token(token: str) -> None:
    call = ToolCall("c", "f", f'{{"a": "{token}"}}')
    told = shown(
        SystemMessage(token), UserMessage(token), AssistantMessage(token, (call,)),
        ToolMessage("c", token), tools=token,
    )  # fmt: skip
    assert not any(token in content for _, content in told)


def test_reading_ahead_ends_where_the_users_words_will_begin() -> None:
    assert shown(BRIEF, ahead=True) == [("system", "Be brief."), ("user", "")]
    assert shown(BRIEF, UserMessage("Tell me ab"), ahead=True)[-1] == ("user", "Tell me ab")
    spoken = shown(BRIEF, UserMessage("Hi"), AssistantMessage("Hello."), ahead=True)
    assert spoken[-2:] == [("assistant", "Hello."), ("user", "")]


def test_templates_without_late_system_messages_hear_them_from_the_user() -> None:
    rendered = render(
        ChatRequest((BRIEF, UserMessage("Hi"), SystemMessage("Now French."), UserMessage("Salut"))),
        "",
        ahead=False,
    )
    assert [message["role"] for message in without_late_system(rendered)] == ["system", "user"]
    assert without_late_system(rendered)[1]["content"] == "Hi\n\nNow French.\n\nSalut"


def test_templates_without_system_messages_hear_all_from_the_user() -> None:
    rendered = render(ChatRequest((BRIEF, UserMessage("Hi"))), "", ahead=False)
    assert without_system(rendered) == [{"role": "user", "content": "Be brief.\n\nHi"}]


def talk(turns: int, words: int = 20) -> list[dict[str, str]]:
    messages: list[ChatMessage] = [BRIEF]
    for turn in range(turns):
        messages.append(UserMessage(f"Question {turn}. " + "word " * words))
        messages.append(AssistantMessage(f"Answer {turn}. " + "word " * words))
    messages.append(UserMessage("The newest question."))
    return render(ChatRequest(tuple(messages)), "", ahead=False)


def test_what_fits_is_left_alone() -> None:
    messages = talk(3)
    assert fit(messages, Room(4000)) == messages


def test_the_oldest_messages_go_first_and_the_instructions_stay() -> None:
    messages = talk(40)
    room = Room(1000)
    fitted = fit(messages, room)
    assert fitted[0] == messages[0]
    assert fitted[-1] == messages[-1]
    assert fitted[1:] == messages[-len(fitted) + 1 :]
    assert fitted[1]["role"] == "user"
    assert guess_tokens(fitted, room) <= room.prompt_tokens


def test_the_next_turn_usually_begins_like_the_last_one() -> None:
    beginnings = [fit(talk(turns), Room(1000))[1]["content"] for turns in range(30, 60)]
    changes = sum(before != after for before, after in pairwise(beginnings))
    assert changes <= 10


@pytest.mark.parametrize("text", ["word " * 5000, "語" * 5000])
def test_a_message_that_alone_is_too_long_loses_its_middle(text: str) -> None:
    room = Room(500)
    messages = render(ChatRequest((SystemMessage(text), UserMessage(text))), "", ahead=False)
    fitted = fit(messages, room)
    assert guess_tokens(fitted, room) <= room.prompt_tokens
    assert all("[…]" in message["content"] for message in fitted)


def test_a_wrong_guess_is_corrected() -> None:
    messages = talk(40)
    room = Room(1000)
    fitted = fit(messages, room)
    corrected = room.refined(guess_tokens(fitted, room), 1500)
    assert guess_tokens(fit(messages, corrected), room) <= 1000 * guess_tokens(fitted, room) / 1500


@settings(deadline=None)
@given(
    st.lists(
        st.builds(UserMessage, st.text(max_size=300))
        | st.builds(AssistantMessage, st.text(max_size=300))
        | st.builds(SystemMessage, st.text(max_size=300))
        | st.builds(ToolMessage, st.just("c"), st.text(max_size=300)),
        max_size=20,
    ),
    st.integers(200, 2000),
)
def test_any_conversation_fits_and_can_be_answered(
    messages: list[ChatMessage], tokens: int
) -> None:
    room = Room(tokens)
    fitted = fit(render(ChatRequest(tuple(messages)), "", ahead=False), room)
    assert guess_tokens(fitted, room) <= tokens
    assert fitted[0]["role"] == "system"
    assert fitted[-1]["role"] != "assistant"
    roles = [message["role"] for message in fitted]
    assert all(before != after for before, after in pairwise(roles))
