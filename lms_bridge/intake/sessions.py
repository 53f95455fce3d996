"""Sessions of one course that a calendar holds as events of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from lms_bridge.domain.model import Offering
from lms_bridge.domain.rules import RuleFinding
from lms_bridge.intake.event import OWN

SEVERAL = 3
"""Events of less than a day with one title; as many are hardly editions of a course."""


@dataclass
class SessionCheck:
    """A check that also warns of events which look like the sessions of one course."""

    check: Callable[[Offering, int], list[RuleFinding]]
    _seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, record: Offering, taken: int) -> list[RuleFinding]:
        findings = self.check(record, taken)
        starts, ends = record.starts_at, record.ends_at
        if starts is None or ends is None or ends - starts >= timedelta(days=1) or record.meetings:
            return findings
        self._seen[record.title] += 1
        if self._seen[record.title] < SEVERAL:
            return findings
        message = (
            f"{self._seen[record.title]} events have this title, and each becomes an offering. If "
            "they are sessions of one course, send one event: it repeats up to an end (COUNT or "
            f"UNTIL), or has its meetings in {OWN}MEETINGS."
        )
        return [*findings, RuleFinding("looks-like-sessions", message, "title", warning=True)]
