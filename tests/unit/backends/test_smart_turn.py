"""Smart Turn, against what its publisher's code computes.

Shows Turns: ends of turns predicted from the voice
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon import weights
from antiphon.backends.log_mel import log_mel
from antiphon.backends.smart_turn import create
from antiphon.engines import plugins
from antiphon.engines.turn import TURN_SAMPLE_RATE_HZ, TURN_WINDOW_MS, TurnPredictor
from antiphon.protocol.errors import EngineError
from antiphon.testing.contracts import TurnPredictorContract

REFERENCE = Path(__file__).parents[2] / "fixtures" / "smart_turn" / "reference.npz"
WINDOW = TURN_WINDOW_MS * TURN_SAMPLE_RATE_HZ // 1000
EVERY = 16

Reference = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def reference() -> Reference:
    with np.load(REFERENCE, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def sounds(reference: Reference) -> dict[str, NDArray[np.float32]]:
    short = reference["sound"].astype(np.float32) / 32_768
    return {"short": short, "long": np.tile(short, 6)[:150_000], "none": short[:0]}


@pytest.mark.parametrize("name", ["short", "long", "none"])
def test_features_are_those_of_the_publisher(reference: Reference, name: str) -> None:
    features = log_mel(sounds(reference)[name], WINDOW)
    assert features.shape == (80, 800)
    assert features.dtype == np.float32
    assert features[:, ::EVERY] == pytest.approx(reference[f"{name}_features"], abs=1e-5)


@pytest.mark.parametrize("name", ["short", "long", "none"])
def test_probabilities_are_those_of_the_publisher(reference: Reference, name: str) -> None:
    contract = TurnPredictorContract()
    (probability,) = contract.ask(create({}), sounds(reference)[name])
    # The model is quantized: the last bits of its arithmetic differ from processor to processor.
    assert probability == pytest.approx(float(reference[f"{name}_probability"]), abs=0.02)


def test_the_file_is_the_publishers() -> None:
    data = weights.vendored("smart-turn-v3.2.onnx").read_bytes()
    assert hashlib.sha256(data).hexdigest() == (
        "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
    )


def test_it_is_found_by_name() -> None:
    assert plugins.load("turn", "smart-turn") is create


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"threshold": 0.5}, "threshold"), ({"model_path": "/nowhere/model.onnx"}, "model_path")],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(EngineError, match=named) as refusal:
        create(settings)
    assert refusal.value.code == "engine_misconfigured"


def test_another_model_is_refused() -> None:
    other = REFERENCE.parents[1] / "silero" / "silero_vad_16k_op15.onnx"
    with pytest.raises(EngineError, match="model_path") as refusal:
        create({"model_path": str(other)})
    assert refusal.value.code == "engine_misconfigured"


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(EngineError, match=r"model\.onnx") as refusal:
        create({"model_path": str(path)})
    assert refusal.value.code == "engine_unavailable"


class TestSmartTurn(TurnPredictorContract):
    @pytest.fixture
    def engine(self) -> TurnPredictor:
        return create({})
