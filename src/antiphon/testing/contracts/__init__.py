"""What every engine must keep to, as tests.

Derive a test class from the contract of the engine's kind and give it the engine::

    class TestMyTranscriber(TranscriberContract):
        @pytest.fixture
        def engine(self) -> Transcriber:
            return my_package.create({})

Every test runs in an event loop of its own. At its end the engine is closed if it has a `close`; a
class that shares one engine among its tests sets `closes_engine = False`.
"""

import pytest

# Before the contracts are imported, so that a broken one shows the values it compared.
pytest.register_assert_rewrite(
    *(
        f"antiphon.testing.contracts.{kind}"
        for kind in (
            "engine",
            "language_model",
            "noise_reducer",
            "responder",
            "synthesizer",
            "transcriber",
            "turn_predictor",
            "vad",
        )
    )
)

from antiphon.testing.contracts.language_model import LanguageModelContract  # noqa: E402
from antiphon.testing.contracts.noise_reducer import NoiseReducerContract  # noqa: E402
from antiphon.testing.contracts.responder import ResponderContract  # noqa: E402
from antiphon.testing.contracts.synthesizer import SynthesizerContract  # noqa: E402
from antiphon.testing.contracts.transcriber import TranscriberContract  # noqa: E402
from antiphon.testing.contracts.turn_predictor import TurnPredictorContract  # noqa: E402
from antiphon.testing.contracts.vad import VadContract  # noqa: E402

__all__ = [
    "LanguageModelContract",
    "NoiseReducerContract",
    "ResponderContract",
    "SynthesizerContract",
    "TranscriberContract",
    "TurnPredictorContract",
    "VadContract",
]
