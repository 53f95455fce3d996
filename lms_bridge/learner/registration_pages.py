"""`/offerings/<code>/register`: a learner registers, or applies."""

from __future__ import annotations

from urllib.parse import quote

from flask import Flask, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from lms_bridge.domain.availability import TAKES_REGISTRATIONS, availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, NotFound, RetryLater
from lms_bridge.domain.model import Offering, RegistrationType
from lms_bridge.domain.translations import reader_texts
from lms_bridge.learner import courses
from lms_bridge.learner.pages import pages
from lms_bridge.learner.registration import (
    Applicant,
    FieldsRefused,
    answers_in,
    new_person,
    register_applicant,
)
from lms_bridge.store.registration_forms import questions_of
from lms_bridge.sync.enrolment_actions import places
from lms_bridge.web.access import current_actor, needs, signed_in, the_bridge
from lms_bridge.web.kept_forms import form_given, keeps_form
from lms_bridge.web.languages import wanted_languages

_PATH = "/offerings/<path:code>/register"


def add_to(app: Flask) -> None:
    app.jinja_env.globals["registration_address"] = registration_address


def registration_address(code: str) -> str:
    """Where a learner registers in an offering: the Academy's own page where a setting names it."""
    outside = _academys_page(code)
    return outside or url_for("my.register", code=code)


def _academys_page(code: str) -> str:
    academy = the_bridge().settings.academy
    page = academy.registration_page if academy.is_outside else ""
    return page.replace("{code}", quote(code, safe=""))


@pages.get(_PATH)
@needs(None)
def register(code: str) -> ResponseReturnValue:
    offering_id, record = _offering(code)
    outside = _academys_page(code)
    return redirect(outside, 303) if outside else _page(offering_id, record)


@pages.post(_PATH)
@keeps_form
@needs(None)
def do_register(code: str) -> ResponseReturnValue:
    """A form that is sent twice, or again from the browser's history, registers once."""
    offering_id, record = _offering(code)
    bridge, user = the_bridge(), signed_in()
    if not _may_register(record):
        return _page(offering_id, record)
    with bridge.database.reading() as tx:
        questions = questions_of(tx, offering_id)
    try:
        answers = answers_in(request.form, questions)
        if user.learner is not None:
            applicant = Applicant(user.learner.record)
        elif user.account is not None:
            applicant = Applicant(new_person(user.account, request.form), user.account)
        else:
            return _page(offering_id, record)
        centre = bridge.centre(record.centre)
        new = register_applicant(bridge, centre, code, applicant, answers, current_actor())
    except BridgeError as error:
        return _page(offering_id, record, error)
    applied = record.registration is RegistrationType.APPLICATION
    done = "already" if not new else "applied" if applied else "registered"
    return redirect(url_for("my.show", done=done), 303)


def _offering(code: str) -> tuple[int, Offering]:
    with the_bridge().database.reading() as tx:
        found = courses.public_offering(tx, code)
    if found is None:
        raise NotFound("no-such-offering", "The catalogue has no such offering, or no longer.")
    return found


def _may_register(record: Offering) -> bool:
    """Whether a form of this page can register whoever is signed in."""
    outside, user = the_bridge().settings.academy.is_outside, signed_in()
    known = user.learner is not None or user.account is not None
    takes = availability(record, utc_now()) in TAKES_REGISTRATIONS
    return known and takes and not outside


def _page(offering_id: int, record: Offering, problem: BridgeError | None = None) -> Response:
    bridge, user, now = the_bridge(), signed_in(), utc_now()
    with bridge.database.reading() as tx:
        questions = questions_of(tx, offering_id)
        place = places(tx, bridge.settings.policy, {offering_id: record}, now)[offering_id]
        status = courses.status_in(tx, user.learner.number, offering_id) if user.learner else None
    texts = reader_texts(
        {"title": record.title, "translations": record.translations}, wanted_languages()
    )
    page = render_template(
        "learner/register.html",
        offering=record,
        texts=texts,
        availability=availability(record, now, bridge.settings.rules.soon),
        questions=list(enumerate(questions)),
        full=record.seats is not None and place.taken >= record.seats,
        applies=record.registration is RegistrationType.APPLICATION,
        status=status if status not in (None, "withdrawn", "cancelled") else None,
        academy_outside=bridge.settings.academy.is_outside,
        may_register=_may_register(record),
        problem=problem,
        wrong=problem.problems if isinstance(problem, FieldsRefused) else {},
        after=problem.after if isinstance(problem, RetryLater) else None,
        form=form_given(),
    )
    code = 200 if problem is None else 503 if isinstance(problem, RetryLater) else 422
    return make_response(page, code)
