"""Checks of centres' LMSs, as pages and commands do them.

A check on a page has a thread of its own: no thread that answers requests waits for an LMS.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from lms_bridge.audit import Actor, Change, Subject, record
from lms_bridge.bridge import Bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.model import Centre, Kind
from lms_bridge.domain.ports import Closes, ProbeFinding, Probes, Verdict
from lms_bridge.http.deadline import Deadline, starting_until
from lms_bridge.store import centre_checks, retries
from lms_bridge.store.failures import failure_code
from lms_bridge.sync.holds import request_run
from lms_bridge.worker_pool import WorkerPool

SECONDS = 60.0
"""No request of a check begins later; each request has its own deadline besides."""
TOO_LONG = "The check took more than {seconds} seconds. The LMS is slow: try it again later."
AT_ONCE = 4
CHECKS = "lms_bridge_checks"
"""The name under which an application keeps the checks of its process."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found until its end, and why it ended early (""). ``released``: records that
    waited for a right, and are sent by the next run."""

    findings: tuple[ProbeFinding, ...]
    error: str = ""
    released: int = 0

    @property
    def missing(self) -> bool:
        return any(each.verdict is Verdict.MISSING for each in self.findings)


def check_centre(bridge: Bridge, centre: Centre, by: str, seconds: float = SECONDS) -> Checked:
    """Asks a centre's LMS for everything that the flows need, and changes nothing there. Where
    nothing is missing, records that were refused for want of a right are due at once.

    Raises:
        BridgeError: the centre's connector cannot be opened.
    """
    lms = bridge.open_centre(centre)
    findings: list[ProbeFinding] = []
    error, deadline = "", Deadline(seconds, time.monotonic)
    try:
        with starting_until(deadline):
            for finding in lms.probe() if isinstance(lms, Probes) else ():
                if deadline.left() <= 0:  # it only says that no request began any more
                    error = TOO_LONG.format(seconds=round(seconds))
                    break
                findings.append(finding)
    except BridgeError as failed:
        error = str(failed)
    finally:
        if isinstance(lms, Closes):
            lms.close()
    found = Checked(tuple(findings), error)
    if error or found.missing or not findings:
        return found
    with bridge.database.writing() as tx:
        released = retries.release_all_denied(tx, centre.code)
        if released:
            request_run(tx, centre.code, list(Kind), utc_now(), by)
    return replace(found, released=released)


def finding_document(finding: ProbeFinding) -> Mapping[str, Any]:
    return {
        "check": finding.check,
        "verdict": str(finding.verdict),
        "message": finding.message,
        "remedy": finding.remedy,
        "affects": list(finding.affects),
    }


def broken_flows(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    missing = [each for each in findings if each["verdict"] == Verdict.MISSING]
    return sorted({flow for each in missing for flow in each["affects"]})


class Checks:
    """The checks that pages of this process asked for."""

    def __init__(self, bridge: Bridge, seconds: float = SECONDS) -> None:
        self._bridge, self._seconds = bridge, seconds
        self._pool = WorkerPool(AT_ONCE)
        bridge.at_close(lambda: self._pool.close(0.0))

    def request(self, centre: Centre, by: Actor) -> bool:
        """Begins a check; False when one is under way already, also in another process."""
        with self._bridge.database.writing() as tx:
            begun = centre_checks.begin_check(tx, centre.code, by.name, by.at)
            if begun:
                fields = {"check": (None, "requested")}
                change = Change(Subject.CENTRE, "check", None, centre.code, fields, centre.code)
                record(tx, by, change)
        if begun:
            self._pool.add(centre.code, centre.code, lambda: self._check(centre, by.name))
        return begun

    def wait_idle(self, seconds: float) -> bool:
        return self._pool.wait_idle(seconds)

    def _check(self, centre: Centre, by: str) -> None:
        findings: Sequence[ProbeFinding] = ()
        try:
            found = check_centre(self._bridge, centre, by, self._seconds)
            findings, error = found.findings, found.error
        except BridgeError as refused:
            error = str(refused)
        except Exception as failed:  # whatever it is, whoever waits has to see an end
            _log.error("check failed", centre=centre.code, code=failure_code(failed))
            error = "The check failed. The log of the bridge has its reason."
        with self._bridge.database.writing() as tx:
            documents = [finding_document(each) for each in findings]
            centre_checks.end_check(tx, centre.code, documents, error, utc_now())
