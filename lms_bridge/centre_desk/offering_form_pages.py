"""`/my-centre/<code>/offerings/new`, and `…/edit` of an offering: one form for one offering.

What it says is pushed as a schedule of one row, so every rule of a push holds. Of an offering that
the centre's LMS publishes, it completes what the LMS leaves empty.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping, Sequence

import orjson
from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from lms_bridge.centre_desk import desk, words
from lms_bridge.centre_desk import offering_forms as forms
from lms_bridge.centre_desk.desk import pages
from lms_bridge.centre_desk.desk_offering import (
    ONE,
    DeskOffering,
    address_of,
    desk_offering,
    what_all_show,
)
from lms_bridge.centre_desk.offering_forms import (
    FIELDS,
    NOTHING_JOINED,
    Joined,
    joined,
    row_of,
    texts_of,
)
from lms_bridge.centre_desk.offering_words import explained, field_problem, problem_of
from lms_bridge.domain.access import Scope
from lms_bridge.domain.document import Json
from lms_bridge.domain.errors import BridgeError, Problem, RecordRefused, Refused
from lms_bridge.domain.model import Centre, Flow, Kind, Offering, OfferingStatus
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.apply import known_rows, scan
from lms_bridge.intake.formats import JSON, Body
from lms_bridge.intake.push import Push, apply_push
from lms_bridge.store import completions, links, offerings
from lms_bridge.sync.completions import complete, open_fields
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.offering_actions import check_revision
from lms_bridge.web.access import centre_for, current_actor, needs, takes_files, the_bridge
from lms_bridge.web.filters import labels
from lms_bridge.web.kept_forms import form_given, keeps_form

NEW = "/<code>/offerings/new"
_ID = re.compile(r"page-[0-9a-f]{12}")


# ---- a new offering ------------------------------------------------------------------------------


@pages.get(NEW)
@needs(Scope.WRITE_OFFERINGS)
def show_new(code: str) -> Response:
    centre = centre_for(Scope.WRITE_OFFERINGS, code)
    given = form_given()
    return _new_page(centre, forms.texts_given(given.get) if given else texts_of(_blank(centre)))


@pages.post(NEW)
@keeps_form
@takes_files(desk.MOST_BYTES)
@needs(Scope.WRITE_OFFERINGS)
def make(code: str) -> ResponseReturnValue:
    """Puts a planned offering into the schedule. A form that is sent twice makes one."""
    centre = centre_for(Scope.WRITE_OFFERINGS, code)
    mine = forms.texts_given(form_given().get)
    row, problems = row_of(mine, _blank(centre))
    named = desk.form_text("id", 1000)
    try:
        made = _push_new(centre, named or _own_id(), row)
    except _Exists as error:
        if named:
            return _new_page(centre, mine, [Problem("id", "id-taken", "is taken")])
        found = desk_offering(Scope.WRITE_OFFERINGS, code, error.offering)
        return _joined_page(found, mine, error)
    except BridgeError as error:
        return _new_page(centre, mine, error=error)
    if not isinstance(made, str):
        return _new_page(centre, mine, [*problems, *made])
    address = url_for("centre_desk.show_offering", code=code, offering=made, done="created")
    return redirect(address, 303)


def _blank(centre: Centre) -> Offering:
    """What a new offering is before anybody writes in its form."""
    return Offering(
        "",
        centre.code,
        "",
        "",
        status=OfferingStatus.PLANNED,
        time_zone=centre.time_zone,
        languages=centre.languages[:1],
    )


def _own_id() -> str:
    """The id of the offering that this form makes, however often it is sent."""
    given = form_given().get("own_id", "")
    return given if _ID.fullmatch(given) else f"page-{secrets.token_hex(6)}"


class _Exists(Refused):
    """The id is that of an offering which says something else."""

    def __init__(self, offering: str) -> None:
        super().__init__("changed-meanwhile", "This course is in your schedule already.")
        self.offering = offering


def _push_new(centre: Centre, external_id: str, row: Mapping[str, Json]) -> str | Sequence[Problem]:
    """The code of the new offering; or what is wrong with its fields."""

    def do(tx: Connection, context: RunContext) -> str | Sequence[Problem]:
        known = known_rows(tx, centre, {external_id: RawRecord(external_id, dict(row))})
        if external_id in known.refused:
            return [Problem("id", "id-taken", "is another's")]
        if external_id in known.unchanged:
            return offerings.codes(tx, [known.unchanged[external_id]])[known.unchanged[external_id]]
        there = [each.record_id for each in known.known.values()]
        there += [record_id for record_id, _ in known.completions.values()]
        if there:
            raise _Exists(offerings.codes(tx, there)[there[0]])
        return _pushed(tx, context, external_id, row)

    return the_bridge().act(centre, Flow.OFFERINGS, current_actor(), do)


def _pushed(
    tx: Connection, context: RunContext, external_id: str, row: Mapping[str, Json]
) -> str | Sequence[Problem]:
    """Pushes a schedule of this one row: the code of the offering, or what is wrong with it."""
    octets = orjson.dumps([{**row, "id": external_id}])
    body = Body(octets, JSON, context.centre.time_zone)
    report = apply_push(
        tx, context, Push(body, scan(body), whole=False), the_bridge().settings.rules
    )
    (told,) = orjson.loads(orjson.dumps(report.document()["rows"]))
    if told["problems"]:
        return [Problem(each["field"], each["code"], each["message"]) for each in told["problems"]]
    code: str = told["code"]
    return code


def _new_page(
    centre: Centre,
    values: Mapping[str, str],
    problems: Sequence[Problem] = (),
    error: BridgeError | None = None,
) -> Response:
    page = render_template(
        "centre_desk/offering_form.html",
        centre=centre,
        values=values,
        choices=_choices(),
        own_id=_own_id(),
        named=desk.form_text("id", 1000),
        shown=forms.fingerprints(texts_of(_blank(centre))),
        open_fields=frozenset(FIELDS),
        errors=_errors(problems),
        labels={name: words.field_name(name) for name in _errors(problems)},
        problem=problem_of(error),
        desk=None,
    )
    return desk.not_stored(page, 422 if problems else desk.status_of(error) if error else 200)


def _choices() -> dict[str, dict[str, str]]:
    """{field: its words with their labels}"""
    found = {
        name: labels(kind)
        for name, kind in (
            ("modality", "modalities"),
            ("level", "levels"),
            ("registration", "registration_types"),
        )
    }
    return found | {name: {"": "—", **found[name]} for name in ("modality", "level")}


def _errors(problems: Sequence[Problem]) -> dict[str, str]:
    """{field: what is wrong with it}"""
    return {each.field.partition(".")[0]: field_problem(each) for each in reversed(problems)}


# ---- an offering that is there -------------------------------------------------------------------


@pages.get(f"{ONE}/edit")
@needs(Scope.WRITE_OFFERINGS)
def show_edit(code: str, offering: str) -> Response:
    found = desk_offering(Scope.WRITE_OFFERINGS, code, offering)
    given = form_given()
    return _edit_page(found, _written(found) if given else texts_of(found.record))


@pages.post(f"{ONE}/edit")
@keeps_form
@takes_files(desk.MOST_BYTES)
@needs(Scope.WRITE_OFFERINGS)
def edit(code: str, offering: str) -> ResponseReturnValue:
    """Keeps what was written, unless somebody else changed the offering meanwhile: then their text
    and this one are joined, and the writer decides."""
    found = desk_offering(Scope.WRITE_OFFERINGS, code, offering)
    mine = _written(found)
    if mine == texts_of(found.record):
        return redirect(address_of(found, done="same"), 303)
    try:
        problems = _keep(found, mine, desk.revision_given())
    except BridgeError as error:
        found = desk_offering(Scope.WRITE_OFFERINGS, code, offering)
        if error.code == "changed-meanwhile":
            return _joined_page(found, mine, error)
        if isinstance(error, RecordRefused):
            return _edit_page(found, mine, error.problems or [_problem(error)])
        return _edit_page(found, mine, error=error)
    if problems:
        return _edit_page(found, mine, problems)
    return redirect(address_of(found, done="kept"), 303)


def _written(found: DeskOffering) -> dict[str, str]:
    """The texts of the form. It has only the fields that may be changed."""
    mine = forms.texts_given(form_given().get)
    return {**texts_of(found.record), **{name: mine[name] for name in _open_fields(found)}}


def _problem(error: RecordRefused) -> Problem:
    return Problem(error.field, error.code, error.message)


def _keep(found: DeskOffering, mine: Mapping[str, str], revision: int) -> Sequence[Problem]:
    """Keeps the texts; or says what is wrong with them, and changes nothing.

    Raises:
        Refused: the offering is not the one that the writer saw.
        RecordRefused: a field cannot be completed.
    """
    row, problems = row_of(mine, found.record)
    centre, actor = found.centre, current_actor()

    def do(tx: Connection, context: RunContext) -> Sequence[Problem]:
        check_revision(tx, found.record_id, revision)
        if found.is_the_lms:
            given = {name: row[name] for name in _touched(found, mine)}
            complete(tx, context, found.record.code, given, actor.name)
            return ()
        names = links.external_ids(tx, FILES, Kind.OFFERING, [found.record_id])
        name = names.get(found.record_id, found.record.code)
        pushed = _pushed(tx, context, name, row)
        return () if isinstance(pushed, str) else [*problems, *pushed]

    return the_bridge().act(centre, Flow.OFFERINGS, actor, do)


def _touched(found: DeskOffering, mine: Mapping[str, str]) -> Collection[str]:
    return forms.touched_in(mine, texts_of(found.record), _open_fields(found))


def _open_fields(found: DeskOffering) -> frozenset[str]:
    """The fields that the form may change."""
    if not found.owner:
        return frozenset(FIELDS)
    if not found.is_the_lms:
        return frozenset()
    with the_bridge().database.reading() as tx:
        earlier = completions.of_offerings(tx, [found.record_id]).get(found.record_id, {})
    return open_fields(found.centre, found.record, earlier) & frozenset(FIELDS)


def _joined_page(found: DeskOffering, mine: Mapping[str, str], error: BridgeError) -> Response:
    both = joined(mine, texts_of(found.record), form_given().get("shown", ""))
    return _edit_page(found, both.texts, error=error, both=both)


def _edit_page(
    found: DeskOffering,
    values: Mapping[str, str],
    problems: Sequence[Problem] = (),
    error: BridgeError | None = None,
    both: Joined = NOTHING_JOINED,
) -> Response:
    page = render_template(
        "centre_desk/offering_form.html",
        values=values,
        choices=_choices(),
        field_names=words.FIELDS,
        shown=(
            forms.fingerprints(texts_of(found.record))
            if desk.sees_now(error)
            else form_given().get("shown", "")
        ),
        revision=found.revision if desk.sees_now(error) else desk.revision_given(),
        open_fields=_open_fields(found),
        errors=_errors(problems),
        labels={name: words.field_name(name) for name in _errors(problems)},
        problem=problem_of(error),
        both=both,
        findings=[explained(each) for each in found.findings],
        **what_all_show(found),
    )
    return desk.not_stored(page, 422 if problems else desk.status_of(error) if error else 200)
