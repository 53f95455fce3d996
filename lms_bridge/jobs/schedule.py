"""The jobs of a centre, and which due times have been served."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, select, update

from lms_bridge.bridge import SCORES
from lms_bridge.cron import Cron, Every, check
from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.domain.policy import OwnTimes
from lms_bridge.registry import connector
from lms_bridge.schemas.parts import read_part
from lms_bridge.settings import ClockSettings
from lms_bridge.store import leases, runs
from lms_bridge.store.bulk import upsert
from lms_bridge.store.run_tables import run, schedule_state

_log = structlog.get_logger(__name__)

CATALOGUE, OFFERINGS = "catalogue", "offerings"
ENROLMENTS, RESULTS = "enrolments", "results"


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of run of one centre. ``id`` is its name in the table ``schedule_state``."""

    centre: str
    kind: str
    flows: tuple[Flow, ...]
    full: bool
    due: Cron | Every

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.centre}"

    def after(self, moment: datetime) -> datetime | None:
        """The first due time later than ``moment``."""
        return self.due.after(moment)


def jobs_of(centre: Centre, clock: ClockSettings) -> list[Job]:
    """The jobs of an active centre: at night everything in full, enrolments and results between,
    and offerings where reading them costs little.

    Each centre has a fixed offset. Otherwise thirty centres would start in the same second, and
    with a new random offset a time could come twice.
    """
    if not centre.active:
        return []
    code = centre.code
    nightly = Cron(
        _expression(centre, clock.catalogue),
        _zone(centre),
        offset_of(code, CATALOGUE, clock.jitter_seconds),
    )
    jobs = [
        Job(code, CATALOGUE, tuple(Flow), True, nightly),
        Job(code, ENROLMENTS, (Flow.ENROLMENTS,), False, _every(code, ENROLMENTS, clock)),
        Job(code, RESULTS, (Flow.RESULTS,), False, _every(code, RESULTS, clock)),
    ]
    by_day = offerings_minutes(centre, clock)
    if by_day:
        due = Every(by_day * 60, offset_of(code, OFFERINGS, by_day * 60))
        jobs.append(Job(code, OFFERINGS, (Flow.OFFERINGS,), False, due))
    return jobs


def offerings_minutes(centre: Centre, clock: ClockSettings) -> int:
    """The minutes between two readings of a centre's offerings by day; 0: they are read at night
    alone. Many requests to an LMS are spared unless the centre's policy names a time."""
    own = {k: v for k, v in centre.policy.items() if k in OwnTimes.__slots__}
    times, problems = read_part(OwnTimes, own, f"{centre.code}.policy")
    if own and not problems:
        return times.offerings_minutes
    try:
        local = connector(centre.connector, "centre").reads_locally
    except SettingsInvalid:
        return 0
    return clock.offerings_minutes if local else 0


def _every(code: str, kind: str, clock: ClockSettings) -> Every:
    minutes = clock.enrolments_minutes if kind == ENROLMENTS else clock.results_minutes
    return Every(minutes * 60, offset_of(code, kind, minutes * 60))


def offset_of(centre: str, kind: str, most: int) -> float:
    """A fixed number of whole seconds below ``most`` for this job."""
    if most <= 0:
        return 0.0
    drawn = hashlib.blake2b(f"{kind}:{centre}".encode(), digest_size=8).digest()
    return float(int.from_bytes(drawn) % most)


def _expression(centre: Centre, default: str) -> str:
    """The centre's own expression, if it is usable. A mistake in one centre's policy must not stop
    the scheduler for all others."""
    own = centre.policy.get("catalogue")
    if own is None:
        return default
    try:
        check(str(own))
    except ValueError as error:
        _log.warning("catalogue is no cron expression", centre=centre.code, problem=str(error))
        return default
    return str(own)


def _zone(centre: Centre) -> str:
    try:
        ZoneInfo(centre.time_zone)
    except (ValueError, OSError, LookupError):
        _log.warning("unknown time zone, UTC instead", centre=centre.code, zone=centre.time_zone)
        return "UTC"
    return centre.time_zone


BY_CLOCK, RESUMED, BY_EVENT, BY_REQUEST = "clock", "resume", "event", "request"
BY_CHANGE = "change"
"""A run that only sends what a change left to be sent: it reads nothing of the centre's LMS."""
_AHEAD = timedelta(minutes=5)
"""A tick further ahead than this was written while the machine's clock was wrong."""


def overdue_times(tx: Connection, jobs: Iterable[Job], now: datetime) -> list[Job]:
    """The jobs whose last tick is older than their previous due time. A job seen for the first
    time owes nothing: its count begins now."""
    tx.execute(
        update(schedule_state).where(schedule_state.c.last_at > now + _AHEAD).values(last_at=now)
    )
    last = {row.job: row.last_at for row in tx.execute(select(schedule_state))}
    new = []
    late = []
    for job in jobs:
        if job.id not in last:
            new.append({"job": job.id, "last_at": now})
        elif _is_due(job, last[job.id], now):
            late.append(job)
    upsert(tx, schedule_state, new, ["job"], ["job"])
    return late


def claim_due_time(tx: Connection, job: Job, now: datetime) -> bool:
    """Serves all due times of a job up to now, at once; False when they are served already.

    However many processes and however many missed due times: only one claim succeeds.
    """
    last_at = tx.scalar(select(schedule_state.c.last_at).where(schedule_state.c.job == job.id))
    if last_at is None or not _is_due(job, last_at, now):
        return False
    claimed = tx.execute(
        update(schedule_state)
        .where(schedule_state.c.job == job.id, schedule_state.c.last_at == last_at)
        .values(last_at=now)
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
            runs.RUNNING,
            run.c.flows == _flows(job),
            run.c.trigger != SCORES,  # which reads nothing
        )
    ).first()
    return row is not None and leases.is_at_work(tx, f"{leases.RUN}{job.centre}", now)


def cut_off(tx: Connection, jobs: Iterable[Job], now: datetime) -> list[Job]:
    """The jobs whose run lost its process before it ended; such runs are marked as cut off.

    A run that makes up for another is not made up again. Otherwise a run that kills its process
    would start over and over.
    """
    lost = runs.lost_centres(tx, now)
    if not lost:
        return []
    columns = (run.c.centre, run.c.flows, run.c.trigger)
    orphans = tx.execute(select(*columns).where(runs.RUNNING, run.c.centre.in_(lost))).all()
    for centre in lost:
        runs.end_orphaned_runs(tx, centre, now)
    broken: Sequence[tuple[str, str]] = [
        (row.centre, row.flows) for row in orphans if row.trigger == BY_CLOCK
    ]
    return [job for job in jobs if (job.centre, _flows(job)) in broken]
