"""docs/lti.md explains every reason why a learner cannot go in, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from lms_bridge.lti.platform.enrolment_access import MESSAGES
from lms_bridge.lti.platform.silence import SILENT

ROOT = Path(__file__).resolve().parents[3]
TITLE = "### When a learner cannot go in\n"
BELOW = {"no-tool", "nothing-chosen"}
"""Explained once more where the bridge as a platform is."""
OWN_PAGE = {"account-disabled"}
"""Of the link to the learner's own page."""


def test_every_refusal_is_documented() -> None:
    lti = ROOT / "lms_bridge" / "lti"
    relay = "\n".join(path.read_text() for path in (lti / "relay").glob("*.py"))
    codes = set(re.findall(r'LtiRefused\(\s*"([a-z-]+)"', relay)) | set(MESSAGES)
    shown = (lti / "tool" / "views.py").read_text()
    codes |= set(re.findall(r'log_refusal\(LtiRefused\("([a-z-]+)"', shown))
    assert len(codes) > 14
    table = (ROOT / "docs" / "lti.md").read_text().partition(TITLE)[2].partition("\n#")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(rows))) == codes | BELOW | OWN_PAGE | {SILENT}
