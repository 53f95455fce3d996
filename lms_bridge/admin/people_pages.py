"""`/people`: learners whose account at a centre is not certain, decided one by one, many at once,
or by a table that is downloaded, filled and sent back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, Row

from lms_bridge.admin import matches
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import BridgeError, Refused
from lms_bridge.store import accounts, holds, uploads
from lms_bridge.store import centres as stored_centres
from lms_bridge.store.uploads import Upload
from lms_bridge.web import typed_text
from lms_bridge.web.access import (
    centres_for,
    current_actor,
    needs,
    signed_in,
    takes_files,
    the_bridge,
)
from lms_bridge.web.downloads import table_file
from lms_bridge.web.paging import SIZE, number_in, number_param

pages = Blueprint("people", __name__)
MOST_AT_ONCE = 500
MOST_SHOWN = 300
"""Rows of a diff or of outcomes on one page; refused ones come first."""
FORMAT = "people"
_log = structlog.get_logger(__name__)

REASONS = {
    "same-email": "One account has the same e-mail address",
    "shared-email": "Several accounts have the e-mail address",
    "other-stable-id": "The account with the address has another Academy id",
    "shared-stable-id": "Several accounts have the Academy id",
    "account-taken": "The account is linked to another learner",
    "none": "No account fits, and the centre makes none",
    "same name": "same name",
    "other name": "other name",
    "linked to another learner": "linked to another learner",
}
"""Why somebody waits, and why an account may be theirs, in words."""


def in_words(reason: str) -> str:
    """The words of a reason; of `same-email, same name` those of its last part."""
    return REASONS.get(reason) or REASONS.get(reason.rpartition(", ")[2], reason)


@pages.get("/people")
@needs(Scope.READ_OPERATIONS)
def show_all() -> str:
    return list_page()


def list_page(
    late: tuple[str, matches.EarlierMatch | None] | None = None, problem: Refused | None = None
) -> str:
    """Those who wait, in the order in which they came. With ``all`` everybody with whom an account
    agrees is on one page, and is ticked. ``late`` is a person about whom somebody else decided
    before the reader, with what is known of it."""
    centre = typed_text.line(request.args.get("centre", ""), 40)
    ticked = request.args.get("all") == "1"
    agreeing, after = ticked or request.args.get("agreeing") == "1", number_param("after")
    size = MOST_AT_ONCE if ticked else SIZE
    with the_bridge().database.reading() as tx:
        within = centres_for(tx, Scope.READ_OPERATIONS)
        known = [each.code for each in stored_centres.all_centres(tx)]
        total, agree = holds.count_waiting_people(tx, centre, within=within)
        rows = holds.waiting_people(
            tx, centre, within=within, agreeing=agreeing, after=after, most=size + 1
        )
        names = accounts.names_of(tx, [late[1].who] if late and late[1] else ())
    return render_template(
        "people.html",
        rows=rows[:size],
        last=rows[size - 1].id if len(rows) > size else 0,
        ticked=ticked,
        most=MOST_AT_ONCE,
        late=late,
        names=names,
        problem=problem,
        first_agreeing=next((row.id for row in rows if row.agrees), 0),
        after=after,
        total=total,
        agree=agree,
        centre=centre,
        agreeing=agreeing,
        codes=known if within is None else [each for each in known if each in within],
        in_words=in_words,
        done=request.args.get("done", ""),
    )


@pages.post("/people/accept")
@needs(Scope.WRITE_OPERATIONS)
def accept() -> ResponseReturnValue:
    """Accepts the one suggested account of the chosen people, as the page showed it."""
    bridge, by = the_bridge(), current_actor()
    with bridge.database.writing() as tx:
        decisions = _chosen(tx)
        outcomes = matches.carry_out(tx, decisions, by)
    if not decisions:
        missing = ("nobody-chosen", "Nobody was chosen.", "Tick the people, and press it again.")
        return list_page(problem=Refused(*missing)), 422
    return _told(outcomes)


def _chosen(tx: Connection) -> list[matches.MatchDecision]:
    within = centres_for(tx, Scope.WRITE_OPERATIONS)
    centre = request.form.get("centre", "")[:40]
    wanted = _wanted(request.form.getlist("person"))
    rows = holds.waiting_people(tx, centre, within=within, agreeing=True)
    found = [_as_shown(row, wanted[row.id]) for row in rows if row.id in wanted]
    there = {row.id for row in rows}
    gone = {number: account for number, account in wanted.items() if number not in there}
    found += [
        matches.MatchDecision("", "", each).refused("learner", "not-waiting")
        for each in gone.values()
    ]
    return found


def _wanted(values: Sequence[str]) -> dict[int, str]:
    """{number of a row: the account that the page showed}"""
    pairs = (value.partition(":") for value in values[:MOST_AT_ONCE])
    return {number_in(number, digits=18): account for number, _, account in pairs}


def _as_shown(row: Row[Any], shown: str) -> matches.MatchDecision:
    account = str(row.suggestions[0][0])
    decision = matches.MatchDecision(row.centre, row.academy_id, account)
    if shown != account:
        return decision.refused("account", "changed-meanwhile")
    return decision


# ---- the table, both ways ----------------------------------------------------------------------


@pages.get("/people.csv")
@needs(Scope.READ_OPERATIONS)
def download() -> ResponseReturnValue:
    with the_bridge().database.reading() as tx:
        within = centres_for(tx, Scope.READ_OPERATIONS)
        rows = holds.waiting_people(tx, request.args.get("centre", "")[:40], within=within)
    return table_file(matches.as_csv(rows), "people.csv")


@pages.get("/people/file")
@needs(Scope.WRITE_OPERATIONS)
def show_file() -> ResponseReturnValue:
    """The form; or what the file that was sent would decide."""
    upload = _upload()
    return _form() if upload is None else _compared(upload)


@pages.post("/people/file")
@takes_files(matches.MOST_BYTES)
@needs(Scope.WRITE_OPERATIONS)
def send_file() -> ResponseReturnValue:
    """Keeps a file that can be read."""
    file = request.files.get("file")
    try:
        if file is None or not file.filename:
            raise Refused("file-missing", "No file was chosen.", "Choose one, and send it again.")
        octets, name = file.read(), typed_text.file_name(file.filename, 200)
        file.close()  # a large one is a file on the disk
        matches.read_csv(octets)
    except BridgeError as error:
        return _form(error)
    new = Upload(signed_in().session.number, _PEOPLE, name, FORMAT, False, octets)
    with the_bridge().database.writing() as tx:
        uploads.keep(tx, new, utc_now())
    return redirect(url_for("people.show_file"), 303)


@pages.post("/people/file/discard")
@needs(Scope.WRITE_OPERATIONS)
def discard_file() -> ResponseReturnValue:
    with the_bridge().database.writing() as tx:
        uploads.discard(tx, signed_in().session.number, _PEOPLE)
    return redirect(url_for("people.show_file"), 303)


@pages.post("/people/file/apply")
@needs(Scope.WRITE_OPERATIONS)
def apply_file() -> ResponseReturnValue:
    """Decides as the file says. A second click decides nothing."""
    upload, by = _upload(), current_actor()
    if upload is None or str(upload.number) != request.form.get("upload", ""):
        return redirect(url_for("people.show_all", done="file-gone"), 303)
    with the_bridge().database.writing() as tx:
        if not uploads.take(tx, upload):
            return redirect(url_for("people.show_all", done="file-gone"), 303)
        outcomes = matches.carry_out(tx, _planned(tx, upload), by)
    return _told(outcomes)


_PEOPLE = ""
"""Stands in the place of a centre for the file about people of any centre."""


def _upload() -> Upload | None:
    with the_bridge().database.reading() as tx:
        return uploads.find(tx, signed_in().session.number, _PEOPLE, utc_now())


def _planned(tx: Connection, upload: Upload) -> list[matches.MatchDecision]:
    within = centres_for(tx, Scope.WRITE_OPERATIONS)
    return matches.planned(tx, matches.read_csv(upload.octets), within)


def _form(problem: BridgeError | None = None) -> ResponseReturnValue:
    page = render_template("people_file.html", problem=problem, upload=None)
    return page, 200 if problem is None else 400


def _compared(upload: Upload) -> str:
    with the_bridge().database.reading() as tx:
        found = _planned(tx, upload)
    return render_template("people_file.html", upload=upload, problem=None, **_parts(found))


def _told(outcomes: Sequence[matches.MatchDecision]) -> str:
    decided = sum(1 for each in outcomes if not each.refusal)
    _log.info("people decided", decided=decided, by=signed_in().session.name)
    return render_template("people_done.html", **_parts(outcomes))


def _parts(decisions: Sequence[matches.MatchDecision]) -> dict[str, Any]:
    """Refused rows first."""
    refused = [each for each in decisions if each.refusal]
    good = [each for each in decisions if not each.refusal]
    return {
        "rows": [*refused, *good][:MOST_SHOWN],
        "more": max(0, len(decisions) - MOST_SHOWN),
        "refused": len(refused),
        "matched": sum(1 for each in good if each.account),
        "created": sum(1 for each in good if not each.account),
        "why": matches.WHY,
    }
