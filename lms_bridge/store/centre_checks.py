"""The last check of each centre's LMS, and whether one is under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from lms_bridge.store import centres
from lms_bridge.store.bulk import upsert
from lms_bridge.store.run_tables import centre_check as table

GIVEN_UP = timedelta(minutes=10)
"""A check that says nothing for so long has lost its process."""


@dataclass(frozen=True, slots=True)
class CentreCheck:
    """``findings`` are those of ``domain.ports.ProbeFinding`` as mappings. ``error``: why the check
    came to no end."""

    requested_at: datetime
    requested_by: str
    finished_at: datetime | None
    findings: Sequence[Mapping[str, object]]
    error: str

    def under_way(self, now: datetime) -> bool:
        return self.finished_at is None and now < self.requested_at + GIVEN_UP

    def verdicts(self, word: str) -> int:
        return sum(1 for each in self.findings if each["verdict"] == word)


def find_check(tx: Connection, centre: str) -> CentreCheck | None:
    names = CentreCheck.__slots__
    query = select(*(table.c[name] for name in names)).where(table.c.centre == centre)
    row = tx.execute(query).first()
    return None if row is None else CentreCheck(*row)


def begin_check(tx: Connection, centre: str, by: str, at: datetime) -> bool:
    """Notes that a check begins; False when one is under way."""
    centres.lock(tx, centre)
    known = find_check(tx, centre)
    if known is not None and known.under_way(at):
        return False
    row = {
        "centre": centre,
        "requested_at": at,
        "requested_by": by[:100],
        "finished_at": None,
        "findings": [],
        "error": "",
    }
    upsert(tx, table, [row], ["centre"], [name for name in row if name != "centre"])
    return True


def end_check(
    tx: Connection,
    centre: str,
    findings: Sequence[Mapping[str, object]],
    error: str,
    at: datetime,
) -> None:
    tx.execute(
        update(table)
        .where(table.c.centre == centre)
        .values(findings=list(findings), error=error.replace("\x00", "")[:1000], finished_at=at)
    )
