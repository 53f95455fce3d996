"""Documents name only files, modules and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = sorted([*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md")])
_HISTORY = {"CHANGELOG.md"}
_MADE_LATER = "benchmarks/results/"
_PATH = re.compile(
    r"(?<![\w./-])(?:lms_bridge|connectors|docs|tests|config|benchmarks)/[\w./-]*\w/?"
)
_MODULE = re.compile(r"(?<![\w./-])lms_bridge(?:\.[a-z_]+)+\b(?!\()")
_FUNCTION = re.compile(r"`((?:lms_bridge|connectors)/[\w/]+\.py)` `([\w.]+)`")


def _documents() -> list[Path]:
    return [each for each in _DOCUMENTS if each.name not in _HISTORY]


def _name(document: Path) -> str:
    return document.relative_to(_ROOT).as_posix()


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_named_files_and_modules_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    paths = {path for path in _PATH.findall(text) if not path.startswith(_MADE_LATER)}
    assert not {path for path in paths if not (_ROOT / path).exists()}, document
    modules = set(_MODULE.findall(text)) - {"lms_bridge.connectors"}
    assert not {module for module in modules if not _is_there(module)}, document


def _is_there(dotted: str) -> bool:
    """A module, or something that a module defines."""
    path = _ROOT / dotted.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    module, _, name = dotted.rpartition(".")
    file = _ROOT / (module.replace(".", "/") + ".py")
    return file.exists() and name in _defined(file)


def _defined(file: Path) -> set[str]:
    """Functions, classes and methods (``Class.method``) of a module."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{f.name}" for f in node.body if isinstance(f, ast.FunctionDef)}
            found |= {f.name for f in node.body if isinstance(f, ast.FunctionDef)}
    return found


def test_the_journeys_name_functions_that_exist() -> None:
    text = (_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = _FUNCTION.findall(text)
    assert len(named) > 40
    assert not [(file, name) for file, name in named if name not in _defined(_ROOT / file)]


def test_each_journey_is_a_list_of_at_most_fifteen_functions() -> None:
    text = (_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    journeys = re.findall(r"^### .*?(?=^##|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert len(journeys) == 4
    for journey in journeys:
        assert 8 <= len(_FUNCTION.findall(journey)) <= 15, journey.splitlines()[0]
