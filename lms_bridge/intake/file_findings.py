"""What the programme's rules say of the rows of an imported file. Here they stop nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Kind, Result
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.domain.ports import RawRecord
from lms_bridge.domain.rules import (
    RuleFinding,
    Rules,
    check_offering,
    check_result,
    unreviewed,
)
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema, ResultSchema
from lms_bridge.store import enrolments, links, memberships, offerings
from lms_bridge.store.database import Database
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.offerings import read_offerings
from lms_bridge.sync.pull import Snapshot, SourceFeed
from lms_bridge.sync.spool import ChangedRecord

Findings = dict[str, tuple[RuleFinding, ...]]
"""{external id of a row: findings}; rows without one are left out."""
_TOGETHER = 500


def findings_of(
    database: Database, context: RunContext, kind: Kind, raws: Sequence[RawRecord], rules: Rules
) -> Findings:
    """The findings about one centre's rows, before they are applied. A row that the schema refuses
    has none."""
    found: Findings = {}
    alike: dict[tuple[RuleFinding, ...], tuple[RuleFinding, ...]] = {}  # many rows, few findings
    for external_id, each in _checked(database, context, kind, raws, rules):
        if each:
            found[external_id] = alike.setdefault(tuple(each), tuple(each))
    return found


def _checked(
    database: Database, context: RunContext, kind: Kind, raws: Sequence[RawRecord], rules: Rules
) -> Iterator[tuple[str, list[RuleFinding]]]:
    if kind is Kind.RESULT and rules.pass_percent:
        yield from _checked_results(raws, rules)
    if kind is Kind.OFFERING:
        for chunk in chunks(raws, _TOGETHER):
            with database.reading() as tx:
                yield from _checked_offerings(tx, context, chunk, rules)


def _checked_results(
    raws: Iterable[RawRecord], rules: Rules
) -> Iterator[tuple[str, list[RuleFinding]]]:
    schema = ResultSchema()
    for raw in raws:
        try:
            record = Result("", "", **load(schema, raw.fields))
        except RecordRefused:
            continue
        yield raw.external_id, check_result(record, rules)


def _checked_offerings(
    tx: Connection, context: RunContext, raws: Sequence[RawRecord], rules: Rules
) -> Iterator[tuple[str, list[RuleFinding]]]:
    code, now = context.centre.code, context.now()
    known = links.of_centre(tx, FILES, Kind.OFFERING, code, [raw.external_id for raw in raws])
    rows = [ChangedRecord(raw, "", EMPTY, known.get(raw.external_id)) for raw in raws]
    feed = SourceFeed(FILES, Kind.OFFERING, f"source:{code}", b"", exhaustive=False)
    read = read_offerings(
        tx,
        context,
        Snapshot(feed, changed=rows),
        OfferingSchema(default_zone=context.centre.time_zone),
    )
    standing, policy = memberships.standing_of(tx, code), context.policy.unreviewed
    stored = offerings.offerings_by_code(tx, [record.code for _, record in read.records.values()])
    taken = enrolments.seats_taken(tx, [record_id for record_id, _ in stored.values()])
    for external_id, (_, record) in read.records.items():
        record_id = stored[record.code][0] if record.code in stored else 0
        findings = check_offering(record, rules, now, standing, taken.get(record_id, 0))
        if external_id in read.unreviewed and policy is not OnUnreviewed.OFF:
            findings.append(unreviewed(lowered=policy is OnUnreviewed.REVIEW))
        yield external_id, findings
