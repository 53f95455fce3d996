"""docs/api.md tells of every route, scope, setting, code and rule, and of nothing else; every code
that the interface can tell of is known."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from lms_bridge import settings
from lms_bridge.domain.access import MEANINGS, Scope
from lms_bridge.domain.lifecycle import ENROLMENT_MOVES, OFFERING_MOVES
from lms_bridge.domain.rules import Rules
from lms_bridge.web.api.codes import CODES, RULES
from lms_bridge.web.api.routing import ENTRIES

_ROOT = Path(__file__).parents[3]
TEXT = (_ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, back-ticks taken off."""
    section = re.split(rf"^## {re.escape(heading)}$", TEXT, flags=re.MULTILINE)[1]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]


def test_routes() -> None:
    told = {(route, scope) for route, scope, *_ in rows("Routes")}
    there = {
        (
            f"{each.method} {re.sub(r'<(?:[^:<>]+:)?([^<>]+)>', _part, each.rule)}",
            each.scope or "open",
        )
        for each in ENTRIES.values()
    }
    assert told == there


_PART = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


def _part(match: re.Match[str]) -> str:
    return "{" + match[1] + "}"


def test_scopes_codes_and_rules() -> None:
    assert {tuple(row) for row in rows("Who may do what")} == set(MEANINGS.items())
    assert set(MEANINGS) == set(Scope)
    assert {code: int(status) for code, status, _ in rows("Problems")} == {
        code: known.status for code, known in CODES.items()
    }
    assert {tuple(row) for row in rows("Rules")} == set(RULES.items())


def test_lives() -> None:
    moves = {
        (action, before, after)
        for action, ways in OFFERING_MOVES.items()
        for before, after in ways.items()
    }
    assert set(_moves("The life of an offering")) == moves
    enrolments = {
        (action, before or "nothing", after)
        for action, ways in ENROLMENT_MOVES.items()
        for before, after in ways.items()
    }
    assert set(_moves("The life of a registration")) == enrolments


def _moves(heading: str) -> list[tuple[str, str, str]]:
    return [
        (action, before.strip(" `"), after)
        for action, befores, after, *_ in rows(heading)
        for before in befores.split(",")
    ]


def test_settings() -> None:
    names = {name for name in settings.names() if name.startswith(("api.", "rules."))}
    assert set(re.findall(r"`((?:api|rules)\.\w+)`", TEXT)) == names
    assert {f"rules.{name}" for name in Rules.__slots__} <= names


RAISED_IN = [
    *(_ROOT / "lms_bridge" / "web" / "api").glob("*.py"),
    *(_ROOT / "lms_bridge" / "schemas" / "schedule").glob("*.py"),
    *(_ROOT / "lms_bridge" / "webhooks").glob("*.py"),
    *(
        _ROOT / "lms_bridge" / name
        for name in (
            *("domain/lifecycle.py", "domain/rules.py", "domain/errors.py"),
            *("sync/offering_acts.py", "sync/enrolment_acts.py", "sync/decisions.py"),
        )
    ),
]
_ERRORS = {"Refused", "NotFound", "NotNow", "Overloaded", "RecordRefused", "RuleFinding", "StopRun"}
INSIDE = {"lease-lost", "change-failed"}
"""Codes that nobody is told: others stand for them, and the log has them."""


@pytest.mark.parametrize("path", RAISED_IN, ids=lambda path: path.name)
def test_every_code_is_known(path: Path) -> None:
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(call, ast.Call) and call.args):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        first = call.args[0]
        if name in _ERRORS and isinstance(first, ast.Constant):
            assert first.value in {*CODES, *RULES, *INSIDE}, f"{path.name}:{call.lineno}"


def test_no_code_is_told_of_that_nobody_uses() -> None:
    said = "\n".join(path.read_text(encoding="utf-8") for path in RAISED_IN)
    said += (_ROOT / "lms_bridge" / "web" / "errors.py").read_text(encoding="utf-8")
    for code in (*CODES, *RULES):
        assert said.count(f'"{code}"') > 1, code  # once is its own line in the list of codes
