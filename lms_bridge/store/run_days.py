"""Runs added up by day and centre: how many, how long, what they changed, how far apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    bindparam,
    case,
    cast,
    func,
    select,
)

from lms_bridge.domain.model import Flow
from lms_bridge.store.bulk import upsert
from lms_bridge.store.flow_states import BAD, READ_A_CENTRE
from lms_bridge.store.run_tables import run_day as table
from lms_bridge.store.tables import centre

_CHANGED = (".applied", ".acknowledged")
_REFUSED = (".failed", ".quarantined")
_FLOWS = frozenset(map(str, Flow))


def add_to_day(
    tx: Connection, run: Row[Any], status: str, counts: Mapping[str, int], at: datetime
) -> None:
    """Adds a run that ended to its day. Decisions and other lines of the audit are no such runs."""
    if _FLOWS.isdisjoint(run.flows.split(",")):
        return
    took = max(0, int((at - run.started_at) / timedelta(milliseconds=1)))
    good = run.trigger in READ_A_CENTRE and status not in BAD
    row = {
        "centre": run.centre,
        "day": at.date(),
        "runs": 1,
        "failed": int(status in BAD),
        "milliseconds": took,
        "longest": took,
        "changes": _sum(counts, _CHANGED),
        "refused": _sum(counts, _REFUSED),
        "good_at": at if good else None,
        "lag": _seconds_since_good(tx, run.centre, at) if good else 0,
    }
    upsert(tx, table, [row], ["centre", "day"], [], _added)


def _sum(counts: Mapping[str, int], ends: tuple[str, ...]) -> int:
    return sum(number for key, number in counts.items() if key.endswith(ends))


_LAST_GOOD = (
    select(table.c.good_at)
    .where(table.c.centre == bindparam("of_centre"), table.c.good_at.is_not(None))
    .order_by(table.c.day.desc())
    .limit(1)
)
"""Built once, because each run asks, and building costs more than the query."""


def _seconds_since_good(tx: Connection, code: str, at: datetime) -> int:
    before = tx.scalar(_LAST_GOOD, {"of_centre": code})
    return 0 if before is None else max(0, int((at - before).total_seconds()))


def _added(new: Any) -> dict[str, ColumnElement[Any]]:
    sums = ("runs", "failed", "milliseconds", "changes", "refused")
    found: dict[str, ColumnElement[Any]] = {name: table.c[name] + new[name] for name in sums}
    for name in ("longest", "lag"):
        old = table.c[name]
        found[name] = case((old > new[name], old), else_=new[name])
    return found | {"good_at": func.coalesce(new.good_at, table.c.good_at)}


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What ran on one day, or in the days from it on. Times in seconds; ``lag``: the most between
    two good runs of one centre."""

    day: date
    runs: int = 0
    failed: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    changes: int = 0
    refused: int = 0
    lag: int = 0

    @property
    def average(self) -> float:
        return self.seconds / self.runs if self.runs else 0.0


def figures(
    tx: Connection,
    first: date,
    last: date,
    *,
    code: str = "",
    within: Collection[str] | None = None,
) -> list[DayFigures]:
    """One for each day, the earliest first; of one centre, of these centres, or of all."""
    sums = (_whole(table.c[name]) for name in ("runs", "failed", "milliseconds"))
    rest = (_whole(table.c.changes), _whole(table.c.refused), func.max(table.c.lag))
    query = (
        select(table.c.day, *sums, func.max(table.c.longest), *rest)
        .where(table.c.day.between(first, last), *_among(code, within))
        .group_by(table.c.day)
    )
    found = {
        day: DayFigures(day, runs, failed, took / 1000, longest / 1000, *more)
        for day, runs, failed, took, longest, *more in tx.execute(query)
    }
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [found.get(day, DayFigures(day)) for day in days]


def by_week(days: Sequence[DayFigures]) -> list[DayFigures]:
    """Seven days added up to one each; the last seven days are the last one."""
    first = len(days) % 7
    parts = [days[:first]] if first else []
    parts += [days[at : at + 7] for at in range(first, len(days), 7)]
    return [
        DayFigures(
            part[0].day,
            sum(each.runs for each in part),
            sum(each.failed for each in part),
            sum(each.seconds for each in part),
            max(each.longest for each in part),
            sum(each.changes for each in part),
            sum(each.refused for each in part),
            max(each.lag for each in part),
        )
        for part in parts
    ]


def _whole(column: ColumnElement[int]) -> ColumnElement[int]:
    """A sum that PostgreSQL, too, gives as a whole number."""
    return cast(func.sum(column), BigInteger)


def silent_since(
    tx: Connection, *, code: str = "", within: Collection[str] | None = None
) -> datetime | None:
    """When the centre ran well last that waits longest for it, of those that are not paused."""
    active = select(centre.c.code).where(centre.c.active)
    last = (
        select(func.max(table.c.good_at).label("at"))
        .where(table.c.centre.in_(active), *_among(code, within))
        .group_by(table.c.centre)
        .subquery()
    )
    found: datetime | None = tx.scalar(select(func.min(last.c.at)))
    return found


def _among(code: str, within: Collection[str] | None) -> list[ColumnElement[bool]]:
    of_one = [table.c.centre == code] if code else []
    return of_one if within is None else [*of_one, table.c.centre.in_(within)]
