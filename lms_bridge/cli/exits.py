"""Exit codes, which scripts and timers rely on.

A failure outranks a hold: 3 means that nothing but a person's approval is missing.
"""

from __future__ import annotations

from collections.abc import Iterable

from lms_bridge.domain.errors import BridgeError, Refused
from lms_bridge.sync.run import DONE, HELD, Report

ALL_DONE, SOME_FAILED, WRONG_USE, WAITS_FOR_APPROVAL = 0, 1, 2, 3


def of_error(error: BridgeError) -> int:
    return WRONG_USE if isinstance(error, Refused) else SOME_FAILED


def of_reports(reports: Iterable[Report]) -> int:
    """0 when all is done, 1 when anything failed, 3 when all that is left waits for approval."""
    seen = list(reports)
    if any(_failed(report) for report in seen):
        return SOME_FAILED
    return WAITS_FOR_APPROVAL if any(report.held for report in seen) else ALL_DONE


def _failed(report: Report) -> bool:
    """A held run may have failed in other respects: its status does not tell."""
    if report.status not in (DONE, HELD):
        return True
    return bool(report.errors) or any(
        number and key.rpartition(".")[2] in ("failed", "quarantined")
        for key, number in report.counts.items()
    )
