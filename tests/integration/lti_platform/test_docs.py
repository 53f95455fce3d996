"""Every code that the platform side refuses with is explained in docs/lti.md, and none is that is
no longer used."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BRIDGE = ROOT / "lms_bridge"
FOLDERS = (BRIDGE / "lti" / "platform", BRIDGE / "web" / "lti_platform")
CODE = r'"([a-z]+(?:-[a-z]+)+)"'
WAYS = (
    rf"(?:LtiRefused|json_parts\.wrong)\(\s*{CODE}",
    rf"^BAD = {CODE}",
    rf'^    "\w+": \("\w+", {CODE}\),',  # the parameters that have one value only
)
TITLE = "### When something is refused\n"


def test_every_code_is_explained() -> None:
    codes = _codes(*FOLDERS)
    assert len(codes) > 50
    assert codes - _explained() == set()


def test_no_code_is_explained_that_is_not_used() -> None:
    assert _explained() - _codes(BRIDGE) == set()


def _codes(*folders: Path) -> set[str]:
    source = "\n".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    return {code for way in WAYS for code in re.findall(way, source, re.MULTILINE)}


def _explained() -> set[str]:
    whole = (ROOT / "docs" / "lti.md").read_text()
    table = whole.partition(TITLE)[2].partition("\n#")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([a-z-]+)`", " ".join(rows)))
