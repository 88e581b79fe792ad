"""Hold one conversation through a pipecat pipeline and print what came out of it as JSON.

The scenario is the first argument; base64 sound is read from standard input.
"""

import asyncio
import base64
import json
import os
import sys
from collections import Counter
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 24_000
PATIENCE_S = 20


class Watcher(FrameProcessor):
    """Count the frames that pass, and tell who waits for one."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self.heard: list[str] = []
        self.said = ""
        self.audio_bytes = 0
        self._changed = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        self.counts[type(frame).__name__] += 1
        match frame:
            case ErrorFrame():
                self.errors.append(frame.error)
            case TranscriptionFrame():
                self.heard.append(frame.text)
            case TTSTextFrame():
                self.said += frame.text
            case TTSAudioRawFrame():
                self.audio_bytes += len(frame.audio)
        async with self._changed:
            self._changed.notify_all()

    async def until(self, kind: str, count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: self.counts[kind] >= count or self.errors)


class Conversation:
    """A pipeline: context, service, context, with watchers before and behind the service."""

    def __init__(self, model: str, session: dict[str, Any], context: LLMContext) -> None:
        settings = OpenAIRealtimeLLMService.Settings(
            model=model, session_properties=events.SessionProperties(**session)
        )
        self.service = OpenAIRealtimeLLMService(
            api_key=os.environ["KEY"],
            base_url=f"{os.environ['BASE_URL']}/v1/realtime",
            settings=settings,
        )
        self.before, self.behind = Watcher(), Watcher()
        aggregators = LLMContextAggregatorPair(context)
        pipeline = Pipeline(
            [
                aggregators.user(),
                self.before,
                self.service,
                self.behind,
                aggregators.assistant(),
            ]
        )
        self.worker = PipelineWorker(pipeline, cancel_on_idle_timeout=False, enable_rtvi=False)

    async def speak(self, pcm: bytes) -> None:
        for begin in range(0, len(pcm), 4800):
            chunk = pcm[begin : begin + 4800]
            await self.worker.queue_frame(InputAudioRawFrame(chunk, RATE_HZ, 1))


async def written(talk: Conversation, pcm: bytes) -> None:
    await talk.worker.queue_frame(LLMRunFrame())
    await talk.behind.until("TTSStoppedFrame")
    # Straight to the service: the aggregator for users would keep it to itself.
    message = {"role": "user", "content": "And you?"}
    await talk.before.push_frame(LLMMessagesAppendFrame([message], run_llm=True))
    await talk.behind.until("TTSStoppedFrame", 2)


async def spoken(talk: Conversation, pcm: bytes) -> None:
    for turn in (1, 2):
        await talk.speak(pcm)
        await talk.behind.until("TTSStoppedFrame", turn)
        await talk.before.until("TranscriptionFrame", turn)


async def tool(talk: Conversation, pcm: bytes) -> None:
    async def weather(call: FunctionCallParams) -> None:
        await call.result_callback({"weather": "sunny"})

    talk.service.register_function("get_weather", weather)
    await talk.worker.queue_frame(LLMRunFrame())
    await talk.behind.until("TTSStoppedFrame")


async def interrupted(talk: Conversation, pcm: bytes) -> None:
    await talk.worker.queue_frame(LLMRunFrame())
    await talk.behind.until("TTSAudioRawFrame", 3)
    await talk.speak(pcm)
    await talk.before.until("TranscriptionFrame")


SCENARIOS = {"written": written, "spoken": spoken, "tool": tool, "interrupted": interrupted}
TOOL = FunctionSchema(
    name="get_weather",
    description="Weather of a city.",
    properties={"city": {"type": "string"}},
    required=["city"],
)


async def main(scenario: str) -> None:
    question = "What is the weather in Paris?" if scenario == "tool" else "How are you?"
    context = LLMContext([{"role": "user", "content": question}])
    if scenario == "tool":
        context.set_tools(ToolsSchema(standard_tools=[TOOL]))
    model = "slow" if scenario == "interrupted" else "gpt-realtime"
    session = json.loads(os.environ["SESSION"])
    talk = Conversation(model, session, context)
    started = asyncio.Event()
    talk.worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(talk.worker)

    async def converse() -> None:
        await started.wait()
        try:
            await SCENARIOS[scenario](talk, base64.b64decode(sys.stdin.read()))
        finally:
            await talk.worker.queue_frame(EndFrame())

    await asyncio.gather(runner.run(), converse())
    seen = {
        "errors": talk.before.errors + talk.behind.errors,
        "heard": talk.before.heard,
        "said": talk.behind.said,
        "audio_bytes": talk.behind.audio_bytes,
        "frames": talk.behind.counts,
    }
    sys.stdout.write(json.dumps(seen) + "\n")


logger.remove()
logger.add(sys.stderr, level="WARNING")
asyncio.run(main(sys.argv[1]))
