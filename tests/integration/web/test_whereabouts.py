"""Where a learner is in a course, and why not: station by station, on one page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import delete, insert, select, update

from lms_bridge.domain.access import DataScope
from lms_bridge.domain.model import Kind
from lms_bridge.domain.roles import Role
from lms_bridge.store import holds, links
from lms_bridge.store.database import Database
from lms_bridge.store.tables import enrolment, learner, link, offering, quarantine, unmatched
from tests.integration.accounts.browser import account, send, signed_in
from tests.integration.web.filling import HOSTILE, NOW

FAILING = {
    "attempts": 3,
    "error_code": "moodle-refused",
    "error": "The course is closed for enrolments.",
    "failed_since": NOW,
    "next_attempt": NOW + timedelta(days=1),
}


def put(database: Database, kind: Kind, record: int, *, sent: bool, **more: Any) -> None:
    row = {"system": "centre:AFR", "centre": "AFR", "kind": kind, "record_id": record}
    hashes = {"desired": b"1", "acknowledged": b"1" if sent else b""}
    empty = {"tolerated": b"", "source_hash": b""}
    with database.writing() as tx:
        links.insert_links(tx, [{**row, **hashes, **empty, **more}])


def page_of(browser: FlaskClient, who: str, course: str = "AFR-1") -> str:
    answer = send(browser, "/operations/where", {"learner": who, "course": course})
    assert answer.status_code == 303, answer.text
    assert "@" not in answer.headers["Location"]
    page = browser.get(answer.headers["Location"])
    assert page.status_code == 200
    return page.text


def station(page: str, title: str) -> str:
    return page.partition(f'<th scope="row">{title}</th>')[2].partition("</tr>")[0]


def numbers(database: Database, who: str) -> tuple[int, int, int]:
    """(learner, offering, enrolment)"""
    with database.reading() as tx:
        row = tx.execute(
            select(enrolment.c.learner_id, enrolment.c.offering_id, enrolment.c.id)
            .join(learner, learner.c.id == enrolment.c.learner_id)
            .where(learner.c.academy_id == who)
        ).one()
    return row[0], row[1], row[2]


def test_a_learner_is_found_by_address_and_waits_for_an_account(
    either: FlaskClient, database: Database
) -> None:
    page = page_of(either, "Person1@Example.org")
    assert "Where is a learner? <bdi>L1</bdi>" in page
    assert "It is not certain which account is theirs (same-email)." in station(
        page, "Account at the centre"
    )
    assert "person match L1 --centre AFR" in page
    assert "person1@example.org" not in page
    assert HOSTILE not in page


def test_a_failed_enrolment_says_why_and_when_it_is_tried_again(
    either: FlaskClient, database: Database
) -> None:
    who, course, place = numbers(database, "L0")
    put(database, Kind.OFFERING, course, sent=True, external_id="77")
    put(database, Kind.LEARNER, who, sent=True, external_id="4712", created_by_us=True)
    put(database, Kind.ENROLMENT, place, sent=False, **FAILING)
    page = page_of(either, "L0")
    assert "the course 77" in station(page, "Course at the centre")
    assert "It is the account 4712; the bridge made it." in page
    row = station(page, "Place in the centre&#39;s course") or station(
        page, "Place in the centre's course"
    )
    assert "closed for enrolments" in row
    assert f"again at {NOW + timedelta(days=1):%Y-%m-%d %H:%M} UTC. It failed 3 times." in row
    assert "lms-bridge resend --centre AFR" in row
    assert "71 of 100" in station(page, "Result")
    assert "The course is closed for enrolments" in page.partition("<table")[0]  # the verdict
    with database.writing() as tx:
        tx.execute(
            update(link).where(link.c.kind == Kind.ENROLMENT).values(acknowledged=b"1", error="")
        )
    page = page_of(either, "L0")
    assert "confirmed what the bridge sent" in page
    assert "Launch into the course" in page.partition("<table")[0]  # it begins in years


def test_a_held_record_names_its_hold(either: FlaskClient, database: Database) -> None:
    who, _, place = numbers(database, "L0")
    put(database, Kind.LEARNER, who, sent=True, external_id="4712")
    put(database, Kind.ENROLMENT, place, sent=False)
    with database.writing() as tx:
        number, _ = holds.ask(
            tx,
            centre="AFR",
            system="centre:AFR",
            kind=Kind.ENROLMENT,
            reason=holds.CONFLICT,
            record_ids=[place],
            out_of=3,
            run_id=1,
            at=NOW,
        )
    assert f"Hold {number} keeps it" in page_of(either, "L0")


def test_who_is_not_registered_is_told_so(either: FlaskClient, database: Database) -> None:
    page = page_of(either, "L0", "ARB-1")
    assert "knows no registration of this learner in this course" in page
    with database.writing() as tx:
        facts = {"system": "academy", "kind": Kind.ENROLMENT, "centre": "ARB", "external_id": "9"}
        tx.execute(insert(quarantine).values(**facts, source_hash=b"", since=NOW, run_id=1))
    assert "it may be one of them" in page_of(either, "L0", "ARB-1")


def test_without_a_course_or_by_a_courses_code_the_learners_offerings_are_found(
    either: FlaskClient, database: Database
) -> None:
    page = page_of(either, "L0", "")
    assert "/AFR-1" in page
    assert "Launch into the course" in page_of(either, "L0", "CYB")


def test_what_is_not_known_is_said_beside_the_form(either: FlaskClient) -> None:
    for form, words in (
        ({"learner": "nobody@example.org"}, "knows no such learner"),
        ({"learner": ""}, "knows no such learner"),
        ({"learner": "L0", "course": "<script>"}, "no course or offering"),
        ({"learner": "L0\x00", "course": "x" * 5000}, "no course or offering"),
    ):
        answer = send(either, "/operations/where", form)
        assert answer.status_code == 404
        assert words in answer.text
        assert "<script>" not in answer.text
        assert f'<a href="#{"course" if "course" in form else "learner"}">' in answer.text
        assert "nobody@example.org" not in answer.text
    kept = send(either, "/operations/where", {"learner": "nobody", "course": "C"}).text
    assert 'value="nobody" aria-invalid="true"' in kept
    assert 'value="C"' in kept
    assert either.get("/operations/where/999").status_code == 404
    assert either.get("/operations/where/1/none").status_code == 404


def test_a_shared_address_needs_the_academy_id(either: FlaskClient, database: Database) -> None:
    with database.writing() as tx:
        tx.execute(update(learner).values(email_key="shared@example.org"))
    answer = send(either, "/operations/where", {"learner": "shared@example.org"})
    assert answer.status_code == 404
    assert "Use the Academy id" in answer.text


def test_a_coordinator_sees_learners_with_a_place_at_their_centre_alone(
    client: FlaskClient, sqlite_database: Database
) -> None:
    who, _, _ = numbers(sqlite_database, "L0")
    for code, status in (("AFR", 303), ("ARB", 404)):
        person = account(
            sqlite_database, f"{code}@example.org", Role.COORDINATOR, DataScope(centre=code)
        )
        browser = signed_in(client.application, sqlite_database, person)
        form = {"learner": "person0@example.org", "course": ""}
        assert send(browser, "/operations/where", form).status_code == status
        expected = 200 if code == "AFR" else 404
        assert browser.get(f"/operations/where/{who}").status_code == expected
        assert browser.get(f"/operations/where/{who}/AFR-1").status_code == expected
        assert browser.get(f"/operations/where/{who}/EUR-1").status_code == 404


def test_the_page_reads_a_few_rows_however_many_there_are(
    either: FlaskClient, database: Database
) -> None:
    with database.writing() as tx:
        tx.execute(delete(unmatched))
        one = tx.execute(select(offering).where(offering.c.code == "EUR-1")).mappings().one()
        rows = [
            {k: v for k, v in one.items() if k != "id"} | {"code": f"MANY-{number}"}
            for number in range(10_000)
        ]
        tx.execute(insert(offering), rows)
    assert "Launch into the course" in page_of(either, "L0")
