"""ONNX models on one thread each, so that many inferences can run beside each other on few cores.

onnxruntime takes a tenth of a second to import, so that happens when the first model is opened.
"""

import importlib
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import numpy as np
from numpy.typing import NDArray

from antiphon.backends.threads import InferenceThreads, Priority
from antiphon.protocol.errors import EngineError

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")

_ERRORS_ONLY = 3
_FATAL_ONLY = 4


class Interrupt:
    """Stop inferences from another thread; each returns after the layer it is in."""

    def __init__(self) -> None:
        self.run_options: Any = _runtime().RunOptions()
        # An interrupted run is no error that anybody should read about.
        self.run_options.log_severity_level = _FATAL_ONLY

    def set(self) -> None:
        """Stop the inferences that were given this object, and all later ones."""
        self.run_options.terminate = True


class Model:
    """One ONNX model, shared by any number of threads; it keeps nothing between runs.

    ``fold_weights`` turns quantized weights into floats when the model is loaded instead of at
    every run: worth its memory where a model runs once for each token.
    """

    def __init__(self, path: Path, *, threads: int = 1, fold_weights: bool = False) -> None:
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # A thread that spins while it waits takes a core from the others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if fold_weights:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            self._session: Any = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except _failures() as failure:
            raise EngineError(
                "engine_unavailable",
                f"The model file {path.name} cannot be loaded. Check it with "
                "`antiphon models verify`.",
            ) from failure
        self.input_shapes: dict[str, list[int | str]] = {
            each.name: list(each.shape) for each in self._session.get_inputs()
        }
        """The axes of each input; a name stands for a length that is free."""
        self.output_names: list[str] = [each.name for each in self._session.get_outputs()]

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]], interrupt: Interrupt
    ) -> list[NDArray[np.float32]]:
        """Return the named outputs for the given inputs.

        Raises `EngineError` when the inference fails or is interrupted.
        """
        with inference_failures(interrupt):
            results: list[NDArray[np.float32]] = self._session.run(
                outputs, inputs, interrupt.run_options
            )
        return results


@contextmanager
def inference_failures(interrupt: Interrupt | None = None) -> Generator[None]:
    """Turn failures of the runtime into `EngineError`."""
    try:
        yield
    except _failures() as failure:
        if interrupt is not None and interrupt.run_options.terminate:
            raise EngineError("engine_interrupted", "The inference was interrupted.") from failure
        raise EngineError(
            "engine_failed",
            "An embedded model failed on its input. Send the request again; if it fails again, "
            "check the weights with `antiphon models verify`.",
        ) from failure


async def infer(
    threads: InferenceThreads,
    priority: Priority,
    function: Callable[[*_Arguments, Interrupt], _Result],
    *arguments: *_Arguments,
) -> _Result:
    """Run a function that takes an `Interrupt` last; interrupt it when the caller is cancelled."""
    interrupt = Interrupt()
    running: Awaitable[_Result] = threads.run(function, *arguments, interrupt, priority=priority)
    try:
        return await running
    finally:
        interrupt.set()


def _runtime() -> Any:
    return importlib.import_module("onnxruntime")


@lru_cache(maxsize=1)
def _failures() -> tuple[type[Exception], ...]:
    # onnxruntime's exceptions have no base of their own.
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    return tuple(
        each
        for each in vars(state).values()
        if isinstance(each, type) and issubclass(each, Exception)
    )
