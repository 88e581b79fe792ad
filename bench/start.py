"""How long a start takes until `ready`, with all weights here.

Run: ``python bench/start.py [--profile default] [--starts 5] [--json]``
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def start(profile: str, folder: str) -> float:
    """Return the seconds from starting the program to its `ready` line."""
    program = str(Path(sys.executable).with_name("antiphon"))
    begun = time.perf_counter()
    process = subprocess.Popen(
        [program, "serve", "--profile", profile, "--port", "0", "--tls-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    took = time.perf_counter() - begun
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)
    process.stdout.close()
    if not line.startswith("ready "):
        raise SystemExit("The server did not start; run `antiphon serve` to see why.")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--profile", default="default")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = [start(options.profile, folder) for _ in range(options.starts)]
    result = {
        "profile": options.profile,
        "starts": options.starts,
        "ready_s": {
            "median": round(statistics.median(times), 2),
            "min": round(min(times), 2),
            "max": round(max(times), 2),
        },
    }
    print(json.dumps(result, indent=2 if not options.json else None))


if __name__ == "__main__":
    main()
