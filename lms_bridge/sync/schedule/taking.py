"""Taking the rows of a pushed schedule in, some at a time, and answering them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lms_bridge.domain.document import Difference, difference, document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Kind, Offering
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.domain.ports import Raw
from lms_bridge.domain.rules import RuleFinding, unreviewed
from lms_bridge.schemas.schedule import PushedOfferingSchema, PushedRow
from lms_bridge.store import holds, offerings, reports
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.offerings import Read, apply_offerings, read_offerings
from lms_bridge.sync.read import Changed, Feed, Snapshot
from lms_bridge.sync.schedule.answers import Outcome, RowAnswer, problems_of
from lms_bridge.sync.schedule.knowing import Found, look_up
from lms_bridge.sync.schedule.scanning import Scan
from lms_bridge.sync.schedule.usable import usable
from lms_bridge.sync.work import FILES, Work

MOST_NOTED = 1_000
"""Refused rows that the audit of one push names; the others are counted."""


@dataclass
class Taking:
    """One push at work. ``scope`` is where new offerings are noted as shown; ``held``: nothing is
    applied, and only told what would be."""

    tx: Connection
    work: Work
    feed: Feed
    scope: str
    scan: Scan
    check: Callable[[Offering], list[RuleFinding]]
    quarantined: Collection[str] = ()
    held: bool = False
    _refusals: int = 0
    _placed: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._schema = PushedOfferingSchema(default_zone=self.work.centre.time_zone)

    def take(self, rows: Sequence[PushedRow]) -> Iterator[RowAnswer]:
        """Takes some rows in and gives their answers, in their order."""
        answers: dict[int, RowAnswer] = {}
        raws: dict[str, Raw] = {}
        numbers: dict[str, int] = {}
        for row in rows:
            try:
                raw = usable(row, self.scan, self.work.centre.code)
            except RecordRefused as error:
                answers[row.number] = self._refused(row.number, row.external_id, error)
            else:
                raws[raw.external_id], numbers[raw.external_id] = raw, row.number
        found = look_up(self.tx, self.work.centre, raws)
        self._refuse_others_twice(found, numbers)
        for external_id, why in found.refused.items():
            number = numbers[external_id]
            answers[number] = self._refused(number, external_id, why)
        for answer in (*self._unchanged(found, numbers), *self._changed(found, numbers)):
            answers[answer.row] = answer
        return (answers[row.number] for row in rows)

    def _refuse_others_twice(self, found: Found, numbers: Mapping[str, int]) -> None:
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

    def _unchanged(self, found: Found, numbers: Mapping[str, int]) -> Iterator[RowAnswer]:
        records = offerings.offerings(self.tx, found.unchanged.values())
        for external_id, record_id in found.unchanged.items():
            record = records[record_id]
            yield RowAnswer(
                numbers[external_id],
                external_id,
                Outcome.UNCHANGED,
                record.code,
                warnings=self.check(record),
            )
        self._release(found.unchanged)

    def _changed(self, found: Found, numbers: Mapping[str, int]) -> Iterator[RowAnswer]:
        changed = [self._as_changed(raw, hashed, found) for raw, hashed in found.changed]
        snapshot = Snapshot(self.feed, changed=changed)
        read = read_offerings(self.tx, self.work, snapshot, self._schema)
        for each, error in read.refused:
            external_id = each.raw.external_id
            yield self._refused(numbers[external_id], external_id, error)
        policy = self.work.policy.unreviewed
        changes = _would_change(read) if self.held else self._apply(snapshot, read, numbers)
        for external_id, (each, record) in read.records.items():
            fields = changes.get(external_id)
            warnings = self.check(record)
            if external_id in read.unreviewed and policy is not OnUnreviewed.OFF:
                warnings.append(unreviewed(lowered=policy is OnUnreviewed.REVIEW))
            yield RowAnswer(
                numbers[external_id],
                external_id,
                self._outcome(fields, new=each.known is None),
                "" if self.held and each.known is None else record.code,
                warnings=warnings,
                changes=fields if fields and self.work.dry else {},
            )

    def _as_changed(self, raw: Raw, hashed: bytes, found: Found) -> Changed:
        known = found.known.get(raw.external_id)
        return Changed(raw, (known.scope if known else "") or self.scope, hashed, known)

    def _outcome(self, fields: Difference | None, *, new: bool) -> Outcome:
        if fields is None:
            return Outcome.UNCHANGED
        if self.held:
            return Outcome.HELD
        return Outcome.CREATED if new else Outcome.UPDATED

    def _apply(
        self, snapshot: Snapshot, read: Read, numbers: Mapping[str, int]
    ) -> Mapping[str, Difference]:
        applied = apply_offerings(self.tx, self.work, snapshot, read)
        if applied is None:
            raise RuntimeError("rows remove nothing, so nothing of them can be held")
        for external_id, record_id in applied.ids.items():
            self._placed.setdefault(record_id, numbers[external_id])
        returned = {
            each.known.record_id
            for each, _ in read.records.values()
            if each.known and each.known.source_hash == EMPTY
        }
        holds.reopen(self.tx, self.work.centre.code, Kind.OFFERING, returned)
        return {change.key: change.fields for change in applied.plan.changes}

    def _release(self, good: Collection[str]) -> None:
        """What an earlier file said of these was bad; now it is good."""
        cured = [each for each in good if each in self.quarantined]
        reports.release(self.tx, FILES, Kind.OFFERING, self.work.centre.code, cured)

    def _refused(self, number: int, external_id: str, error: RecordRefused) -> RowAnswer:
        self._refusals += 1
        if self._refusals <= MOST_NOTED:
            name = external_id if external_id.isprintable() else ""
            self.work.note(Kind.OFFERING, FILES, "read", "refused", external_id=name, error=error)
        else:
            self.work.counts[f"{Kind.OFFERING}.read.refused"] += 1
        problems = problems_of(error)
        return RowAnswer(number, external_id, Outcome.REFUSED, problems=problems)


def _would_change(read: Read) -> Mapping[str, Difference]:
    """What would change of each offering, were nothing held."""
    changes = {}
    for external_id, (each, record) in read.records.items():
        before = document(read.before[each.known.record_id]) if each.known else {}
        fields = difference(before, document(record))
        if fields:
            changes[external_id] = fields
    return changes
