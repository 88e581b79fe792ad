"""What the model reads of a conversation, and what it forgets first.

Shows Context: truncation that keeps prompt caches valid
"""

import pytest
from msgspec import UNSET

from antiphon.core.context import INAUDIBLE, Context, Room, text_tokens, turn_size, weigh
from antiphon.core.conversation import Entry
from antiphon.engines.llm import Picture
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
    InputImage,
    InputText,
    Item,
    McpListToolsItem,
    MessageItem,
    OutputAudio,
    OutputText,
    Role,
)
from antiphon.protocol.session import RetentionRatio, TokenLimits, Truncation

SOUND = b"\1\0" * 24_000


def message(role: Role, *parts: ContentPart, **known: object) -> Entry:
    return Entry("i", MessageItem(id="i", role=role, content=parts), **known)  # type: ignore[arg-type]


def read(*entries: Entry, as_audio: bool = False) -> Context:
    passages = (weigh(each, as_audio=as_audio) for each in entries)
    return Context.of([each for each in passages if each is not None])


def turns(*entries: Entry, as_audio: bool = False) -> tuple[Turn, ...]:
    return read(*entries, as_audio=as_audio).turns


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
    context = read(spoken, message("user", InputText(text="x" * 40)))
    assert (context.audio_tokens, context.spoken_text_tokens) == (10, 1)
    assert context.text_tokens == 1 + 4 + 10 + 4


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_four_characters_are_a_token(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


def written(*texts: str) -> Context:
    return read(*(message("user", InputText(text=text)) for text in texts))


TEN = written(*(f"{index:022}" for index in range(10)))  # 15 tokens each, cautiously


def kept(context: Context, truncation: Truncation, budget: int, ahead: int = 0) -> int:
    """Return how many of the turns stay; they must be the last ones."""
    fitting = Room.of(truncation, budget).fit(context, ahead)
    assert fitting.turns == context.turns[len(context.turns) - len(fitting.turns) :]
    assert fitting == Context.of(fitting.passages)
    return len(fitting.turns)


def ratio(share: float, most: int | None = None) -> RetentionRatio:
    limits = UNSET if most is None else TokenLimits(post_instructions=most)
    return RetentionRatio(retention_ratio=share, token_limits=limits)


@pytest.mark.parametrize(
    ("budget", "stay"), [(150, 10), (149, 7), (100, 5), (60, 3), (20, 1), (15, 1), (1, 1)]
)
def test_the_oldest_turns_go_first_a_quarter_at_a_time(budget: int, stay: int) -> None:
    assert kept(TEN, "auto", budget) == stay


def test_room_is_left_for_what_comes_next() -> None:
    assert kept(TEN, "auto", 160, ahead=10) == 10
    assert kept(TEN, "auto", 160, ahead=11) == 7
    assert kept(TEN, ratio(1.0), 160, ahead=11) == 9


def test_a_result_is_not_read_without_its_call() -> None:
    call = entry(FunctionCallItem(id="i", name="f" * 4, call_id="c", arguments="{}"))
    result = entry(FunctionCallOutputItem(id="i", call_id="c", output="4" * 24))
    user = message("user", InputText(text="Hi"))
    dialogue = read(call, result, user)
    assert kept(dialogue, ratio(1.0), dialogue.size - 1) == 1
    assert kept(dialogue, ratio(1.0), dialogue.size) == 3
    assert kept(read(call, result), ratio(1.0), 10) == 1


def test_every_kind_of_turn_has_weight() -> None:
    plain = UserTurn("x" * 31)
    assert turn_size(plain) == 8 + 10
    assert turn_size(UserTurn("x" * 31, SOUND)) == turn_size(plain) + 10
    assert turn_size(SystemTurn("x" * 31)) == turn_size(AssistantTurn("x" * 31)) == 18
    assert turn_size(UserTurn("漢" * 16)) == 8 + 16
    assert turn_size(CallTurn("c", "f", "{}")) > turn_size(ResultTurn("c", "")) > 40


def test_without_truncation_what_does_not_fit_is_refused() -> None:
    assert kept(TEN, "disabled", 150) == 10
    with pytest.raises(ClientError) as overflow:
        kept(TEN, "disabled", 149)
    assert overflow.value.code == "context_length_exceeded"
    assert "about 150 tokens and the model holds 149" in overflow.value.message
    with pytest.raises(ClientError):
        kept(TEN, "disabled", 150, ahead=1)


def test_a_ratio_says_how_much_stays() -> None:
    assert kept(TEN, ratio(0.5), 149) == 4
    assert kept(TEN, ratio(0.5), 150) == 10
    assert kept(TEN, ratio(1.0), 149) == 9
    assert kept(TEN, ratio(0.0), 149) == 1


def test_a_limit_of_tokens_counts_when_it_is_lower() -> None:
    assert kept(TEN, ratio(1.0, 45), 200) == 3
    assert kept(TEN, ratio(1.0, 300), 150) == 10
    assert kept(TEN, ratio(0.5, 90), 200) == 3
    assert kept(TEN, RetentionRatio(retention_ratio=1.0, token_limits=TokenLimits()), 80) == 5
    assert kept(Context(), ratio(1.0, 45), 200) == 0


PICTURE = InputImage(image_url="data:image/png;base64,AAAA", detail="low")


def test_pictures_stand_where_the_user_put_them() -> None:
    other = InputImage(image_url="data:image/jpeg;base64,BBBB")
    parts = (PICTURE, InputText(text="This one"), other, InputText(text="or that?"))
    (turn,) = turns(message("user", *parts, image_tokens=170))
    assert turn == UserTurn(
        "This one\nor that?",
        pictures=(Picture(PICTURE.image_url, "low", 0), Picture(other.image_url, "auto", 8)),
    )


def test_pictures_have_weight_of_their_own() -> None:
    shown = read(message("user", PICTURE, image_tokens=85))
    assert (shown.image_tokens, shown.text_tokens) == (85, 4)
    assert shown.size == 85 + turn_size(UserTurn(""))


def test_the_phase_of_an_answer_is_kept() -> None:
    said = MessageItem(
        id="i", role="assistant", content=(OutputText(text="Hm."),), phase="commentary"
    )
    assert turns(entry(said)) == (AssistantTurn("Hm.", "commentary"),)
