"""Workers: a bounded pool of threads carries out runs, one at a time for each centre."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.bridge import Bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, NotFound
from lms_bridge.domain.model import Flow
from lms_bridge.jobs.schedule import BY_CHANGE, BY_EVENT, BY_REQUEST
from lms_bridge.settings import SyncSettings
from lms_bridge.store import centres, leases, run_requests, runs
from lms_bridge.store.failures import failure_code
from lms_bridge.sync.context import Lease
from lms_bridge.sync.run import Runner
from lms_bridge.sync.run_state import BUSY, FAILED
from lms_bridge.worker_pool import Act, WorkerPool

_log = structlog.get_logger(__name__)


class Execution:
    """Runs centres, and can let go of the runs that are still going when the process has to end."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._runner = replace(bridge.runner(), keeping=self._keeping)
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()

    @contextmanager
    def _keeping(self, lease: Lease) -> Iterator[None]:
        with self._lock:
            self._leases[lease.holder] = lease
        try:
            with self._bridge.lease_renewer.keeping(lease):
                yield
        finally:
            with self._lock:
                self._leases.pop(lease.holder, None)

    def run(self, centre: str, flows: Sequence[Flow], full: bool, trigger: str) -> str:
        """Runs one centre and returns the status of its report. Errors are in the run's report and
        in the log; it raises none of them."""
        if trigger not in (BY_EVENT, BY_REQUEST, BY_CHANGE):
            return self._run(centre, flows, full, trigger)
        sends_only = trigger == BY_CHANGE
        try:
            with self._bridge.database.reading() as tx:
                mark = run_requests.mark_of(tx, centre, flows, sends_only=sends_only)
        except SQLAlchemyError as error:  # the request stays, and is submitted again
            self._log_failure("run failed: database", centre, error)
            return FAILED
        status = self._run(centre, flows, full, trigger)
        self._keep_outcome(centre, flows, mark, status, sends_only=sends_only)
        return status

    def _log_failure(self, what: str, centre: str, error: SQLAlchemyError) -> None:
        _log.error(what, centre=centre, error=type(error).__name__, code=failure_code(error))

    def _keep_outcome(
        self,
        centre: str,
        flows: Sequence[Flow],
        mark: str,
        status: str,
        *,
        sends_only: bool,
    ) -> None:
        """Marks a requested run as done, or submits it again."""
        try:
            with self._bridge.database.writing() as tx:
                if status == BUSY:
                    run_requests.not_served(tx, centre, flows, sends_only=sends_only)
                else:
                    run_requests.served(tx, centre, flows, mark, sends_only=sends_only)
        except SQLAlchemyError as error:  # it is then run once more
            self._log_failure("request not kept", centre, error)

    def _run(self, centre: str, flows: Sequence[Flow], full: bool, trigger: str) -> str:
        try:
            known = self._bridge.centre(centre)
            if not known.active:  # since the request, or because an event does not know
                _log.warning("run skipped: the centre is paused", centre=centre)
                return FAILED
            request = self._bridge.request(known, tuple(flows), trigger=trigger, full=full)
            report = self._runner_for(trigger).run(request)
        except NotFound:
            _log.warning("run skipped: no such centre", centre=centre)
            return FAILED
        except BridgeError as error:
            self._keep_failure(centre, flows, trigger, error)
            return FAILED
        except SQLAlchemyError as error:
            self._log_failure("run failed: database", centre, error)
            return FAILED
        if report.status != BUSY or trigger != BY_CHANGE:  # that is asked for again in a second
            self._tell(centre, flows, report.run_id, report.status, report.seconds)
        return report.status

    def _runner_for(self, trigger: str) -> Runner:
        if trigger == BY_CHANGE:
            return replace(self._bridge.sending_runner(), keeping=self._keeping)
        return self._runner

    def _tell(
        self, centre: str, flows: Sequence[Flow], run_id: int, status: str, seconds: float
    ) -> None:
        facts = {"centre": centre, "flows": ",".join(flows)}
        if status == BUSY:
            _log.info("run skipped: the centre is busy", **facts)
        else:
            _log.info("run ended", **facts, run=run_id, status=status, seconds=round(seconds, 1))

    def _keep_failure(
        self, centre: str, flows: Sequence[Flow], trigger: str, error: BridgeError
    ) -> None:
        """A run that could not even begin is shown among the runs, too."""
        _log.error("run not begun", centre=centre, code=error.code)
        at = utc_now()
        try:
            with self._bridge.database.writing() as tx:
                run_id = runs.start_run(tx, centre, ",".join(flows), trigger, at)
                problem = (error.code, f"settings: {error}")
                runs.finish_run(tx, run_id, FAILED, {}, at, problem)
        except SQLAlchemyError as failure:
            _log.error("failure not kept", centre=centre, error=type(failure).__name__)

    def let_go(self) -> None:
        """Ends the leases of what is still going, after the transaction that each may be in.

        A run without its lease cannot write another row; it ends by itself or with the process,
        and the clock makes it up.
        """
        with self._lock:
            held = list(self._leases.values())
        if not held:
            return
        _log.warning("runs cut off", centres=[lease.name.partition(":")[2] for lease in held])
        with self._bridge.database.writing() as tx:
            for lease in held:
                leases.give_back(tx, lease.name, lease.holder)


BUSY_SECONDS = 60
BUSY_ATTEMPTS = 30
"""Attempts at a full run whose centre is busy. Other runs are due again soon anyway."""


class RunEngine(Protocol):
    """Carries runs out, side by side, some time soon."""

    def submit(self, centre_code: str, flows: Sequence[Flow], full: bool, trigger: str) -> bool:
        """Submits a run; False if the same one waits already."""
        ...

    def close(self, seconds: float) -> None:
        """Accepts nothing more, and waits so many seconds for runs at work."""
        ...


def key_of(centre_code: str, flows: Sequence[Flow], full: bool, trigger: str) -> str:
    """The name under which equal requests collapse. A run that reads does not do for one that
    only sends: it may take long."""
    kind = "full" if full else "sending" if trigger == BY_CHANGE else "changes"
    return f"{centre_code}:{'+'.join(flows)}:{kind}"


SENDERS = 2
"""Runs at once that only send."""


class RunPools:
    """The threads that runs have. One LMS's server has half of them at most. Those that only send
    have some of their own: what people do is in the catalogue at once, however many LMSs are
    read."""

    def __init__(self, limits: SyncSettings) -> None:
        at_once, slow = limits.centres_at_once, limits.slow_minutes * 60
        self._reading = WorkerPool(at_once, (at_once + 1) // 2, slow_seconds=slow)
        self._sending = WorkerPool(SENDERS)

    def of(self, trigger: str) -> WorkerPool:
        return self._sending if trigger == BY_CHANGE else self._reading

    def wait_idle(self, seconds: float) -> bool:
        """Whether all runs ended, at the latest after so many seconds each."""
        reading, sending = self._reading.wait_idle(seconds), self._sending.wait_idle(seconds)
        return reading and sending

    def close(self, seconds: float) -> bool:
        """Drops what waits and gives what runs so many seconds each; whether all of it ended."""
        sending, reading = self._sending.close(seconds), self._reading.close(seconds)
        return sending and reading


def owners_of(bridge: Bridge, centre_code: str) -> tuple[str, ...]:
    """Whose turn a run of the centre takes: that of its LMS's server, which centres may share."""
    with bridge.database.reading() as tx:
        centre = centres.find(tx, centre_code)
    host = urlsplit(centre.address).netloc.rpartition("@")[2] if centre is not None else ""
    return (host.lower() or centre_code,)


def act_of(
    execution: Execution, centre_code: str, flows: Sequence[Flow], full: bool, trigger: str
) -> Act:
    """A run as a thing to do for a pool. A full run of a busy centre is tried again later."""
    attempts = iter(range(BUSY_ATTEMPTS))

    def act() -> float | None:
        status = execution.run(centre_code, flows, full, trigger)
        again = status == BUSY and full and next(attempts, None) is not None
        return BUSY_SECONDS if again else None

    return act


class ThreadEngine:
    """Runs in threads of this very process: nothing to install."""

    def __init__(self, bridge: Bridge) -> None:
        self._execution = Execution(bridge)
        self._bridge = bridge
        self._pools = RunPools(bridge.settings.sync)

    def submit(self, centre_code: str, flows: Sequence[Flow], full: bool, trigger: str) -> bool:
        act = act_of(self._execution, centre_code, flows, full, trigger)
        owners = owners_of(self._bridge, centre_code)
        key = key_of(centre_code, flows, full, trigger)
        return self._pools.of(trigger).add(key, centre_code, act, owners)

    def wait_idle(self, seconds: float) -> bool:
        """Whether all runs ended, at the latest after so many seconds."""
        return self._pools.wait_idle(seconds)

    def close(self, seconds: float) -> None:
        if not self._pools.close(seconds):
            self._execution.let_go()
