"""Arbitrary sessions: steps that anything may follow, and a driver that takes them.

A step is plain data and is understood against what the session has told so far, so that the same
steps can be taken again, in part or in whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from talk import (
    CANCEL,
    CLEAR,
    COMMIT,
    Event,
    Talk,
    assistant_text,
    call_output,
    delete,
    function,
    offer,
    pcm,
    response_create,
    retrieve,
    session_update,
    truncate,
    user_audio,
    user_text,
)

from antiphon.core.commands import (
    CallTool,
    ListTools,
    OpenTranscription,
    PredictTurnEnd,
    ScoreSpeech,
    StartResponse,
    TakeQuota,
)
from antiphon.core.configuration import SessionOffer
from antiphon.core.inputs import (
    DeadlineReached,
    Draining,
    JobFailed,
    QuotaChanged,
    ResponseProduced,
    SpeechScored,
    ToolAnswered,
    ToolsListed,
    TranscriptGrew,
    TranscriptSettled,
    TurnEndPredicted,
)
from antiphon.core.limits import Standing
from antiphon.engines.llm import TokenUsage
from antiphon.engines.responder import (
    FunctionCallArguments,
    FunctionCallStarted,
    ResponseFinished,
    SpokenAudio,
    SpokenText,
    WrittenText,
)
from antiphon.protocol.items import McpHttpError, McpToolListing

Step = tuple[str, Any]

_VADS = [
    None,
    {"type": "server_vad"},
    {"type": "server_vad", "silence_duration_ms": 0, "prefix_padding_ms": 0},
    {"type": "server_vad", "create_response": False},
    {"type": "server_vad", "interrupt_response": False},
    {"type": "server_vad", "create_response": False, "interrupt_response": False},
    {"type": "server_vad", "idle_timeout_ms": 5000},
    {"type": "semantic_vad"},
]
_TRANSCRIPTIONS = [
    None,
    *({"model": name} for name in ("whisper-1", "gpt-realtime-whisper", "other-engine", "unknown")),
]


def _mcp(label: str, approval: str) -> Event:
    url = f"https://{label}.example.com/mcp"
    tool = {"type": "mcp", "server_label": label, "server_url": url}
    return tool | {"require_approval": approval}


_UPDATES: list[Event] = [
    *(session_update(turn_detection=vad) for vad in _VADS),
    *(session_update(transcription=wanted) for wanted in _TRANSCRIPTIONS),
    *(session_update(input_format={"type": f"audio/{name}"}) for name in ("pcm", "pcmu", "pcma")),
    *(session_update(output_format={"type": f"audio/{name}"}) for name in ("pcm", "pcmu")),
    session_update(tools=[function("f"), function("g")]),
    session_update(tools=[_mcp("docs", "never"), function("g")]),
    session_update(tools=[_mcp("docs", "always"), _mcp("more", "never")]),
    session_update(tools=[{"type": "mcp", "server_label": "docs"}], tool_choice="auto"),
    session_update(tools=[], tool_choice="required"),
    session_update(output_modalities=["text"]),
    session_update(speed=1.5, max_output_tokens=40),
    session_update(voice="marin"),
    session_update(truncation="disabled", instructions="Be brief."),
    session_update(voice="nobody"),
    session_update(foo=1),
    {"type": "session.update", "session": {"type": "transcription"}},
]
_RESPONSES: list[Event] = [
    {"type": "response.create"},
    response_create(output_modalities=["text"], max_output_tokens=3),
    response_create(conversation="none", metadata={"a": "b"}),
    response_create(conversation="none", input=[]),
    response_create(input=[user_text("own")["item"], user_audio(pcm(120))["item"]]),
    response_create(tool_choice="required"),
    response_create(tools=[_mcp("own", "never")]),
    response_create(tool_choice={"type": "mcp", "server_label": "docs"}),
    response_create(conversation="none", output_modalities=["text", "audio"]),
    response_create(input=[{"type": "item_reference", "id": "nowhere"}]),
]
_FRAMES = ["{", "[]", "{}", '{"type":"x"}', '{"type":"response.cancel","event_id":1}']
_PIECES = [
    SpokenText("Hi "),
    SpokenText(""),
    SpokenAudio(pcm(130), "Hi "),
    SpokenAudio(pcm(20)),
    SpokenAudio(b""),
    SpokenAudio(b"\0" * 4801),
    WrittenText("word "),
    FunctionCallStarted("f"),
    FunctionCallArguments('{"a":1}'),
    ResponseFinished("stop", TokenUsage(9, 2, 4)),
    ResponseFinished("stop"),
    ResponseFinished("length"),
    ResponseFinished("content_filter"),
]
_SPOKEN = (SpokenText("Hi there."), SpokenAudio(pcm(330), "Hi there."))
_CALL = (FunctionCallStarted("f"), FunctionCallArguments('{"a":1}'))
_ANSWERS = [
    _SPOKEN,
    (*_SPOKEN, _PIECES[-4]),
    (*_SPOKEN, *_CALL),
    (*_CALL, *_CALL, _PIECES[-4]),
    (WrittenText("Hi "), WrittenText("there."), _PIECES[-4]),
]

_pick = st.integers(0, 5)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("append"), st.tuples(st.sampled_from([0, 8000]), st.integers(0, 400))),
    st.tuples(st.just("append"), st.tuples(st.sampled_from([0, 8000]), st.integers(300, 900))),
    st.tuples(st.just("odd audio"), st.sampled_from(["!", "AAA=", "AA=="])),
    st.tuples(st.just("client"), st.sampled_from([COMMIT, CLEAR, CANCEL])),
    st.tuples(st.just("client"), st.sampled_from(_UPDATES)),
    st.tuples(st.just("client"), st.sampled_from(_RESPONSES)),
    st.tuples(st.just("client"), st.sampled_from(_FRAMES)),
    st.tuples(st.just("text"), st.sampled_from(["user", "assistant", "after", "root", "nowhere"])),
    st.tuples(st.just("audio item"), st.sampled_from([0, 3, 130])),
    st.tuples(st.sampled_from(["delete", "retrieve", "output", "cancel one", "same id"]), _pick),
    st.tuples(st.just("truncate"), st.tuples(_pick, st.sampled_from([0, 90, 10**6]), _pick)),
    st.tuples(st.just("scores"), st.tuples(_pick, st.sampled_from([0.0, 0.9, float("nan")]))),
    st.tuples(st.sampled_from(["list tools", "answer tool", "approve", "reject"]), _pick),
    st.tuples(st.just("predict"), st.tuples(_pick, st.sampled_from([0.0, 0.5, 0.9]))),
    st.tuples(st.sampled_from(["settle", "grow", "no text"]), _pick),
    st.tuples(st.just("produce"), st.tuples(_pick, st.sampled_from(_PIECES))),
    st.tuples(st.just("produce"), st.tuples(st.just(0), st.sampled_from(_PIECES))),
    st.tuples(st.just("say"), st.tuples(st.just(0), st.sampled_from(_ANSWERS))),
    st.tuples(st.just("say"), st.tuples(_pick, st.sampled_from(_ANSWERS))),
    st.tuples(st.just("turn"), st.sampled_from([300, 130])),
    st.tuples(st.just("truncate spoken"), st.sampled_from([0, 90, 1000])),
    st.tuples(st.just("fail"), _pick),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.2, 29.0, 61.0])),
    st.tuples(st.just("quota"), st.tuples(_pick, st.sampled_from([-5, 0, 40, 900]))),
    st.tuples(st.just("refuse"), _pick),
    st.tuples(st.sampled_from(["deadline", "drain"]), st.none()),
)
SESSIONS = st.lists(STEPS, min_size=5, max_size=40)
OFFERS = st.sampled_from(
    [
        offer(),
        offer(predicts_turns=True),
        offer(hears="audio", predicts_turns=True),
        offer(hears="audio"),
        offer(context_tokens=1100, max_session_s=200),
    ]
)


@dataclass
class Chaos:
    """Takes steps and remembers what each of them led to."""

    offer: SessionOffer
    answers: bool
    """Whether VAD and transcriber answer by themselves."""
    seen: list[list[Event]] = field(default_factory=list)
    """The events that followed from each step."""
    deadlines_passed: bool = True
    """Whether every deadline that was kept was followed by a later one."""

    def __post_init__(self) -> None:
        self.talk = Talk(
            self.offer,
            hears_at_once=self.answers,
            scores_at_once=self.answers,
            probability=0.9 if self.answers else None,
        )
        self._texts = 0

    def take(self, steps: Sequence[Step]) -> "Chaos":
        for kind, what in steps:
            mark = len(self.talk.events)
            getattr(self, kind.replace(" ", "_"))(what)
            self.seen.append(self.talk.events[mark:])
        return self

    def same_id(self, index: int) -> None:
        told = [event["item_id"] for event in self.talk.events if "item_id" in event]
        self.talk.client(user_text("again", id=told[-1 - index] if index < len(told) else "new"))

    def skip(self, step: Step) -> None:
        """Leave a step out, without giving its number to another."""
        self._texts += step[0] == "text"

    @property
    def items(self) -> list[str]:
        return [event["item"]["id"] for event in self.talk.all("conversation.item.added")]

    def append(self, what: tuple[int, int]) -> None:
        level, ms = what
        self.talk.append(pcm(ms, level))

    def odd_audio(self, audio: str) -> None:
        self.talk.client({"type": "input_audio_buffer.append", "audio": audio})

    def text(self, where: str) -> None:
        self._texts += 1
        make = assistant_text if where == "assistant" else user_text
        event = make(f"text {self._texts}", id=f"text_{self._texts}")
        if where in ("root", "nowhere"):
            event["previous_item_id"] = where
        elif where == "after" and self.items:
            event["previous_item_id"] = self.items[0]
        self.talk.client(event)

    def audio_item(self, ms: int) -> None:
        self.talk.client(user_audio(pcm(ms)))

    def _item(self, index: int) -> str:
        return self.items[-1 - index] if index < len(self.items) else "nobody"

    def delete(self, index: int) -> None:
        self.talk.client(delete(self._item(index)))

    def retrieve(self, index: int) -> None:
        self.talk.client(retrieve(self._item(index)))

    def truncate(self, what: tuple[int, int, int]) -> None:
        index, end_ms, part = what
        self.talk.client(truncate(self._item(index), end_ms, part // 4))

    def output(self, index: int) -> None:
        calls = [e["call_id"] for e in self.talk.all("response.function_call_arguments.done")]
        self.talk.client(call_output(calls[-1 - index] if index < len(calls) else "c", "42"))

    def cancel_one(self, index: int) -> None:
        made = [event["response"]["id"] for event in self.talk.all("response.created")]
        response_id = made[-1 - index] if index < len(made) else "resp_none"
        self.talk.client(CANCEL | {"response_id": response_id})

    def _job(self, kind: type, index: int) -> Any:
        orders = [command for command in self.talk.commands if isinstance(command, kind)]
        return orders[-1 - index] if index < len(orders) else None

    def scores(self, what: tuple[int, float]) -> None:
        index, probability = what
        order = self._job(ScoreSpeech, index)
        count = len(order.frames) if order else 1
        self.talk.give(SpeechScored(order.job if order else 999, (probability,) * count))

    def list_tools(self, index: int) -> None:
        order = self._job(ListTools, index)
        tool = McpToolListing(name="f", input_schema={"type": "object"})
        self.talk.give(ToolsListed(order.job if order else 999, (tool,)))

    def answer_tool(self, index: int) -> None:
        order = self._job(CallTool, index)
        error = McpHttpError(code=500, message="Broken.") if index % 2 else None
        output = None if error else "done"
        self.talk.give(ToolAnswered(order.job if order else 999, output, error))

    def approve(self, index: int) -> None:
        self._approve(index, approve=True)

    def reject(self, index: int) -> None:
        self._approve(index, approve=False)

    def _approve(self, index: int, *, approve: bool) -> None:
        items = [event["item"] for event in self.talk.all("response.output_item.done")]
        asked = [item["id"] for item in items if item["type"] == "mcp_approval_request"]
        request = asked[-1 - index] if index < len(asked) else "nobody"
        item = {"type": "mcp_approval_response", "approval_request_id": request}
        self.talk.client({"type": "conversation.item.create", "item": item | {"approve": approve}})

    def predict(self, what: tuple[int, float]) -> None:
        index, probability = what
        order = self._job(PredictTurnEnd, index)
        self.talk.give(TurnEndPredicted(order.job if order else 999, probability))

    def client(self, event: Event | str) -> None:
        self.talk.client(event)

    def settle(self, index: int) -> None:
        self._transcript(TranscriptSettled, "What the user said.", index)

    def no_text(self, index: int) -> None:
        self._transcript(TranscriptSettled, "", index)

    def grow(self, index: int) -> None:
        self._transcript(TranscriptGrew, "What the", index)

    def _transcript(self, kind: type, text: str, index: int) -> None:
        order = self._job(OpenTranscription, index)
        self.talk.give(kind(order.job if order else 999, text))

    def deadline(self, _: None) -> None:
        self.talk.give(DeadlineReached())

    def drain(self, _: None) -> None:
        self.talk.give(Draining())

    def quota(self, what: tuple[int, int]) -> None:
        index, remaining = what
        name: Any = "requests" if index == 0 else "tokens"
        standing = Standing(name, 1000, remaining, self.talk.now + index)
        self.talk.give(QuotaChanged((standing,)))

    def refuse(self, index: int) -> None:
        taken = [each for each in self.talk.commands if isinstance(each, TakeQuota)]
        response_id = taken[-1 - index].response_id if index < len(taken) else "resp_nobody"
        self.talk.give(QuotaChanged((), response_id, 3.0))

    def produce(self, what: tuple[int, Any]) -> None:
        index, piece = what
        order = self._job(StartResponse, index)
        self.talk.give(ResponseProduced(order.job if order else 999, piece))

    def say(self, what: tuple[int, Sequence[Any]]) -> None:
        index, pieces = what
        for piece in pieces:
            self.produce((index, piece))

    def turn(self, silence_ms: int) -> None:
        self.append((8000, 300))
        self.append((0, silence_ms))

    def truncate_spoken(self, end_ms: int) -> None:
        spoken = [event["item_id"] for event in self.talk.all("response.output_audio.delta")]
        self.talk.client(truncate(spoken[-1] if spoken else "nobody", end_ms))

    def fail(self, index: int) -> None:
        jobs = [command.job for command in self.talk.commands if hasattr(command, "frames")]
        jobs += [c.job for c in self.talk.commands if isinstance(c, OpenTranscription)]
        kinds = StartResponse | ListTools | CallTool
        jobs += [c.job for c in self.talk.commands if isinstance(c, kinds)]
        job = jobs[-1 - index] if index < len(jobs) else 999
        self.talk.give(JobFailed(job, "engine_broken", "Broken."))

    def wait(self, seconds: float) -> None:
        until = self.talk.now + seconds
        while (deadline := self.talk.session.deadline()) is not None and deadline <= until:
            self.talk.now = max(self.talk.now, deadline)
            self.talk.give(DeadlineReached())
            later = self.talk.session.deadline()
            if later is not None and later <= self.talk.now:
                self.deadlines_passed = False
                return
        self.talk.now = until
