"""The scheduler: starts each centre's runs when they are due or requested."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.bridge import Bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import LeaseLost
from lms_bridge.jobs import schedule
from lms_bridge.jobs.leader import Leader, Upkeep, is_over
from lms_bridge.jobs.schedule import BY_CHANGE, BY_EVENT, BY_REQUEST, Job, jobs_of
from lms_bridge.jobs.workers import RunEngine
from lms_bridge.logs import LastingFailure
from lms_bridge.store import centres, run_requests
from lms_bridge.store.database import Database
from lms_bridge.store.failures import failure_code
from lms_bridge.webhooks.dispatcher import LOOK_SECONDS, Dispatcher

_log = structlog.get_logger(__name__)
STALE = timedelta(minutes=2)
"""A request that an engine has not carried out for so long is submitted again."""


def hand_over_requests(
    database: Database, engine: RunEngine, fence: Callable[[Connection], None], now: datetime
) -> None:
    """Submits requested runs to the engine. It refuses a run that waits or is at work already. That
    run may have read too early, so the request is submitted again the next time. What only sends
    goes first: a reading of the same centre may take long.

    Raises:
        LeaseLost: another process is the leader now.
    """
    with database.reading() as tx:
        waiting = run_requests.waiting(tx, now - STALE)
    sent = {request.centre for request in waiting if request.sends_only}
    for request in waiting:
        if request.centre in sent and not request.sends_only:
            continue
        trigger = BY_REQUEST if request.by_person else BY_EVENT
        trigger = BY_CHANGE if request.sends_only else trigger
        try:
            accepted = engine.submit(request.centre, request.flows, False, trigger)
        except Exception as error:  # a queue that is away must not stop the clock
            _log.error("engine refused", centre=request.centre, error=type(error).__name__)
            continue
        if accepted:
            with database.writing() as tx:
                fence(tx)
                run_requests.submitted(tx, request, now)


_BEAT, _LOOK = "beat", "look"
_AWAY = "clock without database", "clock has the database again"
REVIEW = timedelta(minutes=1)
"""How often the jobs are compared with the centres."""


class _Due(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """An APScheduler trigger with the due times of a job."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return self.job.after(previous or now)


class _Every(BaseTrigger):  # type: ignore[misc]
    """Due again and again. APScheduler's own begins no earlier than when it was made."""

    def __init__(self, seconds: float) -> None:
        self._every = timedelta(seconds=seconds)

    def __str__(self) -> str:
        return f"every {self._every}"

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        following = (previous or now) + self._every
        return following if following > now else now + self._every


class _WallClock(BackgroundScheduler):  # type: ignore[misc]
    """APScheduler's, which waits for times by the machine's clock. If that is set back, what is due
    counts from now; otherwise all would rest until the old time comes again."""

    _looked: datetime | None = None

    def _process_jobs(self) -> float | None:
        now = utc_now()
        if self._looked is not None and now < self._looked:
            _log.warning("the machine's clock was set back")
            for job in self.get_jobs():
                job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))
        self._looked = now
        wait: float | None = super()._process_jobs()
        return wait


class Scheduler:
    """Starts runs while this process is the leader, and stands by otherwise.

    APScheduler keeps the time. Its job stores cannot be shared between processes, so three things
    are ours. The database elects one leader. The leader claims each due time in the database before
    the run begins, so that a process that slept runs nothing twice. However many runs were missed,
    they are made up once. ``now`` and ``scheduler`` are for tests.
    """

    def __init__(
        self,
        bridge: Bridge,
        engine: RunEngine,
        *,
        now: Callable[[], datetime] = utc_now,
        scheduler: Any = None,
    ) -> None:
        self._bridge = bridge
        self._engine = engine
        self._now = now
        self._election = Leader(bridge.database, bridge.settings.sync.lease_seconds, now)
        # One thread: two jobs of one clock never race each other, and each is over in no time.
        self._scheduler = scheduler or _WallClock(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
            timezone=UTC,
        )
        self._jobs: dict[str, Job] = {}
        self._reviewed: datetime | None = None
        self._upkeep = Upkeep(bridge)
        self._dispatcher = Dispatcher(bridge, now)
        self._beats, self._looks = (LastingFailure(_log, *_AWAY) for _ in range(2))

    @property
    def elected(self) -> bool:
        return self._election.elected

    @property
    def jobs(self) -> dict[str, Job]:
        """The jobs that are scheduled here; none while another process is the leader."""
        return dict(self._jobs)

    def start(self) -> None:
        """Stands for election now and regularly; returns immediately."""
        every = _Every(self._election.ask_seconds)
        self._scheduler.add_job(
            self.beat, every, id=_BEAT, next_run_time=utc_now(), misfire_grace_time=None
        )
        self._scheduler.add_job(self.look, _Every(LOOK_SECONDS), id=_LOOK)
        self._scheduler.start()

    def stop(self) -> None:
        """Schedules nothing more, and lets another process take over. Runs at work have
        ``clock.stop_seconds`` to end; then they are cut off between two transactions."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self._dispatcher.close()
        try:
            self._election.resign()
        except SQLAlchemyError as error:  # the lease then ends by itself
            _log.warning("clock not handed over", error=type(error).__name__)
        self._engine.close(self._bridge.settings.clock.stop_seconds)

    def beat(self) -> None:
        """Stands for election; when elected, reviews the jobs at the start and every minute."""
        was = self._election.elected
        try:
            if not self._election.stand():
                self._stand_by(was)
                return
            if not was:
                _log.info("clock elected")
            if not was or self._reviewed is None or is_over(self._reviewed, REVIEW, self._now()):
                self._review()
        except LeaseLost:
            self._stand_by(was)
        except SQLAlchemyError as error:  # nothing can be claimed without the database either
            self._beats.failed(failure_code(error))
        else:
            self._beats.works()

    def look(self) -> None:
        """The leader submits requested runs, and sends changes to webhooks."""
        if not self._election.elected:
            return
        try:
            hand_over_requests(
                self._bridge.database, self._engine, self._election.fence, self._now()
            )
        except LeaseLost:
            self._stand_by(True)
            return
        except SQLAlchemyError as error:  # the next look makes it up
            self._looks.failed(failure_code(error))
            return
        self._looks.works()
        self._dispatcher.turn()

    def fire(self, job_id: str) -> None:
        """Submits the run of a job if its due time is not served yet."""
        job = self._jobs.get(job_id)
        if job is None:
            return
        try:
            with self._bridge.database.writing() as tx:
                self._election.fence(tx)
                now = self._now()
                if not schedule.claim_due_time(tx, job, now):
                    return
                going = schedule.still_going(tx, job, now)
        except LeaseLost:
            self._stand_by(True)
            return
        except SQLAlchemyError as error:  # the next review finds it overdue
            _log.error("tick failed", job=job_id, error=type(error).__name__)
            return
        if going:
            _log.info("tick skipped: still going", job=job_id)
            return
        self._submit(job, schedule.BY_CLOCK)

    def _submit(self, job: Job, trigger: str) -> None:
        try:
            accepted = self._engine.submit(job.centre, job.flows, job.full, trigger)
        except Exception as error:  # a queue that is away must not stop the clock
            _log.error("engine refused", job=job.id, error=type(error).__name__)
            return
        _log.info(
            "tick" if accepted else "tick skipped: waits already", job=job.id, trigger=trigger
        )

    def _stand_by(self, was_elected: bool) -> None:
        if was_elected:
            _log.warning("clock lost: another process ticks")
        self._reviewed = None
        self._schedule({})

    def _review(self) -> None:
        """Updates the jobs to the centres, and makes up for missed runs."""
        database = self._bridge.database
        with database.reading() as tx:
            active = centres.all_centres(tx, active_only=True)
        clock = self._bridge.settings.clock
        jobs = {job.id: job for centre in active for job in jobs_of(centre, clock)}
        with database.writing() as tx:
            self._election.fence(tx)
            now = self._now()
            late = schedule.overdue_times(tx, jobs.values(), now)
            broken = schedule.cut_off(tx, jobs.values(), now)
        self._schedule(jobs)
        self._reviewed = now
        for job in broken:
            self._submit(job, schedule.RESUMED)
        for job in late:
            self.fire(job.id)
        self._upkeep.do(now)

    def _schedule(self, jobs: dict[str, Job]) -> None:
        """Changes APScheduler's jobs to these. Equal jobs stay."""
        for job_id, job in self._jobs.items():
            if jobs.get(job_id) != job:
                self._scheduler.remove_job(job_id)
        for job_id, job in jobs.items():
            if self._jobs.get(job_id) != job:
                self._scheduler.add_job(self.fire, _Due(job), args=[job_id], id=job_id)
        self._jobs = jobs
