"""The probe of a Moodle (``centre check``). It checks all that the flows need and changes nothing.

``permission_checks`` holds the single checks.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lms_bridge.connectors.moodle.client import MoodleReply
from lms_bridge.connectors.moodle.permission_checks import (
    ACADEMY_FUNCTIONS,
    ACADEMY_OPTIONAL,
    CENTRE_FUNCTIONS,
    CENTRE_OPTIONAL,
    ENROLMENTS,
    GROUP_FUNCTIONS,
    OFFERINGS,
    REMOVAL_FUNCTIONS,
    RESULTS,
    PermissionCheck,
    academy_checks,
    centre_checks,
)
from lms_bridge.connectors.moodle.refusals import NO_ENTRY, SITE_WIDE
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import ProbeFinding, Verdict

OLDEST_VERSION = 2022112800
"""Moodle 4.1, as its version number of the form YYYYMMDDXX."""
UNCHECKED = "could not be checked."
_OTHER_CAUSES = NO_ENTRY | SITE_WIDE.keys() | {"no-details"}
"""Refusals for another reason than the capability that a check is about. It is named by a line of
its own, and its remedy helps."""
_CLOCK_SECONDS = 60.0
_SLOW_SECONDS = 2.0

FlowsByFunction = Mapping[str, tuple[str, ...]]


def probe_centre(site: MoodleSite) -> Iterator[ProbeFinding]:
    wants_groups = bool(site.settings["groups"])
    functions, optional = dict(CENTRE_FUNCTIONS), dict(CENTRE_OPTIONAL)
    by_policy = REMOVAL_FUNCTIONS.get(site.removal)
    for each in (*(GROUP_FUNCTIONS if wants_groups else ()), *filter(None, [by_policy])):
        functions[each] = (ENROLMENTS,)
        del optional[each]
    checks = centre_checks(groups=wants_groups, removal=site.removal)
    return _findings(site, functions, optional, checks)


def probe_academy(site: MoodleSite) -> Iterator[ProbeFinding]:
    return _findings(site, ACADEMY_FUNCTIONS, ACADEMY_OPTIONAL, academy_checks())


def _findings(
    site: MoodleSite,
    functions: FlowsByFunction,
    optional: Mapping[str, str],
    checks: Iterable[PermissionCheck],
) -> Iterator[ProbeFinding]:
    """All findings, and at the end one line for each flow."""
    broken: set[str] = set()
    for finding in _all_findings(site, functions, optional, checks):
        if finding.verdict is Verdict.MISSING:
            broken.update(finding.affects)
        yield finding
    for flow in sorted({flow for flows in functions.values() for flow in flows}):
        if flow in broken:
            message, remedy = f"The flow {flow} will not work.", "See the lines above."
            yield ProbeFinding(f"flow {flow}", Verdict.MISSING, message, remedy, (flow,))
        else:
            message = f"The flow {flow} has all it needs, as far as can be seen."
            yield ProbeFinding(f"flow {flow}", Verdict.OK, message)


def _all_findings(
    site: MoodleSite,
    functions: FlowsByFunction,
    optional: Mapping[str, str],
    checks: Iterable[PermissionCheck],
) -> Iterator[ProbeFinding]:
    began = time.monotonic()
    try:
        info = site.info
    except BridgeError as error:
        yield _stopped("connection", error)
        return
    yield _speed(time.monotonic() - began)
    yield clock(info.headers)
    yield _release(info)
    yield from _functions(site.functions, functions, optional)
    if site.client.kept_out is not None:  # each check would blame a capability
        yield _stopped("service account", site.client.kept_out)
        return
    for check in checks:
        if check.function in site.functions:
            yield _permission(site, check)


def _stopped(what: str, error: BridgeError) -> ProbeFinding:
    """What lets nothing work, so that nothing else is checked."""
    everything = (OFFERINGS, ENROLMENTS, RESULTS)
    return ProbeFinding(what, Verdict.MISSING, error.message, error.remedy, everything)


def _permission(site: MoodleSite, check: PermissionCheck) -> ProbeFinding:
    what = check.name
    try:
        problem = check.run(site)
    except BridgeError as error:
        if isinstance(error, RecordRefused) or error.code in _OTHER_CAUSES:
            message = f"{what}: {UNCHECKED} {error.message}"
            return ProbeFinding(what, Verdict.WARNING, message, error.remedy)
        problem = error.message
    if not problem:
        return ProbeFinding(what, Verdict.OK, f"{what}: allowed.")
    return ProbeFinding(what, check.verdict, f"{what}: {problem}", check.remedy, check.flows)


def _speed(seconds: float) -> ProbeFinding:
    slow = seconds > _SLOW_SECONDS
    return ProbeFinding(
        "round trip",
        Verdict.WARNING if slow else Verdict.OK,
        f"Moodle answers in {seconds * 1000:.0f} ms.",
        "Long runs will take long: allow fewer calls at once or longer time-outs." if slow else "",
    )


def clock(headers: Mapping[str, str]) -> ProbeFinding:
    """Compares the ``Date`` header, which has whole seconds, with the bridge's clock."""
    try:
        theirs = parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return ProbeFinding("clock", Verdict.WARNING, "Moodle does not tell the time of its clock.")
    seconds = (theirs - datetime.now(UTC)).total_seconds()
    message = f"Moodle's clock differs from the bridge's by {abs(seconds):.0f} s."
    if abs(seconds) <= _CLOCK_SECONDS:
        return ProbeFinding("clock", Verdict.OK, message)
    return ProbeFinding("clock", Verdict.WARNING, message, "Set both clocks by a time server.")


def _release(info: MoodleReply) -> ProbeFinding:
    release = str(info.value.get("release") or "unknown")
    version = str(info.value.get("version") or "0").partition(".")[0]
    old = not version.isdecimal() or int(version) < OLDEST_VERSION
    return ProbeFinding(
        "release",
        Verdict.WARNING if old else Verdict.OK,
        f"Moodle {release[:40]}.",
        "Moodle 4.1 or later is supported." if old else "",
    )


def _functions(
    allowed: frozenset[str], needed: FlowsByFunction, optional: Mapping[str, str]
) -> Iterator[ProbeFinding]:
    for function, flows in needed.items():
        name = f"function {function}"
        if function in allowed:
            yield ProbeFinding(name, Verdict.OK, f"{function} is in the service.")
        else:
            message = f"{function} is not in the token's service."
            yield ProbeFinding(name, Verdict.MISSING, message, "Add it to the service.", flows)
    for function, loss in optional.items():
        if function not in allowed:
            message = f"{function} is not in the token's service. {loss}"
            remedy = "Add it to the service if that matters."
            yield ProbeFinding(f"function {function}", Verdict.WARNING, message, remedy)
