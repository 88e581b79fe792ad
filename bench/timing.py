"""Time small calls and print the figures as a table or as JSON."""

import argparse
import json
import os
import platform
import sys
import timeit
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

REPEATS = 25
SECONDS_A_REPEAT = 0.01


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity: the median, and the range that holds all but a tenth at each end."""

    name: str
    unit: str
    median: float
    low: float
    high: float


def time_call(name: str, call: Callable[[], object], unit: str, parts: int = 1) -> Figure:
    """Measure microseconds of a call, divided by the number of parts that it works on."""
    call()
    number, elapsed_s = timeit.Timer(call).autorange()
    number = max(1, round(number * SECONDS_A_REPEAT / elapsed_s))
    runs = timeit.repeat(call, number=number, repeat=REPEATS)
    low, median, high = np.percentile(runs, (10, 50, 90)) * 1e6 / number / parts
    return Figure(name, unit, float(median), float(low), float(high))


def constant(name: str, unit: str, value: float) -> Figure:
    """Return a quantity that does not vary from run to run."""
    return Figure(name, unit, value, value, value)


def main(title: str, measure: Callable[[], Sequence[Figure]]) -> int:
    """Parse the command line, measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    as_json: bool = parser.parse_args().json
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        print(
            "Set OPENBLAS_NUM_THREADS=1: small products lose to the start of threads.",
            file=sys.stderr,
        )
        return 2
    figures = measure()
    if as_json:
        print(json.dumps({"title": title, **_machine(), "figures": [*map(asdict, figures)]}))
        return 0
    print(title)
    print("  ".join(f"{key} {value}" for key, value in _machine().items()))
    width = max(len(figure.name) for figure in figures)
    print(f"{'':{width}}  {'median':>9}  {'10 %':>9}  {'90 %':>9}")
    for figure in figures:
        values = "  ".join(f"{value:9.3g}" for value in (figure.median, figure.low, figure.high))
        print(f"{figure.name:{width}}  {values}  {figure.unit}")
    return 0


def _machine() -> dict[str, str]:
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
