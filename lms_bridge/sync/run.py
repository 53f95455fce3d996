"""The run of one centre: under its lease, flow by flow, with a report at the end."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from lms_bridge.domain.errors import BridgeError, LeaseLost
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Closes
from lms_bridge.store import leases, reports
from lms_bridge.store.database import Database
from lms_bridge.sync.flows import (
    Peers,
    Step,
    enrolment_steps,
    find_courses,
    offering_steps,
    result_steps,
    run_step,
    try_steps,
)
from lms_bridge.sync.offering_acts import move_on
from lms_bridge.sync.work import Lease, Progress, Work, kept_text, silent, utc_now

DONE, PARTIAL, FAILED, HELD, BUSY = "done", "partial", "failed", "held", "busy"
_STEPS: Mapping[Flow, Callable[[Work, Peers], list[Step]]] = {
    Flow.OFFERINGS: offering_steps,
    Flow.ENROLMENTS: enrolment_steps,
    Flow.RESULTS: result_steps,
}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is asked of a run. ``full`` runs read everything and compare with what the targets
    show; the others only follow what changed."""

    centre: Centre
    policy: Policy
    flows: tuple[Flow, ...]
    trigger: str = "command"
    full: bool = True
    dry: bool = False
    asked_by: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run. ``counts`` are {"kind.action.state": number}; ``errors`` (stage, error);
    ``changes`` the items of a dry run."""

    centre: str
    run_id: int
    status: str
    counts: Mapping[str, int]
    errors: tuple[tuple[str, BridgeError], ...]
    held: tuple[int, ...]
    changes: tuple[Mapping[str, Any], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs centres. ``open_peers`` connects to both systems; ``keeping`` renews a lease from
    another thread for as long as the context lasts."""

    database: Database
    open_peers: Callable[[Centre], Peers]
    keeping: Callable[[Lease], AbstractContextManager[None]]
    lease_seconds: float
    progress: Progress = silent
    now: Callable[[], datetime] = utc_now

    def run(self, request: RunRequest, act: Callable[[Work], None] | None = None) -> Report:
        """Runs one centre; with ``act``, does that under the centre's lease instead of its flows.
        Never raises for what the other sides do: the report tells. What ``act`` raises besides the
        bridge's own errors is raised, once the run has ended."""
        began = time.monotonic()
        work = Work(
            database=self.database,
            centre=request.centre,
            policy=request.policy,
            lease=Lease(f"run:{request.centre.code}", leases.new_holder(), self.lease_seconds),
            dry=request.dry,
            full=request.full,
            progress=self.progress,
            now=self.now,
        )
        if request.dry:
            self._work_through(work, request)
            return _report(work, began)
        with self.database.writing() as tx:
            lease = work.lease
            if not leases.take(tx, lease.name, lease.holder, work.now(), lease.seconds):
                return Report(request.centre.code, 0, BUSY, {}, (), (), (), 0.0)
            reports.end_orphaned_runs(tx, request.centre.code, work.now())
            work.run_id = reports.start_run(
                tx,
                request.centre.code,
                ",".join(request.flows),
                request.trigger,
                work.now(),
                request.asked_by,
            )
        try:
            with self.keeping(work.lease):
                if act is None:
                    self._work_through(work, request)
                else:
                    _guarded(work, request.trigger, lambda: act(work))
            report = _end(work, began)
        except LeaseLost as error:
            work.errors.append(("lease", error))
            report = _report(work, began)
        except DBAPIError as error:
            work.errors.append(("database", _defect(error)))
            report = _report(work, began)
        except Exception as error:  # a defect of what was asked for: the centre is free again
            work.errors.append(("defect", _defect(error)))
            _end(work, began)
            raise
        return report

    def _work_through(self, work: Work, request: RunRequest) -> None:
        try:
            peers = self.open_peers(request.centre)
        except BridgeError as error:
            work.errors.append(("connect", error))
            return
        except Exception as error:  # a connector that cannot even be imported
            work.errors.append(("connect", _defect(error)))
            return
        try:
            _carry_out(work, request, peers)
        except LeaseLost:
            raise
        except Exception as error:  # a defect in a connector must not take the others along
            work.errors.append(("defect", _defect(error)))
        finally:
            for peer in (peers.centre, peers.academy):
                if isinstance(peer, Closes):
                    peer.close()


def _defect(error: Exception) -> BridgeError:
    """What may be said of an error that nobody foresaw: where it arose, never what it says, for
    that may hold personal data."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    return BridgeError(
        "defect",
        f"Unexpected {type(error).__name__} at {where}.",
        "This is a defect of the bridge or of a connector: please report it.",
    )


def _carry_out(work: Work, request: RunRequest, peers: Peers) -> None:
    flows = [flow for flow in Flow if flow in request.flows]
    if request.dry:
        steps = [step for flow in flows for step in _STEPS[flow](work, peers)]
        try_steps(work, steps)
        return
    _guarded(work, "lives moved on", lambda: move_on(work))
    for flow in flows:
        if flow is Flow.ENROLMENTS:
            _guarded(work, "courses found", lambda: find_courses(work, peers.centre))
        _run_steps(work, _STEPS[flow](work, peers))


def _run_steps(work: Work, steps: Iterable[Step]) -> None:
    """A stage that fails does not keep the next ones from their part: what is known already can
    be sent although nothing new could be read."""
    for step in steps:
        _guarded(work, step.name, partial(run_step, work, step))


def _guarded(work: Work, name: str, act: Callable[[], None]) -> None:
    try:
        act()
    except LeaseLost:
        raise
    except BridgeError as error:
        work.errors.append((name, error))
    except DBAPIError as error:  # its text may hold personal data; the step is made up later
        work.errors.append((name, _defect(error)))


def _status(work: Work) -> str:
    if work.held:
        return HELD
    if any(name in ("connect", "lease", "database", "defect") for name, _ in work.errors):
        return FAILED
    bad = work.errors or any(
        number and key.rpartition(".")[2] in ("failed", "quarantined")
        for key, number in work.counts.items()
    )
    if not bad:
        return DONE
    moved = any(number and _is_progress(key) for key, number in work.counts.items())
    return PARTIAL if moved else FAILED


def _is_progress(count: str) -> bool:
    return count == "answers.read" or count.endswith((".acknowledged", ".taken in"))


def _report(work: Work, began: float) -> Report:
    return Report(
        work.centre.code,
        work.run_id,
        _status(work),
        dict(work.counts),
        tuple(work.errors),
        tuple(work.held),
        tuple(work.changes),
        time.monotonic() - began,
    )


def _end(work: Work, began: float) -> Report:
    report = _report(work, began)
    with work.writing() as tx:
        _finish(tx, work, report)
        leases.give_back(tx, work.lease.name, work.lease.holder)
    return report


def _finish(tx: Any, work: Work, report: Report) -> None:
    first = report.errors[0][1] if report.errors else None
    reports.finish_run(
        tx,
        work.run_id,
        report.status,
        report.counts,
        work.now(),
        (first.code, f"{report.errors[0][0]}: {kept_text(first)}") if first else ("", ""),
    )
