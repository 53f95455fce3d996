"""The papers of an offering: its outline, which experts review, and its end-of-training report."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue
from marshmallow import Schema
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from lms_bridge.centre_desk import desk
from lms_bridge.centre_desk.desk import pages
from lms_bridge.centre_desk.desk_offering import (
    ONE,
    DeskOffering,
    address_of,
    desk_offering,
    papers_of,
    what_all_show,
)
from lms_bridge.centre_desk.offering_pages import carry_out, is_done
from lms_bridge.centre_desk.offering_words import RULES, explained, field_problem, problem_of
from lms_bridge.centre_desk.words import sentence
from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import digest, document
from lms_bridge.domain.errors import BridgeError, RecordRefused, RulesBroken
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Flow, OfferingStatus
from lms_bridge.domain.reviews import Outline, ReportFields
from lms_bridge.schemas.load import load
from lms_bridge.schemas.params import OutlineSchema, ReportSchema
from lms_bridge.store import reviews
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import (
    OfferingChange,
    change_offering,
    changed_meanwhile,
    find_offering,
    state_outline,
)
from lms_bridge.web.access import current_actor, needs, takes_files, the_bridge
from lms_bridge.web.kept_forms import form_given, keeps_form

_LONGEST = 100_000
_LINES = "instructors"
"""The field of an outline that is a list: the form has one name on each line."""


@pages.get(f"{ONE}/outline")
@needs(Scope.READ_OFFERINGS)
def show_outline(code: str, offering: str) -> Response:
    return _outline_page(desk_offering(Scope.READ_OFFERINGS, code, offering))


@pages.post(f"{ONE}/outline")
@keeps_form
@takes_files(desk.MOST_BYTES)
@needs(Scope.WRITE_OFFERINGS)
def send_outline(code: str, offering: str) -> ResponseReturnValue:
    """Keeps the outline as a draft, or sends it for review."""
    found = desk_offering(Scope.WRITE_OFFERINGS, code, offering)
    submits = request.form.get("action") == "submit"
    try:
        stated = Outline(**load(OutlineSchema(), _outline_given()))
        _keep_outline(found, stated, submits=submits)
    except BridgeError as error:
        return _outline_page(desk_offering(Scope.WRITE_OFFERINGS, code, offering), error)
    return redirect(address_of(found, done="submit" if submits else "draft"), 303)


def _outline_given() -> dict[str, object]:
    given: dict[str, object] = {
        name: desk.form_text(name, _LONGEST) for name in Outline.__slots__ if name != _LINES
    }
    return {**given, _LINES: desk.form_text(_LINES, _LONGEST).splitlines()}


def _keep_outline(found: DeskOffering, stated: Outline, *, submits: bool) -> None:
    """Keeps the outline, and sends it where that is wanted: all or nothing.

    Raises:
        Refused: somebody else wrote another outline meanwhile, or it cannot be sent as it is.
    """
    bridge, actor = the_bridge(), current_actor()
    seen = request.form.get("seen", "")
    change = OfferingChange(
        found.record.code, OfferingAction.SUBMIT, "", desk.revision_given(), actor.name
    )

    def do(tx: Connection, context: RunContext) -> None:
        record_id, _ = find_offering(tx, found.centre.code, change.code)
        present = reviews.outline_of(tx, record_id)
        if submits and present == stated and is_done(tx, record_id, change):
            return
        if present != stated:
            if version_of(present) != seen:
                raise changed_meanwhile()
            state_outline(tx, context, change.code, stated, actor.name)
        if submits:
            change_offering(tx, context, change, bridge.settings.rules)

    bridge.act(found.centre, Flow.OFFERINGS, actor, do)


def version_of(stated: Outline) -> str:
    return digest(document(stated)).hex()


def _outline_page(found: DeskOffering, error: BridgeError | None = None) -> Response:
    with the_bridge().database.reading() as tx:
        papers = papers_of(tx, found.record_id, found.record)
    kept = _as_form(papers.outline)
    page = render_template(
        "centre_desk/outline.html",
        papers=papers,
        kept=kept,
        values=_posted(Outline) if form_given() else kept,
        seen=version_of(papers.outline) if desk.sees_now(error) else form_given().get("seen", ""),
        revision=found.revision if desk.sees_now(error) else desk.revision_given(),
        can_write=found.record.status is OfferingStatus.PLANNED,
        unsent=_posted(Outline) if form_given() else {},
        findings=[explained(each) for each in found.findings],
        changed=error is not None and error.code == "changed-meanwhile",
        **_told(error, Outline.__slots__),
        **what_all_show(found),
    )
    return desk.not_stored(page, 200 if error is None else _status(error))


def _as_form(stated: Outline) -> dict[str, str]:
    texts: Mapping[str, Any] = document(stated)
    return {name: "\n".join(v) if isinstance(v, list) else v for name, v in texts.items()}


def _posted(kind: type[Outline] | type[ReportFields]) -> dict[str, str]:
    return {name: desk.form_text(name, _LONGEST) for name in kind.__slots__}


def _told(error: BridgeError | None, fields: Collection[str]) -> dict[str, Any]:
    """The errors of the form's fields; or what else was refused."""
    if isinstance(error, RecordRefused):
        errors = {
            each.field.partition(".")[0]: field_problem(each) for each in reversed(error.problems)
        }
        return {"errors": errors, "problem": []}
    if isinstance(error, RulesBroken) and all(each.field in fields for each in error.findings):
        errors = {each.field: sentence(RULES[each.code])[0] for each in error.findings}
        return {"errors": errors, "problem": []}
    return {"errors": {}, "problem": problem_of(error)}


def _status(error: BridgeError) -> int:
    return 422 if isinstance(error, RecordRefused) else desk.status_of(error)


# ---- the report ----------------------------------------------------------------------------------


@pages.get(f"{ONE}/report")
@needs(Scope.READ_OFFERINGS)
def show_report(code: str, offering: str) -> Response:
    return _report_page(desk_offering(Scope.READ_OFFERINGS, code, offering))


@pages.post(f"{ONE}/report")
@keeps_form
@takes_files(desk.MOST_BYTES)
@needs(Scope.WRITE_OFFERINGS)
def send_report(code: str, offering: str) -> ResponseReturnValue:
    found = desk_offering(Scope.WRITE_OFFERINGS, code, offering)
    try:
        fields = _loaded(ReportSchema(), _posted(ReportFields))
        report = ReportFields(**{name: fields[name] for name in ReportFields.__slots__})
        change = OfferingChange(
            offering,
            OfferingAction.REPORT,
            "",
            desk.revision_given(),
            current_actor().name,
            report=report,
        )
        carry_out(found.centre, change)
    except BridgeError as error:
        return _report_page(desk_offering(Scope.WRITE_OFFERINGS, code, offering), error)
    return redirect(address_of(found, done="report"), 303)


def _loaded(schema: Schema, given: Mapping[str, object]) -> dict[str, Any]:
    fields: dict[str, Any] = load(schema, given)
    return fields


def _report_page(found: DeskOffering, error: BridgeError | None = None) -> Response:
    with the_bridge().database.reading() as tx:
        papers = papers_of(tx, found.record_id, found.record)
        figures = reviews.figures_of(tx, found.record_id)
    last = document(papers.returned.fields) if papers.returned else {}
    page = render_template(
        "centre_desk/report.html",
        papers=papers,
        figures=figures,
        values=_posted(ReportFields) if form_given() else last,
        unsent=_posted(ReportFields) if form_given() else {},
        revision=found.revision if desk.sees_now(error) else desk.revision_given(),
        can_write=OfferingAction.REPORT in found.actions,
        **_told(error, ReportFields.__slots__),
        **what_all_show(found),
    )
    return desk.not_stored(page, 200 if error is None else _status(error))
