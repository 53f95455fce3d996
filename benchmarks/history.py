"""A year of operations, put in by bulk SQL: runs, items, and what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from benchmarks.desks import fill_desks
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Centre, Enrolment, EnrolmentStatus, Learner, Offering
from lms_bridge.reference import reference
from lms_bridge.store import centres, enrolments, learners, offerings
from lms_bridge.store.database import Database

CENTRES, OFFERINGS, PEOPLE = 30, 3_000, 20_000
ENROLMENTS, LARGE = 100_000, 50_000
BIG, FULL = 3, "O-33"
"""A centre with as many offerings as all others together, and a course of its with 5,000 people."""
SILENT, CALM = 28, 29
"""A centre that stopped running long ago, and one where nothing ever failed."""
_YEAR = 365 * 86_400
_COUNTED = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many) "


@dataclass(frozen=True, slots=True)
class Words:
    """What the two databases write differently."""

    at: str
    centre: str
    number: str

    @classmethod
    def of(cls, tx: Connection) -> Words:
        if tx.dialect.name == "sqlite":
            at = "datetime(:begin + CAST({} AS integer), 'unixepoch') || '.000000'"
            return cls(at, "'C' || substr('0' || ({}), -2)", "{}")
        return cls("to_timestamp(:begin + {})", "'C' || lpad(({})::text, 2, '0')", "({})::text")


def fill(database: Database, runs: int) -> int:
    """Fills an empty database with so many runs of the last year. Gives the number of the run
    that has ``LARGE`` items, a hundredth of which failed."""
    with database.writing() as tx:
        _records(tx)
    with database.writing() as tx:
        words, begin = Words.of(tx), int(utc_now().timestamp()) - _YEAR
        _runs(tx, words, begin, runs)
        _items(tx, words, begin, runs)
        _waiting(tx, words, begin)
    with database.writing() as tx:
        _decisions(tx)
        fill_desks(tx, CENTRES)
    with database.writing() as tx:
        tx.execute(text("ANALYZE"))
    return runs


def _records(tx: Connection) -> None:
    regions = list(reference().regions)
    for number in range(CENTRES):
        made = Centre(f"C{number:02}", f"Sample {number}", regions[number % 6], "files")
        centres.add(tx, made, b"")
    taught = [
        Offering(f"O-{n}", f"C{n % CENTRES if n < OFFERINGS else BIG:02}", "", f"Sample course {n}")
        for n in range(2 * OFFERINGS)
    ]
    ids = offerings.add_offerings(tx, taught)
    known = [
        Learner(f"P-{n}", "Sample", f"Learner {n}", f"sample{n}@example.org") for n in range(PEOPLE)
    ]
    people = learners.add_learners(tx, known)
    places = [(n % PEOPLE, (n * 7 + n // PEOPLE) % OFFERINGS) for n in range(ENROLMENTS)]
    places += [(n, int(FULL[2:])) for n in range(5_000)]
    enrolments.add_enrolments(
        tx,
        [
            (
                people[person],
                ids[course],
                Enrolment(known[person].academy_id, taught[course].code, EnrolmentStatus.ENROLLED),
            )
            for person, course in sorted(set(places))
        ],
    )


def _runs(tx: Connection, words: Words, begin: int, runs: int) -> None:
    """Of every thousand runs some failed, some wait, and one is a decision on a token."""
    at = words.at.format(f"i * {_YEAR / runs:.6f}")
    number = f"CASE WHEN i % {CENTRES} = {SILENT} AND i > 3000 THEN 0 ELSE i % {CENTRES} END"
    bad = f"i % {CENTRES} <> {CALM} AND i / {CENTRES}"
    status = (
        f"CASE WHEN {bad} % 199 = 0 THEN 'failed' WHEN {bad} % 97 = 0 THEN 'partial' "
        f"WHEN {bad} % 499 = 0 THEN 'held' WHEN {bad} % 53 = 0 THEN 'waiting' ELSE 'done' END"
    )
    flows = (
        "CASE i % 4 WHEN 0 THEN 'enrolments' WHEN 1 THEN 'results' WHEN 2 THEN 'offerings' "
        "ELSE 'offerings,enrolments,results' END"
    )
    token = "i % 1000 = 7"
    _copy(
        tx,
        "INSERT INTO run (centre, flows, trigger, status, started_at, finished_at, counts, waits) "
        f"{_COUNTED}SELECT CASE WHEN {token} THEN '' ELSE {words.centre.format(number)} END, "
        f"CASE WHEN {token} THEN 'tokens' ELSE {flows} END, 'clock', {status}, {at}, {at}, "
        """'{"enrolment.create.acknowledged":3,"pages.read":12}', '[]' FROM n""",
        {"many": runs, "begin": begin},
    )


def _items(tx: Connection, words: Words, begin: int, runs: int) -> None:
    """Three items for one run in ten, and many for the last."""
    columns = "run_id, system, kind, record_id, external_id, action, state, code, message, at"
    at = words.at.format("0")
    what = f"'academy', 'enrolment', 1 + i % {ENROLMENTS // 2}, {words.number.format('i')}"
    _copy(
        tx,
        f"INSERT INTO item ({columns}) {_COUNTED}SELECT 10 * (i / 3), {what}, 'create', "
        f"'acknowledged', '', '', {at} FROM n",
        {"many": max(3, runs // 10 * 3), "begin": begin},
    )
    failed = "i % 100 = 0"
    _copy(
        tx,
        f"INSERT INTO item ({columns}) {_COUNTED}SELECT {runs}, {what}, 'create', "
        f"CASE WHEN {failed} THEN 'failed' ELSE 'acknowledged' END, "
        f"CASE WHEN {failed} THEN 'no-such-course' ELSE '' END, "
        f"CASE WHEN {failed} THEN 'There is no such course.' ELSE '' END, {at} FROM n",
        {"many": LARGE, "begin": begin},
    )


def _decisions(tx: Connection) -> None:
    """What people decided on tokens, and what targets changed by themselves."""
    columns = "run_id, system, kind, record_id, external_id, action, state, code, message, at"
    tx.execute(text("UPDATE run SET requested_by = 'account 1' WHERE flows = 'tokens'"))
    tx.execute(
        text(
            f"INSERT INTO item ({columns}) SELECT id, 'academy', 'token', NULL, 'lmsb', 'make', "
            "'done', '', '', started_at FROM run WHERE flows = 'tokens'"
        )
    )
    tx.execute(
        text(
            f"INSERT INTO item ({columns}, centre) SELECT id, 'academy', 'enrolment', "
            "1 + id % 9000, 'x', 'conflict', 'kept', '', '', started_at, centre FROM run "
            "WHERE id % 171 = 0 AND centre <> ''"
        )
    )


def _waiting(tx: Connection, words: Words, begin: int) -> None:
    at, of = words.at.format("i"), words.centre.format(f"i % {CENTRES}")
    times = {"begin": begin}
    _copy(
        tx,
        "INSERT INTO flow_state (centre, flow, status) "
        f"{_COUNTED}SELECT {words.centre.format('i - 1')}, 'enrolments', 'done' FROM n",
        {"many": CENTRES},
    )
    sqlite = tx.dialect.name == "sqlite"
    yes, no = ("1", "0") if sqlite else ("true", "false")
    empty = f"CAST('' AS {'blob' if sqlite else 'bytea'})"
    _copy(
        tx,
        "INSERT INTO unmatched (centre, learner_id, suggestions, reason, since, to_create, agrees) "
        f"""{_COUNTED}SELECT {of}, i, '[["12","same name"]]', 'several', {at}, {no}, {no} FROM n""",
        times | {"many": 300},
    )
    _copy(
        tx,
        "INSERT INTO quarantine (system, kind, centre, external_id, source_hash, code, reason, "
        f"since, run_id, shown) {_COUNTED}SELECT 'academy', 'enrolment', {of}, "
        f"{words.number.format('i')}, {empty}, 'unreadable', 'It has no learner.', {at}, i, '{{}}' "
        "FROM n",
        times | {"many": 2_000},
    )
    _copy(
        tx,
        "INSERT INTO hold (centre, system, kind, reason, status, record_ids, out_of, run_id, "
        f"created_at) {_COUNTED}SELECT {of}, 'academy', 'enrolment', 'removals', "
        f"CASE WHEN i > 2950 THEN 'pending' ELSE 'approved' END, '[{_many_ids()}]', 1000, i, {at} "
        "FROM n",
        times | {"many": 3_000},
    )
    _copy(
        tx,
        "INSERT INTO link (system, kind, centre, record_id, source_hash, desired, acknowledged, "
        "tolerated, created_by_us, sending, attempts, error, error_code, failed_since) "
        f"{_COUNTED}SELECT 'centre:' || {of}, 'enrolment', {of}, i, {empty}, {empty}, {empty}, "
        f"{empty}, {yes}, CASE WHEN i % 200 = 0 THEN {yes} ELSE {no} END, "
        "CASE WHEN i % 200 = 0 THEN 1 ELSE 0 END, "
        "CASE WHEN i % 200 = 0 THEN 'There is no such course.' ELSE '' END, '', "
        f"CASE WHEN i % 200 = 0 THEN {at} ELSE NULL END FROM n",
        times | {"many": ENROLMENTS // 2},
    )


def _many_ids() -> str:
    return ",".join(str(number) for number in range(1, 101))


def _copy(tx: Connection, statement: str, values: dict[str, int]) -> None:
    tx.execute(text(statement.replace('":', '"\\:')), values)
