"""`/reviews`: what waits for a reviewer, and one outline with what is decided about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from lms_bridge.api.offerings import SCOPES
from lms_bridge.domain.access import Scope
from lms_bridge.domain.availability import availability
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.dates import is_endless
from lms_bridge.domain.errors import BridgeError, NotFound, RulesBroken
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Centre, Flow, Offering, OfferingStatus
from lms_bridge.domain.network import area_key
from lms_bridge.domain.reviews import POINTS, EndReport, ReportState, ReviewPoint, rounds_of
from lms_bridge.review import queries
from lms_bridge.review.comparison import compared
from lms_bridge.review.decisions import DECISIONS, ReviewDecision, carry_out, version_of
from lms_bridge.review.queries import KINDS, WaitingFilter
from lms_bridge.store import accounts, centres, offerings, reviews, status_history
from lms_bridge.store.cycles import all_cycles
from lms_bridge.sync.certificates import CertificateOutcome, certify
from lms_bridge.sync.offering_life import life_of, possible
from lms_bridge.web import typed_text
from lms_bridge.web.access import (
    centre_for,
    centres_for,
    current_actor,
    needs,
    signed_in,
    the_bridge,
)
from lms_bridge.web.kept_forms import form_given, keeps_form
from lms_bridge.web.paging import SIZE, addresses_beside, number_in, place_param

pages = Blueprint("reviews", __name__, url_prefix="/reviews", template_folder="templates")
_ONE = "/of/<path:offering>"
SAID = {
    "changed-meanwhile": "Somebody else acted on this course meanwhile. Nothing of yours is lost: "
    "read what is new below, then send your text again.",
    "reason-missing": "An objection says why. Write it in the overall comment.",
    "nothing-said": "You have written no comment.",
    "offering-not-now": "This is no longer possible: the status of the course has changed.",
    "offering-is-over": "The end of the course has passed. It needs new dates first.",
    "centre-busy": "The centre is being synced at the moment. Nothing was changed. Please send it "
    "again in a minute.",
}
"""What a reviewer is told of a refusal; any other one is shown as it is."""
_WRONG_FIELDS = {"reason-missing": "reason", "nothing-said": f"comment_{ReviewPoint.MANDATE}"}
"""{code: the field of the form where it is mended}"""
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}")
LONGEST_REASON, LONGEST_COMMENT = 1000, 10_000


@pages.get("")
@needs(Scope.REVIEW_OFFERINGS)
def show_all() -> str:
    asked = WaitingFilter(
        **{name: request.args.get(name, "").strip()[:100] for name in WaitingFilter.__slots__}
    )
    now = utc_now()
    with the_bridge().database.reading() as tx:
        reach = centres_for(tx, Scope.REVIEW_OFFERINGS)
        total = queries.count_waiting(tx, asked, reach)
        page = queries.waiting(tx, asked, reach, place_param(), most=SIZE)
        mine = [each for each in centres.all_centres(tx) if reach is None or each.code in reach]
        named = {area_key(name): name for each in all_cycles(tx).values() for name in each.areas}
        areas = {key: named.get(key, key) for key in queries.areas(tx, reach)}
    return render_template(
        "review/waiting.html",
        rows=page.rows,
        asked=asked,
        total=total,
        beside=addresses_beside(page),
        centres=mine,
        regions=sorted({each.region for each in mine}),
        areas=areas,
        kinds=KINDS,
        now=now,
        soon=now + timedelta(days=3),
        zone=signed_in().time_zone or "UTC",
    )


@pages.get(_ONE)
@needs(Scope.REVIEW_OFFERINGS)
def show(offering: str) -> ResponseReturnValue:
    return _page(*_offering(offering), form=form_given())


@pages.post(_ONE)
@keeps_form
@needs(Scope.REVIEW_OFFERINGS)
def decide(offering: str) -> ResponseReturnValue:
    centre, record_id, record = _offering(offering)
    word = request.form.get("action", "")
    try:
        if word == "certify":
            return _certify(centre, offering)
        carry_out(the_bridge(), centre, current_actor(), _decision(offering, word))
    except BridgeError as error:
        return _page(centre, record_id, record, error, request.form)
    return redirect(url_for("reviews.show", offering=offering, done=word or "comment"), 303)


def _decision(code: str, word: str) -> ReviewDecision:
    form = request.form
    version = form.get("version", "")
    texts = {each: _text(f"comment_{each}", LONGEST_COMMENT) for each in ReviewPoint}
    point = form.get("point", "")
    return ReviewDecision(
        code,
        version if _VERSION.fullmatch(version) else "0.0",
        OfferingAction(word) if word in set(DECISIONS) else None,
        _text("reason", LONGEST_REASON),
        point if point in set(ReviewPoint) else "",
        {each: text for each, text in texts.items() if text},
    )


def _text(name: str, longest: int) -> str:
    return typed_text.lines(request.form.get(name, ""), longest)


def _certify(centre: Centre, code: str) -> ResponseReturnValue:
    """For those who may also change registrations at the centre."""
    if not signed_in().may(Scope.WRITE_ENROLMENTS, centre):
        raise NotFound("no-such-offering", "There is no such offering.")
    rows = the_bridge().act_in_parts(
        centre, Flow.ENROLMENTS, current_actor(), lambda context: certify(context, code)
    )
    count = {each: sum(row.outcome is each for row in rows) for each in CertificateOutcome}
    certified = str(count[CertificateOutcome.CERTIFIED])
    refused = str(count[CertificateOutcome.REFUSED])
    address = url_for(
        "reviews.show", offering=code, done="certify", certified=certified, refused=refused
    )
    return redirect(address, 303)


def _offering(code: str) -> tuple[Centre, int, Offering]:
    missing = NotFound("no-such-offering", "There is no such offering.")
    with the_bridge().database.reading() as tx:
        found = offerings.offerings_by_code(tx, [code]).get(code)
    if found is None:
        raise missing
    try:
        centre = centre_for(Scope.REVIEW_OFFERINGS, found[1].centre)
    except NotFound:
        raise missing from None
    return centre, *found


def _page(
    centre: Centre,
    record_id: int,
    record: Offering,
    error: BridgeError | None = None,
    form: Mapping[str, str] | None = None,
) -> ResponseReturnValue:
    bridge, user, now = the_bridge(), signed_in(), utc_now()
    with bridge.database.reading() as tx:
        facts = _facts(tx, record_id, centre)
    life = facts.pop("life")
    found = possible(facts["record"], life, now)
    may = [each for each in found if each in DECISIONS and user.may(SCOPES[each], centre)]
    page = render_template(
        "review/outline.html",
        centre=centre,
        actions=may,
        life=life,
        availability=availability(facts["record"], now, bridge.settings.rules.soon),
        can_certify=facts.pop("can_certify"),
        may_certify=user.may(Scope.WRITE_ENROLMENTS, centre),
        points=POINTS,
        form=form or {},
        problems=_problems(error),
        wrong_field=_WRONG_FIELDS.get(error.code, "") if error else "",
        done=request.args.get("done", "") if error is None else "",
        certified=[number_in(request.args.get(name, "")) for name in ("certified", "refused")],
        now=now,
        zone=user.time_zone or "UTC",
        **facts,
    )
    response = make_response(page, 200 if error is None else 409)
    response.headers["Cache-Control"] = "no-store"
    return response


def _facts(tx: Connection, record_id: int, centre: Centre) -> dict[str, Any]:
    """What the page shows, all of one moment."""
    record = offerings.offerings(tx, [record_id])[record_id]
    last = queries.last_edition(tx, record_id, record)
    before = None if last is None else (last[1], reviews.outline_of(tx, last[0]))
    history = reviews.changes_of(tx, record_id)
    comments = reviews.comments_of(tx, record_id)
    rounds = rounds_of(history, comments)
    kept = status_history.kept_statuses(tx, [record_id]).get(record_id)
    under_review = record.status is OfferingStatus.SUBMITTED
    reports = reviews.reports_of(tx, record_id)
    names = {each.by for each in history} | {each.by for each in comments}
    return {
        "record": record,
        "last": last[1] if last else None,
        "fields": compared((record, reviews.outline_of(tx, record_id)), before),
        "rounds": rounds,
        "history": history,
        "reports": reports,
        "deadline": rounds[-1].submission.deadline if rounds and under_review else None,
        "silence_counts": under_review and kept is not None and kept.deadline is not None,
        "seen": version_of(tx, record_id),
        "life": life_of(tx, record_id, centre.code),
        "can_certify": _is_validated(record, reports),
        "people": accounts.names_of(tx, names),
    }


def _is_validated(record: Offering, reports: Collection[EndReport]) -> bool:
    """Whether certificates can be released: a course without an end stays open after it."""
    if record.status is OfferingStatus.CLOSED:
        return True
    return is_endless(record) and any(each.state is ReportState.VALIDATED for each in reports)


def _problems(error: BridgeError | None) -> list[str]:
    if error is None:
        return []
    if isinstance(error, RulesBroken):
        return [each.message for each in error.findings]
    return [SAID.get(error.code, error.message)]
