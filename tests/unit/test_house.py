"""The limits of the house that no linter checks."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "antiphon"
MODULES = sorted(SOURCE.rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_PUBLIC_METHODS = 15
MAX_ATTRIBUTES = 10
WIRE_TYPES = {
    SOURCE / "protocol" / name
    for name in ("server_events.py", "session.py", "items.py", "errors.py")
}
"""Lists of wire types and of errors may be longer."""
ROLE_NAMES = {"manager", "handler", "service", "util", "utils", "common", "misc", "helpers"}


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield module, node


def attributes(node: ast.ClassDef) -> set[str]:
    """Attributes that a class's own `__init__` sets."""
    found: set[str] = set()
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            for each in ast.walk(method):
                if (
                    isinstance(each, ast.Attribute)
                    and isinstance(each.ctx, ast.Store)
                    and isinstance(each.value, ast.Name)
                    and each.value.id == "self"
                ):
                    found.add(each.attr)
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda each: str(each.relative_to(SOURCE)))
def test_a_module_is_short_and_named_for_what_it_owns(module: Path) -> None:
    lines = len(module.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_MODULE_LINES or module in WIRE_TYPES
    assert not ROLE_NAMES & set(module.stem.split("_"))


def test_a_class_has_few_public_methods_and_attributes() -> None:
    too_wide = []
    for module, node in classes():
        public = [
            each.name
            for each in node.body
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            and not each.name.startswith("_")
            and not any(isinstance(d, ast.Name) and d.id == "property" for d in each.decorator_list)
        ]
        if len(public) > MAX_PUBLIC_METHODS or len(attributes(node)) > MAX_ATTRIBUTES:
            too_wide.append((module.name, node.name, len(public), len(attributes(node))))
    assert too_wide == []


def test_every_dependency_has_its_sentence() -> None:
    text = (SOURCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("dependencies = [", 1)[1].split("\n]", 1)[0].splitlines()
    unexplained = [
        line
        for before, line in itertools.pairwise(block)
        if line.strip().startswith('"')
        and not before.strip().startswith("#")
        and not before.strip().startswith('"')
    ]
    assert unexplained == []
