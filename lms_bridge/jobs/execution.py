"""The runs that this process carries out for its engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lms_bridge.bootstrap import Bridge
from lms_bridge.domain.errors import BridgeError, NotFound
from lms_bridge.domain.model import Flow
from lms_bridge.jobs.ticks import BY_EVENT
from lms_bridge.store import asked_runs, leases, reports
from lms_bridge.sync.run import BUSY, FAILED
from lms_bridge.sync.work import Lease, utc_now

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
            with self._bridge.heartbeat.keeping(lease):
                yield
        finally:
            with self._lock:
                self._leases.pop(lease.holder, None)

    def run(self, centre: str, flows: Sequence[Flow], full: bool, trigger: str) -> str:
        """Runs one centre and gives the status of its report. Never raises what a person cannot
        mend at this place: it is in the run's report and in the log."""
        began = utc_now()
        status = self._run(centre, flows, full, trigger)
        if trigger == BY_EVENT:
            self._keep_outcome(centre, flows, began, status)
        return status

    def _keep_outcome(
        self, centre: str, flows: Sequence[Flow], began: datetime, status: str
    ) -> None:
        """A run that an event asked for is done, or is to be given to an engine again."""
        try:
            with self._bridge.database.writing() as tx:
                if status == BUSY:
                    asked_runs.not_served(tx, centre, flows)
                else:
                    asked_runs.served(tx, centre, flows, began)
        except SQLAlchemyError as error:  # it is then run once more
            _log.error("request not kept", centre=centre, error=type(error).__name__)

    def _run(self, centre: str, flows: Sequence[Flow], full: bool, trigger: str) -> str:
        try:
            known = self._bridge.centre(centre)
            if not known.active:  # since it was asked for, or because an event knows no better
                _log.warning("run skipped: the centre is disabled", centre=centre)
                return FAILED
            request = self._bridge.request(known, tuple(flows), trigger=trigger, full=full)
            report = self._runner.run(request)
        except NotFound:
            _log.warning("run skipped: no such centre", centre=centre)
            return FAILED
        except BridgeError as error:
            self._keep_failure(centre, flows, trigger, error)
            return FAILED
        except SQLAlchemyError as error:
            _log.error("run failed: database", centre=centre, error=type(error).__name__)
            return FAILED
        self._tell(centre, flows, report.run_id, report.status, report.seconds)
        return report.status

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
                run_id = reports.start_run(tx, centre, ",".join(flows), trigger, at)
                problem = (error.code, f"settings: {error}")
                reports.finish_run(tx, run_id, FAILED, {}, at, problem)
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
