"""`/my-centre/<code>/lms`: the centre's LMS, step by step, with what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from flask import current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.centre_desk.desk import pages
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Flow
from lms_bridge.domain.ports import Connector, Verdict
from lms_bridge.jobs.centre_checks import CHECKS, Checks, broken_flows
from lms_bridge.lti import registrations
from lms_bridge.lti.registrations import LtiRegistration, Side
from lms_bridge.registry import connector
from lms_bridge.store import centres, flow_states
from lms_bridge.store.centre_checks import CentreCheck, find_check
from lms_bridge.store.flow_states import FlowFreshness
from lms_bridge.web.access import centre_for, current_actor, needs, the_bridge

BETWEEN = timedelta(minutes=1)
"""From the start of a check to that of the next one by a button of this page."""
_ORDER = (Verdict.MISSING, Verdict.WARNING, Verdict.OK)


@pages.get("/<code>/lms")
@needs(Scope.READ_OPERATIONS)
def lms(code: str) -> str:
    centre, now = centre_for(Scope.READ_OPERATIONS, code), utc_now()
    with the_bridge().database.reading() as tx:
        has_secret = bool(centres.secret_of(tx, code))
        check = find_check(tx, code)
        flows = flow_states.freshness(tx, code)
        connections = registrations.all_registrations(tx, centre=code)
    kind = connector(centre.connector, "centre")
    findings = sorted(
        check.findings if check else (),
        key=lambda each: _ORDER.index(Verdict(str(each["verdict"]))),
    )
    under_way = check is not None and check.under_way(now)
    return render_template(
        "centre_desk/lms.html",
        centre=centre,
        kind=kind,
        address=shown_address(centre.address),
        steps=_steps(centre, kind, has_secret, check, flows, connections),
        check=check,
        findings=[each for each in findings if each["verdict"] != Verdict.OK],
        good=[each for each in findings if each["verdict"] == Verdict.OK],
        broken=broken_flows(findings),
        under_way=under_way,
        live=under_way and "still" not in request.args,
        flows=flows,
        connections=connections,
        platform=Side.PLATFORM,
        done=request.args.get("done", ""),
    )


@pages.post("/<code>/lms/check")
@needs(Scope.READ_OPERATIONS)
def check_lms(code: str) -> ResponseReturnValue:
    """Begins a check in a thread of its own, once a minute at most. It changes nothing there."""
    centre, actor = centre_for(Scope.READ_OPERATIONS, code), current_actor()
    with the_bridge().database.reading() as tx:
        last = find_check(tx, code)
    checks: Checks = current_app.extensions[CHECKS]
    soon = last is not None and actor.at < last.requested_at + BETWEEN
    begun = not soon and checks.request(centre, actor)
    return redirect(url_for("centre_desk.lms", code=code, done="check" if begun else "soon"), 303)


def shown_address(address: str) -> str:
    """The address without anything that may be a secret; "" for a folder of this machine."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if parts.scheme and parts.hostname else ""


@dataclass(frozen=True, slots=True)
class ConnectStep:
    """One step to a connected LMS: ``title``, and ``helps`` if it is not done, are sentences of the
    code. ``state`` is ``done``, ``todo``, or ``wrong``."""

    title: str
    state: str
    helps: str = ""


def _steps(
    centre: Centre,
    kind: Connector,
    has_secret: bool,
    check: CentreCheck | None,
    flows: list[FlowFreshness],
    connections: list[LtiRegistration],
) -> list[ConnectStep]:
    steps = []
    if kind.needs_lti:
        active = any(each.active for each in connections)
        steps.append(
            _step("An LTI connection is in use.", active, "Ask an operator for a link to connect.")
        )
    else:
        complete = bool(centre.address) and (has_secret or not kind.needs_secret)
        steps.append(_reach_step(check, complete=complete))
    steps.append(_step("The centre takes part in syncs.", centre.active, "Ask an operator."))
    steps.append(_check_step(check))
    good = {each.flow for each in flows if each.good_at is not None}
    failing = any(each.failing_since is not None for each in flows)
    all_good = good >= {str(flow) for flow in Flow} and not failing
    helps = "See the states of the flows below."
    title = "Offerings, enrolments and results were synced."
    state = "done" if all_good else "wrong" if failing else "todo"
    return [*steps, ConnectStep(title, state, "" if all_good else helps)]


def _step(title: str, done: bool, helps: str) -> ConnectStep:
    return ConnectStep(title, "done" if done else "todo", "" if done else helps)


def _reach_step(check: CentreCheck | None, *, complete: bool) -> ConnectStep:
    """Done once a check saw the LMS answer. A wrong token or a refused address leaves a check with
    nothing but what is missing, or with none of its findings."""
    title = "The bridge knows how to reach your LMS."
    if not complete:
        helps = "Send the address and a token of your LMS to an operator."
        return ConnectStep(title, "todo", helps)
    if check is None or check.finished_at is None:
        return ConnectStep(title, "todo", "Press the button to check it.")
    if len(check.findings) > check.verdicts(Verdict.MISSING):
        return ConnectStep(title, "done")
    if not check.findings and not check.error:  # nothing of such an LMS can be checked
        return ConnectStep(title, "done")
    return ConnectStep(title, "wrong", "See what is missing below, grant it, and check again.")


def _check_step(check: CentreCheck | None) -> ConnectStep:
    title = "Your LMS lets the bridge do what it needs."
    if check is None or check.finished_at is None:
        return ConnectStep(title, "todo", "Press the button to check it.")
    if check.error or check.verdicts(Verdict.MISSING):
        return ConnectStep(title, "wrong", "See what is missing below, grant it, and check again.")
    return ConnectStep(title, "done")
