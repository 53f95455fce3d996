"""The report of a year beside the bare sums of the same rows, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, text

from benchmarks.report import Row
from lms_bridge.domain.model import Centre, Learner, Modality, Offering, OfferingStatus
from lms_bridge.domain.rules import Rules
from lms_bridge.network.year import Wanted, as_csv, report
from lms_bridge.reference import reference
from lms_bridge.store import centres, learners, memberships, migrate, offerings
from lms_bridge.store.database import Database
from lms_bridge.store.tables import offering
from tests.fakes.postgres import TemporaryServer

OFFERINGS, EACH, PEOPLE, CENTRES = 100_000, 10, 100_000, 100
YEAR, MOST_TIMES, ROUNDS = 2026, 3.0, 3
_NOW = datetime(2027, 1, 15, tzinfo=UTC)
_COUNTED = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many) "
_COURSES = (
    "SELECT centre, modality, status, count(*) FROM offering "
    "WHERE starts_at >= :begin AND starts_at < :end GROUP BY centre, modality, status"
)
_SUMS = (
    "SELECT o.centre, count(*), "
    "sum(CASE WHEN e.status IN ('enrolled', 'completed', 'certified') THEN 1 ELSE 0 END), "
    "sum(CASE WHEN e.status IN ('completed', 'certified') OR r.completed THEN 1 ELSE 0 END), "
    "sum(CASE WHEN e.status = 'certified' THEN 1 ELSE 0 END), count(DISTINCT l.country) "
    "FROM offering o JOIN enrolment e ON e.offering_id = o.id "
    "JOIN learner l ON l.id = e.learner_id LEFT JOIN result r ON r.enrolment_id = e.id "
    "WHERE o.starts_at >= :begin AND o.starts_at < :end GROUP BY o.centre"
)


def year(folder: Path) -> list[Row]:
    folder.mkdir()
    rows = _measured("SQLite", f"sqlite:///{folder / 'year.db'}")
    with TemporaryServer() as server:
        rows += _measured("PostgreSQL", server.address)
    return rows


def _measured(name: str, address: str) -> list[Row]:
    database = Database(address)
    migrate.upgrade(database)
    with database.writing() as tx:
        _fill(tx)
    with database.writing() as tx:
        tx.execute(text("ANALYZE"))
    bare, whole = [], []
    for _ in range(ROUNDS):  # in turns, so that a busy machine is busy for both
        bare.append(_seconds(database, _bare))
        whole.append(_seconds(database, _whole))
    database.close()
    times = median(whole) / median(bare)
    return [
        Row(
            f"report of a year, {name}: {OFFERINGS:,} offerings, {OFFERINGS * EACH:,} enrolments",
            f"{median(whole):.2f} s, {times:.2f} times the bare sums ({median(bare):.2f} s)",
            f"at most {MOST_TIMES:g} times",
            times <= MOST_TIMES,
            {"bare": bare, "report": whole},
        )
    ]


def _seconds(database: Database, ask: Callable[[Connection], Any]) -> float:
    begun = time.perf_counter()
    with database.reading() as tx:
        ask(tx)
    return time.perf_counter() - begun


def _bare(tx: Connection) -> None:
    days = {"begin": datetime(YEAR, 1, 1, tzinfo=UTC), "end": datetime(YEAR + 1, 1, 1, tzinfo=UTC)}
    if tx.dialect.name == "sqlite":
        days = {key: day.replace(tzinfo=None).isoformat(" ") for key, day in days.items()}  # type: ignore[misc]  # as the column has them
    for statement in (_COURSES, _SUMS):
        tx.execute(text(statement), days).all()


def _whole(tx: Connection) -> None:
    found = report(tx, Wanted(YEAR), Rules(), _NOW)
    if found["total"]["registered"] != OFFERINGS * EACH:
        raise RuntimeError("the report did not count everything")
    as_csv(found)


def _fill(tx: Connection) -> None:
    """Offerings of a hundred centres in four zones over one year; one in twenty has a second giver,
    two centres changed regions. Half of the people have a result."""
    regions = list(reference().regions)
    for number in range(CENTRES):
        made = Centre(f"C{number:02}", f"Sample {number}", regions[number % 6], "files")
        centres.add(tx, made, b"")
    for code in ("C00", "C01"):
        memberships.keep_region(tx, code, "europe", date(YEAR, 6, 30))
    starts = datetime(YEAR, 1, 1, 8, tzinfo=UTC)
    zones = ("Africa/Nairobi", "Asia/Tokyo", "America/Costa_Rica", "UTC")
    samples = [
        Offering(
            *(f"S-{number}", "C00", "C1", "Sample course"),
            modality=list(Modality)[number % 4],
            status=OfferingStatus.CANCELLED if number == 19 else OfferingStatus.CLOSED,
            starts_at=starts.replace(month=1 + number % 12),
            time_zone=zones[number % 4],
            organisers=("C01",) if number == 7 else (),
        )
        for number in range(20)
    ]
    ids = offerings.add_offerings(tx, samples)
    names = [each.name for each in offering.c if each.name not in ("id", "code", "centre")]
    copied = ", ".join(names)
    code = "'X-' || i" if tx.dialect.name == "sqlite" else "'X-' || CAST(i AS text)"
    padded = "substr('0' || (i % 100), -2)"
    if tx.dialect.name != "sqlite":
        padded = "lpad(CAST(i % 100 AS text), 2, '0')"
    many = {"many": OFFERINGS - len(ids)}
    _copy(
        tx,
        f"INSERT INTO offering (code, centre, {copied}) {_COUNTED}"
        f"SELECT {code}, 'C' || {padded}, {copied} FROM n "
        f"JOIN offering ON offering.id = {ids[0]} + i % {len(ids)}",
        many,
    )
    _people(tx)


def _people(tx: Connection) -> None:
    countries = ("KE", "SN", "SD", "MY", "CR", "KZ", "CZ", "FJ", "BR", "DE")
    for number, country in enumerate(countries):
        name = f"L-{number}"
        learners.add_learners(
            tx, [Learner(name, "Given", "Family", f"{name}@example.org", "en", country)]
        )
    text_of = "i" if tx.dialect.name == "sqlite" else "CAST(i AS text)"
    columns = "given_name, family_name, email, email_key, language, country"
    _copy(
        tx,
        f"INSERT INTO learner (academy_id, {columns}) {_COUNTED}"
        f"SELECT 'P-' || {text_of}, {columns} FROM n JOIN learner ON learner.id = 1 + i % 10",
        {"many": PEOPLE - len(countries)},
    )
    words = "CASE i % 4 WHEN 0 THEN 'certified' WHEN 1 THEN 'completed' WHEN 2 THEN 'enrolled' "
    now = "CURRENT_TIMESTAMP"
    _copy(
        tx,
        "INSERT INTO enrolment (learner_id, offering_id, status, changed_at, revision, import_id) "
        f"{_COUNTED}SELECT 1 + (i * 79) % {PEOPLE}, 1 + (i - 1) / {EACH}, "
        f"{words} ELSE 'withdrawn' END, {now}, 1, 0 FROM n",
        {"many": OFFERINGS * EACH},
    )
    _copy(
        tx,
        "INSERT INTO result (enrolment_id, score, scale_min, scale_max, completed, changed_at, "
        f"revision) SELECT id, '80', '0', '100', id % 4 = 0, {now}, 1 FROM enrolment "
        "WHERE id % 2 = 0",
        {},
    )


def _copy(tx: Connection, statement: str, values: dict[str, int]) -> None:
    tx.execute(text(statement), values)
