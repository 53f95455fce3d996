"""Results that a centre's people write: from the form's rows, or from a file's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

from sqlalchemy import Connection

from lms_bridge.audit import Actor
from lms_bridge.bridge import Bridge
from lms_bridge.centre_desk.people_queries import Rows
from lms_bridge.domain.batches import chunks
from lms_bridge.domain.dates import zone_of
from lms_bridge.domain.errors import BridgeError, NotUnderstood, RecordRefused, Refused
from lms_bridge.domain.model import Centre, Flow, Kind, Offering, Result
from lms_bridge.schemas.csv.reader import CsvRow, read_results
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import ResultSchema
from lms_bridge.store import enrolments, learners, results, source_links
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.enrolment_actions import EnteredResult, ResultEntry, enter_results
from lms_bridge.sync.results import refuse_slips

MOST_ROWS = 1_000
FEW = 5
"""Results that are looked up and entered together."""
"""Of a file on the desk. `lms-bridge import results` takes larger ones."""
MESSAGES: Mapping[str, str] = {
    "score": "The score is not a number on the scale, such as 71.5.",
    "scale_max": "The highest score is not a number above the lowest one.",
    "completed": "Completed is yes, no, or empty.",
    "completed_at": "The day is not a date, such as 2027-03-31.",
}


@dataclass(frozen=True, slots=True)
class KnownResult:
    """A result as it is now. ``by_lms``: the centre's LMS keeps it, so nobody changes it here."""

    record: Result
    revision: int
    by_lms: bool


def known_results(tx: Connection, centre: Centre, rows: Rows) -> dict[int, KnownResult]:
    """{enrolment id: result} of those of the people who have one."""
    known = results.results_of(tx, [row.id for row in rows])
    ids = [result_id for result_id, _ in known.values()]
    owners = source_links.sources(tx, Kind.RESULT, ids)
    revisions = results.revisions(tx, ids)
    return {
        number: KnownResult(record, revisions[id_], owners.get(id_) == centre.system)
        for number, (id_, record) in known.items()
    }


@dataclass(frozen=True, slots=True)
class WrittenResult:
    """What somebody wrote for one person. ``fields`` is None where it cannot be used; ``wrong`` is
    {field: why}."""

    number: int
    given: Mapping[str, str]
    revision: int = 0
    fields: Mapping[str, Any] | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)


def read_row(
    number: int,
    given: Mapping[str, str],
    course: Offering,
    known: KnownResult | None,
    now: datetime,
) -> WrittenResult:
    """A row of the form. What the form does not show stays as it is."""
    before = known.record if known else None
    texts: dict[str, object] = {
        "score": given["score"].replace(",", "."),
        "scale_min": str(before.scale_min) if before else "0",
        "scale_max": given["scale_max"].replace(",", ".") or "100",
        "completed": {"yes": True, "no": False}.get(given["completed"]),
        "completed_at": given["completed_at"],
    }
    revision = known.revision if known else 0
    try:
        fields = load(ResultSchema(default_zone=course.time_zone), texts)
        refuse_slips(fields)
    except RecordRefused as error:
        names = [each.field for each in error.problems] or [error.field]
        wrong = {name: MESSAGES.get(name, MESSAGES["score"]) for name in names}
        return WrittenResult(number, given, revision, None, wrong)
    if before is not None and given["completed_at"] == day_of(before.completed_at, course):
        fields["completed_at"] = before.completed_at
    fields["graded_at"] = before.graded_at if before and _same_score(before, fields) else now
    return WrittenResult(number, given, revision, fields)


def _same_score(before: Result, fields: Mapping[str, Any]) -> bool:
    return all(
        getattr(before, name) == fields[name] for name in ("score", "scale_min", "scale_max")
    )


def day_of(at: datetime | None, course: Offering) -> str:
    """A time as the form's field of a day shows it; "" for none."""
    return at.astimezone(zone_of(course.time_zone or "UTC")).date().isoformat() if at else ""


def says_something(written: WrittenResult, known: Result | None) -> bool:
    """Whether it differs from what is known. A form that is sent twice says nothing new."""
    if written.fields is None:
        return True
    if known is None:
        return any(written.fields[name] is not None for name in ("score", "completed"))
    return any(getattr(known, name) != value for name, value in written.fields.items())


def enter(
    bridge: Bridge, centre: Centre, written: Collection[WrittenResult], actor: Actor
) -> dict[int, EnteredResult | BridgeError]:
    """Enters the results that can be used. Each has an outcome of its own.

    Raises:
        Overloaded: the centre is being synced; nothing was changed.
    """

    def some(
        tx: Connection, context: RunContext, part: Collection[WrittenResult]
    ) -> dict[int, EnteredResult | BridgeError]:
        known = results.results_of(tx, [each.number for each in part])
        entries = [
            ResultEntry(each.number, each.fields, each.revision)
            for each in part
            if each.fields is not None
            and says_something(each, known[each.number][1] if each.number in known else None)
        ]
        return enter_results(tx, context, entries, bridge.settings.rules)

    def act(context: RunContext) -> dict[int, EnteredResult | BridgeError]:
        parts = context.in_parts(chunks(written, FEW), lambda tx, part: some(tx, context, part))
        return {number: outcome for part in parts for number, outcome in part.items()}

    return bridge.act_in_parts(centre, Flow.RESULTS, actor, act)


# ---- a file's rows -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileResult:
    """A row of a file: whose it is, what is known, what it says, and why it is refused."""

    row: int
    learner: str
    name: str = ""
    before: Result | None = None
    written: WrittenResult | None = None
    why: BridgeError | None = None


def read_file(
    tx: Connection, centre: Centre, offering: tuple[int, Offering], octets: bytes
) -> list[FileResult]:
    """The rows of a file of results of one offering, compared with what is known.

    Raises:
        Refused: the file cannot be read, or has too many rows.
    """
    rows = _csv_rows(octets)
    offering_id, course = offering
    people = learners.learners_by_academy_id(tx, {_learner(row) for row in rows})
    pairs = {name: (offering_id, id_) for name, (id_, _) in people.items()}
    numbers = enrolments.enrolment_ids(tx, pairs.values())
    known = results.results_of(tx, numbers.values())
    ids = [result_id for result_id, _ in known.values()]
    owners = source_links.sources(tx, Kind.RESULT, ids)
    revisions = results.revisions(tx, ids)
    schema = ResultSchema(default_zone=course.time_zone)
    found = []
    for row in rows:
        name = _learner(row)
        number = numbers.get(pairs[name], 0) if name in pairs else 0
        result_id, before = known.get(number, (0, None))
        person = people[name][1] if number else None
        shown = f"{person.given_name} {person.family_name}".strip() if person else ""
        try:
            fields = _fields_of(row, course, number, schema)
            written = WrittenResult(number, {}, revisions.get(result_id, 0), fields)
            is_news = says_something(written, before)
            if is_news and owners.get(result_id) == centre.system:
                raise RecordRefused("owned-elsewhere", "Your LMS sends this result.", _THERE)
        except RecordRefused as error:
            found.append(FileResult(row.number, name, shown, before, None, error))
            continue
        if is_news:
            found.append(FileResult(row.number, name, shown, before, written))
    return found


_THERE = "Change it there: the next sync brings the change."


def _csv_rows(octets: bytes) -> Sequence[CsvRow]:
    try:
        rows = []
        for row in read_results(BytesIO(octets)):
            rows.append(row)
            if len(rows) > MOST_ROWS:
                raise Refused(
                    "too-many-rows",
                    "The file has more than 1,000 rows. Nothing was changed.",
                    "Send it in parts.",
                )
    except NotUnderstood as error:
        raise Refused("file-unreadable", f"{error.message}", error.remedy) from None
    return rows


def _learner(row: CsvRow) -> str:
    return row.raw.external_id.rpartition("/")[2]


def _fields_of(row: CsvRow, course: Offering, number: int, schema: ResultSchema) -> dict[str, Any]:
    if row.problem:
        raise RecordRefused("unreadable-record", row.problem)
    if row.raw.external_id.rpartition("/")[0] != course.code:
        raise RecordRefused(
            "another-offering", "The row is about another course.", "Send it there."
        )
    if not number:
        raise RecordRefused(
            "unknown-enrolment", "The learner is not in this course.", "Check the learner's id."
        )
    fields: dict[str, Any] = load(schema, row.raw.fields)
    refuse_slips(fields)
    return fields
