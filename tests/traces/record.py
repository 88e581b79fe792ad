"""Record the traces beside this file anew: `PYTHONPATH=tests/core python tests/traces/record.py`.

Do so when the core is meant to answer differently, and read the difference before it is committed.
"""

import base64
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from caller import Caller, converse
from interpreting import CLOSE, append, update
from interpreting import offer as translation_offer
from talk import (
    COMMIT,
    RESPOND,
    TEXT,
    call_output,
    function,
    pcm,
    response_create,
    retrieve,
    session_update,
    truncate,
    user_text,
)

from antiphon.core.transcription_offer import TranscriptionOffer, TranscriptionSessionOffer
from antiphon.engines.responder import (
    FunctionCallArguments,
    FunctionCallStarted,
    ResponseFinished,
    SpokenAudio,
    SpokenText,
    WrittenText,
)
from antiphon.protocol.dialects.translation import Translation
from antiphon.protocol.errors import EngineError
from antiphon.testing.engines import ScriptedResponder, ScriptedTranscriber
from antiphon.testing.scripts import Hang

Script = Callable[[Caller, Any], Awaitable[None]]

ULAW = {"type": "audio/pcmu"}
_LOUD = 8_000
LOUD, SILENT = b"\x20", b"\xff"
TOOLS = [function("weather")]
FOLDER = Path(__file__).parent
_TONE = (2000 * np.sin(np.arange(130 * 24) / 24_000 * 2 * np.pi * 300)).astype("<i2").tobytes()
_LIMIT = response_create(output_modalities=["text"], max_output_tokens=2)


async def say(caller: Caller, ms: int, code: bytes) -> None:
    """Send sound in G.711, which takes a sixth of the room."""
    for _ in range(0, ms, 100):
        audio = base64.b64encode(code * 800).decode()
        await caller.send({"type": "input_audio_buffer.append", "audio": audio})


async def spoken_turn(caller: Caller, _: object) -> None:
    """Two turns found by the VAD, transcribed, answered and read back."""
    await caller.send(session_update(transcription={"model": "whisper-1"}, input_format=ULAW))
    for _turn in range(2):
        await say(caller, 300, LOUD)
        await say(caller, 300, SILENT)
        done = await caller.expect("response.done")
    await caller.send(retrieve(done["response"]["output"][0]["id"]))
    await caller.expect("conversation.item.retrieved")


async def interruption(caller: Caller, _: object) -> None:
    """The user speaks over an answer, and the client says how much of it was heard."""
    await caller.send(session_update(input_format=ULAW))
    await caller.send(user_text("Tell me a story."))
    await caller.send(RESPOND)
    item_id = (await caller.expect("response.output_audio.delta"))["item_id"]
    caller.now += 0.07
    await say(caller, 300, LOUD)
    await caller.expect("response.done")
    await caller.send(truncate(item_id, 60))
    await say(caller, 300, SILENT)
    await caller.expect("response.done")
    await caller.expect("rate_limits.updated")


async def tools_and_mistakes(caller: Caller, _: object) -> None:
    """A function call, an answer in text, turns by hand, and what is refused."""
    await caller.send(session_update(turn_detection=None, input_format=ULAW, tools=TOOLS))
    await caller.send("{")
    await caller.send(COMMIT)
    await say(caller, 200, LOUD)
    await caller.send(COMMIT)
    await caller.send(TEXT)
    call = await caller.expect("response.function_call_arguments.done")
    await caller.expect("response.done")
    await caller.send(call_output("nothing", "42"))
    await caller.send(call_output(call["call_id"], "Sunny."))
    await caller.send(session_update(voice="nobody"))
    await caller.send(TEXT)
    await caller.expect("response.done")
    await caller.send(_LIMIT)
    await caller.expect("response.done")
    await caller.send({"type": "session.close"})
    await caller.rest()


async def translation(caller: Caller, _: object) -> None:
    """Two utterances: one translated while it is spoken, one that fails, and the end."""
    shown = {"input": {"transcription": {"model": "whisper-1"}}, "output": {"language": "es"}}
    await caller.send(update(**shown))
    await caller.send({"type": "session.update", "session": {"model": "another"}})
    for level in (_LOUD, _LOUD, 0, 0, 0):
        await caller.send(append(pcm(200, level)))
    await caller.expect("session.output_audio.delta")
    await caller.send(append(pcm(250, _LOUD)))
    await caller.send(CLOSE)
    await caller.expect("session.closed")
    await caller.rest()


async def transcription(caller: Caller, _: object) -> None:
    """Turns that are only transcribed, by the VAD and by hand, with log-probabilities."""
    listening = {"transcription": {"model": "gpt-4o-transcribe"}, "format": ULAW}
    session = {"type": "transcription", "include": ["item.input_audio_transcription.logprobs"]}
    audio = {"audio": {"input": listening}}
    await caller.send({"type": "session.update", "session": session | audio})
    await say(caller, 300, LOUD)
    await say(caller, 300, SILENT)
    done = await caller.expect("conversation.item.input_audio_transcription.completed")
    await caller.send(RESPOND)
    await caller.send(retrieve(done["item_id"]))
    manual = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    await caller.send({"type": "session.update", "session": manual})
    await say(caller, 200, LOUD)
    await caller.send(COMMIT)
    await caller.expect("conversation.item.input_audio_transcription.completed")


_SPOKEN = [SpokenText("Hello there."), SpokenAudio(_TONE, "Hello there.")]
_STORY = [SpokenText("Once upon a time."), SpokenAudio(_TONE, "Once upon a time."), Hang()]
_CALL = [FunctionCallStarted("weather"), FunctionCallArguments('{"city":"Paris"}')]
_WRITTEN = [WrittenText("It "), WrittenText("is "), WrittenText("sunny.")]


def responder(*answers: list[Any]) -> ScriptedResponder:
    """Give these answers, one after the other."""
    left = list(answers)
    return ScriptedResponder(lambda _: [*left.pop(0), ResponseFinished("stop")])


TRANSLATING: dict[str, Any] = {"offer": translation_offer(), "dialect": Translation()}
TRANSCRIBING: dict[str, Any] = {
    "offer": TranscriptionSessionOffer({"gpt-4o-transcribe": TranscriptionOffer(logprobs=True)})
}
FAILURE = EngineError("engine_unreachable", "The engine cannot be reached. Start it.")

SCRIPTS: list[tuple[Script, ScriptedResponder]] = [
    (spoken_turn, responder(_SPOKEN, _SPOKEN)),
    (interruption, responder(_STORY, _SPOKEN)),
    (tools_and_mistakes, responder(_CALL, _WRITTEN, _WRITTEN)),
    (transcription, responder()),
    (translation, responder(_SPOKEN, [SpokenText("¿Qué"), FAILURE])),
]
KINDS: dict[Script, dict[str, Any]] = {translation: TRANSLATING, transcription: TRANSCRIBING}


def record() -> None:
    """Record every script."""
    for script, answers in SCRIPTS:
        with tempfile.TemporaryDirectory() as folder:
            transcriber = ScriptedTranscriber(["What time is it?"])
            kind = KINDS.get(script, {})
            converse(
                script, responder=answers, transcriber=transcriber, traces=Path(folder), **kind
            )
            (trace,) = Path(folder).iterdir()
            shutil.copyfile(trace, FOLDER / f"{script.__name__}.jsonl")  # type: ignore[attr-defined]


if __name__ == "__main__":
    record()
