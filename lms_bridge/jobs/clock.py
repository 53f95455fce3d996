"""The clock: asks the engine for each centre's runs when they are due.

APScheduler keeps the time. Three things are ours, because its job stores cannot be shared between
processes: one process is elected to tick; every due time is claimed in the database before its run
is asked for, so that a process that slept through the loss of its lease runs nothing twice; and
what was missed, however often, is made up once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import LeaseLost
from lms_bridge.jobs import ticks
from lms_bridge.jobs.asked import hand_over
from lms_bridge.jobs.courier import LOOK_SECONDS, Courier
from lms_bridge.jobs.election import Election
from lms_bridge.jobs.engine import Engine
from lms_bridge.jobs.schedule import Job, jobs_of
from lms_bridge.jobs.upkeep import Upkeep
from lms_bridge.store import centres
from lms_bridge.sync.work import utc_now

_log = structlog.get_logger(__name__)
_BEAT, _LOOK = "beat", "look"
REVIEW = timedelta(minutes=1)
"""How often the jobs are compared with the centres that there are."""


class _Due(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """An APScheduler trigger that asks a job when it is due."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return self.job.after(previous or now)


class Clock:
    """Ticks while this process is the elected one, and stands by otherwise.

    ``now`` and ``scheduler`` are for tests.
    """

    def __init__(
        self,
        bridge: Bridge,
        engine: Engine,
        *,
        now: Callable[[], datetime] = utc_now,
        scheduler: Any = None,
    ) -> None:
        self._bridge = bridge
        self._engine = engine
        self._now = now
        self._election = Election(bridge.database, bridge.settings.sync.lease_seconds, now)
        # One thread: two jobs of one clock never race each other, and each is over in no time.
        self._scheduler = scheduler or BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
            timezone=UTC,
        )
        self._jobs: dict[str, Job] = {}
        self._reviewed: datetime | None = None
        self._upkeep = Upkeep(bridge)
        self._courier = Courier(bridge, now)

    @property
    def elected(self) -> bool:
        return self._election.elected

    @property
    def jobs(self) -> dict[str, Job]:
        """The jobs that are scheduled here: none while another process ticks."""
        return dict(self._jobs)

    def start(self) -> None:
        """Stands for election at once and from then on; returns immediately."""
        every = IntervalTrigger(seconds=self._election.ask_seconds, timezone=UTC)
        self._scheduler.add_job(
            self.beat, every, id=_BEAT, next_run_time=datetime.now(UTC), misfire_grace_time=None
        )
        self._scheduler.add_job(
            self.look, IntervalTrigger(seconds=LOOK_SECONDS, timezone=UTC), id=_LOOK
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Schedules nothing more, lets another process take over, and gives runs that are going
        ``clock.stop_seconds`` to end before they are cut off between two transactions."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self._courier.close()
        try:
            self._election.resign()
        except SQLAlchemyError as error:  # the lease then ends by itself
            _log.warning("clock not handed over", error=type(error).__name__)
        self._engine.close(self._bridge.settings.clock.stop_seconds)

    # ---- what the scheduler calls --------------------------------------------------------

    def beat(self) -> None:
        """Stands for election; when elected, reviews the jobs at the start and every minute."""
        was = self._election.elected
        try:
            if not self._election.stand():
                self._stand_by(was)
                return
            if not was:
                _log.info("clock elected")
            if not was or self._reviewed is None or self._now() - self._reviewed >= REVIEW:
                self._review()
        except LeaseLost:
            self._stand_by(was)
        except SQLAlchemyError as error:  # nothing can be claimed without the database either
            _log.error("clock without database", error=type(error).__name__)

    def look(self) -> None:
        """While elected: hands over runs that events asked for, and tells webhooks what changed."""
        if not self._election.elected:
            return
        try:
            hand_over(self._bridge.database, self._engine, self._election.fence, self._now())
        except LeaseLost:
            self._stand_by(True)
            return
        except SQLAlchemyError as error:  # the next look makes it up
            _log.error("clock without database", error=type(error).__name__)
            return
        self._courier.turn()

    def fire(self, job_id: str) -> None:
        """Asks for the run of a job, when its due time is not served yet."""
        job = self._jobs.get(job_id)
        if job is None:
            return
        try:
            with self._bridge.database.writing() as tx:
                self._election.fence(tx)
                now = self._now()
                if not ticks.claim(tx, job, now):
                    return
                going = ticks.still_going(tx, job, now)
        except LeaseLost:
            self._stand_by(True)
            return
        except SQLAlchemyError as error:  # the next review finds it overdue
            _log.error("tick failed", job=job_id, error=type(error).__name__)
            return
        if going:
            _log.info("tick skipped: still going", job=job_id)
            return
        self._submit(job, ticks.BY_CLOCK)

    # ---- inside --------------------------------------------------------------------------

    def _submit(self, job: Job, trigger: str) -> None:
        try:
            taken = self._engine.submit(job.centre, job.flows, job.full, trigger)
        except Exception as error:  # a queue that is away must not stop the clock
            _log.error("engine refused", job=job.id, error=type(error).__name__)
            return
        _log.info("tick" if taken else "tick skipped: waits already", job=job.id, trigger=trigger)

    def _stand_by(self, was_elected: bool) -> None:
        if was_elected:
            _log.warning("clock lost: another process ticks")
        self._reviewed = None
        self._schedule({})

    def _review(self) -> None:
        """Brings the jobs up to date with the centres, and makes up for what was missed."""
        database = self._bridge.database
        with database.reading() as tx:
            active = centres.all_centres(tx, active_only=True)
        clock = self._bridge.settings.clock
        jobs = {job.id: job for centre in active for job in jobs_of(centre, clock)}
        with database.writing() as tx:
            self._election.fence(tx)
            now = self._now()
            late = ticks.overdue(tx, jobs.values(), now)
            broken = ticks.cut_off(tx, jobs.values(), now)
        self._schedule(jobs)
        self._reviewed = now
        for job in broken:
            self._submit(job, ticks.RESUMED)
        for job in late:
            self.fire(job.id)
        self._upkeep.do(now)

    def _schedule(self, jobs: dict[str, Job]) -> None:
        """Changes APScheduler's jobs to these; those that are the same stay as they are."""
        for job_id, job in self._jobs.items():
            if jobs.get(job_id) != job:
                self._scheduler.remove_job(job_id)
        for job_id, job in jobs.items():
            if self._jobs.get(job_id) != job:
                self._scheduler.add_job(self.fire, _Due(job), args=[job_id], id=job_id)
        self._jobs = jobs
