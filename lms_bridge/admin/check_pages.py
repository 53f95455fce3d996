"""`/centres/<code>/check`: what a centre's LMS lacks, with what to do about it."""

from __future__ import annotations

from flask import Blueprint, Flask, current_app, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from lms_bridge.bridge import Bridge
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.ports import Verdict
from lms_bridge.jobs.centre_checks import CHECKS, Checks, broken_flows
from lms_bridge.store.accounts import names_of
from lms_bridge.store.centre_checks import find_check
from lms_bridge.web.access import centre_for, current_actor, needs, the_bridge

pages = Blueprint("checks", __name__)
_ORDER = (Verdict.MISSING, Verdict.WARNING, Verdict.OK)


def add_to(app: Flask, bridge: Bridge) -> None:
    app.extensions[CHECKS] = Checks(bridge)


@pages.get("/centres/<code>/check")
@needs(Scope.READ_OPERATIONS)
def show(code: str) -> str:
    """The last check, those findings first that need somebody."""
    centre = centre_for(Scope.READ_OPERATIONS, code)
    with the_bridge().database.reading() as tx:
        check = find_check(tx, code)
        names = names_of(tx, [check.requested_by] if check else ())
    findings = list(check.findings) if check else []
    findings.sort(key=lambda each: _ORDER.index(Verdict(str(each["verdict"]))))
    return render_template(
        "centre_check.html",
        centre=centre,
        check=check,
        names=names,
        findings=findings,
        broken=broken_flows(findings),
        under_way=check is not None and check.under_way(utc_now()),
    )


@pages.post("/centres/<code>/check")
@needs(Scope.WRITE_OPERATIONS)
def begin(code: str) -> ResponseReturnValue:
    """Begins a check, and shows its page at once. A second click begins no second one."""
    centre = centre_for(Scope.WRITE_OPERATIONS, code)
    checks: Checks = current_app.extensions[CHECKS]
    checks.request(centre, current_actor())
    return redirect(url_for("checks.show", code=code), 303)
