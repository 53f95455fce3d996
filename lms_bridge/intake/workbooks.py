"""Workbooks of spreadsheet programs, which the bridge does not read."""

from __future__ import annotations

from pathlib import Path

from lms_bridge.domain.errors import Refused

WORKBOOKS = frozenset({".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"})


def workbook(file: Path | str) -> Refused:
    """The refusal of a workbook, with what to do."""
    return Refused(
        "file-unreadable",
        f"{file}: this is a workbook of a spreadsheet program. Nothing was changed.",
        "Save its sheet as CSV UTF-8, and send that.",
    )
