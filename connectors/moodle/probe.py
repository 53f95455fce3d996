"""The check of a Moodle: everything that the flows need, looked at without a lasting change.

Capabilities to read are told by what Moodle shows or leaves out; those to write by requests that
an account with the capability is refused for another reason (a person who does not exist).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from connectors.moodle.checks import Check, centre_checks
from connectors.moodle.client import Reply
from connectors.moodle.needs import CENTRE_FUNCTIONS, CENTRE_OPTIONAL, OLDEST_VERSION
from connectors.moodle.refusals import NO_ENTRY
from connectors.moodle.site import Part, Site
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import Finding, Verdict

_CLOCK_SECONDS = 60.0
_SLOW_SECONDS = 2.0
_EVERYTHING = ("offerings", "enrolments", "results")


class Probe(Part):
    """The check of a centre's Moodle."""

    def probe(self) -> Iterator[Finding]:
        return findings(self._site, CENTRE_FUNCTIONS, CENTRE_OPTIONAL, centre_checks())


def findings(
    site: Site,
    functions: Mapping[str, tuple[str, ...]],
    optional: Mapping[str, str],
    checks: Iterable[Check],
) -> Iterator[Finding]:
    """Everything that was found, and at the end what it means for each flow."""
    broken: set[str] = set()
    for finding in _all(site, functions, optional, checks):
        if finding.verdict is Verdict.MISSING:
            broken.update(finding.affects)
        yield finding
    flows = sorted({flow for flows in functions.values() for flow in flows})
    for flow in flows:
        verdict = Verdict.MISSING if flow in broken else Verdict.OK
        says = "will not work" if flow in broken else "has all it needs, as far as can be seen"
        remedy = "See the lines above." if flow in broken else ""
        affects = (flow,) if flow in broken else ()
        yield Finding(f"flow {flow}", verdict, f"The flow {flow} {says}.", remedy, affects)


def _all(
    site: Site,
    functions: Mapping[str, tuple[str, ...]],
    optional: Mapping[str, str],
    checks: Iterable[Check],
) -> Iterator[Finding]:
    began = time.monotonic()
    try:
        reply = site.client.ask("core_webservice_get_site_info")
        site.info = reply
    except BridgeError as error:
        yield Finding("connection", Verdict.MISSING, error.message, error.remedy, _EVERYTHING)
        return
    yield _speed(time.monotonic() - began)
    yield clock(reply)
    yield _release(reply)
    yield from _functions(site.functions, functions, optional)
    for check in checks:
        if check.function in site.functions:
            yield _outcome(site, check)


def _outcome(site: Site, check: Check) -> Finding:
    try:
        problem = check.look(site)
    except BridgeError as error:
        if isinstance(error, RecordRefused) or error.code in NO_ENTRY:
            message = f"{check.name}: could not be checked. {error.message}"
            return Finding(check.name, Verdict.WARNING, message, error.remedy)
        problem = error.message
    if not problem:
        return Finding(check.name, Verdict.OK, f"{check.name}: allowed.")
    return Finding(check.name, check.verdict, f"{check.name}: {problem}", check.remedy, check.flows)


def _speed(seconds: float) -> Finding:
    slow = seconds > _SLOW_SECONDS
    return Finding(
        "round trip",
        Verdict.WARNING if slow else Verdict.OK,
        f"Moodle answers in {seconds * 1000:.0f} ms.",
        "Long runs will take long: allow fewer calls at once or longer time-outs." if slow else "",
    )


def clock(reply: Reply) -> Finding:
    """Compares the ``Date`` header, which tells whole seconds, with the bridge's clock."""
    try:
        theirs = parsedate_to_datetime(reply.headers.get("Date", ""))
    except (TypeError, ValueError):
        return Finding("clock", Verdict.WARNING, "Moodle does not tell the time of its clock.")
    seconds = (theirs - datetime.now(UTC)).total_seconds()
    message = f"Moodle's clock differs from the bridge's by {abs(seconds):.0f} s."
    if abs(seconds) <= _CLOCK_SECONDS:
        return Finding("clock", Verdict.OK, message)
    return Finding("clock", Verdict.WARNING, message, "Set both clocks by a time server.")


def _release(reply: Reply) -> Finding:
    release = str(reply.value.get("release") or "unknown")
    version = str(reply.value.get("version") or "0").partition(".")[0]
    old = not version.isdecimal() or int(version) < OLDEST_VERSION
    return Finding(
        "release",
        Verdict.WARNING if old else Verdict.OK,
        f"Moodle {release[:40]}.",
        "Moodle 4.1 or later is supported." if old else "",
    )


def _functions(
    there: frozenset[str],
    needed: Mapping[str, tuple[str, ...]],
    optional: Mapping[str, str],
) -> Iterator[Finding]:
    for function, flows in needed.items():
        name = f"function {function}"
        if function in there:
            yield Finding(name, Verdict.OK, f"{function} is in the service.")
        else:
            message = f"{function} is not in the token's service."
            yield Finding(name, Verdict.MISSING, message, "Add it to the service.", flows)
    for function, loss in optional.items():
        if function not in there:
            message = f"{function} is not in the token's service: {loss}."
            remedy = "Add it to the service if that matters."
            yield Finding(f"function {function}", Verdict.WARNING, message, remedy)
