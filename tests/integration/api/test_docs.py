"""docs/api.md tells of every route, scope, setting, code and rule, and of nothing else; every code
that the interface can tell of is known."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from lms_bridge import settings
from lms_bridge.api.problems import CODES, RULES
from lms_bridge.api.route import ROUTES
from lms_bridge.domain.access import MEANINGS, TOKEN_SCOPES
from lms_bridge.domain.lifecycle import ENROLMENT_MOVES, OFFERING_MOVES
from lms_bridge.domain.rules import Rules

_ROOT = Path(__file__).parents[3]
TEXT = (_ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, back-ticks taken off."""
    section = re.split(rf"^## {re.escape(heading)}$", TEXT, flags=re.MULTILINE)[1]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_route_and_its_scope_are_documented() -> None:
    reported = {(route, scope) for route, scope, *_ in rows("Routes")}
    there = {
        (
            f"{each.method} {re.sub(r'<(?:[^:<>]+:)?([^<>]+)>', _part, each.rule)}",
            each.scope or "open",
        )
        for each in ROUTES.values()
    }
    assert reported == there


_PART = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


def _part(match: re.Match[str]) -> str:
    return "{" + match[1] + "}"


def test_every_scope_code_and_rule_is_documented() -> None:
    assert {tuple(row) for row in rows("Who may do what")} == set(MEANINGS.items())
    assert set(MEANINGS) == set(TOKEN_SCOPES)
    assert {code: int(status) for code, status, _ in rows("Problems")} == {
        code: known.status for code, known in CODES.items()
    }
    assert {tuple(row) for row in rows("Rules")} == set(RULES.items())


def test_every_status_change_is_documented() -> None:
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


def test_every_setting_is_documented() -> None:
    names = {name for name in settings.names() if name.startswith(("api.", "rules."))}
    assert set(re.findall(r"`((?:api|rules)\.\w+)`", TEXT)) == names
    assert {f"rules.{name}" for name in Rules.__slots__} <= names


_API = _ROOT / "lms_bridge" / "api"
_WEBHOOKS = _ROOT / "lms_bridge" / "webhooks"
_NETWORK = _ROOT / "lms_bridge" / "network"
RAISED_IN = [
    # No route makes tokens: commands and a page do.
    *(path for path in _API.glob("*.py") if path.name != "tokens.py"),
    *(path for path in _WEBHOOKS.glob("*.py") if path.name != "commands.py"),
    *(path for path in _NETWORK.glob("*.py") if not path.name.endswith("commands.py")),
    *(
        _ROOT / "lms_bridge" / name
        for name in (
            *("domain/lifecycle.py", "domain/rules.py", "domain/errors.py"),
            *("domain/access.py", "store/failures.py"),
            *("intake/routes.py", "intake/formats.py", "intake/push.py", "intake/places.py"),
            *(
                "intake/csv.py",
                "intake/ical.py",
                "intake/sessions.py",
                "intake/event.py",
                "intake/json.py",
                "intake/rows.py",
            ),
            *("sync/offering_actions.py", "sync/enrolment_actions.py", "sync/holds.py"),
        )
    ),
]
_ERRORS = {"Refused", "NotFound", "NotNow", "Overloaded", "RecordRefused", "RuleFinding", "StopRun"}
INSIDE = {"lease-lost", "change-failed"}
"""Codes that nobody is told: others stand for them, and the log has them."""


def _raised(path: Path) -> Iterator[tuple[str, object]]:
    """Where an error is made with a code, and the code."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(call, ast.Call) and call.args):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        first = call.args[0]
        if name in _ERRORS and isinstance(first, ast.Constant):
            yield f"{path.name}:{call.lineno}", first.value


def test_every_code_that_is_raised_is_documented() -> None:
    raised = [each for path in RAISED_IN for each in _raised(path)]
    assert raised
    known = {*CODES, *RULES, *INSIDE}
    assert [(where, code) for where, code in raised if code not in known] == []


def test_every_documented_code_is_used() -> None:
    said = "\n".join(path.read_text(encoding="utf-8") for path in RAISED_IN)
    said += (_ROOT / "lms_bridge" / "server" / "error_handler.py").read_text(encoding="utf-8")
    for code in (*CODES, *RULES):
        assert said.count(f'"{code}"') > 1, code  # once is its own line in the list of codes
