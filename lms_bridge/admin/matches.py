"""Decisions about people who wait to be matched: one by one, many at once, and by a file.

The file has a row for each person: ``centre``, ``learner`` (the Academy's id) and ``account``: an
account of the centre's LMS, ``new`` for a new one, or nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from lms_bridge.audit import Actor, Change, Subject, changed_fields, record
from lms_bridge.domain.document import plain
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import Kind, centre_system
from lms_bridge.schemas.csv.cells import neutralised, restored
from lms_bridge.schemas.csv.reader import opened
from lms_bridge.store import holds, links
from lms_bridge.store.run_tables import IN_AUDIT, item, run
from lms_bridge.sync.holds import match_person, request_run

COLUMNS = ("centre", "learner", "reason", "since", "suggested", "account")
_NEEDED = ("centre", "learner", "account")
NEW = "new"
MATCH = "match"
"""The action of a decision, in the audit."""
MOST_ROWS = 5_000
MOST_BYTES = 1024 * 1024
LONGEST_ACCOUNT = 255

WHY = {
    "no-such-centre": "There is no such centre.",
    "not-waiting": "Nobody with this Academy id waits at this centre any more.",
    "not-suggested": "The account is none of those that were suggested.",
    "account-taken": "The account is linked to another learner already.",
    "twice": "An earlier row of the file is about the same person.",
    "account-twice": "An earlier row of the file gives this account to another person.",
    "unreadable": "The row cannot be read.",
    "no-such-account": "The centre's LMS has no such account.",
    "changed-meanwhile": "The suggestion has changed since the page was shown.",
}
"""Why a decision is refused, by its code."""


@dataclass(frozen=True, slots=True)
class MatchDecision:
    """Which account is a learner's; "": a new one is to be made. ``row`` is that of the file.
    ``field`` and ``refusal`` say what is wrong with it: a column, and a code of ``WHY``."""

    centre: str
    learner: str
    account: str
    row: int = 0
    field: str = ""
    refusal: str = ""

    def refused(self, field: str, code: str) -> MatchDecision:
        return replace(self, field=field, refusal=code)


def carry_out(tx: Connection, decisions: Sequence[MatchDecision], by: Actor) -> list[MatchDecision]:
    """Carries out those that are not refused, each in a savepoint of its own, and gives all of them
    back. A run of each centre follows at once."""
    outcomes = [each if each.refusal else _decide(tx, each, by) for each in decisions]
    for centre in sorted({each.centre for each in outcomes if not each.refusal}):
        request_run(tx, centre, [Kind.ENROLMENT], by.at, by.name)
    return outcomes


def _decide(tx: Connection, decision: MatchDecision, by: Actor) -> MatchDecision:
    try:
        with tx.begin_nested():
            match_person(tx, decision.centre, decision.learner, decision.account or None)
            record_match(tx, by, decision)
    except Refused as error:
        return decision.refused("account" if error.code == "account-taken" else "", error.code)
    return decision


def record_match(tx: Connection, by: Actor, decision: MatchDecision) -> None:
    """The line of the audit about one decision."""
    values = {"learner": decision.learner, "account": decision.account or NEW}
    fields = changed_fields(None, values)
    record(tx, by, Change(Subject.CENTRE, MATCH, None, decision.centre, fields, decision.centre))


@dataclass(frozen=True, slots=True)
class EarlierMatch:
    """What somebody decided about a person before; ``account`` "new" is a new one."""

    who: str
    account: str
    at: datetime


MOST_READ = 500
"""Decisions of a centre, the newest first, among which an earlier match is looked for."""


def earlier_match(tx: Connection, centre: str, learner: str) -> EarlierMatch | None:
    """Who decided last about a person, from the audit; None where it is not known (any more)."""
    query = (
        select(item.c.fields, item.c.at, run.c.requested_by)
        .join(run, run.c.id == item.c.run_id)
        .where(IN_AUDIT, item.c.external_id == centre, item.c.action == MATCH)
        .order_by(item.c.id.desc())
        .limit(MOST_READ)
    )
    for row in tx.execute(query):
        if row.fields["learner"][1] == learner:
            return EarlierMatch(row.requested_by, row.fields["account"][1], row.at)
    return None


# ---- the file ----------------------------------------------------------------------------------


def as_csv(rows: Sequence[Row[Any]]) -> bytes:
    """The people of ``store.holds.waiting_people`` as a table, ``account`` left to be filled in."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        suggested = "; ".join(f"{account} ({why})" for account, why in row.suggestions)
        cells = (row.centre, row.academy_id, row.reason, plain(row.since), suggested, "")
        writer.writerow([neutralised(str(cell)) for cell in cells])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def read_csv(octets: bytes) -> list[MatchDecision]:
    """The decisions of a file; rows without an account are none, and are left out.

    Raises:
        BridgeError: it is no such table.
    """
    try:
        return list(_rows(octets))
    except csv.Error as error:
        raise Refused("file-unreadable", "The file is no CSV table.") from error


def _rows(octets: bytes) -> Iterator[MatchDecision]:
    with opened(io.BytesIO(octets)) as text:
        reader = csv.reader(text.lines, delimiter=text.delimiter)
        header = [restored(cell).strip().casefold() for cell in next(reader)]
        missing = [name for name in _NEEDED if name not in header]
        if missing:
            remedy = f"Download the table, and fill its column {_NEEDED[-1]}."
            raise Refused("columns-missing", f"No column {', '.join(missing)}.", remedy)
        text.lines.row_begins()
        for number, cells in enumerate(reader, start=2):
            text.lines.row_begins()
            if number > MOST_ROWS + 1:
                raise Refused("too-many-rows", f"The file has more than {MOST_ROWS:,} rows.")
            values = dict(zip(header, cells, strict=False))
            decision = _decision(number, values, text.damaged)
            if decision is not None:
                yield decision


def _decision(
    number: int, values: dict[str, str], damaged: Callable[[str], bool]
) -> MatchDecision | None:
    given = {name: values.get(name, "") for name in _NEEDED}
    centre, learner, account = (restored(cell).strip() for cell in given.values())
    if not account:
        return None
    account = "" if account.casefold() == NEW else account
    for name, cell in given.items():
        if damaged(cell) or len(cell) > LONGEST_ACCOUNT:
            known = MatchDecision("", "", "", number)
            return known.refused(name, "unreadable")
    return MatchDecision(centre, learner, account, number)


def planned(
    tx: Connection,
    decisions: Sequence[MatchDecision],
    within: Collection[str] | None,
    *,
    suggested_alone: bool = True,
) -> list[MatchDecision]:
    """The decisions, those refused that cannot be carried out. ``within`` are the centres about
    which the reader may decide; None: all. ``suggested_alone``: no other account will do."""
    waiting = {(row.centre, row.academy_id): row for row in holds.waiting_people(tx, within=within)}
    taken = _taken(tx, decisions)
    people: set[tuple[str, str]] = set()
    accounts: set[tuple[str, str]] = set()
    found = []
    for each in decisions:
        person, account = (each.centre, each.learner), (each.centre, each.account)
        row = waiting.get(person)
        suggested = {str(one) for one, _ in row.suggestions} if row is not None else set()
        owner = taken.get(account)
        checks = (
            ("centre", "no-such-centre", within is not None and each.centre not in within),
            ("learner", "not-waiting", row is None),
            ("learner", "twice", person in people),
            (
                "account",
                "not-suggested",
                suggested_alone and bool(each.account) and each.account not in suggested,
            ),
            (
                "account",
                "account-taken",
                owner is not None and row is not None and owner != row.learner_id,
            ),
            ("account", "account-twice", account in accounts),
        )
        wrong = next(((field, code) for field, code, is_wrong in checks if is_wrong), None)
        if each.refusal or wrong is None:
            found.append(each)
        else:
            found.append(each.refused(*wrong))
        if not found[-1].refusal:
            people.add(person)
            if each.account:
                accounts.add(account)
    return found


def _taken(tx: Connection, decisions: Sequence[MatchDecision]) -> dict[tuple[str, str], int]:
    """{(centre, account): the learner whom it is linked to}"""
    by_centre: dict[str, list[str]] = {}
    for each in decisions:
        if each.account and not each.refusal:
            by_centre.setdefault(each.centre, []).append(each.account)
    return {
        (centre, account): owner.record_id
        for centre, accounts in by_centre.items()
        for account, owner in links.by_external_id(
            tx, centre_system(centre), Kind.LEARNER, accounts
        ).items()
    }
