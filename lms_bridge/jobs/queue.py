"""Procrastinate: the same runs, as jobs in PostgreSQL that any number of workers take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path

import psycopg
import structlog
from procrastinate import App, PsycopgConnector, RetryStrategy, SyncPsycopgConnector
from procrastinate.connector import BaseConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager
from psycopg import sql
from sqlalchemy.engine import make_url

from lms_bridge.bridge import Bridge
from lms_bridge.domain.model import Flow
from lms_bridge.jobs.schedule import BY_CHANGE
from lms_bridge.jobs.workers import (
    BUSY_ATTEMPTS,
    BUSY_SECONDS,
    SENDERS,
    Execution,
    RunPools,
    act_of,
    key_of,
    owners_of,
)
from lms_bridge.logs import LastingFailure
from lms_bridge.sync.run_state import BUSY, FAILED
from lms_bridge.webhooks.dispatcher import Dispatcher

_log = structlog.get_logger(__name__)
TASK, QUEUE = "run_centre", "runs"
SENDING = "sending"
"""The queue of runs that only send: none of them waits until an LMS is read."""
STALLED_SECONDS = 60.0
AWAY_SECONDS, AGAIN_SECONDS = 30.0, 5.0
"""How long a worker waits for a connection, and before it tries a database again that is away."""
_UPGRADE_LOCK = 0x6C6D735F
"""The number of our advisory lock; no other program may use it."""


class CentreBusy(Exception):
    """A full run found its centre busy; Procrastinate tries it again later."""


def conninfo(address: str) -> str:
    """The address of the store as PostgreSQL's own library reads it."""
    return make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)


Task = Callable[[str, list[str], bool, str], Awaitable[None]]


def queue_app(connector: BaseConnector, task: Task) -> App:
    """An application that knows one task."""
    app = App(connector=connector)
    again = RetryStrategy(
        max_attempts=BUSY_ATTEMPTS, wait=BUSY_SECONDS, retry_exceptions=[CentreBusy]
    )
    app.task(name=TASK, queue=QUEUE, retry=again)(task)
    return app


async def _nothing(centre: str, flows: list[str], full: bool, trigger: str) -> None:
    """Stands for the task where it is only submitted."""


class ProcrastinateEngine:
    """Puts runs into the queue. Equal requests collapse there, whoever makes them."""

    def __init__(self, address: str) -> None:
        self._connector = SyncPsycopgConnector(conninfo=conninfo(address), min_size=1, max_size=2)
        self._app = queue_app(self._connector, _nothing)
        self._opening = threading.Lock()

    def submit(self, centre_code: str, flows: Sequence[Flow], full: bool, trigger: str) -> bool:
        with self._opening:
            self._app.open()  # does nothing when it is open
        queue = SENDING if trigger == BY_CHANGE else QUEUE
        lock = key_of(centre_code, flows, full, trigger)
        job = self._app.configure_task(TASK, queue=queue, queueing_lock=lock)
        try:
            job.defer(
                centre=centre_code,
                flows=[str(flow) for flow in flows],
                full=full,
                trigger=trigger,
            )
        except AlreadyEnqueued:
            return False
        return True

    def close(self, seconds: float) -> None:
        del seconds  # nothing runs here
        self._app.close()


def run_worker(bridge: Bridge, *, until_empty: bool = False, signals: bool = True) -> None:
    """Carries out runs from the queue until SIGTERM or SIGINT, or until the queue is empty; shows
    webhooks meanwhile.

    At the end, runs that are going get ``clock.stop_seconds`` before they are cut off between two
    transactions; the clock makes them up.
    """
    execution = Execution(bridge)
    pools = RunPools(bridge.settings.sync)
    worker = _QueueWorker(bridge, execution, pools, until_empty)
    try:
        with Dispatcher(bridge).beside():
            asyncio.run(worker.work(signals))
            if until_empty:
                pools.wait_idle(bridge.settings.clock.stop_seconds)
    finally:
        if not pools.close(0):
            execution.let_go()


class _QueueWorker:
    """Takes jobs from both queues. Where the database is away for a while, it waits until it is
    back: runs that go on meanwhile are not cut off."""

    def __init__(
        self, bridge: Bridge, execution: Execution, pools: RunPools, until_empty: bool
    ) -> None:
        self._settings = bridge.settings
        self._until_empty = until_empty
        self._away = LastingFailure(_log, "queue without database", "queue has the database again")
        slow = bridge.settings.sync.slow_minutes * 60
        self._task = _task(bridge, execution, pools, slow)

    async def work(self, signals: bool) -> None:
        while True:
            try:
                return await self._take_jobs(signals)
            except (ConnectorException, psycopg.OperationalError) as error:
                if not _is_away(error):
                    raise
                self._away.failed(type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _take_jobs(self, signals: bool) -> None:
        """Returns at a signal, or when the queues are empty."""
        address = conninfo(self._settings.store.address)
        connector = PsycopgConnector(conninfo=address, min_size=1, timeout=AWAY_SECONDS)
        app = queue_app(connector, self._task)
        async with app.open_async():
            await _drop_stalled(app)
            self._away.works()
            at_once = self._settings.sync.centres_at_once
            running = asyncio.create_task(self._carry_out(app, QUEUE, at_once, signals))
            sending = asyncio.create_task(self._carry_out(app, SENDING, SENDERS, False))
            both = (running, sending)
            if not self._until_empty:  # whichever ends, by a signal or a failure, ends the other
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in both:
                    task.cancel()
            for ended in await asyncio.gather(*both, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended

    async def _carry_out(self, app: App, queue: str, concurrency: int, signals: bool) -> None:
        await app.run_worker_async(
            queues=[queue],
            concurrency=concurrency,
            wait=not self._until_empty,
            delete_jobs="always",  # what came of a run is kept in the table `run`
            shutdown_graceful_timeout=self._settings.clock.stop_seconds,
            install_signal_handlers=signals,
        )


def _is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached; other errors of it do not pass by themselves."""
    cause = error.__cause__ if isinstance(error, ConnectorException) else error
    return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)


def _task(bridge: Bridge, execution: Execution, pools: RunPools, slow_seconds: float) -> Task:
    """The task, which passes its run to the pool. Procrastinate's own threads for blocking tasks
    would keep a stopping worker alive until the last slow centre answers. A slow run goes on there,
    and its place in the worker becomes free.

    A run that has to wait for its own centre or server waits in the pool, and takes no place of
    the worker, which others need. If the worker ends before it begins, the clock makes it up.
    """
    numbers = count(1)

    async def run_centre(centre: str, flows: list[str], full: bool, trigger: str) -> None:
        of_run = (centre, [Flow(flow) for flow in flows], full, trigger)
        pool = pools.of(trigger)
        owners = await asyncio.to_thread(owners_of, bridge, centre)
        if pool.holds_up(centre, owners):
            pool.add(key_of(*of_run), centre, act_of(execution, *of_run), owners)
            return
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[str] = loop.create_future()
        ended: asyncio.Future[str] = loop.create_future()

        def tell(future: asyncio.Future[str], status: str = "") -> None:
            if not future.done():
                future.set_result(status)

        def act() -> None:
            status = FAILED
            try:
                loop.call_soon_threadsafe(tell, begun)
                status = execution.run(*of_run)
            finally:  # whatever becomes of the run: the worker's place must not be lost
                if not loop.is_closed():
                    loop.call_soon_threadsafe(tell, ended, status)

        pool.add(f"{centre}:{next(numbers)}", centre, act, owners)
        await begun
        await asyncio.wait([ended], timeout=slow_seconds)
        if ended.done() and ended.result() == BUSY and full:
            raise CentreBusy

    return run_centre


async def _drop_stalled(app: App) -> None:
    """Jobs of workers that died: their runs are made up by the clock, from the runs' own table."""
    manager = app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        await manager.finish_job(job, Status.FAILED, delete_job=True)


def upgrade_queue(address: str) -> bool:
    """Brings Procrastinate's own tables up to date; False when they are.

    Which version they are of is kept as the comment of its main table. Each script is a
    transaction of its own, as some add words to an enumeration that later ones use.
    """
    migrations = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    newest = migrations[-1].stem
    with psycopg.connect(conninfo(address), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_UPGRADE_LOCK])
        exists, version = _queue_version(connection)
        if exists and version == newest:
            return False
        if not exists:
            connection.execute(SchemaManager.get_schema().encode())
        for path in migrations:
            if exists and version and path.stem > version:
                connection.execute(path.read_bytes())
                _set_queue_version(connection, path.stem)
        _set_queue_version(connection, newest)
    _log.info("queue tables brought up to date", version=newest)
    return True


def _queue_version(connection: psycopg.Connection) -> tuple[bool, str]:
    """Whether the tables exist, and of which version they are, where that is known."""
    row = connection.execute(
        "SELECT to_regclass('procrastinate_jobs') IS NOT NULL,"
        " obj_description(to_regclass('procrastinate_jobs'), 'pg_class')"
    ).fetchone()
    return (row[0], row[1] or "") if row else (False, "")


def _set_queue_version(connection: psycopg.Connection, version: str) -> None:
    connection.execute(
        sql.SQL("COMMENT ON TABLE procrastinate_jobs IS {}").format(sql.Literal(version))
    )
