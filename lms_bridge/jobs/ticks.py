"""Which due times have been served: the table ``tick``, and the runs that it led to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, exists, select, update

from lms_bridge.bootstrap import SCORES
from lms_bridge.jobs.schedule import Job
from lms_bridge.store import reports
from lms_bridge.store.rows import upsert
from lms_bridge.store.tables import lease, run, tick

BY_CLOCK, RESUMED, BY_EVENT = "clock", "resume", "event"
_AHEAD = timedelta(hours=1)
"""A tick further ahead than this was written while the machine's clock was wrong."""


def overdue(tx: Connection, jobs: Iterable[Job], now: datetime) -> list[Job]:
    """The jobs whose last tick is older than their previous due time. A job seen for the first
    time owes nothing: its count begins now."""
    tx.execute(update(tick).where(tick.c.last_at > now + _AHEAD).values(last_at=now))
    last = {row.job: row.last_at for row in tx.execute(select(tick))}
    new = []
    late = []
    for job in jobs:
        if job.id not in last:
            new.append({"job": job.id, "last_at": now})
        elif _is_due(job, last[job.id], now):
            late.append(job)
    upsert(tx, tick, new, ["job"], ["job"])
    return late


def claim(tx: Connection, job: Job, now: datetime) -> bool:
    """Serves all due times of a job up to now, at once; False when they are served already.

    However many processes and however many missed due times: only one claim succeeds.
    """
    last_at = tx.scalar(select(tick.c.last_at).where(tick.c.job == job.id))
    if last_at is None or not _is_due(job, last_at, now):
        return False
    claimed = tx.execute(
        update(tick).where(tick.c.job == job.id, tick.c.last_at == last_at).values(last_at=now)
    )
    return claimed.rowcount == 1


def _is_due(job: Job, last_at: datetime, now: datetime) -> bool:
    due = job.after(last_at)
    return due is not None and due <= now


def _flows(job: Job) -> str:
    return ",".join(job.flows)


def still_going(tx: Connection, job: Job, now: datetime) -> bool:
    """Whether a run of the same centre and flows is at work somewhere."""
    row = tx.execute(
        select(run.c.id).where(
            run.c.centre == job.centre,
            reports.RUNNING,
            run.c.flows == _flows(job),
            run.c.trigger != SCORES,  # which reads nothing
            exists().where(lease.c.name == f"run:{job.centre}", lease.c.expires_at > now),
        )
    ).first()
    return row is not None


def cut_off(tx: Connection, jobs: Iterable[Job], now: datetime) -> list[Job]:
    """The jobs whose run lost its process before it ended; such runs are marked as cut off.

    A run that was itself begun to make up for one is not made up again: whatever takes its
    process down would be started over and over.
    """
    orphans = tx.execute(
        select(run.c.centre, run.c.flows, run.c.trigger).where(
            reports.RUNNING,
            ~exists().where(lease.c.name == "run:" + run.c.centre, lease.c.expires_at > now),
        )
    ).all()
    for centre in {row.centre for row in orphans}:
        reports.end_orphaned_runs(tx, centre, now)
    broken: Sequence[tuple[str, str]] = [
        (row.centre, row.flows) for row in orphans if row.trigger == BY_CLOCK
    ]
    return [job for job in jobs if (job.centre, _flows(job)) in broken]
