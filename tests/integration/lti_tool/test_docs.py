"""Every code that the tool side refuses with is explained in docs/lti.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "lms_bridge" / "lti" / "tool"


def test_every_code_is_explained() -> None:
    sources = [path.read_text() for path in FOLDER.rglob("*.py")]
    codes = {
        code
        for source in sources
        for code in re.findall(
            r'(?:LtiRefused\(|_required\([\w."., ]+?)\s*"([a-z]+-[a-z-]+)"', source
        )
    }
    assert len(codes) > 40
    explained = (ROOT / "docs" / "lti.md").read_text()
    assert {code for code in codes if f"`{code}`" not in explained} == set()
