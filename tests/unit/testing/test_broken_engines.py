"""Engines that break their contract are found out, each by the test that is meant for it."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any, cast

import numpy as np
import pytest

from antiphon.engines.llm import (
    CallArguments,
    CallStarted,
    GenerationFinished,
    LanguageModelCapabilities,
    TextDelta,
    TokenUsage,
)
from antiphon.engines.responder import (
    ResponderCapabilities,
    ResponseFinished,
    SpokenAudio,
    SpokenText,
    WrittenText,
)
from antiphon.engines.stt import FinalTranscript, PartialTranscript, TranscriberCapabilities
from antiphon.engines.tts import SynthesizerCapabilities
from antiphon.testing.contracts import (
    LanguageModelContract,
    ResponderContract,
    SynthesizerContract,
    TranscriberContract,
    VadContract,
)
from antiphon.testing.engines import ScriptedVad


class Broken:
    """An engine of any kind that yields the same pieces whatever it is asked."""

    def __init__(self, capabilities: object, *pieces: object) -> None:
        self.capabilities = capabilities
        self._pieces = pieces

    async def transcribe(self, *_: object) -> AsyncIterator[object]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    generate = synthesize = respond = transcribe

    async def prefill(self, *_: object) -> None:
        return

    prepare = prefill


@dataclasses.dataclass
class LooseCapabilities:
    languages: None = None


STT = TranscriberCapabilities(None)
LLM = LanguageModelCapabilities(4096)
TTS = SynthesizerCapabilities(None)
RESPONDER = ResponderCapabilities("transcript", None)
END = GenerationFinished("stop")
DONE = ResponseFinished("stop")
SECOND = np.zeros(24_000, np.float32)
HUM = np.full(24_000, 0.1, np.float32)
FINAL = FinalTranscript("One.")

CASES = [
    (TranscriberContract, "the_end_of_the_audio_gives_one_final_text", Broken(STT, FINAL, FINAL)),
    (TranscriberContract, "each_mark_gives_one_final_text", Broken(STT, FINAL)),
    (
        TranscriberContract,
        "a_mark_without_new_sound_repeats_the_text",
        Broken(STT, FINAL, FinalTranscript("Two."), FINAL),
    ),
    (TranscriberContract, "silence_gives_the_empty_text", Broken(STT, FINAL, FINAL)),
    (TranscriberContract, "no_audio_at_all_gives_the_empty_text", Broken(STT, FINAL)),
    (
        TranscriberContract,
        "each_partial_text_extends_the_one_before",
        Broken(STT, PartialTranscript("One"), PartialTranscript("Two"), FINAL),
    ),
    (TranscriberContract, "its_capabilities_are_fixed", Broken(LooseCapabilities())),
    (LanguageModelContract, "the_last_piece_says_that_it_is_the_last", Broken(LLM, END, END)),
    (LanguageModelContract, "the_last_piece_says_that_it_is_the_last", Broken(LLM, TextDelta("a"))),
    (LanguageModelContract, "it_writes_text", Broken(LLM, TextDelta(""), TextDelta("a"), END)),
    (LanguageModelContract, "it_writes_text", Broken(LLM, TextDelta("\n"), END)),
    (
        LanguageModelContract,
        "it_keeps_to_the_limit_of_tokens",
        Broken(LLM, *[TextDelta("a")] * 5, END),
    ),
    (
        LanguageModelContract,
        "its_usage_adds_up",
        Broken(LLM, GenerationFinished("stop", TokenUsage(1, 2))),
    ),
    (
        LanguageModelContract,
        "a_named_tool_is_called_with_valid_arguments",
        Broken(LLM, CallStarted("look_up_weather"), CallArguments('{"city": "Rome"}'), END),
    ),
    (LanguageModelContract, "a_required_call_is_made_with_valid_arguments", Broken(LLM, END)),
    (SynthesizerContract, "it_yields_mono_samples", Broken(TTS, SECOND.astype(np.float64))),
    (SynthesizerContract, "it_yields_mono_samples", Broken(TTS, SECOND.reshape(-1, 2))),
    (SynthesizerContract, "it_yields_mono_samples", Broken(TTS, SECOND * np.float32("nan"))),
    (SynthesizerContract, "it_yields_mono_samples", Broken(TTS, SECOND + 2)),
    (SynthesizerContract, "it_yields_mono_samples", Broken(TTS)),
    (
        SynthesizerContract,
        "a_sentence_sounds_about_as_long_as_one_says_it",
        Broken(TTS, HUM[:1000]),
    ),
    (SynthesizerContract, "a_longer_text_sounds_longer", Broken(TTS, HUM)),
    (SynthesizerContract, "it_can_be_heard", Broken(TTS, SECOND)),
    (ResponderContract, "a_written_answer_has_text_and_no_sound", Broken(RESPONDER, DONE)),
    (
        ResponderContract,
        "a_spoken_answer_has_sound_and_its_transcript",
        Broken(RESPONDER, SpokenText("One"), WrittenText("One"), DONE),
    ),
    (
        ResponderContract,
        "its_sound_consists_of_whole_samples",
        Broken(RESPONDER, SpokenAudio(b"one"), DONE),
    ),
    (
        ResponderContract,
        "its_clauses_are_the_beginning_of_the_transcript",
        Broken(RESPONDER, SpokenText("One"), SpokenAudio(b"12", "Two"), DONE),
    ),
    (
        ResponderContract,
        "words_come_before_their_sound",
        Broken(RESPONDER, SpokenAudio(b"12", "One"), SpokenText("One"), DONE),
    ),
]


@pytest.mark.parametrize(("contract", "broken", "engine"), CASES)
def test_a_broken_contract_is_noticed(contract: type[Any], broken: str, engine: Broken) -> None:
    test = getattr(contract(), f"test_{broken}")
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(engine)


@pytest.mark.parametrize("contract", [TranscriberContract, LanguageModelContract])
def test_a_failure_that_is_no_engine_error_is_noticed(contract: type[Any]) -> None:
    failing = Broken(STT, OSError("no such device"))
    with pytest.raises(OSError, match="no such device"):
        contract().test_a_failure_is_an_engine_error(failing)


class Forgetful(ScriptedVad):
    """A VAD whose scores depend on how many frames come at once."""

    def score(self, batch: Any) -> Any:
        return [np.full(len(each.frames), 1 / len(each.frames)) for each in batch]


@pytest.mark.parametrize(
    "test",
    [
        "test_scores_do_not_depend_on_how_many_frames_come_at_once",
        "test_speech_scores_higher_than_silence",
    ],
)
def test_a_vad_that_breaks_its_contract_is_noticed(test: str) -> None:
    with pytest.raises(AssertionError):
        getattr(cast("Any", VadContract()), test)(Forgetful())
