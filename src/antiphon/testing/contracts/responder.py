"""What a responder must keep to."""

# ruff: noqa: D102, S101 - these are tests; their names say what they demand.

import json
from collections.abc import Sequence
from typing import ClassVar, Literal

import pytest

from antiphon.engines.llm import NamedTool
from antiphon.engines.responder import (
    FunctionCallArguments,
    FunctionCallStarted,
    Responder,
    ResponderCapabilities,
    ResponseFinished,
    ResponsePiece,
    ResponseRequest,
    SpokenAudio,
    SpokenText,
    UserTurn,
    WrittenText,
)
from antiphon.testing.contracts.engine import (
    EngineContract,
    gather,
    require_end,
    require_engine_error,
    require_frozen,
    stop,
)
from antiphon.testing.contracts.language_model import CLOCK, WEATHER


class ResponderContract(EngineContract[Responder]):
    """The tests of `antiphon.engines.responder.Responder`."""

    voice: ClassVar[str] = "marin"
    """A voice of the engine under test."""
    calls_tools: ClassVar[bool] = True
    """Whether the engine under test can call functions."""

    def request(self, modality: Literal["text", "audio"]) -> ResponseRequest:
        """Return a short conversation that waits for its answer."""
        return ResponseRequest(
            instructions="Answer in one short sentence.",
            context=(UserTurn("Please say hello to everybody."),),
            modality=modality,
            voice=self.voice,
            max_output_tokens=64,
            session_key="contract",
        )

    def respond(self, engine: Responder, modality: Literal["text", "audio"]) -> list[ResponsePiece]:
        """Return all pieces of a response."""
        return self.run(engine, gather(engine.respond(self.request(modality))))

    @pytest.mark.parametrize("modality", ["text", "audio"])
    def test_the_last_piece_says_that_it_is_the_last(
        self, engine: Responder, modality: Literal["text", "audio"]
    ) -> None:
        pieces = self.respond(engine, modality)
        ends = [each for each in pieces if isinstance(each, ResponseFinished)]
        assert ends == [pieces[-1]]

    def test_a_written_answer_has_text_and_no_sound(self, engine: Responder) -> None:
        pieces = self.respond(engine, "text")
        assert any(isinstance(each, WrittenText) for each in pieces)
        assert not any(isinstance(each, SpokenText | SpokenAudio) for each in pieces)

    def test_a_spoken_answer_has_sound_and_its_transcript(self, engine: Responder) -> None:
        pieces = self.respond(engine, "audio")
        assert any(isinstance(each, SpokenAudio) for each in pieces)
        assert any(isinstance(each, SpokenText) for each in pieces)
        assert not any(isinstance(each, WrittenText) for each in pieces)

    def test_its_sound_consists_of_whole_samples(self, engine: Responder) -> None:
        pieces = self.respond(engine, "audio")
        sounds = [each.pcm for each in pieces if isinstance(each, SpokenAudio)]
        assert all(sounds)
        assert all(len(pcm) % 2 == 0 for pcm in sounds)

    def test_its_clauses_are_the_beginning_of_the_transcript(self, engine: Responder) -> None:
        pieces = self.respond(engine, "audio")
        transcript = "".join(each.text for each in pieces if isinstance(each, SpokenText))
        clauses = "".join(each.clause for each in pieces if isinstance(each, SpokenAudio))
        assert clauses.split()
        assert transcript.split()[: len(clauses.split())] == clauses.split()

    def test_words_come_before_their_sound(self, engine: Responder) -> None:
        written = spoken = ""
        for piece in self.respond(engine, "audio"):
            if isinstance(piece, SpokenText):
                written += piece.text
            elif isinstance(piece, SpokenAudio):
                spoken += piece.clause
                assert len(spoken.split()) <= len(written.split())

    def test_a_named_function_is_called(self, engine: Responder) -> None:
        if not self.calls_tools:
            pytest.skip("The engine cannot call functions.")
        request = ResponseRequest(
            instructions="",
            context=(UserTurn("How is the weather in Oslo?"),),
            modality="text",
            voice=self.voice,
            tools=(CLOCK, WEATHER),
            tool_choice=NamedTool(WEATHER.name),
            max_output_tokens=128,
        )
        pieces = self.run(engine, gather(engine.respond(request)))
        names = {each.name for each in pieces if isinstance(each, FunctionCallStarted)}
        assert names == {WEATHER.name}
        assert "city" in json.loads(_arguments(pieces))

    def test_nothing_follows_the_last_piece(self, engine: Responder) -> None:
        async def respond() -> None:
            pieces = engine.respond(self.request("audio"))
            await gather(pieces)
            await require_end(pieces)

        self.run(engine, respond())

    def test_closing_stops_it_and_leaves_it_usable(self, engine: Responder) -> None:
        async def respond() -> list[ResponsePiece]:
            pieces = engine.respond(self.request("audio"))
            await anext(pieces)
            await stop(pieces)
            await require_end(pieces)
            return await gather(engine.respond(self.request("text")))

        assert isinstance(self.run(engine, respond())[-1], ResponseFinished)

    def test_preparing_changes_nothing_that_can_be_seen(self, engine: Responder) -> None:
        async def respond() -> list[ResponsePiece]:
            await engine.prepare(self.request("audio"))
            return await gather(engine.respond(self.request("audio")))

        assert isinstance(self.run(engine, respond())[-1], ResponseFinished)

    def test_a_failure_is_an_engine_error(self, failing_engine: Responder) -> None:
        pieces = failing_engine.respond(self.request("audio"))
        self.run(failing_engine, require_engine_error(pieces))

    def test_its_capabilities_are_fixed(self, engine: Responder) -> None:
        assert isinstance(engine.capabilities, ResponderCapabilities)
        require_frozen(engine.capabilities)


def _arguments(pieces: Sequence[ResponsePiece]) -> str:
    return "".join(each.delta for each in pieces if isinstance(each, FunctionCallArguments))
