"""The run of one centre under its lease, flow by flow, with a report at the end."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, LeaseLost, OutOfTime, Overloaded
from lms_bridge.domain.model import ACADEMY, KINDS_OF, Centre, Flow, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Closes
from lms_bridge.http.deadline import Deadline, check_time, starting_until
from lms_bridge.store import leases, run_requests, runs, target_links
from lms_bridge.store.database import Database
from lms_bridge.store.failures import DATABASE_FAILED, RETRY_SECONDS, storage_failure
from lms_bridge.store.waits import Wait, concerns_more_than, staying, waits_of
from lms_bridge.sync.context import Lease, Progress, RunContext, kept_text, silent
from lms_bridge.sync.dry_runs import dry_run_steps
from lms_bridge.sync.flows import (
    Peers,
    approval_steps,
    enrolment_steps,
    find_courses,
    offering_steps,
    result_steps,
)
from lms_bridge.sync.memberships import membership_step
from lms_bridge.sync.offering_actions import advance_by_time
from lms_bridge.sync.parts import announce_imports
from lms_bridge.sync.run_state import BUSY, state_of
from lms_bridge.sync.steps import Step, run_step

_STEPS: Mapping[Flow, Callable[[RunContext, Peers], list[Step]]] = {
    Flow.OFFERINGS: offering_steps,
    Flow.ENROLMENTS: enrolment_steps,
    Flow.RESULTS: result_steps,
}
Lending = Callable[[Lease, int], AbstractContextManager[None]]
"""Lends a lease of the run with this number, for as long as the context lasts."""
RUN_LEASE = leases.RUN


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run to make. A ``full`` run reads everything and compares it with what the targets show;
    another one only reads changes. One that ``tries_all`` ignores back-off, and one ``by_person``
    reads all results."""

    centre: Centre
    policy: Policy
    flows: tuple[Flow, ...]
    trigger: str = "command"
    full: bool = True
    dry: bool = False
    requested_by: str = ""
    tries_all: bool = True
    by_person: bool = True


@dataclass(frozen=True, slots=True)
class RunReport:
    """The outcome of a run. ``counts`` are {"kind.action.state": number}; ``errors`` (step, error);
    ``changes`` the audit of a dry run."""

    centre: str
    run_id: int
    status: str
    counts: Mapping[str, int]
    errors: tuple[tuple[str, BridgeError], ...]
    held: tuple[int, ...]
    changes: tuple[Mapping[str, Any], ...]
    seconds: float
    waits: tuple[Wait, ...] = ()


def _never_lent(lease: Lease, run_id: int) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs centres. ``open_peers`` connects to both systems; ``keeping`` renews a lease from
    another thread for as long as the context lasts. A runner that ``reads`` sends requests to the
    centre's LMS. Of these runs a centre has one at a time, and ``lending`` lends their lease while
    they wait. After ``most_seconds`` by ``clock``, a run begins no step, no page and no request any
    more."""

    database: Database
    open_peers: Callable[[Centre], Peers]
    keeping: Callable[[Lease], AbstractContextManager[None]]
    lease_seconds: float
    progress: Progress = silent
    now: Callable[[], datetime] = utc_now
    most_seconds: float = math.inf
    clock: Callable[[], float] = time.monotonic
    reads: bool = True
    lending: Lending = _never_lent

    def run(
        self, request: RunRequest, act: Callable[[RunContext], None] | None = None
    ) -> RunReport:
        """Runs one centre, or does ``act`` under its lease instead of the flows.

        Failures of other systems do not raise: the report lists them. What ``act`` raises besides
        the bridge's own errors is raised after the run has ended.
        """
        began = time.monotonic()
        context = self._context(request)
        if request.dry:
            self._work_through(context, request)
            with self.database.reading() as tx:
                _look_for_waits(tx, context, request.flows)
            return report_of(context, began)
        reads = self.reads and act is None
        with self.database.writing() as tx:
            if not _take_lease(tx, context, reads=reads):
                return RunReport(request.centre.code, 0, BUSY, {}, (), (), (), 0.0)
            runs.end_orphaned_runs(tx, request.centre.code, context.now())
            context.run_id = runs.start_run(
                tx,
                request.centre.code,
                ",".join(request.flows),
                request.trigger,
                context.now(),
                request.requested_by,
            )
        if reads:
            context.lending = partial(self.lending, context.lease, context.run_id)
        try:
            with self.keeping(context.lease):
                if act is None:
                    self._work_through(context, request)
                else:
                    _guarded(context, request.trigger, lambda: act(context))
            report = _end(context, began, request.flows if act is None else (), request)
        except LeaseLost as error:
            context.errors.append(("lease", error))
            report = report_of(context, began)
        except DBAPIError as error:
            context.errors.append(("database", _defect(error)))
            report = report_of(context, began)
        except Exception as error:  # a defect of ``act``: the centre must become free again
            context.errors.append(("defect", _defect(error)))
            _end(context, began, (), request)
            raise
        return report

    def _context(self, request: RunRequest) -> RunContext:
        return RunContext(
            database=self.database,
            centre=request.centre,
            policy=request.policy,
            lease=Lease(
                f"{RUN_LEASE}{request.centre.code}", leases.new_holder(), self.lease_seconds
            ),
            dry=request.dry,
            full=request.full,
            tries_all=request.tries_all,
            by_person=request.by_person,
            progress=self.progress,
            now=self.now,
        )

    def _work_through(self, context: RunContext, request: RunRequest) -> None:
        try:
            peers = self.open_peers(request.centre)
        except BridgeError as error:
            context.errors.append(("connect", error))
            return
        except Exception as error:  # a connector that cannot even be imported
            context.errors.append(("connect", _defect(error)))
            return
        try:
            with starting_until(Deadline(self.most_seconds, self.clock)):
                _carry_out(context, request, peers)
        except LeaseLost:
            raise
        except OutOfTime:
            pass  # the step that it ended names it
        except Exception as error:  # a defect in a connector must not stop the other centres
            name = "defect" if storage_failure(error) is None else "database"
            context.errors.append((name, _defect(error)))
        finally:
            for peer in (peers.centre, peers.academy):
                if isinstance(peer, Closes):
                    peer.close()


def _take_lease(tx: Connection, context: RunContext, *, reads: bool) -> bool:
    """False while another run holds it. One that reads goes on while its lease is lent, and keeps
    all others that read away."""
    lease, now = context.lease, context.now()
    if not leases.take(tx, lease.name, lease.holder, now, lease.seconds):
        return False
    if reads and leases.is_lent(tx, lease.name, now):
        leases.give_back(tx, lease.name, lease.holder)
        return False
    return True


def _defect(error: Exception) -> BridgeError:
    """An unforeseen error, by where it arose. Its text may hold personal data, and is left out."""
    failure = storage_failure(error)
    if failure is not None and failure is not DATABASE_FAILED:
        return Overloaded(failure.code, failure.message, failure.remedy, after=RETRY_SECONDS)
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return BridgeError(
        "defect",
        f"Unexpected {type(error).__name__} at {place}.",
        "This is a defect of the bridge or of a connector: please report it.",
    )


def _carry_out(context: RunContext, request: RunRequest, peers: Peers) -> None:
    flows = [flow for flow in Flow if flow in request.flows]
    if request.dry:
        steps = [step for flow in flows for step in _STEPS[flow](context, peers)]
        steps = approval_steps(context, flows) + steps
        dry_run_steps(context, steps)
        return
    _guarded(context, "statuses advanced", lambda: advance_by_time(context))
    _guarded(context, "imports announced", lambda: announce_imports(context))
    first = [] if Flow.OFFERINGS in flows else [membership_step()]
    _run_steps(context, first + approval_steps(context, flows))
    for flow in flows:
        if flow is Flow.ENROLMENTS:
            _guarded(context, "courses found", lambda: find_courses(context, peers.centre))
        _run_steps(context, _STEPS[flow](context, peers))


def _run_steps(context: RunContext, steps: Iterable[Step]) -> None:
    """Runs each step, even after one failed: what is known can be sent without new data."""
    for step in steps:
        _guarded(context, step.name, partial(run_step, context, step))


def _guarded(context: RunContext, name: str, act: Callable[[], None]) -> None:
    try:
        check_time()
        act()
    except LeaseLost:
        raise
    except OutOfTime as error:
        context.errors.append((name, error))
        raise
    except BridgeError as error:
        context.errors.append((name, error))
    except DBAPIError as error:  # its text may hold personal data; the next run repeats the step
        context.errors.append((name, _defect(error)))


def report_of(context: RunContext, began: float) -> RunReport:
    return RunReport(
        context.centre.code,
        context.run_id,
        state_of(context.counts, context.errors, context.held, context.waits),
        dict(context.counts),
        tuple(context.errors),
        tuple(context.held),
        tuple(context.changes),
        time.monotonic() - began,
        tuple(context.waits),
    )


def _state_of_flow(report: RunReport, flow: Flow, flows: Collection[Flow]) -> str:
    """How one of a run's flows went: what only concerns another one does not count. A step that
    failed counts for each."""
    if report.errors:
        return report.status
    others = {str(kind) for other in flows if other is not flow for kind in KINDS_OF[other]}
    counts = {
        key: number for key, number in report.counts.items() if key.partition(".")[0] not in others
    }
    return state_of(
        counts, (), (), [each for each in report.waits if concerns_more_than(each, others)]
    )


def _look_for_waits(tx: Connection, context: RunContext, flows: Iterable[Flow]) -> None:
    kinds = [kind for flow in flows for kind in KINDS_OF[flow]]
    # At the end of the run, since a course that is gone has ended with its enrolments by then.
    context.waits += staying(tx, context.centre.code, context.now(), context.left)
    if kinds:
        failed = bool(context.errors)
        targets = context.targets
        context.waits += waits_of(tx, context.centre.code, kinds, targets, after_failure=failed)


def _ask_for_sending(tx: Connection, context: RunContext, request: RunRequest) -> None:
    """What this run changed and did not send itself is to be in the catalogue at once, too. What
    could not be sent before is tried again."""
    code, changed = context.centre.code, f"{Kind.OFFERING}."
    changes = any(name.startswith(changed) for name in context.counts)
    if changes or target_links.any_due(tx, ACADEMY, Kind.OFFERING, code, context.now()):
        flows, by = (Flow.OFFERINGS,), request.requested_by or request.trigger
        run_requests.request_run(tx, [code], flows, context.now(), by, sends_only=True)


def _end(
    context: RunContext, began: float, flows: Collection[Flow], request: RunRequest
) -> RunReport:
    code = message = ""
    if context.errors:
        step, error = context.errors[0]
        code, message = error.code, f"{step}: {kept_text(error)}"
    with context.writing() as tx:
        _look_for_waits(tx, context, flows)
        report = report_of(context, began)
        at, problem = context.now(), (code, message)
        runs.finish_run(
            tx,
            context.run_id,
            report.status,
            report.counts,
            at,
            problem,
            report.waits,
            context.answered,
            by_flow={flow: _state_of_flow(report, flow, flows) for flow in flows},
        )
        if Flow.OFFERINGS not in flows:
            _ask_for_sending(tx, context, request)
        leases.give_back(tx, context.lease.name, context.lease.holder)
    return report
