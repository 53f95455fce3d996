"""docs/api.md explains every code that a row can be refused with, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lms_bridge.intake.event import STATUSES
from lms_bridge.schemas.csv.reader import CsvTrouble
from tests.integration.api.world import World
from tests.integration.schedule.pushing import CSV, Centre, outcomes

_ROOT = Path(__file__).parents[3]
_SECTION = re.split(
    r"^## ", (_ROOT / "docs" / "api.md").read_text(encoding="utf-8"), flags=re.MULTILINE
)
TEXT = next(each for each in _SECTION if each.startswith("Push a schedule"))
_SOURCES = [
    *(_ROOT / "lms_bridge" / "schemas" / name for name in ("fields.py", "load.py", "records.py")),
    *(_ROOT / "lms_bridge" / "intake").glob("*.py"),
]
_OTHERS = {"another-centre", "owned-elsewhere", "invalid", "missing", *CsvTrouble} - {
    CsvTrouble.NO_ID
}
"""Codes that come from elsewhere."""
_RAISED = re.compile(
    r"""(?:complaint\(|Complaint\(|Problem\(|_Bad\(|RecordRefused\()\s*(?:[^()]|\([^()]*\))*?"""
    r""""((?:[a-z]+-)+[a-z]+|missing|empty)\"""",
    re.DOTALL,
)
_INSIDE = {"invalid-record", "unreadable-record"}
"""Codes of whole records, whose problems have others."""


def test_every_code_of_a_row_is_documented() -> None:
    table = TEXT.partition("| code of a problem |")[2].partition("\n\n")[0]
    reported = {
        code
        for line in table.splitlines()[2:]
        for code in re.findall(r"`([a-z-]+)`", line.split("|")[1])
    }
    raised = {code for path in _SOURCES for code in _RAISED.findall(path.read_text("utf-8"))}
    assert len(raised) > 20
    assert reported == (raised | _OTHERS) - _INSIDE


def test_every_status_of_an_event_is_documented() -> None:
    for name, status in STATUSES.items():
        assert f"`{name}`: `{status}`" in TEXT


def test_the_examples_are_short_and_work(world: World) -> None:
    shell, python = re.findall(r"```(?:python)?\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(shell.replace("\\\n", "").splitlines()) <= 5
    assert len([line for line in python.splitlines() if line]) == 5
    assert "-X PATCH" in shell
    centre = Centre(world)
    namespace: dict[str, Any] = {"token": centre.token}
    for line in python.splitlines():
        if line.startswith(("rows", "head")):
            exec(line, namespace)
    pushed = [centre.push(namespace["rows"], headers=namespace["head"]) for _ in range(2)]
    assert outcomes(pushed[0]) == [(1, "created")]
    assert pushed[1].headers["Idempotent-Replayed"] == "true"


def test_the_example_of_a_file_can_be_pushed(world: World) -> None:
    files = (_ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```csv\n(.*?)```", files, flags=re.DOTALL)
    assert outcomes(Centre(world).push(example.encode(), media=CSV)) == [(2, "created")]
