from typing import Any

import pytest
from msgspec import structs

from antiphon.core.configuration import SessionOffer, initial_session
from antiphon.core.plan import plan, request, room
from antiphon.engines.llm import NamedTool, Tool
from antiphon.engines.responder import UserTurn
from antiphon.protocol.errors import ClientError
from antiphon.protocol.response import (
    ResponseAudioOutputParameters,
    ResponseAudioParameters,
    ResponseParameters,
)
from antiphon.protocol.session import (
    FunctionChoice,
    FunctionTool,
    McpChoice,
    McpTool,
    PcmuFormat,
    Prompt,
    RealtimeSession,
    Reasoning,
)

OFFER = SessionOffer(model="m", voices=frozenset({"alloy", "marin"}))
SESSION = initial_session(OFFER, "sess", 0.0)
WEATHER = FunctionTool(name="weather", description="Tells.", parameters={"type": "object"})


def session(**fields: object) -> RealtimeSession:
    return structs.replace(SESSION, **fields)


def voiced(voice: object) -> ResponseParameters:
    output = ResponseAudioOutputParameters(voice=voice)  # type: ignore[arg-type]
    return ResponseParameters(audio=ResponseAudioParameters(output=output))


def test_a_plain_response_is_as_the_session_says() -> None:
    planned = plan(SESSION, ResponseParameters(), OFFER, has_spoken=False)
    assert planned.modality == "audio"
    assert planned.instructions == OFFER.instructions
    assert (planned.voice, planned.speed) == ("alloy", 1.0)
    assert (planned.tools, planned.tool_choice) == ((), "auto")
    assert planned.parallel_tool_calls is True
    assert planned.in_conversation is True
    assert planned.metadata is None


def test_a_response_may_ask_for_something_else() -> None:
    asked = ResponseParameters(
        output_modalities=("text",),
        instructions="Once.",
        tools=(WEATHER,),
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=7,
        conversation="none",
        metadata={"a": "b"},
        audio=ResponseAudioParameters(
            output=ResponseAudioOutputParameters(format=PcmuFormat(), voice="marin")
        ),
    )
    planned = plan(SESSION, asked, OFFER, has_spoken=False)
    assert (planned.modality, planned.instructions, planned.max_output_tokens) == (
        "text",
        "Once.",
        7,
    )
    assert (planned.tools, planned.tool_choice) == ((WEATHER,), "required")
    assert (planned.parallel_tool_calls, planned.in_conversation) == (False, False)
    assert (planned.voice, planned.format, planned.metadata) == (
        "marin",
        PcmuFormat(),
        {"a": "b"},
    )


def test_parts_of_audio_may_be_left_out() -> None:
    for asked in (
        ResponseParameters(audio=ResponseAudioParameters()),
        ResponseParameters(audio=ResponseAudioParameters(output=ResponseAudioOutputParameters())),
    ):
        planned = plan(SESSION, asked, OFFER, has_spoken=True)
        assert (planned.voice, planned.format) == ("alloy", SESSION.audio.output.format)


def test_the_voice_stays_once_there_was_speech() -> None:
    assert plan(SESSION, voiced("alloy"), OFFER, has_spoken=True).voice == "alloy"
    with pytest.raises(ClientError) as locked:
        plan(SESSION, voiced("marin"), OFFER, has_spoken=True)
    assert (locked.value.code, locked.value.param) == (
        "cannot_update_voice",
        "response.audio.output.voice",
    )


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (ResponseParameters(prompt=Prompt(id="p")), "response.prompt"),
        (ResponseParameters(reasoning=Reasoning(effort="low")), "response.reasoning"),
        (voiced("nobody"), "response.audio.output.voice"),
        (
            ResponseParameters(tool_choice=McpChoice(server_label="s")),
            "response.tool_choice.server_label",
        ),
        (
            ResponseParameters(tools=(WEATHER,), tool_choice=FunctionChoice(name="x")),
            "response.tool_choice.name",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused(asked: ResponseParameters, param: str) -> None:
    with pytest.raises(ClientError) as refused:
        plan(SESSION, asked, OFFER, has_spoken=False)
    assert refused.value.param == param


def test_a_choice_without_its_function_counts_for_the_session_alone() -> None:
    chosen = session(tools=(WEATHER,), tool_choice=FunctionChoice(name="weather"))
    kept = plan(chosen, ResponseParameters(), OFFER, has_spoken=False)
    assert kept.tool_choice == FunctionChoice(name="weather")
    other = plan(chosen, ResponseParameters(tools=()), OFFER, has_spoken=False)
    assert (other.tools, other.tool_choice) == ((), "auto")


def test_parallel_calls_are_as_the_session_says() -> None:
    planned = plan(
        session(parallel_tool_calls=False), ResponseParameters(), OFFER, has_spoken=False
    )
    assert planned.parallel_tool_calls is False


def test_a_request_says_it_in_the_engines_words() -> None:
    bare = FunctionTool(name="bare")
    asked = ResponseParameters(
        tools=(WEATHER, bare), tool_choice=FunctionChoice(name="bare"), max_output_tokens=9
    )
    made = request(plan(SESSION, asked, OFFER, has_spoken=False), (UserTurn("Hi"),), "key")
    assert made.tools == (
        Tool("weather", "Tells.", {"type": "object"}),
        Tool("bare", "", {"type": "object", "properties": {}}),
    )
    assert made.tool_choice == NamedTool("bare")
    assert (made.max_output_tokens, made.session_key) == (9, "key")
    assert made.context == (UserTurn("Hi"),)


def test_without_a_maximum_the_model_decides() -> None:
    planned = plan(SESSION, ResponseParameters(tool_choice="none"), OFFER, has_spoken=False)
    made = request(planned, (), "")
    assert (made.max_output_tokens, made.tool_choice) == (None, "none")


def test_a_choice_of_mcp_kept_from_elsewhere_leaves_the_model_free() -> None:
    chosen = session(tool_choice=McpChoice(server_label="s"))
    planned = plan(chosen, ResponseParameters(), OFFER, has_spoken=False)
    assert request(planned, (), "").tool_choice == "auto"


def test_a_response_knows_the_servers_it_may_use_and_those_it_waits_for() -> None:
    docs = McpTool(server_label="docs", server_url="https://docs.example.com")
    other = McpTool(server_label="other", server_url="https://other.example.com")
    of_session = session(tools=(WEATHER, docs), tool_choice=McpChoice(server_label="docs"))
    usual = plan(of_session, ResponseParameters(), OFFER, has_spoken=False)
    assert (usual.tools, usual.servers, usual.awaited) == ((WEATHER,), (docs,), frozenset())
    assert usual.tool_choice == McpChoice(server_label="docs")
    own = ResponseParameters(tools=(other, McpTool(server_label="docs")))
    special = plan(of_session, own, OFFER, has_spoken=False)
    assert (special.servers, special.awaited) == (own.tools, {"other"})
    assert special.tool_choice == McpChoice(server_label="docs")
    without = ResponseParameters(tools=(other,))
    assert plan(of_session, without, OFFER, has_spoken=False).tool_choice == "auto"


def test_instructions_tools_and_the_answer_take_room() -> None:
    def limit(**asked: Any) -> int:
        planned = plan(SESSION, ResponseParameters(**asked), OFFER, has_spoken=False)
        return room(planned, OFFER).limit

    plain = limit(instructions="")
    assert plain == OFFER.context_tokens - 1024 - 17
    assert plain - limit(instructions="x" * 320) == 100
    assert plain - limit(instructions="", tools=(WEATHER,)) > 128
    assert limit(instructions="", max_output_tokens=24) == plain + 1000


def test_an_answer_never_takes_more_than_a_quarter_of_a_small_context() -> None:
    small = SessionOffer("m", None, context_tokens=4000)
    asked = ResponseParameters(instructions="", max_output_tokens=4096)
    planned = plan(SESSION, asked, small, has_spoken=False)
    assert room(planned, small).limit == 3000 - 17


def test_what_must_be_kept_is_said_to_the_responder() -> None:
    whole = structs.replace(SESSION, truncation="disabled")
    planned = plan(whole, ResponseParameters(), OFFER, has_spoken=False)
    assert request(planned, (), "key").keeps_all
    assert not request(
        plan(SESSION, ResponseParameters(), OFFER, has_spoken=False), (), ""
    ).keeps_all
