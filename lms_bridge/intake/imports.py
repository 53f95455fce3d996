"""Imports of files, one run for each centre in the file.

A run has its lease, its transaction and its audit. A file does not change what another system owns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marshmallow import Schema
from sqlalchemy import Connection

from lms_bridge.bridge import Bridge
from lms_bridge.domain.document import digest
from lms_bridge.domain.errors import IncompleteRead, RecordRefused, Refused
from lms_bridge.domain.model import Centre, Enrolment, Flow, Kind, Learner, Offering, Result
from lms_bridge.domain.ports import Page, RawRecord
from lms_bridge.domain.system_errors import system_reason
from lms_bridge.intake.file_findings import Findings, findings_of
from lms_bridge.schemas.csv.reader import CsvRow, read_offerings, read_registrations, read_results
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema, RegistrationSchema, ResultSchema
from lms_bridge.store import centres, enrolments, learners, links, offerings, results, source_links
from lms_bridge.store.database import Database
from lms_bridge.sync.context import FILES, RunContext, dry_run_of
from lms_bridge.sync.diff import refuse_other_owner
from lms_bridge.sync.enrolments import apply_registrations
from lms_bridge.sync.offerings import apply_offerings_snapshot
from lms_bridge.sync.parts import (
    apply_offerings_in_parts,
    apply_registrations_in_parts,
    apply_results_in_parts,
)
from lms_bridge.sync.pull import Snapshot, SourceFeed, pull
from lms_bridge.sync.results import apply_results
from lms_bridge.sync.run import RunReport, RunRequest, report_of

_APPLY: Mapping[Kind, Callable[[Connection, RunContext, Snapshot], None]] = {
    Kind.OFFERING: apply_offerings_snapshot,
    Kind.ENROLMENT: apply_registrations,
    Kind.RESULT: apply_results,
}

_IN_PARTS: Mapping[Kind, Callable[[RunContext, Snapshot], None]] = {
    Kind.OFFERING: lambda context, snapshot: apply_offerings_in_parts(
        context, snapshot, _leave_to_owners
    ),
    Kind.ENROLMENT: apply_registrations_in_parts,
    Kind.RESULT: apply_results_in_parts,
}


MOST_ROWS = 500_000
"""Of a file. They are all in memory, unlike those of a push."""


@dataclass
class CentreRows:
    """The rows of a file that are about one centre."""

    raws: list[RawRecord] = field(default_factory=list)


def by_centre(
    database: Database, raws: Iterable[RawRecord], centre: str = ""
) -> tuple[dict[str, CentreRows], list[tuple[RawRecord, str]]]:
    """Registrations or results by the centre whose offering they name, and those of which that
    is unknown, with the reason. ``centre`` is the one that is meant where several centres'
    files call an offering the same."""
    rows = list(raws)
    with database.reading() as tx:
        centres = centres_of(tx, {str(raw.fields.get("offering", "")) for raw in rows})
    shares: dict[str, CentreRows] = {}
    homeless = []
    for raw in rows:
        found = centres.get(str(raw.fields.get("offering", "")), set())
        if centre in found:
            found = {centre}
        if len(found) == 1:
            shares.setdefault(next(iter(found)), CentreRows()).raws.append(raw)
        else:
            homeless.append((raw, _SEVERAL if found else _NONE))
    return shares, homeless


_NONE = "names an offering that does not exist."
_SEVERAL = "names an offering of several centres: name one with --centre."


def centres_of(tx: Connection, names: Collection[str]) -> dict[str, set[str]]:
    """{name: centres} of offerings by their codes, or by the ids under which files brought them."""
    by_code = offerings.offerings_by_code(tx, names)
    found = {code: {record.centre} for code, (_, record) in by_code.items()}
    folders = [each.system for each in centres.all_centres(tx) if each.connector == FILES]
    systems = [FILES, *folders]
    for name, centre in source_links.centres_that_name(tx, systems, Kind.OFFERING, names):
        found.setdefault(name, set()).add(centre)
    return found


def apply_file(context: RunContext, kind: Kind, share: CentreRows, *, whole: bool) -> None:
    """Applies the rows of one centre. A ``whole`` file is complete: what earlier files brought for
    this centre and this one leaves out has ended."""
    feed = SourceFeed(
        FILES,
        kind,
        f"source:{context.centre.code}",
        digest([whole]),
        exhaustive=True,
        scope_prefix=f"{context.centre.code}:",
        per_centre_ids=True,
    )
    body = tuple(digest([raw.external_id, raw.fields]) for raw in share.raws)
    answer = Page("file" if whole else "rows", body, lambda: share.raws, whole)
    in_parts = None if context.dry else _IN_PARTS.get(kind)
    snapshot = pull(feed, iter([answer]), context.database, spills=in_parts is not None)
    if in_parts is not None and snapshot.is_large:
        with snapshot:
            in_parts(context, snapshot)
        return
    with context.writing() as tx:
        _leave_to_owners(tx, snapshot)
        _APPLY[kind](tx, context, snapshot)


def _leave_to_owners(tx: Connection, snapshot: Snapshot) -> None:
    """Rows about offerings that another system brought are refused: it would undo the change."""
    if snapshot.feed.kind is not Kind.OFFERING:
        return
    codes = [changed.raw.external_id for changed in snapshot.changed]
    known = offerings.offerings_by_code(tx, codes)
    owners = source_links.sources(
        tx, Kind.OFFERING, [record_id for record_id, _ in known.values()], besides=FILES
    )
    kept = []
    for changed in snapshot.changed:
        owner = owners.get(known.get(changed.raw.external_id, (0,))[0])
        if owner is None:
            kept.append(changed)
            continue
        error = refuse_other_owner(Kind.OFFERING, owner)
        snapshot.refused.append((changed.raw, changed.scope, changed.source_hash, error))
    snapshot.changed = kept


# An export writes rows that say what is stored already. An import leaves such rows out when the
# record did not come from a file: a file that is exported and imported again changes nothing, and
# no file claims the records of another system.


Found = Mapping[str, tuple[int, object]]
"""{external id of a row: (record id, what the bridge holds in the row's own terms)}"""


def differing(
    tx: Connection, kind: Kind, centre: Centre, raws: Sequence[RawRecord]
) -> list[RawRecord]:
    """The rows without those that say what is held already and did not come in a file."""
    find, loaded, schema = _LOOKUPS[kind]
    held = find(tx, [raw.external_id for raw in raws])
    from_files = links.external_ids(tx, FILES, kind, [id_ for id_, _ in held.values()])
    loader = schema(default_zone=centre.time_zone)
    kept = []
    for raw in raws:
        record_id, record = held.get(raw.external_id, (0, None))
        if record is None or record_id in from_files or loaded(loader, raw, record) != record:
            kept.append(raw)
    return kept


def _loaded_offering(schema: Schema, raw: RawRecord, held: object) -> object:
    fields = _loaded(schema, raw)
    if fields is None or not isinstance(held, Offering):
        return None
    fields["course_code"] = fields["course_code"] or held.code
    return Offering(code=held.code, centre=held.centre, **fields)


def _pairs(tx: Connection, names: Sequence[str]) -> dict[str, int]:
    """{`<offering>/<learner>`: enrolment id}, by the bridge's codes and the Academy's ids."""
    parts = {name: name.rpartition("/") for name in names}
    courses = offerings.offerings_by_code(tx, {part[0] for part in parts.values()})
    people = learners.learners_by_academy_id(tx, {part[2] for part in parts.values()})
    pairs = {
        name: (courses[part[0]][0], people[part[2]][0])
        for name, part in parts.items()
        if part[0] in courses and part[2] in people
    }
    found = enrolments.enrolment_ids(tx, pairs.values())
    return {name: found[pair] for name, pair in pairs.items() if pair in found}


def _enrolments(tx: Connection, names: Sequence[str]) -> Found:
    ids = _pairs(tx, names)
    stored = enrolments.enrolments(tx, ids.values())
    people = learners.learners(tx, {each.learner_id for each in stored.values()})
    return {
        name: (id_, (people[stored[id_].learner_id], stored[id_].record))
        for name, id_ in ids.items()
    }


def _loaded_enrolment(schema: Schema, raw: RawRecord, held: object) -> object:
    fields = _loaded(schema, raw)
    if fields is None or not isinstance(held, tuple):
        return None
    learner: Learner = fields.pop("learner")
    return (learner, Enrolment(learner.academy_id, **fields))


def _results(tx: Connection, names: Sequence[str]) -> Found:
    ids = _pairs(tx, names)
    stored = results.results_of(tx, ids.values())
    return {name: stored[id_] for name, id_ in ids.items() if id_ in stored}


def _loaded_result(schema: Schema, raw: RawRecord, held: object) -> object:
    fields = _loaded(schema, raw)
    if fields is None or not isinstance(held, Result):
        return None
    return Result(held.learner, held.offering, **fields)


def _loaded(schema: Schema, raw: RawRecord) -> dict[str, Any] | None:
    try:
        fields: dict[str, Any] = load(schema, raw.fields)
    except RecordRefused:
        return None  # reported when the row is applied
    return fields


_LOOKUPS: Mapping[
    Kind,
    tuple[
        Callable[[Connection, Sequence[str]], Found],
        Callable[[Schema, RawRecord, object], object],
        Callable[..., Schema],
    ],
] = {
    Kind.OFFERING: (offerings.offerings_by_code, _loaded_offering, OfferingSchema),
    Kind.ENROLMENT: (_enrolments, _loaded_enrolment, RegistrationSchema),
    Kind.RESULT: (_results, _loaded_result, ResultSchema),
}


@dataclass
class FileRows:
    """The rows of a file. ``problems`` are (row, problem). ``numbers`` are {external id: row}.
    ``elsewhere`` counts rows of other centres than the chosen ones. ``certain`` is False if the
    record of some row is unknown."""

    shares: dict[str, CentreRows] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    total: int = 0
    elsewhere: int = 0
    certain: bool = True

    def only(self, centre: str) -> None:
        """Leaves the rows of other centres out."""
        for code in [code for code in self.shares if code != centre]:
            self.elsewhere += len(self.shares.pop(code).raws)


def rows_of(path: Path, kind: Kind, database: Database, centre: Centre | None) -> FileRows:
    """Reads a file whole.

    Raises:
        Refused: there is no such file.
        NotUnderstood: it has no header, or a column too many or too few.
    """
    found = FileRows()
    try:
        usable = list(_usable(_read(path, kind), found))
    except OSError as error:
        raise Refused("file-unreadable", f"{path}: {system_reason(error)}.") from None
    if kind is Kind.OFFERING:
        _sort_offerings(usable, found, database, centre)
        return found
    raws = [_with_offering(row.raw) if row.problem else row.raw for row in usable]
    found.shares, homeless = by_centre(database, raws, centre.code if centre else "")
    for raw, reason in homeless:
        if not _already_reported(found, raw):
            number = found.numbers[raw.external_id]
            found.problems.append((number, f"Row {number} {reason}"))
    if centre is not None:
        found.only(centre.code)
    return found


def _read(path: Path, kind: Kind) -> Iterator[CsvRow]:
    if kind is Kind.OFFERING:
        return read_offerings(path)
    return read_registrations(path) if kind is Kind.ENROLMENT else read_results(path)


def _usable(rows: Iterable[CsvRow], found: FileRows) -> Iterator[CsvRow]:
    """The rows that are about a record; what is wrong with any goes into ``found``."""
    for row in rows:
        found.total += 1
        if found.total > MOST_ROWS:
            raise Refused(
                "too-many-rows",
                f"A file may have {MOST_ROWS:,} rows; this one has more. Nothing was changed.",
                "Split it.",
            )
        found.certain = found.certain and row.known
        if row.problem:
            found.problems.append((row.number, row.problem))
        if not row.stray:
            found.numbers[row.raw.external_id] = row.number
            yield row


def _with_offering(raw: RawRecord) -> RawRecord:
    """An unreadable row still says by its id which offering it is about."""
    return RawRecord(
        raw.external_id, {**raw.fields, "offering": raw.external_id.rpartition("/")[0]}
    )


def _already_reported(found: FileRows, raw: RawRecord) -> bool:
    number = found.numbers[raw.external_id]
    return any(row == number for row, _ in found.problems)


def _sort_offerings(
    usable: list[CsvRow], found: FileRows, database: Database, centre: Centre | None
) -> None:
    with database.reading() as tx:
        known = {each.code for each in centres.all_centres(tx)}
        owners = centres_of(tx, [row.raw.external_id for row in usable])
    for row in usable:
        named = str(row.raw.fields.get("centre", ""))
        if centre is not None:
            code = named if named in known else centre.code
        else:
            owner = owners.get(row.raw.external_id, set())
            code = named or (next(iter(owner)) if len(owner) == 1 else "")
        if code in known:
            found.shares.setdefault(code, CentreRows()).raws.append(row.raw)
        elif not row.problem:
            found.problems.append((row.number, f"Row {row.number} {_homeless(named)}"))
    if centre is not None:
        found.only(centre.code)


def _homeless(named: str) -> str:
    if named:
        return "names a centre that does not exist."
    return 'has no centre: name one with --centre, or in the column "centre".'


FLOWS = {Kind.OFFERING: Flow.OFFERINGS, Kind.ENROLMENT: Flow.ENROLMENTS, Kind.RESULT: Flow.RESULTS}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of a file: a report per centre, how many rows said what is held already, and what
    the programme's rules say of the rows."""

    reports: list[RunReport]
    same: int
    findings: Findings


def import_rows(
    bridge: Bridge, kind: Kind, rows: FileRows, *, whole: bool, dry: bool
) -> ImportReport:
    """Applies the rows of a file, centre by centre.

    Raises:
        IncompleteRead: the file is to be whole, but holds a row that could be about any record.
    """
    if whole and not rows.certain:
        raise IncompleteRead(
            "file-not-whole",
            "Some rows do not say which record they are about, so it is not known which records "
            "the file leaves out. Nothing was changed.",
            "Correct the rows, or import without --whole.",
        )
    reports, same = [], 0
    findings: Findings = {}
    with bridge.database.apart() if dry else nullcontext(bridge.database) as database:
        for code, share in sorted(rows.shares.items()):
            request = bridge.request(bridge.centre(code), (FLOWS[kind],), trigger="import", dry=dry)
            with database.reading() as tx:
                raws = differing(tx, kind, request.centre, share.raws)
            same += len(share.raws) - len(raws)
            judged = dry_run_of(database, request.centre, request.policy)
            rules = bridge.settings.rules
            findings |= findings_of(database, judged, kind, share.raws, rules)
            if raws or whole:
                part = CentreRows(raws)
                reports.append(_run(bridge, database, request, kind, part, whole))
    return ImportReport(reports, same, findings)


def _run(
    bridge: Bridge,
    database: Database,
    request: RunRequest,
    kind: Kind,
    share: CentreRows,
    whole: bool,
) -> RunReport:
    if request.dry:
        began = time.monotonic()
        context = dry_run_of(database, request.centre, request.policy)
        apply_file(context, kind, share, whole=whole)
        return report_of(context, began)

    def apply(context: RunContext) -> None:
        apply_file(context, kind, share, whole=whole)

    return bridge.in_turn(request.centre, lambda: bridge.runner().run(request, apply))
