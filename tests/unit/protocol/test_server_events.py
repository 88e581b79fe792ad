import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from antiphon.protocol import errors
from antiphon.protocol.codec import encode, encode_audio
from antiphon.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputText,
    Item,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    McpHttpError,
    McpListToolsItem,
    McpProtocolError,
    McpToolExecutionError,
    McpToolListing,
    MessageItem,
    OutputAudio,
    OutputText,
)
from antiphon.protocol.response import (
    FailureError,
    LogProb,
    RateLimit,
    Response,
    ResponseAudio,
    ResponseAudioOutput,
    StatusDetails,
    TranscriptionDurationUsage,
    TranscriptionInputTokenDetails,
    TranscriptionLanguage,
    TranscriptionTokenUsage,
    Usage,
)
from antiphon.protocol.server_events import (
    SERVER_EVENT_TYPES,
    AudioPart,
    Conversation,
    ConversationCreated,
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemInputAudioTranscriptionFailed,
    ConversationItemInputAudioTranscriptionSegment,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    Error,
    ErrorBody,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    InputAudioBufferDtmfEventReceived,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered,
    McpListToolsCompleted,
    McpListToolsFailed,
    McpListToolsInProgress,
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    RateLimitsUpdated,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseMcpCallArgumentsDelta,
    ResponseMcpCallArgumentsDone,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ResponseMcpCallInProgress,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    TextPart,
    TranscriptionError,
)
from antiphon.protocol.session import (
    Audio,
    AudioInput,
    AudioOutput,
    CustomVoice,
    FunctionChoice,
    FunctionTool,
    McpTool,
    NoiseReduction,
    PcmaFormat,
    PcmFormat,
    PcmuFormat,
    Prompt,
    RealtimeSession,
    Reasoning,
    RetentionRatio,
    SemanticVad,
    TokenLimits,
    TracingConfiguration,
    Transcription,
    TranscriptionSession,
)

GOLDEN_FRAMES = Path(__file__).with_name("golden.jsonl").read_text(encoding="utf-8").splitlines()
"""Events of recorded sessions, in the reference server's form."""

OPENAI: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
OURS: msgspec.json.Decoder[ServerEvent] = msgspec.json.Decoder(ServerEvent)

ID = {"event_id": "event_1"}
PLACE = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
MCP_PLACE = {"item_id": "item_1", "output_index": 0}
CALL_PLACE = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "call_id": "call_1"}
LOGPROBS = (LogProb(token="Hi", logprob=-0.1, bytes=(72, 105)),)

BARE_SESSION = RealtimeSession(id="sess_1", model="gpt-realtime", expires_at=1_785_500_000)
FULL_SESSION = RealtimeSession(
    id="sess_1",
    model="gpt-realtime",
    expires_at=1_785_500_000,
    output_modalities=("text",),
    instructions="Be brief.",
    tools=(
        FunctionTool(name="look-up", description="Looks up.", parameters={"type": "object"}),
        McpTool(server_label="docs", server_url="https://example.com/mcp", allowed_tools=("a",)),
    ),
    tool_choice=FunctionChoice(name="look-up"),
    max_output_tokens=400,
    tracing=TracingConfiguration(workflow_name="w", metadata={"a": 1}),
    truncation=RetentionRatio(
        retention_ratio=0.8, token_limits=TokenLimits(post_instructions=8000)
    ),
    prompt=Prompt(id="pmpt_1", version="2", variables={"city": "Paris"}),
    audio=Audio(
        input=AudioInput(
            format=PcmuFormat(),
            transcription=Transcription(model="whisper-1", language="en", keywords=("Antiphon",)),
            noise_reduction=NoiseReduction(type="near_field", strength=0.5),
            turn_detection=SemanticVad(eagerness="high"),
        ),
        output=AudioOutput(format=PcmaFormat(), voice=CustomVoice(id="voice_1"), speed=1.25),
    ),
    include=("item.input_audio_transcription.logprobs",),
    reasoning=Reasoning(effort="low"),
    parallel_tool_calls=True,
)

ITEMS: tuple[Item, ...] = (
    MessageItem(id="item_1", role="system", content=(InputText(text="Be kind."),)),
    MessageItem(
        id="item_2",
        status="completed",
        role="user",
        content=(
            InputText(text="Hi"),
            InputAudio(audio="AAAA", transcript="Hi"),
            InputImage(image_url="data:image/png;base64,AAAA", detail="low"),
        ),
    ),
    MessageItem(
        id="item_3",
        status="incomplete",
        role="assistant",
        content=(OutputText(text="Hello"), OutputAudio(transcript="Hello")),
        phase="final_answer",
    ),
    FunctionCallItem(
        id="item_4", status="completed", name="look-up", call_id="call_1", arguments="{}"
    ),
    FunctionCallOutputItem(id="item_5", call_id="call_1", output="1"),
    McpListToolsItem(
        id="item_6",
        server_label="docs",
        tools=(McpToolListing(name="search", input_schema={"type": "object"}),),
    ),
    McpCallItem(id="item_7", server_label="docs", name="search", arguments="{}", output="found"),
    McpCallItem(
        id="item_8",
        server_label="docs",
        name="search",
        arguments="{}",
        approval_request_id="item_9",
        error=McpHttpError(code=502, message="Bad gateway"),
    ),
    McpCallItem(
        id="item_8",
        server_label="docs",
        name="search",
        arguments="{}",
        error=McpProtocolError(code=-32600, message="Invalid request"),
    ),
    McpCallItem(
        id="item_8",
        server_label="docs",
        name="search",
        arguments="{}",
        error=McpToolExecutionError(message="No such page"),
    ),
    McpApprovalRequestItem(id="item_9", server_label="docs", name="search", arguments="{}"),
    McpApprovalResponseItem(id="item_10", approval_request_id="item_9", approve=True, reason="ok"),
)

RESPONSES = (
    Response(id="resp_1", status="in_progress", conversation_id="conv_1"),
    Response(
        id="resp_1",
        status="cancelled",
        status_details=StatusDetails(type="cancelled", reason="client_cancelled"),
        output=ITEMS,
        conversation_id=None,
        output_modalities=("text",),
        max_output_tokens=7,
        audio=ResponseAudio(output=ResponseAudioOutput(format=PcmaFormat(), voice="marin")),
        usage=Usage(),
        metadata={"purpose": "test"},
    ),
    Response(
        id="resp_1",
        status="failed",
        status_details=StatusDetails(
            type="failed",
            error=FailureError(type="server_error", code="engine_failed", message="It failed."),
        ),
        conversation_id="conv_1",
    ),
)

EVENTS: tuple[ServerEvent, ...] = (
    SessionCreated(**ID, session=BARE_SESSION),
    SessionUpdated(**ID, session=FULL_SESSION),
    SessionUpdated(**ID, session=TranscriptionSession(id="sess_1", expires_at=1_785_500_000)),
    Error(**ID, error=ErrorBody.of(errors.no_active_response())),
    Error(**ID, error=ErrorBody.of(errors.server_fault().answering("mine"))),
    ConversationCreated(**ID, conversation=Conversation(id="conv_1")),
    *(ConversationItemCreated(**ID, previous_item_id=None, item=item) for item in ITEMS),
    *(ConversationItemAdded(**ID, previous_item_id="item_0", item=item) for item in ITEMS),
    *(ConversationItemDone(**ID, previous_item_id=None, item=item) for item in ITEMS),
    *(ConversationItemRetrieved(**ID, item=item) for item in ITEMS),
    ConversationItemTruncated(**ID, item_id="item_1", content_index=0, audio_end_ms=1000),
    ConversationItemDeleted(**ID, item_id="item_1"),
    ConversationItemInputAudioTranscriptionDelta(
        **ID, item_id="item_1", content_index=0, delta="Hi", logprobs=LOGPROBS
    ),
    ConversationItemInputAudioTranscriptionDelta(
        **ID, item_id="item_1", content_index=0, delta="Hi", logprobs=None
    ),
    ConversationItemInputAudioTranscriptionCompleted(
        **ID,
        item_id="item_1",
        content_index=0,
        transcript="Hi",
        usage=TranscriptionTokenUsage(
            total_tokens=20,
            input_tokens=18,
            input_token_details=TranscriptionInputTokenDetails(audio_tokens=18),
            output_tokens=2,
        ),
        languages=(TranscriptionLanguage(code="en"),),
        logprobs=LOGPROBS,
    ),
    ConversationItemInputAudioTranscriptionCompleted(
        **ID,
        item_id="item_1",
        content_index=0,
        transcript="Hi",
        usage=TranscriptionDurationUsage(seconds=2),
    ),
    ConversationItemInputAudioTranscriptionFailed(
        **ID,
        item_id="item_1",
        content_index=0,
        error=TranscriptionError(type="server_error", code="engine_failed", message="It failed."),
    ),
    ConversationItemInputAudioTranscriptionSegment(
        **ID,
        item_id="item_1",
        content_index=0,
        id="seg_1",
        text="Hi",
        speaker="A",
        start=0.5,
        end=1.25,
    ),
    InputAudioBufferCommitted(**ID, previous_item_id=None, item_id="item_1"),
    InputAudioBufferCleared(**ID),
    InputAudioBufferSpeechStarted(**ID, audio_start_ms=640, item_id="item_1"),
    InputAudioBufferSpeechStopped(**ID, audio_end_ms=2112, item_id="item_1"),
    InputAudioBufferTimeoutTriggered(**ID, audio_start_ms=640, audio_end_ms=5640, item_id="item_1"),
    InputAudioBufferDtmfEventReceived(**ID, event="#", received_at=1_785_500_000),
    OutputAudioBufferStarted(**ID, response_id="resp_1"),
    OutputAudioBufferStopped(**ID, response_id="resp_1"),
    OutputAudioBufferCleared(**ID, response_id="resp_1"),
    ResponseCreated(**ID, response=RESPONSES[0]),
    *(ResponseDone(**ID, response=response) for response in RESPONSES),
    ResponseOutputItemAdded(**ID, response_id="resp_1", output_index=0, item=ITEMS[2]),
    ResponseOutputItemDone(**ID, response_id="resp_1", output_index=0, item=ITEMS[3]),
    ResponseContentPartAdded(**ID, part=TextPart(text=""), **PLACE),
    ResponseContentPartAdded(**ID, part=AudioPart(transcript=""), **PLACE),
    ResponseContentPartDone(**ID, part=AudioPart(transcript="Hi", audio="AAAA"), **PLACE),
    ResponseOutputTextDelta(**ID, delta="Hi", obfuscation="k3J9x2Qa", **PLACE),
    ResponseOutputTextDone(**ID, text="Hi", **PLACE),
    ResponseOutputAudioTranscriptDelta(**ID, delta="Hi", **PLACE),
    ResponseOutputAudioTranscriptDone(**ID, transcript="Hi", **PLACE),
    ResponseOutputAudioDelta(**ID, delta=encode_audio(b"\x00\x01"), **PLACE),
    ResponseOutputAudioDone(**ID, **PLACE),
    ResponseFunctionCallArgumentsDelta(**ID, delta="{", **CALL_PLACE),
    ResponseFunctionCallArgumentsDone(**ID, name="look-up", arguments="{}", **CALL_PLACE),
    McpListToolsInProgress(**ID, item_id="item_1"),
    McpListToolsCompleted(**ID, item_id="item_1"),
    McpListToolsFailed(**ID, item_id="item_1"),
    ResponseMcpCallArgumentsDelta(**ID, delta="{", response_id="resp_1", **MCP_PLACE),
    ResponseMcpCallArgumentsDone(**ID, arguments="{}", response_id="resp_1", **MCP_PLACE),
    ResponseMcpCallInProgress(**ID, **MCP_PLACE),
    ResponseMcpCallCompleted(**ID, **MCP_PLACE),
    ResponseMcpCallFailed(**ID, **MCP_PLACE),
    RateLimitsUpdated(
        **ID,
        rate_limits=(RateLimit(name="tokens", limit=40_000, remaining=39_940, reset_seconds=0.09),),
    ),
)

MAY_BE_NULL = (
    "session.",
    "response.status_details",
    "response.usage",
    "response.metadata",
    "response.conversation_id",
    "previous_item_id",
    "error.code",
    "error.param",
    "error.event_id",
    "logprobs",
    "item.content.transcript",
    "item.output",
    "item.error",
    "item.approval_request_id",
    "response.output.content.transcript",
    "response.output.output",
    "response.output.error",
    "response.output.approval_request_id",
)


def named(event: ServerEvent) -> str:
    return str(event.__struct_config__.tag)


def nulls(value: Any, path: str = "") -> list[str]:
    match value:
        case None:
            return [path]
        case dict():
            return [
                found
                for key, inner in value.items()
                for found in nulls(inner, f"{path}.{key}" if path else key)
            ]
        case list():
            return [found for inner in value for found in nulls(inner, path)]
        case _:
            return []


def test_every_event_of_the_api_has_a_type_and_an_example() -> None:
    assert len(SERVER_EVENT_TYPES) == len(set(SERVER_EVENT_TYPES)) == 46
    assert {one.__struct_config__.tag for one in get_args(ServerEvent)} == set(SERVER_EVENT_TYPES)
    assert {named(event) for event in EVENTS} == set(SERVER_EVENT_TYPES)


@pytest.mark.parametrize("frame", GOLDEN_FRAMES)
def test_a_recorded_event_survives_decoding_and_encoding(frame: str) -> None:
    assert json.loads(encode(OURS.decode(frame))) == json.loads(frame)


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_an_event_reads_back_as_it_was_written(event: ServerEvent) -> None:
    assert OURS.decode(encode(event)) == event


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_the_official_sdk_understands_the_event(event: ServerEvent) -> None:
    understood = OPENAI.validate_json(encode(event))

    assert understood.type == named(event)


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_null_is_sent_only_where_parsers_accept_it(event: ServerEvent) -> None:
    assert [
        path for path in nulls(json.loads(encode(event))) if not path.startswith(MAY_BE_NULL)
    ] == []


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_type_and_event_id_come_first(event: ServerEvent) -> None:
    assert list(json.loads(encode(event)))[:2] == ["type", "event_id"]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_an_item_always_says_what_it_is(item: Item) -> None:
    event = ConversationItemRetrieved(event_id="event_1", item=item)

    assert json.loads(encode(event))["item"]["object"] == "realtime.item"


def test_speech_that_is_not_transcribed_says_so_with_null() -> None:
    item = MessageItem(id="item_1", role="user", content=(InputAudio(),))
    event = ConversationItemRetrieved(event_id="event_1", item=item)

    assert json.loads(encode(event))["item"]["content"] == [
        {"type": "input_audio", "transcript": None}
    ]


def test_absent_fields_leave_no_trace() -> None:
    item = MessageItem(role="assistant", content=(OutputAudio(),))
    event = ConversationItemRetrieved(event_id="event_1", item=item)

    assert json.loads(encode(event))["item"] == {
        "type": "message",
        "object": "realtime.item",
        "role": "assistant",
        "content": [{"type": "output_audio"}],
    }


def test_usage_tells_every_count_even_of_nothing() -> None:
    event = ResponseDone(
        event_id="event_1",
        response=Response(id="resp_1", status="failed", conversation_id=None, usage=Usage()),
    )

    assert json.loads(encode(event))["response"]["usage"] == {
        "total_tokens": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "input_token_details": {
            "text_tokens": 0,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 0, "audio_tokens": 0},
    }


def test_an_error_tells_code_param_and_the_event_it_answers() -> None:
    fault = errors.unknown_parameter("session.foo").answering("mine")

    assert json.loads(encode(Error(event_id="event_1", error=ErrorBody.of(fault)))) == {
        "type": "error",
        "event_id": "event_1",
        "error": {
            "type": "invalid_request_error",
            "code": "unknown_parameter",
            "message": "Unknown parameter: 'session.foo'. Remove it, or check its spelling.",
            "param": "session.foo",
            "event_id": "mine",
        },
    }


@pytest.mark.parametrize(
    ("audio_format", "written"),
    [
        (PcmFormat(), {"type": "audio/pcm", "rate": 24000}),
        (PcmuFormat(), {"type": "audio/pcmu"}),
        (PcmaFormat(), {"type": "audio/pcma"}),
    ],
)
def test_each_audio_format_is_written_as_documented(
    audio_format: PcmFormat | PcmuFormat | PcmaFormat, written: dict[str, object]
) -> None:
    session = RealtimeSession(
        id="sess_1",
        model="gpt-realtime",
        expires_at=0,
        audio=Audio(input=AudioInput(format=audio_format), output=AudioOutput(format=audio_format)),
    )
    audio = json.loads(encode(SessionUpdated(event_id="event_1", session=session)))["session"][
        "audio"
    ]

    assert audio["input"]["format"] == audio["output"]["format"] == written
