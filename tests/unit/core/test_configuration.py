import pytest
from msgspec import structs

from antiphon.core.configuration import (
    Circumstances,
    SessionOffer,
    check_tool_choice,
    check_tools,
    check_voice,
    functions,
    initial_session,
    update,
)
from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.protocol.errors import ClientError
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioOutputPatch,
    AudioPatch,
    CustomVoice,
    FunctionTool,
    McpChoice,
    McpTool,
    PcmaFormat,
    PcmFormat,
    Prompt,
    RealtimeSession,
    Reasoning,
    SemanticVad,
    ServerVad,
    SessionPatch,
    Transcription,
)

MODELS = {
    "strict": TranscriptionOffer(frozenset({"en"})),
    "free": TranscriptionOffer(prompts=True),
}
OFFER = SessionOffer(model="m", voices=frozenset({"alloy", "marin"}), transcription_models=MODELS)
SESSION = initial_session(OFFER, "sess_1", 1000.9)
QUIET = Circumstances(has_spoken=False, is_buffering=False)
BUSY = Circumstances(has_spoken=True, is_buffering=True)


def change(around: Circumstances = QUIET, **fields: object) -> RealtimeSession:
    return update(SESSION, SessionPatch(type="realtime", **fields), OFFER, around)  # type: ignore[arg-type]


def heard(**fields: object) -> AudioPatch:
    return AudioPatch(input=AudioInputPatch(**fields))  # type: ignore[arg-type]


def spoken(**fields: object) -> AudioPatch:
    return AudioPatch(output=AudioOutputPatch(**fields))  # type: ignore[arg-type]


def test_a_session_begins_as_its_deployment_says() -> None:
    offer = SessionOffer(
        model="m",
        voices=None,
        default_voice="cedar",
        silence_duration_ms=500,
        instructions="Hm.",
        max_session_s=60,
    )
    session = initial_session(offer, "sess_1", 1000.9)
    assert (session.id, session.model, session.expires_at) == ("sess_1", "m", 1060)
    assert session.instructions == "Hm."
    assert session.audio.output.voice == "cedar"
    assert session.audio.input.turn_detection == ServerVad(silence_duration_ms=500)


def test_an_empty_update_changes_nothing() -> None:
    assert change() == SESSION
    assert change(audio=AudioPatch()) == SESSION
    assert change(audio=heard()) == SESSION
    assert change(audio=spoken()) == SESSION


def test_objects_merge_and_leaves_are_replaced() -> None:
    first = change(audio=heard(turn_detection=ServerVad(threshold=0.9, silence_duration_ms=900)))
    second = update(
        first,
        SessionPatch(
            type="realtime",
            audio=AudioPatch(
                input=AudioInputPatch(turn_detection=ServerVad(threshold=0.7)),
                output=AudioOutputPatch(speed=1.2),
            ),
        ),
        OFFER,
        QUIET,
    )
    assert second.audio.input.turn_detection == ServerVad(threshold=0.7)
    assert (second.audio.output.speed, second.audio.output.voice) == (1.2, "alloy")


def test_null_clears() -> None:
    wanted = change(audio=heard(transcription=Transcription(model="strict")))
    cleared = update(
        wanted,
        SessionPatch(type="realtime", audio=heard(transcription=None, turn_detection=None)),
        OFFER,
        QUIET,
    )
    assert cleared.audio.input.transcription is None
    assert cleared.audio.input.turn_detection is None
    assert change(tracing=None, prompt=None, include=None) == SESSION


def test_a_model_name_is_accepted_without_effect() -> None:
    assert change(model="other").model == "m"


def test_empty_instructions_are_the_stock_ones() -> None:
    assert change(instructions="Mine.").instructions == "Mine."
    assert change(instructions="").instructions == OFFER.instructions


def test_the_input_format_may_change_while_nothing_waits() -> None:
    assert change(audio=heard(format=PcmaFormat())).audio.input.format == PcmaFormat()
    assert change(BUSY, audio=heard(format=PcmFormat())) == SESSION


def test_voices_are_checked_by_name_where_they_are_known() -> None:
    assert check_voice("marin", "v", OFFER) == "marin"
    assert check_voice("anything", "v", SessionOffer("m", None)) == "anything"
    assert change(BUSY, audio=spoken(voice="alloy")) == SESSION


def test_functions_are_told_from_other_tools() -> None:
    function = FunctionTool(name="f")
    assert functions((function, McpTool(server_label="s"))) == (function,)
    check_tools((function, FunctionTool(name="g")), "tools", OFFER)
    check_tools((), "tools", SessionOffer(model="m", voices=None, tools=False))
    check_tool_choice("required", (), "choice")
    check_tool_choice(McpChoice(server_label="s"), (McpTool(server_label="s"),), "choice")


def test_an_unknown_transcription_model_is_accepted_and_fails_later() -> None:
    session = change(audio=heard(transcription=Transcription(model="who?", language="xx")))
    assert session.audio.input.transcription == Transcription(model="who?", language="xx")


def test_a_language_and_a_prompt_are_honoured_where_the_model_can() -> None:
    for wanted in (
        Transcription(model="strict", language="en"),
        Transcription(model="free", language="xx", prompt="Ada"),
    ):
        assert change(audio=heard(transcription=wanted)).audio.input.transcription == wanted


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"prompt": Prompt(id="p")}, "invalid_parameter", "session.prompt"),
        ({"reasoning": Reasoning(effort="low")}, "invalid_parameter", "session.reasoning"),
        (
            {
                "include": ("item.input_audio_transcription.logprobs",),
                "audio": heard(transcription=Transcription(model="strict")),
            },
            "invalid_parameter",
            "session.include",
        ),
        (
            {"tool_choice": McpChoice(server_label="s")},
            "invalid_value",
            "session.tool_choice.server_label",
        ),
        (
            {"tools": (FunctionTool(name="f"), FunctionTool(name="f"))},
            "invalid_value",
            "session.tools[1].name",
        ),
        (
            {"audio": heard(format=PcmaFormat())},
            "invalid_value",
            "session.audio.input.format",
        ),
        (
            {"audio": heard(transcription=Transcription(model="strict", language="fr"))},
            "invalid_value",
            "session.audio.input.transcription.language",
        ),
        (
            {"audio": heard(transcription=Transcription(model="strict", prompt="Ada"))},
            "invalid_parameter",
            "session.audio.input.transcription.prompt",
        ),
        (
            {"audio": heard(transcription=Transcription(model="free", languages=("en", "de")))},
            "invalid_parameter",
            "session.audio.input.transcription.languages",
        ),
        (
            {"audio": heard(transcription=Transcription(model="strict", keywords=("Ada",)))},
            "invalid_parameter",
            "session.audio.input.transcription.keywords",
        ),
        (
            {"audio": heard(transcription=Transcription(model="strict", delay="low"))},
            "invalid_parameter",
            "session.audio.input.transcription.delay",
        ),
        (
            {"audio": spoken(voice="nobody")},
            "invalid_value",
            "session.audio.output.voice",
        ),
        (
            {"audio": spoken(voice=CustomVoice(id="v"))},
            "invalid_value",
            "session.audio.output.voice.id",
        ),
        ({"audio": spoken(voice="marin")}, "cannot_update_voice", "session.audio.output.voice"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    fields: dict[str, object], code: str, param: str
) -> None:
    with pytest.raises(ClientError) as refused:
        change(BUSY, **fields)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.message.rstrip().endswith(".")


def test_another_type_of_session_is_refused() -> None:
    with pytest.raises(ClientError) as refused:
        update(SESSION, SessionPatch(type="transcription"), OFFER, QUIET)
    assert refused.value.param == "session.type"


def test_turn_detection_by_meaning_needs_a_transcript() -> None:
    assert change(audio=heard(turn_detection=SemanticVad())).audio.input.turn_detection == (
        SemanticVad()
    )
    deaf = SessionOffer(model="m", voices=None, hears="audio")
    patch = SessionPatch(type="realtime", audio=heard(turn_detection=SemanticVad()))
    with pytest.raises(ClientError) as refused:
        update(SESSION, patch, deaf, QUIET)
    assert refused.value.param == "session.audio.input.turn_detection.type"


def test_a_deployment_without_tools_takes_none() -> None:
    with pytest.raises(ClientError) as refused:
        check_tools((FunctionTool(name="f"),), "t", SessionOffer("m", None, tools=False))
    assert refused.value.param == "t"


def test_an_update_makes_a_new_session() -> None:
    before = structs.asdict(SESSION)
    change(instructions="Other.", tools=(FunctionTool(name="f"),))
    assert structs.asdict(SESSION) == before
