"""The findings of a probe, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lms_bridge.cli.output import say, table
from lms_bridge.domain.ports import Finding, Verdict


def show_findings(findings: Sequence[Finding]) -> bool:
    """Shows them; gives whether anything is missing."""
    if findings:
        table(
            ["check", "verdict", "what it means", "remedy"],
            [(f.check, f.verdict.upper(), f.message, f.remedy) for f in findings],
        )
    broken = broken_flows(findings)
    if broken:
        say(f"Will not work: {', '.join(broken)}.", "red")
    return any(finding.verdict is Verdict.MISSING for finding in findings)


def broken_flows(findings: Sequence[Finding]) -> list[str]:
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    return sorted({flow for finding in missing for flow in finding.affects})


def as_json(finding: Finding) -> Mapping[str, Any]:
    return {
        "check": finding.check,
        "verdict": finding.verdict,
        "message": finding.message,
        "remedy": finding.remedy,
        "affects": list(finding.affects),
    }
