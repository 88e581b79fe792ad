"""`session.update`: what it changes, what it leaves, and what it refuses as a whole.

Shows Context: reasoning effort where the model takes it; tracing by names of your own
"""

from typing import Any

import pytest
from talk import (
    CLEAR,
    MANUAL,
    RESPOND,
    TEXT,
    Talk,
    function,
    offer,
    pcm,
    response_create,
    session_update,
)

from antiphon.core.commands import NameSession
from antiphon.core.prompts import PromptVersion, StoredPrompt
from antiphon.protocol.session import FunctionTool

QUICKSTART = {
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "whisper-1"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "create_response": True,
            },
        },
        "output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}},
    },
}

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"foo": 1, "instructions": "New."}, "unknown_parameter", "session.foo"),
    (
        {"audio": {"input": {"turn_detection": {"type": "x"}}}},
        "invalid_value",
        "session.audio.input.turn_detection.type",
    ),
    ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
    (
        {"audio": {"output": {"speed": 2.0}}},
        "decimal_above_max_value",
        "session.audio.output.speed",
    ),
    ({"max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
    ({"max_output_tokens": 5000}, "integer_above_max_value", "session.max_output_tokens"),
    ({"max_output_tokens": "x"}, "invalid_value", "session.max_output_tokens"),
    ({"audio": {"output": {"voice": "nobody"}}}, "invalid_value", "session.audio.output.voice"),
    (
        {"audio": {"output": {"voice": {"id": "mine"}}}},
        "invalid_value",
        "session.audio.output.voice.id",
    ),
    ({"prompt": {"id": "pmpt_1"}}, "invalid_parameter", "session.prompt"),
    ({"reasoning": {"effort": "low"}}, "invalid_parameter", "session.reasoning"),
    (
        {
            "include": ["item.input_audio_transcription.logprobs"],
            "audio": {"input": {"transcription": {"model": "whisper-1"}}},
        },
        "invalid_parameter",
        "session.include",
    ),
    (
        {"audio": {"input": {"noise_reduction": {"type": "middle_field"}}}},
        "invalid_value",
        "session.audio.input.noise_reduction.type",
    ),
    (
        {"audio": {"input": {"transcription": {"model": "whisper-1", "prompt": "Hi"}}}},
        "invalid_parameter",
        "session.audio.input.transcription.prompt",
    ),
    (
        {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe", "language": "xx"}}}},
        "invalid_value",
        "session.audio.input.transcription.language",
    ),
    (
        {"audio": {"input": {"transcription": {"model": "whisper-1", "delay": "low"}}}},
        "invalid_parameter",
        "session.audio.input.transcription.delay",
    ),
    (
        {"tools": [{"type": "mcp", "server_label": "x", "server_url": "http://x.example"}]},
        "invalid_value",
        "session.tools[0].server_url",
    ),
    ({"tools": [function("f"), function("f")]}, "invalid_value", "session.tools[1].name"),
    (
        {"tool_choice": {"type": "mcp", "server_label": "x"}},
        "invalid_value",
        "session.tool_choice.server_label",
    ),
]


def test_a_session_opens_complete_with_documented_defaults(talk: Talk) -> None:
    session = talk.expect("session.created")["session"]
    assert session["id"].startswith("sess_")
    assert session["expires_at"] == talk.now + 3600
    assert {key: session[key] for key in session if key not in ("id", "expires_at")} == {
        "type": "realtime",
        "object": "realtime.session",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": talk.offer.instructions,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "voice": "alloy",
                "speed": 1.0,
            },
        },
    }


def test_an_update_changes_what_it_names_and_nothing_else(talk: Talk) -> None:
    before = talk.expect("session.created")["session"]
    talk.client(session_update(instructions="Speak like a pirate."))
    after = talk.expect("session.updated")["session"]
    assert after == before | {"instructions": "Speak like a pirate."}
    talk.expect_nothing()


def test_the_quickstart_payload_is_echoed(talk: Talk) -> None:
    talk.client({"type": "session.update", "session": {"type": "realtime", **QUICKSTART}})
    session = talk.expect("session.updated")["session"]
    heard = session["audio"]["input"]
    assert heard["transcription"] == {"model": "whisper-1", "language": None, "prompt": None}
    assert heard["turn_detection"]["create_response"] is True
    assert heard["turn_detection"]["idle_timeout_ms"] is None
    assert session["audio"]["output"]["voice"] == "alloy"


def test_the_type_is_required(talk: Talk) -> None:
    talk.client({"type": "session.update", "event_id": "e1", "session": {"instructions": "x"}})
    error = talk.expect_error("missing_required_parameter", "session.type")
    assert error["event_id"] == "e1"
    talk.expect_nothing()


def test_a_transcription_update_is_refused_in_the_documented_words(talk: Talk) -> None:
    talk.client({"type": "session.update", "session": {"type": "transcription"}})
    error = talk.expect_error("invalid_parameter", "session.type")
    assert error["message"].startswith(
        "Passing a transcription session update event to a realtime session is not allowed."
    )


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED)
def test_a_refused_field_refuses_the_whole_update(
    talk: Talk, fields: dict[str, Any], code: str, param: str
) -> None:
    before = talk.session.configuration
    update = {"type": "session.update", "event_id": "mine", "session": {"type": "realtime"}}
    update["session"] |= {"max_output_tokens": 7} | fields  # type: ignore[operator]
    talk.client(update)
    error = talk.expect_error(code, param)
    assert error["event_id"] == "mine"
    assert talk.session.configuration == before
    assert talk.types == ["session.created", "error"]


def test_a_deployment_without_tools_refuses_them() -> None:
    talk = Talk(offer(tools=False))
    talk.client(session_update(tools=[function("f")]))
    talk.expect_error("invalid_parameter", "session.tools")
    talk.client(session_update(tools=[]))
    talk.expect("session.updated")


@pytest.mark.parametrize("speed", [0.25, 1.0, 1.5])
def test_speed_is_echoed(talk: Talk, speed: float) -> None:
    talk.client(session_update(speed=speed))
    assert talk.expect("session.updated")["session"]["audio"]["output"]["speed"] == speed


@pytest.mark.parametrize("most", ["inf", 1, 4096])
def test_max_output_tokens_is_echoed(talk: Talk, most: object) -> None:
    talk.client(session_update(max_output_tokens=most))
    assert talk.expect("session.updated")["session"]["max_output_tokens"] == most


@pytest.mark.parametrize(
    "truncation",
    [
        "auto",
        "disabled",
        {"type": "retention_ratio", "retention_ratio": 0.8},
        {
            "type": "retention_ratio",
            "retention_ratio": 0.5,
            "token_limits": {"post_instructions": 500},
        },
    ],
)
def test_truncation_is_echoed(talk: Talk, truncation: object) -> None:
    talk.client(session_update(truncation=truncation))
    assert talk.expect("session.updated")["session"]["truncation"] == truncation


def test_tools_are_set_and_cleared(talk: Talk) -> None:
    talk.client(session_update(tools=[function("weather")], tool_choice="required"))
    assert talk.expect("session.updated")["session"]["tools"] == [function("weather")]
    talk.client(session_update(tools=[]))
    assert talk.expect("session.updated")["session"]["tools"] == []


TRACED = {
    "workflow_name": "Support",
    "group_id": "call-7",
    "metadata": {"customer": "42", "tags": ["a", {"b": None}]},
}


@pytest.mark.parametrize("tracing", ["auto", TRACED, {}])
def test_tracing_may_follow_the_session_at_once(talk: Talk, tracing: object) -> None:
    talk.client(session_update(tracing=None))
    assert talk.expect("session.updated")["session"]["tracing"] is None
    talk.client(session_update(tracing=tracing))
    assert talk.expect("session.updated")["session"]["tracing"] == tracing


def test_the_names_of_a_traced_session_are_noted_once(talk: Talk) -> None:
    talk.client(session_update(tracing={"workflow_name": "x" * 257}))
    talk.expect_error("string_above_max_length", "session.tracing.workflow_name")
    talk.client(session_update(tracing=TRACED)).client(session_update(tracing=TRACED))
    noted = [each for each in talk.commands if isinstance(each, NameSession)]
    assert noted == [NameSession("Support", "call-7")]


@pytest.mark.parametrize("other", [None, "auto", {"workflow_name": "Sales"}])
def test_tracing_stays_as_it_was_enabled(talk: Talk, other: object) -> None:
    talk.client(session_update(tracing=TRACED))
    talk.expect("session.updated")
    talk.client(session_update(tracing=other, instructions="Not applied."))
    talk.expect_error("invalid_value", "session.tracing")
    talk.client(session_update(tracing=TRACED, instructions="Applied."))
    session = talk.expect("session.updated")["session"]
    assert (session["tracing"], session["instructions"]) == (TRACED, "Applied.")


def test_another_model_name_is_accepted_and_changes_nothing(talk: Talk) -> None:
    talk.client(session_update(model="gpt-realtime-mini"))
    assert talk.expect("session.updated")["session"]["model"] == "gpt-realtime"


def test_empty_instructions_bring_the_stock_ones_back(talk: Talk) -> None:
    talk.client(session_update(instructions="Mine."))
    talk.client(session_update(instructions=""))
    assert talk.last("session.updated")["session"]["instructions"] == talk.offer.instructions


def test_no_turn_detection_means_no_vad_events(talk: Talk) -> None:
    talk.client(MANUAL)
    session = talk.expect("session.updated")["session"]
    assert session["audio"]["input"]["turn_detection"] is None
    talk.says(600).pauses(600)
    talk.expect_nothing()


def test_the_voice_is_locked_once_the_assistant_has_spoken(talk: Talk) -> None:
    talk.client(session_update(voice="marin"))
    talk.expect("session.updated")
    talk.client(response_create()).replies()
    talk.client(session_update(voice="cedar"))
    talk.expect_error("cannot_update_voice", "session.audio.output.voice")
    talk.client(session_update(voice="marin", instructions="The same voice is no change."))
    talk.expect("session.updated")
    talk.finishes()
    talk.client(session_update(voice="cedar"))
    talk.expect_error("cannot_update_voice", "session.audio.output.voice")
    talk.client(response_create(audio={"output": {"voice": "cedar"}}))
    talk.expect_error("cannot_update_voice", "response.audio.output.voice")


def test_a_written_answer_does_not_lock_the_voice(talk: Talk) -> None:
    talk.client(response_create(output_modalities=["text"])).writes("Hello there.")
    talk.client(session_update(voice="cedar"))
    talk.expect("session.updated")


def test_the_input_format_stays_while_audio_is_buffered(talk: Talk) -> None:
    talk.client(MANUAL).append(pcm(200))
    ulaw = session_update(input_format={"type": "audio/pcmu"})
    talk.client(ulaw)
    error = talk.expect_error("invalid_value", "session.audio.input.format")
    assert "clear" in error["message"].lower()
    talk.client(CLEAR).client(ulaw)
    session = talk.expect("session.updated")["session"]
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}


def test_a_running_response_keeps_the_settings_it_began_with(talk: Talk) -> None:
    talk.client(response_create())
    talk.client(session_update(output_modalities=["text"], voice="cedar"))
    talk.replies(finish=True)
    response = talk.expect("response.done")["response"]
    assert response["output_modalities"] == ["audio"]
    assert response["audio"]["output"]["voice"] == "alloy"


def test_instructions_and_tools_are_prepared_for(talk: Talk) -> None:
    talk.client(session_update(instructions="Be kind.", tools=[function("weather")]))
    assert talk.prepared()[-1].instructions == "Be kind."
    assert [tool.name for tool in talk.prepared()[-1].tools] == ["weather"]


# Reasoning, truncation, voices


def test_reasoning_is_refused_where_the_model_does_not_take_it(talk: Talk) -> None:
    talk.client(session_update(reasoning={"effort": "low"}))
    talk.expect_error("invalid_parameter", "session.reasoning")
    talk.client(response_create(reasoning={"effort": "low"}))
    talk.expect_error("invalid_parameter", "response.reasoning")
    talk.expect_nothing()


def test_reasoning_goes_to_a_model_that_takes_it() -> None:
    talk = Talk(offer(reasons=True))
    talk.client(TEXT)
    assert talk.request.reasoning_effort is None
    talk.writes("Yes.").client(session_update(reasoning={"effort": "high"}))
    assert talk.expect("session.updated")["session"]["reasoning"] == {"effort": "high"}
    talk.client(TEXT)
    assert talk.request.reasoning_effort == "high"
    talk.writes("Yes.").client(response_create(reasoning={"effort": "minimal"}))
    assert talk.request.reasoning_effort == "minimal"


def test_parallel_calls_are_the_sessions_choice_and_a_responses(talk: Talk) -> None:
    talk.client(session_update(parallel_tool_calls=False))
    assert talk.expect("session.updated")["session"]["parallel_tool_calls"] is False
    talk.client(TEXT)
    assert talk.request.parallel_tool_calls is False
    talk.writes("Yes.").client(response_create(parallel_tool_calls=True))
    assert talk.request.parallel_tool_calls is True


RATIO = {"type": "retention_ratio", "retention_ratio": 0.8}


@pytest.mark.parametrize(
    "truncation",
    ["auto", "disabled", RATIO, RATIO | {"token_limits": {"post_instructions": 31_744}}],
)
def test_truncation_is_told_back(talk: Talk, truncation: object) -> None:
    talk.client(session_update(truncation=truncation))
    assert talk.expect("session.updated")["session"]["truncation"] == truncation


def test_more_tokens_than_the_model_holds_beside_its_answer_are_refused(talk: Talk) -> None:
    limited = RATIO | {"token_limits": {"post_instructions": 31_745}}
    path = "session.truncation.token_limits.post_instructions"
    talk.client(session_update(truncation=limited))
    error = talk.expect_error("integer_above_max_value", path)
    assert "<= 31744" in error["message"]
    talk.client(session_update(truncation=limited, max_output_tokens=500))
    talk.expect("session.updated")


def test_a_voice_of_ones_own_is_named_by_its_id() -> None:
    talk = Talk(offer(voices=frozenset({"alloy", "voice_ann"})))
    talk.client(session_update(voice={"id": "voice_ann"}))
    output = talk.expect("session.updated")["session"]["audio"]["output"]
    assert output["voice"] == {"id": "voice_ann"}
    talk.client(RESPOND).replies(finish=True)
    assert talk.request.voice == "voice_ann"
    response = talk.expect("response.done")["response"]
    assert response["audio"]["output"]["voice"] == "voice_ann"
    talk.client(session_update(voice={"id": "alloy"}))
    talk.expect_error("cannot_update_voice", "session.audio.output.voice")
    talk.client(response_create(audio={"output": {"voice": {"id": "voice_ann"}}}))
    talk.expect("response.created")


# Stored prompts

SUPPORT = StoredPrompt(
    {
        "1": PromptVersion("You help {{customer}}."),
        "2": PromptVersion("You serve {{customer}}.", {}, (FunctionTool(name="look_up"),)),
    }
)


@pytest.fixture
def prompted() -> Talk:
    return Talk(offer(instructions="Stock.", prompts={"support": SUPPORT}))


def support(customer: str = "Ann", version: str | None = None) -> dict[str, object]:
    return {"id": "support", "version": version, "variables": {"customer": customer}}


def effective(talk: Talk) -> tuple[str, list[str]]:
    session = talk.expect("session.updated")["session"]
    return session["instructions"], [tool["name"] for tool in session["tools"]]


def test_a_prompt_gives_instructions_and_tools(prompted: Talk) -> None:
    prompted.client(session_update(prompt=support()))
    session = prompted.expect("session.updated")["session"]
    assert session["prompt"] == support()
    assert session["instructions"] == "You serve Ann."
    prompted.client(TEXT)
    assert prompted.request.instructions == "You serve Ann."
    assert [tool.name for tool in prompted.request.tools] == ["look_up"]


def test_what_the_client_sets_goes_before_the_prompt(prompted: Talk) -> None:
    prompted.client(session_update(prompt=support(), instructions="Mine.", tools=[]))
    assert effective(prompted) == ("Mine.", [])
    prompted.client(session_update(prompt=support("Bob")))
    assert effective(prompted) == ("Mine.", [])
    prompted.client(session_update(instructions=""))
    assert effective(prompted) == ("You serve Bob.", [])


def test_another_prompt_takes_the_place_of_the_first_and_none_brings_the_stock_back(
    prompted: Talk,
) -> None:
    prompted.client(session_update(prompt=support()))
    assert effective(prompted) == ("You serve Ann.", ["look_up"])
    prompted.client(session_update(prompt=support("Bob", "1")))
    assert effective(prompted) == ("You help Bob.", [])
    prompted.client(session_update(prompt=None))
    assert effective(prompted) == ("Stock.", [])


def test_a_prompt_may_be_of_one_response(prompted: Talk) -> None:
    prompted.client(response_create(prompt=support("Bob", "1")))
    assert prompted.request.instructions == "You help Bob."
    prompted.writes("Yes.").client(response_create(prompt=support(), instructions="Mine."))
    assert prompted.request.instructions == "Mine."
    assert [tool.name for tool in prompted.request.tools] == ["look_up"]
    prompted.writes("Yes.").client(TEXT)
    assert prompted.request.instructions == "Stock."


def test_a_prompt_that_cannot_be_filled_changes_nothing(prompted: Talk) -> None:
    prompted.client(session_update(prompt={"id": "support"}, instructions="Mine."))
    prompted.expect_error("missing_required_parameter", "session.prompt.variables.customer")
    prompted.client(session_update(prompt={"id": "sales"}))
    prompted.expect_error("invalid_value", "session.prompt.id")
    prompted.client(response_create(prompt=support(version="9")))
    prompted.expect_error("invalid_value", "response.prompt.version")
    prompted.expect_nothing()
    prompted.client(TEXT)
    assert prompted.request.instructions == "Stock."
