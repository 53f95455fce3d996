"""`/my`: a learner's courses at all centres, with launch, withdrawal and the calendar."""

from __future__ import annotations

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from lms_bridge.bridge import Bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, NotFound, RetryLater
from lms_bridge.domain.lifecycle import EnrolmentAction
from lms_bridge.domain.translations import reader_texts
from lms_bridge.learner import calendar, courses
from lms_bridge.learner.courses import LearnerCourse
from lms_bridge.learner.registration import withdraw
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.feature import lti_of
from lms_bridge.lti.http_requests import ANYWAY, refusal_page
from lms_bridge.lti.platform.browser_cookie import browser_secret, send_to_tool
from lms_bridge.lti.platform.launch import SESSION, start_launch
from lms_bridge.sync.enrolment_actions import EnrolmentChange, no_such_registration
from lms_bridge.web.access import (
    SignedInLearner,
    current_actor,
    is_secure,
    needs,
    signed_in,
    the_bridge,
)
from lms_bridge.web.headers import POLICY
from lms_bridge.web.languages import wanted_languages

pages = Blueprint("my", __name__, template_folder="templates")
pages.register_error_handler(LtiRefused, refusal_page)
_COURSE = "/my/courses/<int(max=9007199254740991):number>"
DONE = ("registered", "applied", "withdrawn", "already")


def the_learner() -> SignedInLearner:
    """The learner that whoever is signed in is.

    Raises:
        NotFound: they are none.
    """
    found = signed_in().learner
    if found is None:
        raise NotFound("no-learner", "Your account is not linked to a learner of the Academy.")
    return found


def own_course(number: int) -> LearnerCourse:
    """The learner's own course. Another learner's looks as if it did not exist.

    Raises:
        NotFound: they have no such course.
    """
    bridge, learner = the_bridge(), the_learner()
    with bridge.database.reading() as tx:
        found = courses.course_of(tx, learner.number, number, bridge.settings.lti, utc_now())
    if found is None:
        raise no_such_registration()
    return found


@pages.get("/my")
@needs(None)
def show() -> ResponseReturnValue:
    bridge, learner = the_bridge(), signed_in().learner
    found: list[LearnerCourse] = []
    if learner is not None:
        with bridge.database.reading() as tx:
            found = courses.courses_of(tx, learner.number, bridge.settings.lti, utc_now())
    wanted = wanted_languages()
    page = make_response(
        render_template(
            "learner/courses.html",
            learner=learner,
            parts_of=courses.grouped(found),
            titles={each.number: reader_texts(each.texts, wanted) for each in found},
            most=courses.MOST if len(found) == courses.MOST else 0,
            done=request.args.get("done", "") if request.args.get("done") in DONE else "",
            academy_outside=bridge.settings.academy.is_outside,
        )
    )
    page.headers["Content-Security-Policy"] = _policy()
    return page


def _policy() -> str:
    """A launch leads to the tool in the end, and browsers apply the policy to redirects, too."""
    others = "https:" if is_secure() else "https: http:"
    return POLICY.replace("form-action 'self'", f"form-action 'self' {others}")


@pages.post(f"{_COURSE}/launch")
@needs(None)
def launch(number: int) -> ResponseReturnValue:
    """Opens the course in its centre's LMS."""
    course, bridge, browser = own_course(number), the_bridge(), browser_secret()
    back = g.lti_back = f"{bridge.settings.public_address}{url_for('my.show')}"
    login = start_launch(
        lti_of(bridge).context,
        the_learner().record.academy_id,
        course.offering.code,
        browser=browser,
        return_address=back,
        anyway=ANYWAY in request.form,
        ends_with={SESSION: signed_in().session.number},
    )
    return send_to_tool(login, browser)


@pages.get(f"{_COURSE}/withdraw")
@needs(None)
def ask_to_withdraw(number: int) -> ResponseReturnValue:
    return _withdrawal_page(own_course(number))


@pages.post(f"{_COURSE}/withdraw")
@needs(None)
def do_withdraw(number: int) -> ResponseReturnValue:
    """A page that is sent twice, or from the browser's history, changes nothing more."""
    course, bridge = own_course(number), the_bridge()
    if not course.may_withdraw:
        return _withdrawal_page(course)
    change = EnrolmentChange(number, EnrolmentAction.WITHDRAW)
    try:
        withdraw(bridge, bridge.centre(course.offering.centre), change, current_actor())
    except BridgeError as error:
        return _withdrawal_page(own_course(number), error)
    return redirect(url_for("my.show", done="withdrawn"), 303)


def _withdrawal_page(course: LearnerCourse, problem: BridgeError | None = None) -> Response:
    page = render_template(
        "learner/withdraw.html",
        course=course,
        title=reader_texts(course.texts, wanted_languages()),
        problem=problem,
        after=problem.after if isinstance(problem, RetryLater) else None,
    )
    status = 200 if problem is None else 503 if isinstance(problem, RetryLater) else 409
    return make_response(page, status)


@pages.get("/my/calendar")
@needs(None)
def show_calendar() -> ResponseReturnValue:
    return _calendar_page()


@pages.post("/my/calendar")
@needs(None)
def make_calendar() -> ResponseReturnValue:
    """The address is shown once: the bridge keeps its hash alone."""
    bridge, learner = the_bridge(), the_learner()
    known = request.form.get("known", "")
    secret = calendar.make(bridge.database, learner.number, known, current_actor())
    if not secret:
        return _calendar_page(again=True)
    address = f"{bridge.settings.public_address}{url_for('calendars.show', secret=secret)}"
    return _calendar_page(address)


@pages.post("/my/calendar/end")
@needs(None)
def end_calendar() -> ResponseReturnValue:
    calendar.end(the_bridge().database, the_learner().number, current_actor())
    return redirect(url_for("my.show_calendar"), 303)


def _calendar_page(address: str = "", *, again: bool = False) -> Response:
    bridge: Bridge = the_bridge()
    learner = the_learner()
    with bridge.database.reading() as tx:
        since = calendar.since(tx, learner.number)
    page = make_response(
        render_template(
            "learner/calendar.html",
            address=address,
            since=since,
            known=calendar.mark(since),
            again=again,
        )
    )
    page.headers["Cache-Control"] = "no-store"
    return page
