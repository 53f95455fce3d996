"""The documentation names every option, function and course field of the connector."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.moodle.needs import (
    ACADEMY_FUNCTIONS,
    ACADEMY_OPTIONAL,
    CENTRE_FUNCTIONS,
    CENTRE_OPTIONAL,
)
from connectors.moodle.options import ACADEMY, CENTRE
from lms_bridge.domain.custom import ITU_FIELDS

TEXT = (Path(__file__).parents[3] / "docs" / "moodle.md").read_text(encoding="utf-8")
NAMES = [
    *(option.name for option in (*CENTRE, *ACADEMY)),
    *CENTRE_FUNCTIONS,
    *CENTRE_OPTIONAL,
    *ACADEMY_FUNCTIONS,
    *ACADEMY_OPTIONAL,
    *ITU_FIELDS,
    *ITU_FIELDS.values(),
]


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_it_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXT
