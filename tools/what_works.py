"""Write the README's table of what works from the tests that show it, or check that it is current.

A test module, or a test, claims what it shows in a paragraph of its docstring:

    Shows Turns: idle timeout; server VAD with all its fields

The claim stands in the table, as a link to that test, for as long as the test does. Numbers of
conformance cases are read from the first line of the module ("Cases 20 to 38: ...").

Run: ``python tools/what_works.py`` to write, and with ``--check`` to exit with status 1 when the
table is stale.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TESTS = ROOT / "tests"
BEGIN = "<!-- Written by tools/what_works.py from the tests; edit their docstrings. -->"
END = "<!-- End of what the tests show. -->"

FEATURES = (
    "Protocol",
    "Connecting",
    "Turns",
    "Responses",
    "Tools",
    "Conversation",
    "Context",
    "Sound",
    "Transcription",
    "Translation",
    "Session length",
    "Limits",
    "Engines",
    "Operation",
    "Clients, unmodified",
)
"""The rows of the table, in their order. A claim about anything else is an error."""

_CLAIM = re.compile(r"^Shows ([^:\n]+): (.+?)(?=^Shows |\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
_CASES = re.compile(r"\b[Cc]ases? (\d[\d ,toand]*)")
_NOT_SEARCHED = frozenset({"node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What a test shows."""

    feature: str
    what: str
    test: Path


def claims(test: Path) -> Iterator[Claim]:
    """Yield what the docstrings of a test module claim."""
    module = ast.parse(test.read_text(encoding="utf-8"))
    for node in (module, *module.body):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for feature, what in _CLAIM.findall(ast.get_docstring(node) or ""):
                for each in " ".join(what.split()).split(";"):
                    yield Claim(feature, each.strip(), test)


def cases(test: Path) -> tuple[int, ...]:
    """Return the numbers of the conformance cases that a module names in its first line."""
    head = (ast.get_docstring(ast.parse(test.read_text(encoding="utf-8"))) or "").split("\n")[0]
    found: set[int] = set()
    for named in _CASES.findall(head):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", named):
            found |= set(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def spelled(numbers: set[int]) -> str:
    """Return numbers with their runs shortened: 1–3, 5."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def table(tests: list[Path]) -> str:
    """Return the table, one row for each feature that any test shows."""
    shown: dict[str, list[Claim]] = defaultdict(list)
    for test in tests:
        for claim in claims(test):
            if claim.feature not in FEATURES:
                known = ", ".join(FEATURES)
                raise SystemExit(f"{test}: no feature '{claim.feature}'. There are: {known}.")
            shown[claim.feature].append(claim)
    rows = ["| | what works, and the tests that show it | cases |", "|---|---|---|"]
    for feature in FEATURES:
        if found := shown[feature]:
            links = (f"[{each.what}]({each.test.relative_to(ROOT).as_posix()})" for each in found)
            numbers = {number for each in found for number in cases(each.test)}
            rows.append(f"| {feature} | {', '.join(links)} | {spelled(numbers)} |")
    return "\n".join(rows)


def written() -> str:
    """Return the README as it should be."""
    tests = sorted(
        path
        for path in TESTS.rglob("test_*.py")
        if not _NOT_SEARCHED & set(path.relative_to(TESTS).parts)
    )
    tests.sort(key=lambda path: "conformance" not in path.parts)
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{table(tests)}\n\n{END}{after}"


def main() -> int:
    """Write the table, or check it."""
    should_be = written()
    if "--check" not in sys.argv:
        README.write_text(should_be, encoding="utf-8")
        return 0
    if README.read_text(encoding="utf-8") == should_be:
        return 0
    sys.stderr.write("README.md is stale: run python tools/what_works.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
