"""What a transcriber must keep to."""

# ruff: noqa: D102, S101 - these are tests; their names say what they demand.

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
from numpy.typing import NDArray

from antiphon.engines.stt import (
    STT_SAMPLE_RATE_HZ,
    FinalTranscript,
    PartialTranscript,
    Settle,
    Transcriber,
    TranscriberCapabilities,
    Transcript,
    TranscriptionOptions,
)
from antiphon.testing.contracts.engine import (
    EngineContract,
    gather,
    require_end,
    require_engine_error,
    require_frozen,
    require_language_codes,
    stop,
)
from antiphon.testing.speech import silence, speech

Piece = NDArray[np.float32] | Settle

SETTLE = Settle()
OPTIONS = TranscriptionOptions()


async def feed(pieces: Sequence[Piece]) -> AsyncIterator[Piece]:
    """Yield audio, and let everything else run in between."""
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


def cut(samples: NDArray[np.float32], piece_samples: int) -> list[Piece]:
    """Cut samples into pieces."""
    return [
        samples[begin : begin + piece_samples] for begin in range(0, len(samples), piece_samples)
    ]


def finals(transcripts: Sequence[Transcript]) -> list[str]:
    """Return the texts of the final transcripts."""
    return [each.text for each in transcripts if isinstance(each, FinalTranscript)]


class TranscriberOptionsContract(EngineContract[Transcriber]):
    """What follows from capabilities and options."""

    def utterance(self) -> NDArray[np.float32]:
        """Return what the engine is made to hear: 16 kHz samples."""
        return speech(1200, STT_SAMPLE_RATE_HZ)

    def hear(
        self, engine: Transcriber, *pieces: Piece, options: TranscriptionOptions = OPTIONS
    ) -> list[Transcript]:
        """Return all transcripts of the pieces."""
        return self.run(engine, gather(engine.transcribe(feed(pieces), options)))

    def test_words_are_told_early_only_where_it_says_so(self, engine: Transcriber) -> None:
        options = TranscriptionOptions(delay="minimal")
        transcripts = self.hear(engine, *cut(self.utterance(), 512), options=options)
        told = [each for each in transcripts if isinstance(each, PartialTranscript)]
        assert engine.capabilities.streams or not told

    def test_tokens_spell_the_text_when_they_are_asked_for(self, engine: Transcriber) -> None:
        options = TranscriptionOptions(logprobs=engine.capabilities.logprobs)
        for each in self.hear(engine, self.utterance(), SETTLE, options=options):
            if isinstance(each, FinalTranscript) and options.logprobs:
                assert "".join(token.text for token in each.tokens) == each.text
                assert all(token.logprob <= 0 and token.octets for token in each.tokens)

    def test_segments_are_in_order_and_name_somebody(self, engine: Transcriber) -> None:
        options = TranscriptionOptions(speakers=engine.capabilities.speakers)
        for each in self.hear(engine, self.utterance(), options=options):
            if isinstance(each, FinalTranscript):
                assert bool(each.segments) == (options.speakers and bool(each.text))
                assert all(said.speaker or said.voice for said in each.segments)
                starts = [said.start_ms for said in each.segments]
                assert starts == sorted(starts)

    def test_tokens_come_only_when_they_are_asked_for(self, engine: Transcriber) -> None:
        for each in self.hear(engine, *cut(self.utterance(), 512), SETTLE):
            if isinstance(each, PartialTranscript | FinalTranscript):
                assert each.tokens == ()


class TranscriberContract(TranscriberOptionsContract):
    """The tests of `antiphon.engines.stt.Transcriber`."""

    def test_the_end_of_the_audio_gives_one_final_text(self, engine: Transcriber) -> None:
        transcripts = self.hear(engine, *cut(self.utterance(), 1600))
        assert len(finals(transcripts)) == 1
        assert isinstance(transcripts[-1], FinalTranscript)

    def test_each_mark_gives_one_final_text(self, engine: Transcriber) -> None:
        half, rest = np.array_split(self.utterance(), 2)
        transcripts = self.hear(engine, half, SETTLE, rest, SETTLE)
        assert len(finals(transcripts)) == 3

    def test_a_mark_without_new_sound_repeats_the_text(self, engine: Transcriber) -> None:
        texts = finals(self.hear(engine, self.utterance(), SETTLE, SETTLE))
        assert texts == [texts[0]] * 3

    def test_silence_gives_the_empty_text(self, engine: Transcriber) -> None:
        quiet = silence(1000, STT_SAMPLE_RATE_HZ)
        assert finals(self.hear(engine, quiet, SETTLE, quiet)) == ["", ""]

    def test_no_audio_at_all_gives_the_empty_text(self, engine: Transcriber) -> None:
        assert self.hear(engine) == [FinalTranscript("")]

    def test_each_partial_text_extends_the_one_before(self, engine: Transcriber) -> None:
        transcripts = self.hear(engine, *cut(self.utterance(), 512))
        shown = ""
        for each in transcripts:
            if isinstance(each, PartialTranscript):
                assert each.text.startswith(shown)
                assert len(each.text) > len(shown)
                shown = each.text

    def test_the_text_does_not_depend_on_how_the_audio_is_cut(self, engine: Transcriber) -> None:
        async def hear_twice() -> tuple[list[Transcript], list[Transcript]]:
            coarse = await gather(engine.transcribe(feed(cut(self.utterance(), 4000)), OPTIONS))
            fine = await gather(engine.transcribe(feed(cut(self.utterance(), 171)), OPTIONS))
            return coarse, fine

        coarse, fine = self.run(engine, hear_twice())
        assert finals(coarse) == finals(fine)

    def test_two_transcriptions_at_once_do_not_disturb_each_other(
        self, engine: Transcriber
    ) -> None:
        async def hear_both() -> tuple[list[Transcript], list[Transcript]]:
            spoken = engine.transcribe(feed([self.utterance(), SETTLE]), OPTIONS)
            quiet = engine.transcribe(feed([silence(900, STT_SAMPLE_RATE_HZ), SETTLE]), OPTIONS)
            return await asyncio.gather(gather(spoken), gather(quiet))

        spoken, quiet = self.run(engine, hear_both())
        assert len(finals(spoken)) == 2
        assert finals(quiet) == ["", ""]

    def test_nothing_follows_the_last_final_text(self, engine: Transcriber) -> None:
        async def hear() -> None:
            transcripts = engine.transcribe(feed([self.utterance()]), OPTIONS)
            await gather(transcripts)
            await require_end(transcripts)

        self.run(engine, hear())

    def test_closing_ends_the_reading(self, engine: Transcriber) -> None:
        read: list[Piece] = []

        async def talk_without_end() -> AsyncIterator[Piece]:
            for piece in (self.utterance(), SETTLE):
                read.append(piece)
                yield piece
            await asyncio.Event().wait()
            read.append(SETTLE)

        async def hear() -> None:
            transcripts = engine.transcribe(talk_without_end(), OPTIONS)
            while not isinstance(await anext(transcripts), FinalTranscript):
                pass
            await stop(transcripts)
            await require_end(transcripts)

        self.run(engine, hear())
        assert len(read) == 2

    def test_a_failure_is_an_engine_error(self, failing_engine: Transcriber) -> None:
        transcripts = failing_engine.transcribe(feed([self.utterance()]), OPTIONS)
        self.run(failing_engine, require_engine_error(transcripts))

    def test_its_capabilities_are_fixed(self, engine: Transcriber) -> None:
        assert isinstance(engine.capabilities, TranscriberCapabilities)
        require_language_codes(engine.capabilities.languages)
        require_frozen(engine.capabilities)
