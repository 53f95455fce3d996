"""Applies the rows of a pushed schedule, a few hundred at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from lms_bridge.domain.document import Difference, difference, digest, document
from lms_bridge.domain.errors import Problem, RecordRefused
from lms_bridge.domain.model import Centre, Kind, Offering
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.domain.ports import RawRecord
from lms_bridge.domain.rules import RuleFinding, unreviewed
from lms_bridge.http.foreign_json import is_whole
from lms_bridge.intake.formats import Body
from lms_bridge.intake.imports import differing
from lms_bridge.intake.report import RowOutcome, RowReport, problems_of
from lms_bridge.intake.rows import PushedOfferingSchema, PushedRow
from lms_bridge.schemas.load import load
from lms_bridge.store import enrolments, holds, links, offerings, runs, source_links
from lms_bridge.store.links import SourceLink
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.completions import complete
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.diff import refuse_other_owner
from lms_bridge.sync.offerings import (
    LoadedOfferings,
    another_centres,
    apply_offerings,
    offering_code,
    read_offerings,
)
from lms_bridge.sync.pull import LONGEST_ID, Snapshot, SourceFeed
from lms_bridge.sync.spool import ChangedRecord

# First pass: check that the schedule can be read to its end, and collect the ids. Only ids are
# kept, so that a large schedule needs little memory.


@dataclass
class Scan:
    """``values`` are those of all rows. ``first`` is {id: number of its row}. ``repeated`` is {id:
    numbers of all its rows}, for ids of several rows. ``unclear`` are the numbers of rows that
    might be any offering's."""

    total: int = 0
    values: int = 0
    first: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, list[int]] = field(default_factory=dict)
    unclear: list[int] = field(default_factory=list)


def _may_name(external_id: str) -> bool:
    """Whether an offering may have this id."""
    return (
        0 < len(external_id) <= LONGEST_ID and external_id.isprintable() and is_whole(external_id)
    )


def scan(body: Body) -> Scan:
    """Reads a whole body once, and changes nothing.

    Raises:
        Refused: as ``Body.rows`` does.
    """
    found = Scan()
    for row, values in body.weighed_rows():
        body.give_way()
        found.total += 1
        found.values += values
        named = _may_name(row.external_id)
        if not row.known or (row.external_id and not named):
            found.unclear.append(row.number)
        if not named:
            continue
        first = found.first.setdefault(row.external_id, row.number)
        if first != row.number:
            found.repeated.setdefault(row.external_id, [first]).append(row.number)
    return found


# Second pass: compare each row with the stored offering that it names.


@dataclass
class SortedRows:
    """``known`` is {id: its offering}. ``unchanged`` is {id: record id} of rows without a
    difference. ``changed`` are rows with their hashes. ``refused`` is {id: reason}. ``completions``
    is {id: (record id, offering)} of rows about offerings of the centre's LMS: they may fill what
    it leaves empty."""

    known: dict[str, SourceLink]
    unchanged: dict[str, int] = field(default_factory=dict)
    changed: list[tuple[RawRecord, bytes]] = field(default_factory=list)
    refused: dict[str, RecordRefused] = field(default_factory=dict)
    completions: dict[str, tuple[int, Offering]] = field(default_factory=dict)


def known_rows(tx: Connection, centre: Centre, raws: Mapping[str, RawRecord]) -> SortedRows:
    """Sorts rows by what the bridge knows of them. ``raws`` maps ids to rows."""
    found = SortedRows(links.of_centre(tx, FILES, Kind.OFFERING, centre.code, raws))
    strangers = [external_id for external_id in raws if external_id not in found.known]
    same = _look_by_code(tx, centre, raws, strangers, found)
    for external_id, raw in raws.items():
        if external_id in found.refused or external_id in same or external_id in found.completions:
            continue
        try:
            hashed = digest(raw.fields)
        except (TypeError, ValueError, RecursionError):
            found.refused[external_id] = RecordRefused(
                "not-json",
                "The row holds something that cannot be stored, such as half of a character "
                "(U+D800), or is nested too deep.",
            )
            continue
        known = found.known.get(external_id)
        if known is not None and known.source_hash == hashed:
            found.unchanged[external_id] = known.record_id
        else:
            found.changed.append((raw, hashed))
    return found


def _look_by_code(
    tx: Connection,
    centre: Centre,
    raws: Mapping[str, RawRecord],
    strangers: list[str],
    found: SortedRows,
) -> set[str]:
    """Looks up ids that no file or push brought yet: they may be the bridge's own codes, or name
    offerings of another system. Returns the ids whose rows change nothing."""
    own = {external_id: offering_code(centre.code, external_id) for external_id in strangers}
    there = offerings.offerings_by_code(tx, {*own, *own.values()})
    if not there:
        return set()
    named = {
        external_id: there.get(external_id) or there[code]
        for external_id, code in own.items()
        if external_id in there or code in there
    }
    found.refused.update(
        (external_id, another_centres())
        for external_id, (_, record) in named.items()
        if record.centre != centre.code
    )
    mine = {
        external_id: record_id
        for external_id, (record_id, _) in named.items()
        if external_id not in found.refused
    }
    by_code = [raws[external_id] for external_id in mine if external_id in there]
    news = {raw.external_id for raw in differing(tx, Kind.OFFERING, centre, by_code)}
    same = {raw.external_id for raw in by_code if raw.external_id not in news}
    found.unchanged.update((external_id, mine[external_id]) for external_id in same)
    owners = source_links.sources(tx, Kind.OFFERING, mine.values(), besides=FILES)
    for external_id, record_id in mine.items():
        if external_id in same:
            continue
        if owners.get(record_id) == centre.system:
            found.completions[external_id] = (record_id, named[external_id][1])
        elif record_id in owners:
            found.refused[external_id] = refuse_other_owner(Kind.OFFERING, owners[record_id])
        else:
            found.known[external_id] = SourceLink(0, record_id, external_id, "", EMPTY)
    return same


def usable(row: PushedRow, scan: Scan, centre: str) -> RawRecord:
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
    elif problem is None and not _may_name(row.external_id):
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
        field, what = problem.field, problem.message
        message = f"{field} {what}." if field else f"The row {what}."
        raise RecordRefused(problem.code, message, field=problem.field, problems=[problem])
    return RawRecord(row.external_id, fields)


MOST_NOTED = 1_000
"""The audit of one push names so many refused rows, and counts the others."""


@dataclass
class RowApplier:
    """Applies the rows of one push. ``scope`` is that of links to new offerings. ``check`` gets an
    offering and how many people have a seat there. While ``held``, nothing is applied and the
    reports say what would change."""

    tx: Connection
    context: RunContext
    feed: SourceFeed
    scope: str
    scan: Scan
    check: Callable[[Offering, int], list[RuleFinding]]
    quarantined: Collection[str] = ()
    held: bool = False
    _refusals: int = 0
    _placed: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._schema = PushedOfferingSchema(default_zone=self.context.centre.time_zone)

    def apply(self, rows: Sequence[PushedRow]) -> Iterator[RowReport]:
        """Applies some rows and returns their reports, in their order."""
        reports: dict[int, RowReport] = {}
        raws: dict[str, RawRecord] = {}
        numbers: dict[str, int] = {}
        for row in rows:
            try:
                raw = usable(row, self.scan, self.context.centre.code)
            except RecordRefused as error:
                reports[row.number] = self._refused(row.number, row.external_id, error)
            else:
                raws[raw.external_id], numbers[raw.external_id] = raw, row.number
        found = known_rows(self.tx, self.context.centre, raws)
        self._refuse_others_twice(found, numbers)
        for external_id, why in found.refused.items():
            number = numbers[external_id]
            reports[number] = self._refused(number, external_id, why)
        completed = self._completed(found, numbers, raws)
        for report in (
            *self._unchanged(found, numbers),
            *self._changed(found, numbers),
            *completed,
        ):
            reports[report.row] = report
        return (_with_warnings(reports[row.number], row.warnings) for row in rows)

    def _refuse_others_twice(self, found: SortedRows, numbers: Mapping[str, int]) -> None:
        """An offering has several names (its id, its code): the first row that names it counts."""
        named = {key: known.record_id for key, known in found.known.items()} | found.unchanged
        twice = {}
        for external_id, record_id in sorted(named.items(), key=lambda each: numbers[each[0]]):
            first = self._placed.setdefault(record_id, numbers[external_id])
            if first != numbers[external_id]:
                twice[external_id] = RecordRefused(
                    "duplicate-id", f"It is the offering of row {first}, under another id."
                )
        if twice:
            found.refused.update(twice)
            found.changed = [each for each in found.changed if each[0].external_id not in twice]
            for external_id in twice:
                found.unchanged.pop(external_id, None)

    def _unchanged(self, found: SortedRows, numbers: Mapping[str, int]) -> Iterator[RowReport]:
        records = offerings.offerings(self.tx, found.unchanged.values())
        taken = enrolments.seats_taken(self.tx, records)
        for external_id, record_id in found.unchanged.items():
            record = records[record_id]
            yield RowReport(
                numbers[external_id],
                external_id,
                RowOutcome.UNCHANGED,
                record.code,
                warnings=self.check(record, taken.get(record_id, 0)),
            )
        self._release(found.unchanged)

    def _changed(self, found: SortedRows, numbers: Mapping[str, int]) -> Iterator[RowReport]:
        changed = [self._as_changed(raw, hashed, found) for raw, hashed in found.changed]
        snapshot = Snapshot(self.feed, changed=changed)
        read = read_offerings(self.tx, self.context, snapshot, self._schema)
        for each, error in read.refused:
            external_id = each.raw.external_id
            yield self._refused(numbers[external_id], external_id, error)
        policy = self.context.policy.unreviewed
        changes = _would_change(read) if self.held else self._apply(snapshot, read, numbers)
        taken = enrolments.seats_taken(self.tx, read.before)
        for external_id, (each, record) in read.records.items():
            fields = changes.get(external_id)
            warnings = self.check(record, taken.get(each.known.record_id, 0) if each.known else 0)
            if external_id in read.unreviewed and policy is not OnUnreviewed.OFF:
                warnings.append(unreviewed(lowered=policy is OnUnreviewed.REVIEW))
            yield RowReport(
                numbers[external_id],
                external_id,
                self._outcome(fields, new=each.known is None),
                "" if self.held and each.known is None else record.code,
                warnings=warnings,
                changes=fields if fields and self.context.dry else {},
            )

    def _as_changed(self, raw: RawRecord, hashed: bytes, found: SortedRows) -> ChangedRecord:
        known = found.known.get(raw.external_id)
        return ChangedRecord(raw, (known.scope if known else "") or self.scope, hashed, known)

    def _outcome(self, fields: Difference | None, *, new: bool) -> RowOutcome:
        if fields is None:
            return RowOutcome.UNCHANGED
        if self.held:
            return RowOutcome.HELD
        return RowOutcome.CREATED if new else RowOutcome.UPDATED

    def _apply(
        self, snapshot: Snapshot, read: LoadedOfferings, numbers: Mapping[str, int]
    ) -> Mapping[str, Difference]:
        applied = apply_offerings(self.tx, self.context, snapshot, read)
        if applied is None:
            raise RuntimeError("rows remove nothing, so nothing of them can be held")
        for external_id, record_id in applied.ids.items():
            self._placed.setdefault(record_id, numbers[external_id])
        returned = {
            each.known.record_id
            for each, _ in read.records.values()
            if each.known and each.known.source_hash == EMPTY
        }
        holds.reopen(self.tx, self.context.centre.code, Kind.OFFERING, returned)
        return {change.key: change.fields for change in applied.plan.changes}

    def _completed(
        self, found: SortedRows, numbers: Mapping[str, int], raws: Mapping[str, RawRecord]
    ) -> Iterator[RowReport]:
        """Rows about offerings of the centre's LMS, which may fill what it leaves empty."""
        taken = enrolments.seats_taken(self.tx, [id_ for id_, _ in found.completions.values()])
        for external_id, (record_id, before) in found.completions.items():
            number = numbers[external_id]
            if self.held:
                yield RowReport(number, external_id, RowOutcome.HELD, before.code)
                continue
            try:
                with self.context.savepoint(self.tx):
                    given = self._filled(before, raws[external_id])
                    _, after = complete(self.tx, self.context, before.code, given, FILES)
            except RecordRefused as error:
                yield self._refused(number, external_id, error)
                continue
            changes = difference(document(before), document(after))
            outcome = RowOutcome.UPDATED if changes else RowOutcome.UNCHANGED
            yield RowReport(
                number,
                external_id,
                outcome,
                after.code,
                warnings=self.check(after, taken.get(record_id, 0)),
                changes=changes if self.context.dry else {},
            )

    def _filled(self, before: Offering, raw: RawRecord) -> dict[str, object]:
        """What the row says and the offering does not."""
        said = {k: v for k, v in raw.fields.items() if v not in (None, "", [])}
        loaded = load(self._schema, {"title": before.title, **said})
        return {k: v for k, v in said.items() if k in loaded and loaded[k] != getattr(before, k)}

    def _release(self, good: Collection[str]) -> None:
        """Releases rows that an earlier file had wrong from quarantine."""
        cured = [each for each in good if each in self.quarantined]
        runs.release(self.tx, FILES, Kind.OFFERING, self.context.centre.code, cured)

    def _refused(self, number: int, external_id: str, error: RecordRefused) -> RowReport:
        self._refusals += 1
        if self._refusals <= MOST_NOTED:
            name = external_id if external_id.isprintable() else ""
            self.context.note(
                Kind.OFFERING, FILES, "read", "refused", external_id=name, error=error
            )
        else:
            self.context.counts[f"{Kind.OFFERING}.read.refused"] += 1
        problems = problems_of(error)
        return RowReport(number, external_id, RowOutcome.REFUSED, problems=problems)


def _with_warnings(report: RowReport, warnings: Sequence[RuleFinding]) -> RowReport:
    """A row that is refused has its problems instead."""
    if not warnings or report.outcome is RowOutcome.REFUSED:
        return report
    return replace(report, warnings=[*report.warnings, *warnings])


def _would_change(read: LoadedOfferings) -> Mapping[str, Difference]:
    """What would change of each offering, were nothing held."""
    changes = {}
    for external_id, (each, record) in read.records.items():
        before = document(read.before[each.known.record_id]) if each.known else {}
        fields = difference(before, document(record))
        if fields:
            changes[external_id] = fields
    return changes
