"""The interpreter: what it asks the model, and what it says without asking."""

import asyncio
from dataclasses import replace

import pytest

from antiphon.engines.llm import AssistantMessage, SystemMessage, UserMessage
from antiphon.engines.responder import (
    AssistantTurn,
    ResponseFinished,
    ResponsePiece,
    ResponseRequest,
    SpokenAudio,
    SpokenText,
    TranslationRequest,
    UserTurn,
)
from antiphon.protocol.errors import EngineError
from antiphon.runtime.interpreter import Interpreter
from antiphon.testing.engines import ScriptedLanguageModel, ToneSynthesizer

REQUEST = TranslationRequest(
    instructions="",
    context=(UserTurn("Good morning."), AssistantTurn("Buenos días."), UserTurn("I am 20.")),
    modality="audio",
    voice="alloy",
    language="es",
)


def interpret(
    request: ResponseRequest,
    model: ScriptedLanguageModel,
    synthesizer: ToneSynthesizer,
    hears: frozenset[str] | None = None,
) -> list[ResponsePiece]:
    async def gather() -> list[ResponsePiece]:
        return [piece async for piece in Interpreter(model, synthesizer, hears).respond(request)]

    return asyncio.run(gather())


def test_the_model_is_told_to_translate_and_what_went_before() -> None:
    model, synthesizer = ScriptedLanguageModel(answers=[["Tengo 20."]]), ToneSynthesizer()
    pieces = interpret(REQUEST, model, synthesizer)
    system, *rest = model.requests[0].messages
    assert isinstance(system, SystemMessage)
    assert "into Spanish" in system.text
    assert rest == [
        UserMessage("Good morning."),
        AssistantMessage("Buenos días."),
        UserMessage("I am 20."),
    ]
    text = "".join(piece.text for piece in pieces if isinstance(piece, SpokenText))
    assert text == "Tengo 20."
    assert any(isinstance(piece, SpokenAudio) for piece in pieces)
    assert isinstance(pieces[-1], ResponseFinished)


def test_figures_are_left_to_the_voice_of_their_language() -> None:
    synthesizer = ToneSynthesizer()
    interpret(REQUEST, ScriptedLanguageModel(answers=[["**Tengo** 20 %."]]), synthesizer)
    assert [each.text for each in synthesizer.requests] == ["Tengo 20 %."]
    english = replace(REQUEST, language="en")
    interpret(english, ScriptedLanguageModel(answers=[["I am 20."]]), synthesizer)
    assert synthesizer.requests[-1].text == "I am twenty."


@pytest.mark.parametrize("text", ["…", "— !", "🙂"])
def test_what_holds_no_word_is_not_spoken(text: str) -> None:
    synthesizer = ToneSynthesizer()
    interpret(REQUEST, ScriptedLanguageModel(answers=[[text]]), synthesizer)
    assert synthesizer.requests == []


def test_what_the_model_may_write_is_bounded_by_what_was_said() -> None:
    model = ScriptedLanguageModel(answers=[["Sí."]])
    interpret(REQUEST, model, ToneSynthesizer())
    interpret(replace(REQUEST, context=(UserTurn("x" * 1000),)), model, ToneSynthesizer())
    short, long = (each.max_tokens for each in model.requests)
    assert short is not None
    assert long is not None
    assert short < 200 < long < 5000


def test_a_language_that_is_heard_alone_is_repeated_without_the_model() -> None:
    model, synthesizer = ScriptedLanguageModel(), ToneSynthesizer()
    request = replace(REQUEST, language="en")
    pieces = interpret(request, model, synthesizer, frozenset({"en"}))
    text = "".join(piece.text for piece in pieces if isinstance(piece, SpokenText))
    assert text == "I am 20."
    assert model.requests == []


def test_a_language_that_may_be_another_goes_through_the_model() -> None:
    model = ScriptedLanguageModel()
    interpret(replace(REQUEST, language="en"), model, ToneSynthesizer(), frozenset({"en", "es"}))
    assert len(model.requests) == 1


def test_the_prompt_is_read_ahead_where_the_model_is_needed() -> None:
    async def prepare(request: TranslationRequest) -> int:
        model = ScriptedLanguageModel()
        await Interpreter(model, ToneSynthesizer(), frozenset({"en"})).prepare(request)
        return len(model.prefilled)

    beginning = replace(REQUEST, context=())
    assert asyncio.run(prepare(beginning)) == 1
    assert asyncio.run(prepare(replace(beginning, language="en"))) == 0


def test_it_has_no_tools_and_does_not_converse() -> None:
    interpreter = Interpreter(ScriptedLanguageModel(), ToneSynthesizer(), None)
    assert not interpreter.capabilities.tools
    request = ResponseRequest(instructions="", context=(), modality="audio", voice="alloy")
    with pytest.raises(EngineError, match="only translates"):
        interpret(request, ScriptedLanguageModel(), ToneSynthesizer())
