"""`/demo`: the newcomer is a learner, a coordinator, a reviewer, a focal point or an operator.

The page signs anybody in as anybody, so only the demo adds it, and it does that only for a browser
on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, Flask, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms_bridge.accounts import authentication
from lms_bridge.accounts.sign_in import enter
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound
from lms_bridge.http.origins import is_loopback
from lms_bridge.store.accounts import find_account
from lms_bridge.web.access import the_bridge
from lms_bridge.web.csrf import check_csrf

DEMO_PATH = "/demo"
pages = Blueprint("demo", __name__, template_folder="templates")
ROLES = {
    "learner": (
        "Learner",
        "sees their courses at all centres, registers for others, and opens a course",
        "/my",
    ),
    "coordinator": (
        "Coordinator",
        "plans the courses of one centre, writes outlines and reports, and chooses applicants",
        "/my-centre",
    ),
    "reviewer": (
        "Reviewer",
        "reads the outlines that centres submitted, and comments on five points",
        "/reviews",
    ),
    "focal-point": (
        "Regional focal point",
        "looks after the centres of one region, their plans and figures",
        "/reviews/regions",
    ),
    "operator": (
        "Operator",
        "runs the bridge: what waits, what failed, connections, accounts",
        "/operations",
    ),
}
"""{role: (name, what they do, the page where they begin)}"""
_NAME = "lms_bridge_demo"


@dataclass(frozen=True, slots=True)
class DemoFacts:
    """The sample accounts by role, and the sample Academy with the learner who can launch there."""

    people: Mapping[str, int]
    academy: str
    learner: str


def add_demo_to(app: Flask, *, facts: DemoFacts) -> None:
    app.extensions[_NAME] = facts
    app.register_blueprint(pages)


@pages.get(DEMO_PATH)
def show() -> str:
    facts: DemoFacts = current_app.extensions[_NAME]
    return render_template("demo/people.html", roles=ROLES, facts=facts)


@pages.post(f"{DEMO_PATH}/<role>")
def be(role: str) -> ResponseReturnValue:
    """Signs the sample account of a role in."""
    check_csrf()
    facts: DemoFacts = current_app.extensions[_NAME]
    if role not in facts.people:
        raise NotFound("no-such-role", "The demo has no such person.")
    if not is_loopback(request.remote_addr or ""):
        raise NotFound("demo-elsewhere", "The demo signs in browsers on its own machine alone.")
    bridge = the_bridge()
    with bridge.database.writing() as tx:
        account = find_account(tx, number=facts.people[role])
        if account is None:
            return redirect(DEMO_PATH, 303)
        opened = authentication.open_session(tx, account, bridge.settings.sign_in, utc_now())
    return enter(opened, ROLES[role][2])
