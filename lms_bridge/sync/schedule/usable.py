"""Whether a row can be looked at: before anything is known of the offering that it names."""

from __future__ import annotations

from lms_bridge.domain.errors import Problem, RecordRefused
from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.schedule import PushedRow
from lms_bridge.sync.read import LONGEST_ID
from lms_bridge.sync.schedule.scanning import Scan


def usable(row: PushedRow, scan: Scan, centre: str) -> Raw:
    """The row as a record of a source.

    Raises:
        RecordRefused: it could not be read, its id is unusable or comes more than once, or it is
            about another centre.
    """
    repeated = scan.repeated.get(row.external_id)
    problem = row.problem
    if repeated is not None:
        listed = ", ".join(map(str, repeated[:10]))
        problem = Problem("id", "duplicate-id", f"is that of several rows: {listed}")
    elif problem is None and not (
        len(row.external_id) <= LONGEST_ID and row.external_id.isprintable()
    ):
        problem = Problem(
            "id", "bad-id", f"is longer than {LONGEST_ID} characters, or not printable"
        )
    fields = dict(row.fields)
    fields.pop("id", None)
    named = fields.pop("centre", None)
    if problem is None and named not in (None, "", centre):
        problem = Problem(
            "centre", "another-centre", f"is not {centre}, whose schedule this is", (centre,)
        )
    if problem is not None:
        message = f"{problem.field or 'The row'} {problem.message}."
        raise RecordRefused(problem.code, message, field=problem.field, problems=[problem])
    return Raw(row.external_id, fields)
