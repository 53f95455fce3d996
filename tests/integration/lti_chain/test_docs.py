"""docs/lti.md explains every reason why a learner cannot go in, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from lms_bridge.lti.platform.places import WORDS

ROOT = Path(__file__).resolve().parents[3]
TITLE = "### When a learner cannot go in\n"
BELOW = {"no-tool", "nothing-chosen"}
"""Explained once more where the bridge as a platform is."""


def test_reasons_are_explained() -> None:
    source = "\n".join(
        path.read_text()
        for path in (
            *(ROOT / "lms_bridge" / "lti" / "chain").glob("*.py"),
            ROOT / "lms_bridge" / "web" / "lti_tool" / "arriving.py",
        )
    )
    codes = set(re.findall(r'(?:LtiRefused\(|code=)\s*"([a-z-]+)"', source)) | set(WORDS)
    assert len(codes) > 14
    table = (ROOT / "docs" / "lti.md").read_text().partition(TITLE)[2].partition("\n#")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(rows))) == codes | BELOW
