"""A group of learners, registered together from a file by an institutional contact."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from flask import Response, request
from sqlalchemy import Connection

from lms_bridge.domain.access import Scope
from lms_bridge.domain.errors import BridgeError, NotUnderstood, RecordRefused, Refused
from lms_bridge.domain.lifecycle import EnrolmentAction
from lms_bridge.domain.model import Kind, Learner, RegistrationType
from lms_bridge.schemas.csv import Row as FileRow
from lms_bridge.schemas.csv import read_group
from lms_bridge.schemas.enrolment import LearnerSchema
from lms_bridge.schemas.load import load
from lms_bridge.schemas.shown import ShownGroup
from lms_bridge.sync.enrolment_acts import register
from lms_bridge.sync.work import Work
from lms_bridge.web.api.acting import change
from lms_bridge.web.api.offerings import reached
from lms_bridge.web.api.registrations import TAG, told_of
from lms_bridge.web.api.replies import Reply
from lms_bridge.web.api.routing import route
from lms_bridge.web.bridging import the_bridge

CSV = "text/csv"
MOST_IN_GROUP = 1_000
GROUP_BYTES = 1024 * 1024


@route(
    "/offerings/<code>/group",
    method="POST",
    scope=Scope.WRITE_ENROLMENTS,
    answer=ShownGroup,
    media=(CSV,),
    most_bytes=GROUP_BYTES,
    headers=("IdempotencyKey",),
    tag=TAG,
)
def register_group(code: str) -> Response:
    """Registers a group from CSV, or applies for it; an answer for each row.

    Columns: id, email, given_name, family_name, language, country.
    """
    with the_bridge().database.reading() as tx:
        offering, centre = reached(tx, code)
    direct = offering.registration is RegistrationType.DIRECT
    action = EnrolmentAction.REGISTER if direct else EnrolmentAction.APPLY
    rows = _rows_of_body()

    def do(tx: Connection, work: Work) -> Reply:
        told = [_row(tx, work, code, row, action) for row in rows]
        return Reply({"rows": told})

    return change(centre, Kind.ENROLMENT, do)


def _rows_of_body() -> list[FileRow]:
    """Raises Refused when the file cannot be read, or has too many rows."""
    try:
        rows = list(_few(read_group(BytesIO(request.get_data()))))
    except NotUnderstood as error:
        raise Refused("file-unreadable", error.message, error.remedy) from None
    if not rows:
        raise Refused("file-unreadable", "The file has no rows.")
    return rows


def _few(rows: Iterator[FileRow]) -> Iterator[FileRow]:
    for number, row in enumerate(rows):
        if number == MOST_IN_GROUP:
            raise NotUnderstood(
                "too-many-rows", f"The file has more than {MOST_IN_GROUP:,} rows.", "Split it."
            )
        yield row


def _row(
    tx: Connection, work: Work, code: str, row: FileRow, action: EnrolmentAction
) -> dict[str, Any]:
    """Registers one row's learner; a row that is refused changes nothing and keeps no other."""
    told: dict[str, Any] = {"row": row.number, "learner": "" if row.stray else row.raw.external_id}
    try:
        learner: Learner = load(LearnerSchema(), {**row.raw.fields})
        with work.part(tx):
            stored = register(tx, work, code, learner, action)
    except (RecordRefused, Refused) as error:
        refused = {"outcome": "refused", "registration": None}
        return {**told, **refused, "code": error.code, "message": _said(row, error)}
    registration = told_of(tx, stored.id).document
    good = {"outcome": "registered", "registration": registration, "code": "", "message": ""}
    return {**told, **good}


def _said(row: FileRow, error: BridgeError) -> str:
    return row.problem or str(error)
