"""The report of a year counts each thing once where it belongs, on both databases."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, text, update

from lms_bridge.audit import COMMAND, Actor
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import (
    Centre,
    Enrolment,
    EnrolmentStatus,
    Learner,
    Modality,
    Offering,
    OfferingStatus,
    Result,
)
from lms_bridge.domain.reviews import ReportFields, StatusChange
from lms_bridge.domain.rules import Rules
from lms_bridge.network import year_queries
from lms_bridge.network.decision import decide
from lms_bridge.network.figures import PAPERS
from lms_bridge.network.regions import move_centre
from lms_bridge.network.year import COLUMNS, Wanted, as_csv, report
from lms_bridge.store import centres, enrolments, learners, memberships, offerings, results, reviews
from lms_bridge.store.database import Database
from lms_bridge.store.tables import offering as table

NOW = datetime(2026, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LAX = Rules()
E, O = EnrolmentStatus, OfferingStatus  # noqa: E741  # short for tables


def course(code: str, day: str, **changes: Any) -> Offering:
    starts = datetime.fromisoformat(day).replace(tzinfo=UTC)
    values = {"modality": Modality.BLENDED, "status": O.CLOSED, "ends_at": starts + 3 * DAY}
    return replace(
        Offering(code, code.partition("-")[0], "C", f"Sample {code}", starts_at=starts),
        **{**values, **changes},
    )


class Network:
    """A database of centres whose courses have people in them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._people = 0
        with database.writing() as tx:
            for code, region in (("ONE", "africa"), ("TWO", "africa"), ("FAR", "europe")):
                centres.add(tx, Centre(code, f"=Sample {code}", region, "files"), b"")

    def add(self, record: Offering, *people: tuple[EnrolmentStatus, str], done: int = 0) -> None:
        """``people`` are (status, country); the first ``done`` have a completed result."""
        with self.database.writing() as tx:
            (id_,) = offerings.add_offerings(tx, [record])
            for place, (status, country) in enumerate(people):
                self._people += 1
                name = f"L{self._people}"
                person = Learner(name, "Given", "Family", f"{name}@example.org", "", country)
                (learner_id,) = learners.add_learners(tx, [person])
                record_ = Enrolment(name, record.code, status)
                (number,) = enrolments.add_enrolments(tx, [(learner_id, id_, record_)])
                if place < done:
                    made = Result(name, record.code, completed=True)
                    results.add_results(tx, [(number, made)])

    def year(self, number: int = 2026, rules: Rules = LAX, **wanted: Any) -> dict[str, Any]:
        with self.database.reading() as tx:
            return report(tx, Wanted(number, **wanted), rules, NOW)


@pytest.fixture
def network(database: Database) -> Network:
    return Network(database)


def row(found: dict[str, Any], key: str) -> dict[str, Any]:
    rows: dict[str, dict[str, Any]] = {each["centre"]: each for each in found["centres"]}
    rows |= {each["region"]: each for each in found["regions"]} | {"all": found["total"]}
    return rows[key]


def test_courses_and_people_are_counted_by_what_became_of_them(network: Network) -> None:
    network.add(
        course("ONE-closed", "2026-03-02"),
        *((E.CERTIFIED, "KE"), (E.COMPLETED, "UG"), (E.NOT_COMPLETED, "KE"), (E.ENROLLED, "")),
        *((E.WITHDRAWN, "FR"), (E.REJECTED, "DE")),
    )
    network.add(
        course("ONE-published", "2026-09-01", status=O.PUBLISHED), (E.ENROLLED, "TZ"), done=1
    )
    network.add(course("ONE-coming", "2026-12-01", status=O.PUBLISHED), (E.ENROLLED, "ZM"))
    network.add(course("ONE-planned", "2026-12-01", status=O.PLANNED))
    network.add(course("ONE-off", "2026-05-01", status=O.CANCELLED), (E.CANCELLED, "EG"))
    network.add(course("ONE-later", "2026-05-01", status=O.POSTPONED))
    network.add(course("ONE-gone", "2026-12-01", status=O.PUBLISHED, listed=False))
    network.add(course("ONE-given", "2026-02-01", modality=Modality.FACE_TO_FACE, listed=False))
    network.add(course("ONE-before", "2025-03-02"), (E.CERTIFIED, "NG"))
    found = network.year()
    assert row(found, "ONE") == {
        **row(found, "ONE"),
        "planned": 7,
        "given": 3,
        "cancelled": 1,
        "postponed": 1,
        "given_blended": 2,
        "given_face_to_face": 1,
        "given_online_self_paced": 0,
        "registered": 9,
        "participants": 5,
        "completed": 3,
        "certificates": 1,
        "countries": 3,
        "completion_percent": 60.0,
    }
    assert row(found, "all")["planned"] == 7
    assert row(found, "TWO")["planned"] == 0
    assert row(found, "TWO")["completion_percent"] is None
    assert network.year(2025)["total"]["certificates"] == 1
    assert network.year(2024)["total"]["planned"] == 0


def test_a_course_of_several_centres_counts_at_each_and_once_in_all(network: Network) -> None:
    given = course("ONE-both", "2026-03-02", organisers=("two", "=Sample FAR", "A ministry"))
    network.add(given, (E.CERTIFIED, "KE"), (E.COMPLETED, "UG"))
    network.add(course("TWO-alone", "2026-03-02"), (E.COMPLETED, "KE"))
    found = network.year()
    shown = {key: row(found, key) for key in ("ONE", "TWO", "FAR", "africa", "europe", "all")}
    assert {key: each["given"] for key, each in shown.items()} == {
        "ONE": 1,
        "TWO": 2,
        "FAR": 1,
        "africa": 2,
        "europe": 1,
        "all": 2,
    }
    assert {key: each["participants"] for key, each in shown.items()} == {
        "ONE": 2,
        "TWO": 3,
        "FAR": 2,
        "africa": 3,
        "europe": 2,
        "all": 3,
    }
    assert {key: each["countries"] for key, each in shown.items()} == dict.fromkeys(shown, 2)


def test_the_year_of_a_course_is_that_of_its_own_time_zone(network: Network) -> None:
    tokyo = {"time_zone": "Asia/Tokyo"}
    network.add(course("ONE-a", "2025-12-31T15:00:00", **tokyo))  # midnight of 1 January there
    network.add(course("ONE-b", "2026-12-31T14:59:59", **tokyo))
    network.add(course("ONE-c", "2026-12-31T15:00:00", **tokyo))
    samoa = {"time_zone": "Pacific/Pago_Pago"}
    network.add(course("TWO-a", "2026-01-01T10:59:59", **samoa))
    network.add(course("TWO-b", "2026-01-01T11:00:00", **samoa))
    network.add(course("FAR-a", "2026-01-01T00:00:00"))
    counted = {each["centre"]: each["planned"] for each in network.year()["centres"]}
    assert counted == {"ONE": 2, "TWO": 1, "FAR": 1}
    counted = {each["centre"]: each["planned"] for each in network.year(2025)["centres"]}
    assert counted == {"ONE": 0, "TWO": 1, "FAR": 0}


def test_what_was_given_before_a_move_stays_with_the_region_of_that_day(network: Network) -> None:
    zone = {"time_zone": "Africa/Nairobi"}
    network.add(course("ONE-before", "2026-06-30T20:59:59", **zone), (E.COMPLETED, "KE"))
    network.add(course("ONE-after", "2026-06-30T21:00:00", **zone))  # midnight of 1 July there
    network.add(course("ONE-late", "2026-09-30", **zone))
    with network.database.writing() as tx:
        one = centres.find(tx, "ONE")
        assert one is not None
        memberships.keep_region(tx, "ONE", "africa", date(2026, 6, 30))
        memberships.keep_region(tx, "ONE", "cis", date(2026, 8, 31))
        centres.change(tx, replace(one, region="europe"))
    found = network.year()
    assert {each["region"]: each["planned"] for each in found["regions"]} == {
        "africa": 1,
        "cis": 1,
        "europe": 1,
    }
    assert row(found, "africa")["participants"] == 1
    assert row(found, "ONE")["planned"] == 3
    only = network.year(region="africa")
    assert only["total"]["planned"] == 1
    assert [each["centre"] for each in only["centres"]] == ["ONE", "TWO"]
    assert network.year(2025)["regions"] == []


def test_a_move_that_is_corrected_or_taken_back_denies_no_past(network: Network) -> None:
    network.add(course("ONE-before", "2026-06-29"))
    network.add(course("ONE-after", "2026-07-02"))
    by = Actor("test", COMMAND, NOW)

    def moved(*regions: str) -> dict[str, int]:
        for region in regions:
            moves = move_centre("ONE", region, date(2026, 7, 1), ("africa", "cis", "europe"), by=by)
            decide(network.database, moves)
        return {each["region"]: each["planned"] for each in network.year()["regions"]}

    assert moved("europe") == {"africa": 1, "europe": 1}
    assert moved("cis") == {"africa": 1, "cis": 1}
    assert moved("africa") == {"africa": 2}


def test_a_reader_sees_the_rows_within_reach(network: Network) -> None:
    both = course("ONE-both", "2026-03-02", organisers=("FAR",))
    network.add(both, (E.COMPLETED, "KE"))
    network.add(course("FAR-own", "2026-03-02"))
    found = network.year(reach=frozenset({"FAR"}))
    assert [each["centre"] for each in found["centres"]] == ["FAR"]
    assert [each["region"] for each in found["regions"]] == ["europe"]
    assert found["total"]["given"] == 2
    assert network.year(reach=frozenset(), centre="FAR")["centres"] == []
    assert network.year(centre="ONE")["total"]["given"] == 1


def test_outlines_and_reports_are_in_time_or_late_or_missing(network: Network) -> None:
    """The first one counts, and a report is due when its time is over, or when it came."""
    rules = Rules(lead_days=30, report_days=10)
    for code, day, submitted, reported in (
        ("ONE-good", "2026-03-02", -30, 10),
        ("ONE-late", "2026-03-02", -29, 11),
        ("ONE-none", "2026-03-02", None, None),
        ("ONE-fresh", "2026-09-25", None, None),
    ):
        record = course(code, day, status=O.DELIVERED)
        network.add(record)
        starts, ends = record.starts_at, record.ends_at
        assert starts is not None
        assert ends is not None
        with network.database.writing() as tx:
            id_ = offerings.offerings_by_code(tx, [code])[code][0]
            if submitted is not None:
                for later in (0, 5):
                    at = starts + (submitted + later) * DAY
                    line = StatusChange(at, "test", "submit", O.PLANNED, O.SUBMITTED)
                    reviews.add_changes(tx, {id_: line})
            if reported is not None:
                reviews.add_report(tx, id_, ReportFields(), {}, "test", ends + reported * DAY)
    total = network.year(rules=rules)["total"]
    assert {name: total[name] for name in PAPERS} == {
        "outlines": 2,
        "outlines_in_time": 1,
        "outlines_late": 1,
        "reports_due": 3,
        "reports_in_time": 1,
        "reports_late": 1,
        "reports_missing": 1,
    }
    without = network.year()["total"]
    assert {name: without[name] for name in PAPERS} == {
        "outlines": 2,
        "outlines_in_time": 2,
        "outlines_late": 0,
        "reports_due": 4,
        "reports_in_time": 2,
        "reports_late": 0,
        "reports_missing": 2,
    }


def test_a_self_paced_course_counts_in_the_year_of_its_publication(network: Network) -> None:
    values = {"modality": Modality.SELF_PACED, "status": O.PUBLISHED, "ends_at": None}
    network.add(course("ONE-open", "2024-05-01", **values), (E.COMPLETED, "KE"))
    network.add(course("ONE-undated", "2024-05-01", **{**values, "starts_at": None}))
    with network.database.writing() as tx:
        tx.execute(update(table).values(published_at=datetime(2026, 2, 1, tzinfo=UTC)))
    found = network.year()["total"]
    assert (found["given_online_self_paced"], found["completed"]) == (2, 1)
    assert found["reports_due"] == 0
    assert network.year(2024)["total"]["planned"] == 0


def test_a_self_paced_course_that_was_never_published_belongs_to_no_year(network: Network) -> None:
    values = {"modality": Modality.SELF_PACED, "starts_at": None, "ends_at": None}
    for status in (O.PLANNED, O.CANCELLED, O.POSTPONED):
        network.add(course(f"ONE-{status}", "2026-05-01", **{**values, "status": status}))
    assert network.year(utc_now().year)["total"]["planned"] == 0


def test_the_table_has_a_row_for_each_and_no_formula(network: Network) -> None:
    network.add(course("ONE-closed", "2026-03-02"), (E.CERTIFIED, "KE"))
    text = as_csv(network.year()).decode("utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [each["row"] for each in rows] == ["centre"] * 3 + ["region", "total"]
    assert {each["name"][:1] for each in rows} <= {"'", ""}
    assert rows[-1]["completion_percent"] == "100.0"


def test_postgresql_knows_how_many_courses_a_year_has(
    postgres_address: str, open_database: Callable[[str], Database]
) -> None:
    """Otherwise it looks up each person of a year one by one."""
    courses = [course(f"ONE-{number}", "2026-03-01") for number in range(300)]
    paced = [replace(each, code=f"{each.code}P", modality=Modality.SELF_PACED) for each in courses]
    with open_database(postgres_address).writing() as tx:
        centres.add(tx, Centre("ONE", "ONE", "africa", "files"), b"")
        offerings.add_offerings(tx, [*courses, *paced])
        tx.execute(text("ANALYZE offering"))
        span = year_queries.span_of(tx, 2026, [], NOW)
        expected: list[int] = []

        def explain(conn: Connection, _: Any, statement: str, values: Any, *__: Any) -> None:
            if not statement.startswith("EXPLAIN"):
                plan = conn.exec_driver_sql(f"EXPLAIN {statement}", values).scalars()
                scan = next(line for line in plan if " on offering " in line)
                expected.append(int(scan.partition("rows=")[2].partition(" ")[0]))

        event.listen(tx, "before_cursor_execute", explain)
        year_queries.people(tx, span)
    assert [rows > 100 for rows in expected] == [True]
