"""What a turn predictor must keep to."""

# ruff: noqa: D102, S101 - these are tests; their names say what they demand.

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.engines.turn import TURN_SAMPLE_RATE_HZ, TURN_WINDOW_MS, TurnPredictor
from antiphon.protocol.errors import EngineError
from antiphon.testing.contracts.engine import EngineContract
from antiphon.testing.speech import silence, speech

Samples = NDArray[np.float32]


class TurnPredictorContract(EngineContract[TurnPredictor]):
    """The tests of `antiphon.engines.turn.TurnPredictor`."""

    tolerance = 1e-4
    """How far two predictions of the same samples may differ."""

    def turn(self) -> Samples:
        """Return a turn as it is handed over: speech, and the silence that raises the question."""
        rate = TURN_SAMPLE_RATE_HZ
        return np.concatenate([speech(1_200, rate), silence(200, rate)])

    def ask(self, engine: TurnPredictor, *turns: Samples) -> list[float]:
        """Return the predictions of turns that are asked for at the same time."""

        async def ask() -> list[float]:
            return await asyncio.gather(*(engine.predict(turn) for turn in turns))

        return self.run(engine, ask())

    def test_a_turn_gets_a_probability(self, engine: TurnPredictor) -> None:
        (probability,) = self.ask(engine, self.turn())
        assert isinstance(probability, float)
        assert 0 <= probability <= 1

    @pytest.mark.parametrize("ms", [0, 32, TURN_WINDOW_MS])
    def test_any_length_up_to_the_window_will_do(self, engine: TurnPredictor, ms: int) -> None:
        (probability,) = self.ask(engine, silence(ms, TURN_SAMPLE_RATE_HZ))
        assert 0 <= probability <= 1

    def test_turns_do_not_disturb_each_other(self, engine: TurnPredictor) -> None:
        turn, quiet = self.turn(), silence(500, TURN_SAMPLE_RATE_HZ)
        together = self.ask(engine, turn, quiet, turn)
        assert together[0] == pytest.approx(together[2], abs=self.tolerance)

    def test_samples_are_not_changed(self, engine: TurnPredictor) -> None:
        turn = self.turn()
        before = turn.copy()
        self.ask(engine, turn)
        assert np.array_equal(turn, before)

    def test_a_prediction_that_nobody_waits_for_ends(self, engine: TurnPredictor) -> None:
        async def leave() -> None:
            asking = asyncio.ensure_future(engine.predict(self.turn()))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

        self.run(engine, leave())

    def test_a_failure_says_what_to_do(self, failing_engine: TurnPredictor) -> None:
        with pytest.raises(EngineError) as failure:
            self.ask(failing_engine, self.turn())
        assert failure.value.code
        assert failure.value.message
